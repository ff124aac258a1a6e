"""The reference: the training rows of exactly the package that served, and its answers to them.

The package tells which data, which seed, and what the rows looked like. Rows are taken only where
they show to be those: by the digest of their file, or by their statistics, which the package holds.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops.deployment.measuring.scored import Scored
from mlops.deployment.packaging.candidate import Lineage, read_lineage
from mlops.deployment.packaging.package import opened
from mlops.deployment.packaging.predictor import load_predict
from mlops.deployment.packaging.reference import reference
from mlops.operations.monitoring.labelled import Problem
from mlops.quality.assets import fetch, file_digest, find_asset
from mlops.quality.checks import load_checked
from mlops.quality.contract import Contract, load_contract
from mlops.quality.errors import UserError
from mlops.quality.project import Project

Split = Callable[[pd.DataFrame, int], tuple[pd.DataFrame, pd.DataFrame]]
_PARTS = ("training", "evaluation")


@dataclass(frozen=True)
class Part:
    """Rows with all columns of the contract, and the package's answers, shape (n,) or (n, labels)."""

    table: pd.DataFrame
    answers: NDArray[np.float64]


@dataclass(frozen=True)
class Reference:
    """What a package was made from.

    `training` and `evaluation` are None where the rows cannot be had, and `why` says why; `statistics`
    are then what there is: the package's own `reference.json`.
    """

    digest: str
    contract: Contract
    lineage: Lineage
    statistics: dict[str, object]
    training: Part | None = None
    evaluation: Part | None = None
    why: str = ""


def reference_of(project: Project, packages: Path, digest: str, split: Split) -> Reference:
    """The reference of a package on this machine, its rows cached by its digest.

    `split` is that of `model/data.py`. Raises UserError where the package is not here or not whole:
    then nothing is known of what it was made from.
    """
    package = opened(packages / digest, digest)
    contract = load_contract(package / "contract.yml")
    facts = read_lineage(package)
    statistics = json.loads((package / "reference.json").read_text(encoding="utf-8"))
    place = cache_folder(project, digest)
    bare = Reference(digest, contract, facts, statistics)
    if not _is_cached(place):
        try:
            _make(project, package, bare, split, place)
        except UserError as error:
            return dataclasses.replace(bare, why=str(error))
    training, evaluation = (_read(place, name) for name in _PARTS)
    return dataclasses.replace(bare, training=training, evaluation=evaluation)


def cache_folder(project: Project, digest: str) -> Path:
    """Where the rows of a package are kept."""
    return project.state / "monitoring" / "references" / digest


def labels_of(found: Reference, problem: Problem) -> tuple[object, ...]:
    """The labels that were learnt, sorted; none where values are predicted or the rows are not here."""
    if found.contract.task == "regression" or found.training is None:
        return ()
    return tuple(np.unique(problem.label(found.training.table).to_numpy()).tolist())


def evaluation_of(found: Reference, problem: Problem) -> Scored | None:
    """The rows that the gate judged by, with the answers it judged; None where they are not here."""
    if found.evaluation is None:
        return None
    return Scored(
        table=found.evaluation.table,
        truth=problem.label(found.evaluation.table).to_numpy(),
        predicted=found.evaluation.answers,
        contract=found.contract,
        threshold=problem.threshold,
        labels=labels_of(found, problem),
        metrics=problem.metrics,
        metric=problem.metric,
        goal=problem.goal,
    )


def _make(project: Project, package: Path, bare: Reference, split: Split, place: Path) -> None:
    """Put the rows together as training did, check that they are those, and cache them."""
    facts, contract = bare.lineage, bare.contract
    name, _, version = facts.data.partition(":")
    asset = find_asset(project.root / "data", name, version)
    if asset.tags.sha256 != facts.data_digest:
        raise UserError(
            f"{asset.definition}: {facts.data} stands for other bytes than the model learnt from"
        )
    whole = load_checked(fetch(asset, project.state / "data"), contract)
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".part-") as temporary:
        folder = Path(temporary) / "whole"
        folder.mkdir()
        # through a file, as the steps of training hand it on
        whole.to_parquet(folder / "table.parquet", index=False)
        parts = split(pd.read_parquet(folder / "table.parquet"), facts.seed)
        (folder / "table.parquet").unlink()
        predict = load_predict(package)
        for part, table in zip(_PARTS, parts, strict=True):
            table.to_parquet(folder / f"{part}.parquet", index=False)
            rows = pd.read_parquet(folder / f"{part}.parquet")
            np.save(folder / f"{part}.npy", np.asarray(predict(rows[list(contract.inputs)])))
        _check(folder, bare)
        shutil.rmtree(place, ignore_errors=True)
        folder.rename(place)


def _check(folder: Path, bare: Reference) -> None:
    """Refuse rows that are not those that were learnt from."""
    facts, contract = bare.lineage, bare.contract
    if file_digest(folder / "training.parquet") == facts.training_digest:
        return
    # another release of a library may write the same rows as other bytes
    part = _read(folder, "training")
    now = reference(part.table[list(contract.inputs)], part.answers, contract)
    if not _alike(json.loads(json.dumps(now)), bare.statistics):
        raise UserError(
            f"model/data.py: split() of {facts.data} gives other rows than the model learnt from"
        )


def _alike(one: object, other: object) -> bool:
    """Whether two statistics are equal, numbers to nine digits: libraries round in the last ones."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_alike(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_alike, one, other))
    if isinstance(one, float | int) and isinstance(other, float | int):
        return bool(np.isclose(one, other, rtol=1e-9, atol=1e-12))
    return one == other


def _is_cached(place: Path) -> bool:
    return all(
        (place / f"{part}{kind}").is_file() for part in _PARTS for kind in (".parquet", ".npy")
    )


def _read(place: Path, part: str) -> Part:
    return Part(
        pd.read_parquet(place / f"{part}.parquet"),
        np.load(place / f"{part}.npy", allow_pickle=False),
    )
