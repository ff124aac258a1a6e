"""Data assets made of recent rows: written where assets are kept, and declared in `data/`."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path

import fsspec
import pandas as pd

from mlops.operations.experiments.review_training import origins_of_asset
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
    data: Path,
    name: str,
    table: pd.DataFrame,
    *,
    place: str,
    description: str,
    source: str,
    origins: pd.DataFrame | None = None,
) -> Declared:
    """Write a table as the next version of an asset, and its definition.

    `data` is the folder of definitions. `place` is a folder as a URL that fsspec opens, or empty for a
    folder below `data`. `origins`, a row for each of the table's, is written beside it. Raises UserError
    where something cannot be written.
    """
    content = io.BytesIO()
    table.to_parquet(content, index=False)
    version = next_version(data, name)
    folder = place.rstrip("/") or FOLDER
    if not place:
        (data / FOLDER).mkdir(parents=True, exist_ok=True)
    target = folder if place else str(data / folder)
    tags = Tags(_put(f"{target}/{name}-{version}.parquet", content.getvalue()), source)
    if origins is not None:
        beside = f"{name}-{version}.provenance.csv"
        text = origins.to_csv(index=False, lineterminator="\n")
        digest = _put(f"{target}/{beside}", text.encode())
        tags = dataclasses.replace(tags, provenance=beside, provenance_sha256=digest)
    path = f"{folder}/{name}-{version}.parquet"
    return _declare(data, Asset(name, version, path, tags, Path(), description))


def origins_of(asset: Asset, number: int) -> pd.DataFrame:
    """The origin of each of an asset's `number` rows, as it was written beside them, or the asset itself.

    Raises UserError where the file is not the one that the definition stands for.
    """
    beside = asset.tags.provenance
    if not beside:
        return origins_of_asset(f"{asset.name}:{asset.version}", number)
    folder = asset.path.rpartition("/")[0]
    place = f"{folder}/{beside}" if asset.remote else str(asset.definition.parent / folder / beside)
    try:
        with fsspec.open(place, "rb") as opened:
            content = opened.read()
    except Exception as error:  # noqa: BLE001 - every file system has exceptions of its own
        raise UserError(f"{asset.definition}: provenance: {place}: {_reason(error)}") from None
    table = pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False)
    same = hashlib.sha256(content).hexdigest() == asset.tags.provenance_sha256
    if not same or len(table) != number:
        raise UserError(
            f"{asset.definition}: provenance: {place} is another file than was declared"
        )
    return table


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


def _put(target: str, content: bytes) -> str:
    """Write a file that fsspec opens; returns the SHA-256 of its bytes."""
    try:
        with fsspec.open(target, "wb") as opened:
            opened.write(content)
    except Exception as error:  # noqa: BLE001 - every file system has exceptions of its own
        raise UserError(f"{target}: cannot be written: {_reason(error)}") from None
    return hashlib.sha256(content).hexdigest()


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


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
