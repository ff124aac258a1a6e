"""The package: one folder with a digest that holds all that serving and auditing a model needs.

`manifest.json` names every file with its SHA-256, and the digest of the package is that of the
manifest. What is promoted, approved and served is named by this digest.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlops.quality.errors import UserError
from mlops.quality.strict import parse
from mlops.training.pipeline.content import file_digest

MANIFEST = "manifest.json"
# The two forms of a model: compiled, or as MLflow keeps it.
ONNX = "model.onnx"
FLAVOUR = "model"
VERSION = 1


@dataclass(frozen=True)
class Manifest:
    """What a package holds: the model's name and format, and each file's SHA-256 by its path."""

    version: int
    name: str
    format: str
    files: Mapping[str, str]


def seal(folder: Path, name: str) -> str:
    """Write the manifest of what lies in `folder`; returns the digest of the package."""
    form = "onnx" if (folder / ONNX).is_file() else "mlflow"
    manifest = {"version": VERSION, "name": name, "format": form, "files": _digests(folder)}
    content = json.dumps(manifest, indent=1, sort_keys=True).encode()
    (folder / MANIFEST).write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def read_manifest(folder: Path) -> tuple[Manifest, str]:
    """The manifest of a package and the package's digest; raises UserError where it is no package."""
    try:
        content = (folder / MANIFEST).read_bytes()
        values = json.loads(content)
    except (OSError, ValueError) as error:
        raise UserError(f"{folder}: not a package: {MANIFEST}: {error}") from None
    if not isinstance(values, dict):
        raise UserError(f"{folder}: not a package: {MANIFEST} holds no mapping")
    manifest = parse(Manifest, values, str(folder / MANIFEST))
    if manifest.version != VERSION:
        raise UserError(f"{folder}: a package of format {manifest.version}; expected {VERSION}")
    return manifest, hashlib.sha256(content).hexdigest()


def changes(folder: Path, digest: str | None = None) -> tuple[str, ...]:
    """What is not as it was sealed, a line each; nothing where the package is whole.

    With `digest` also whether it is that package at all.
    """
    manifest, found = read_manifest(folder)
    lines = []
    if digest is not None and digest != found:
        lines.append(f"the digest is {found}, expected {digest}")
    there = _digests(folder)
    for path in sorted({*manifest.files, *there}):
        if path not in there:
            lines.append(f"{path} is missing")
        elif path not in manifest.files:
            lines.append(f"{path} was added")
        elif there[path] != manifest.files[path]:
            lines.append(f"{path} was changed")
    return tuple(lines)


def opened(folder: Path, digest: str) -> Path:
    """The folder, if it holds exactly the package of that digest; raises UserError otherwise."""
    if wrong := changes(folder, digest):
        raise UserError(f"{folder}: not package {digest[:12]}: {'; '.join(wrong[:5])}")
    return folder


def copy_model(source: Path, target: Path) -> None:
    """Copy the model itself, compiled or in its flavour, from one folder to another."""
    if (source / ONNX).is_file():
        shutil.copyfile(source / ONNX, target / ONNX)
    else:
        shutil.copytree(source / FLAVOUR, target / FLAVOUR)


def _digests(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {
        path.relative_to(folder).as_posix(): file_digest(path)
        for path in files
        if path != folder / MANIFEST and "__pycache__" not in path.parts
    }
