"""A registered version in a folder: its model, checked against the registry, and where it comes from."""

from __future__ import annotations

import dataclasses
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlops.deployment.packaging import package
from mlops.deployment.packaging.package import FLAVOUR
from mlops.quality.assets import file_digest
from mlops.quality.errors import UserError
from mlops.quality.strict import parse

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

    from mlops.training.registry import Registry

LINEAGE = "lineage.json"
PACKAGE_TAG = "mlops.package"
# In which form a version is packaged, onnx or mlflow: tag of the version and of its run.
FORMAT_TAG = "mlops.package_format"


@dataclass(frozen=True)
class Lineage:
    """Where a model comes from, as its run and version tell. Digests are SHA-256, in hexadecimal."""

    name: str
    run_id: str
    algorithm: str
    parameters: Mapping[str, str]
    metric: str
    goal: str
    seed: int
    commit: str
    dirty: bool
    author: str
    cause: str
    data: str
    data_digest: str
    training_digest: str
    contract_digest: str
    model_digest: str
    lock_digest: str
    python: str


def lineage(name: str, version: ModelVersion, run: Run) -> Lineage:
    """The lineage of a version; raises UserError where `nox -s train` did not register it."""
    tags, parameters = version.tags, dict(run.data.params)
    where = f"{name} version {version.version}"
    wanted = ("data", "data_digest", "training_digest", "contract_digest", "model_digest")
    if missing := [key for key in wanted if not tags.get(f"mlops.{key}")]:
        raise UserError(f"{where} does not tell its {', '.join(missing)}; train it again")
    known = {key: parameters.pop(key, "") for key in ("algorithm", "metric", "goal", "seed")}
    for key in ("folds", "trials"):
        parameters.pop(key, None)
    return Lineage(
        name=name,
        run_id=version.run_id or "",
        algorithm=known["algorithm"],
        parameters=parameters,
        metric=known["metric"],
        goal=known["goal"],
        seed=int(known["seed"]),
        commit=tags.get("mlops.commit", "unknown"),
        dirty=tags.get("mlops.dirty") != "false",
        author=tags.get("mlops.author", "unknown"),
        cause=tags.get("mlops.cause", "unknown"),
        lock_digest=tags.get("mlops.lock_digest", ""),
        python=tags.get("mlops.python", ""),
        **{key: tags[f"mlops.{key}"] for key in wanted},
    )


def write_lineage(facts: Lineage, folder: Path) -> None:
    """Write a lineage into a folder."""
    text = json.dumps(dataclasses.asdict(facts), indent=1, sort_keys=True)
    (folder / LINEAGE).write_text(text)


def read_lineage(folder: Path) -> Lineage:
    """Read what `write_lineage` wrote."""
    return parse(Lineage, json.loads((folder / LINEAGE).read_text()), str(folder / LINEAGE))


def fetch_candidate(found: Registry, version: ModelVersion, store: Path) -> Path:
    """A folder with the version's model in MLflow's flavour and its lineage.

    Raises UserError where the registry's bytes are not those that were registered.
    """
    run = found.client.get_run(version.run_id or "")
    facts = lineage(found.model, version, run)
    folder = store / facts.run_id
    if not folder.is_dir():
        with _building(folder) as building:
            found.client.download_artifacts(facts.run_id, "model", str(building))
            write_lineage(facts, building)
    _check(folder, facts, f"{found.model} version {version.version}")
    return folder


def fetch_package(found: Registry, version: ModelVersion, store: Path) -> Path | None:
    """The folder with a version's package; None where it has none.

    Raises UserError where the registry's package is not the one that was sealed.
    """
    digest = version.tags.get(PACKAGE_TAG)
    if not digest:
        return None
    folder = store / digest
    if not _is_whole(folder, digest):
        with _building(folder) as building:
            place = f"packages/{digest}"
            got = Path(
                found.client.download_artifacts(version.run_id or "", place, str(building / "got"))
            )
            for file in got.iterdir():
                file.rename(building / file.name)
            shutil.rmtree(building / "got")
            if wrong := package.changes(building, digest):
                name = f"{found.model} version {version.version}: package {digest[:12]}"
                raise UserError(f"{name} is not as it was sealed: {'; '.join(wrong[:5])}")
    return folder


def _is_whole(folder: Path, digest: str) -> bool:
    try:
        return not package.changes(folder, digest)
    except UserError:
        return False


@contextmanager
def _building(folder: Path) -> Iterator[Path]:
    """A temporary folder that takes the place of `folder` when the block ends well."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".part-") as temporary:
        building = Path(temporary) / "whole"
        building.mkdir()
        yield building
        if folder.is_dir():
            shutil.rmtree(folder)
        building.rename(folder)


def _check(folder: Path, facts: Lineage, where: str) -> None:
    model = folder / FLAVOUR / "model.skops"
    if not model.is_file() or file_digest(model) != facts.model_digest:
        shutil.rmtree(folder)
        raise UserError(f"{where}: the registry's model is not the one that was registered")
