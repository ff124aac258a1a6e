"""Data assets: a name, a version, a place and a digest; other bytes need another version."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import fsspec
import pandas as pd
import yaml

from mlops.quality.errors import UserError
from mlops.quality.strict import parse, read_yaml
from mlops.quality.tables import read_table


@dataclass(frozen=True)
class Tags:
    """Where an asset's bytes come from, and which they are.

    `judged_by` names another asset, as `name:version`, with later rows than these: models that learnt from
    these are compared on those. `provenance` names a CSV file beside the table's, with the origin of each
    row, in their order, and `provenance_sha256` is its digest.
    """

    sha256: str
    source: str
    licence: str = ""
    made_by: str = ""
    judged_by: str = ""
    provenance: str = ""
    provenance_sha256: str = ""


@dataclass(frozen=True)
class Asset:
    """A data asset as declared; `definition` is the file that declares it."""

    name: str
    version: str
    path: str
    tags: Tags
    definition: Path
    description: str = ""

    @property
    def remote(self) -> bool:
        """Whether the path is a URL that fsspec opens."""
        return "://" in self.path

    @property
    def place(self) -> str:
        """The path for messages: what follows a URL's `?` may grant access."""
        return self.path.split("?")[0] if self.remote else self.path

    @property
    def file_name(self) -> str:
        """The last part of the path; of a chain of URLs (`a::b`) the first that names a file."""
        parts = [PurePosixPath(urlsplit(part).path).name for part in self.path.split("::")]
        return next((part for part in parts if "." in part), parts[-1])


@dataclass(frozen=True)
class _Declared:
    name: str
    version: str
    path: str
    tags: Mapping[str, str]
    type: str = "uri_file"
    description: str = ""


def load_definition(path: Path) -> Asset:
    """Read an asset's definition (Azure ML data grammar); raises UserError where it is wrong."""
    values = read_yaml(path)
    values.pop("$schema", None)
    declared = parse(_Declared, values, str(path))
    if declared.type != "uri_file":
        raise UserError(f"{path}: type: expected uri_file, found {declared.type}")
    for key, value in (("name", declared.name), ("version", declared.version)):
        if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", value):
            raise UserError(f"{path}: {key}: expected letters, digits, _ . and -, found {value!r}")
    tags = parse(Tags, declared.tags, f"{path}: tags")
    if len(tags.sha256) != 64 or set(tags.sha256) - set("0123456789abcdef"):
        raise UserError(f"{path}: tags: sha256: expected 64 hexadecimal digits, in lower case")
    return Asset(declared.name, declared.version, declared.path, tags, path, declared.description)


def find_asset(folder: Path, name: str, version: str) -> Asset:
    """The asset of that name and version among the definitions in `folder`.

    Raises UserError where there is none, or more than one.
    """
    found = [load_definition(path) for path in sorted(folder.glob("*.yml"))]
    fitting = [asset for asset in found if (asset.name, asset.version) == (name, version)]
    if len(fitting) > 1:
        files = ", ".join(asset.definition.name for asset in fitting)
        raise UserError(f"{folder}: {name}:{version} is defined more than once: {files}")
    if fitting:
        return fitting[0]
    there = ", ".join(f"{asset.name}:{asset.version}" for asset in found) or "none"
    raise UserError(f"{folder}: there is no data asset {name}:{version}; there are: {there}")


def fetch(asset: Asset, cache: Path) -> Path:
    """A local file with the asset's bytes, its digest verified.

    A URL is copied to `cache` once. Raises UserError where the file is missing, unreachable, or
    not the one that the definition's version stands for.
    """
    _refuse_reused_version(asset)
    if asset.remote:
        local = cache / asset.name / asset.version / asset.file_name
        if not (local.is_file() and file_digest(local) == asset.tags.sha256):
            _download(asset, local)
    else:
        local = asset.definition.parent / asset.path
        if not local.exists() and asset.tags.made_by:
            _make(asset, local)
    if not local.is_file():
        raise UserError(f"{asset.definition}: path: there is no file {local}")
    digest = file_digest(local)
    if digest != asset.tags.sha256:
        raise UserError(
            f"{asset.place if asset.remote else local}: changed, but {asset.definition.name} still says {asset.name} version "
            f'"{asset.version}"; undo the change, or give it a new version and sha256: {digest}'
        )
    return local


def load_asset(definition: Path, cache: Path | None = None) -> pd.DataFrame:
    """The table of an asset, columns as the file has them; for notebooks and tests."""
    asset = load_definition(definition)
    return read_table(fetch(asset, cache or definition.parent.parent / ".mlops" / "data"))


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _make(asset: Asset, local: Path) -> None:
    program = asset.definition.parent / asset.tags.made_by
    with _writing(local) as made:
        done = subprocess.run(
            [sys.executable, str(program), str(made)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        if done.returncode != 0 or not made.is_file():
            last = (done.stderr.strip().splitlines() or ["it wrote no file"])[-1]
            raise UserError(f"{asset.definition}: made_by: {program.name} failed: {last}")


def _download(asset: Asset, local: Path) -> None:
    with _writing(local) as made:
        try:
            with made.open("wb") as target, fsspec.open(asset.path, "rb") as source:
                shutil.copyfileobj(source, target, 1 << 20)
        except ImportError as error:
            raise UserError(
                f"{asset.place}: {error}; name the package in requirements/model.in, "
                "then nox -s lock"
            ) from None
        except Exception as error:  # noqa: BLE001 - every file system has exceptions of its own
            reason = str(error).replace(asset.path, asset.place).strip().splitlines()
            raise UserError(
                f"{asset.place}: cannot be fetched: {reason[0] if reason else type(error).__name__}"
            ) from None


@contextmanager
def _writing(local: Path) -> Iterator[Path]:
    """A place to write a file to; it becomes `local` in one step, or is gone after an error."""
    try:
        local.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=local.parent, prefix=".making-") as folder:
            yield Path(folder) / local.name
            (Path(folder) / local.name).replace(local)
    except OSError as error:
        raise UserError(f"{local}: cannot be written: {error.strerror or error}") from None


def _refuse_reused_version(asset: Asset) -> None:
    """Refuse a version that stood for other bytes in an earlier commit."""
    for commit, text in _committed(asset.definition):
        try:
            values = yaml.safe_load(text)
            before = (values["name"], values["version"], values["tags"]["sha256"])
        except (yaml.YAMLError, LookupError, TypeError, ValueError):
            continue
        same = before[:2] == (asset.name, asset.version)
        if same and before[2] != asset.tags.sha256:
            raise UserError(
                f'{asset.definition}: version "{asset.version}" of {asset.name} stood for other '
                f"bytes in commit {commit[:10]}; changed data takes a new version"
            )


def _committed(path: Path) -> list[tuple[str, str]]:
    """Each commit that changed a file, with the file's text there; empty outside a Git checkout."""
    log = _git(path, "log", "--format=%H", "--", path.name)
    texts = [(commit, _git(path, "show", f"{commit}:./{path.name}")) for commit in log.split()]
    return [(commit, text) for commit, text in texts if text]


def _git(path: Path, *words: str) -> str:
    """What Git answers in the folder of a file; empty where it fails or is not installed."""
    command = ["git", "-C", str(path.parent.resolve()), *words]
    try:
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", check=False
        )
    except FileNotFoundError:
        return ""
    return done.stdout if done.returncode == 0 else ""
