"""Data assets made of recent rows: written where assets are kept, and declared in `data/`."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path

import fsspec
import pandas as pd

from mlops.quality.assets import Asset, Tags, load_definition
from mlops.quality.errors import UserError
from mlops.quality.tables import replace_text

# Below `data/`; Git ignores it, for rows do not belong in a repository.
FOLDER = "retraining"
_SCHEMA = "https://azuremlschemas.azureedge.net/latest/data.schema.json"


@dataclass(frozen=True)
class Declared:
    """A new asset: its declaration, and what it is called in a pipeline."""

    asset: Asset

    @property
    def name(self) -> str:
        """As other definitions and messages name it."""
        return f"{self.asset.name}:{self.asset.version}"

    @property
    def path(self) -> str:
        """As a pipeline's input names it."""
        return f"azureml:{self.name}"


def declare_table(
    data: Path, name: str, table: pd.DataFrame, *, place: str, description: str, source: str
) -> Declared:
    """Write a table as the next version of an asset, and its definition.

    `data` is the folder of definitions. `place` is a folder as a URL that fsspec opens, or empty for a
    folder below `data`. Raises UserError where it cannot be written.
    """
    content = io.BytesIO()
    table.to_parquet(content, index=False)
    version = next_version(data, name)
    file = f"{name}-{version}.parquet"
    path = f"{place.rstrip('/')}/{file}" if place else f"{FOLDER}/{file}"
    target = path if place else str(data / path)
    try:
        if not place:
            (data / FOLDER).mkdir(parents=True, exist_ok=True)
        with fsspec.open(target, "wb") as opened:
            opened.write(content.getvalue())
    except Exception as error:  # noqa: BLE001 - every file system has exceptions of its own
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{target}: cannot be written: {reason}") from None
    tags = Tags(hashlib.sha256(content.getvalue()).hexdigest(), source)
    return _declare(data, Asset(name, version, path, tags, Path(), description))


def declare_again(data: Path, asset: Asset, *, description: str) -> Declared:
    """Another version of an asset with the same bytes, so that it can be judged by other rows."""
    version = next_version(data, asset.name)
    return _declare(data, Asset(asset.name, version, asset.path, asset.tags, Path(), description))


def judged_by(declared: Declared, judge: Declared) -> Declared:
    """The same declaration, with the asset that judges models which learnt from it."""
    asset = declared.asset
    tags = Tags(**{**vars(asset.tags), "judged_by": judge.name})
    again = Asset(asset.name, asset.version, asset.path, tags, Path(), asset.description)
    return _write(asset.definition, again)


def next_version(data: Path, name: str) -> str:
    """The number after the highest that an asset of that name has."""
    known = [load_definition(path) for path in sorted(data.glob("*.yml"))]
    numbers = [int(each.version) for each in known if each.name == name and each.version.isdigit()]
    return str(max(numbers, default=0) + 1)


def _declare(data: Path, asset: Asset) -> Declared:
    path = data / f"{asset.name}-{asset.version}.yml"
    if path.exists():
        raise UserError(f"{path}: is there already, and declares another asset")
    return _write(path, asset)


def _write(path: Path, asset: Asset) -> Declared:
    """JSON's way of writing texts is YAML's too, and needs no thought of what they hold."""
    tags = {key: value for key, value in vars(asset.tags).items() if value}
    lines = [
        "# Written by `nox -s retrain`.",
        f"$schema: {_SCHEMA}",
        f"name: {asset.name}",
        f'version: "{asset.version}"',
        "type: uri_file",
        f"path: {_text(asset.path)}",
        f"description: {_text(asset.description)}",
        "tags:",
        *(f"  {key}: {_text(value)}" for key, value in tags.items()),
    ]
    replace_text(path, "\n".join(lines) + "\n")
    return Declared(load_definition(path))


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
