"""Packages, collected rows and labels as an endpoint and people leave them, without either."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import yaml
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from mlops.deployment.packaging.candidate import Lineage, write_lineage
from mlops.deployment.packaging.compilation import compile_model
from mlops.deployment.packaging.package import ONNX, seal
from mlops.deployment.packaging.predictor import load_predict
from mlops.deployment.packaging.reference import reference
from mlops.deployment.serving.collected import FOLDER, Entry, as_table
from mlops.deployment.serving.collection import Role, private
from mlops.deployment.serving.model import load_model
from mlops.deployment.serving.table import Rows
from mlops.deployment.tests.small import CONTRACT, INPUTS, model, rows
from mlops.operations.monitoring.labelled import Problem
from mlops.quality.assets import load_definition
from mlops.quality.checks import load_checked
from mlops.quality.contract import Contract, load_contract
from mlops.quality.project import Project, Settings

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SEED = 4


def accuracy(truth: NDArray[np.generic], predicted: NDArray[np.float64]) -> Mapping[str, float]:
    return {"accuracy": float(np.mean((predicted >= 0.5) == truth)), "count": float(len(truth))}


PROBLEM = Problem(lambda table: table["answer"], accuracy, "accuracy", "maximize")


def split(table: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    drawn = np.random.default_rng(seed).random(len(table)) < 0.75
    return table[drawn], table[~drawn]


def make_project(root: Path, number: int = 400) -> Project:
    """A project with one data asset and nothing else."""
    (root / "data").mkdir(parents=True)
    text = rows(number, 1).to_csv(index=False)
    (root / "data" / "data.csv").write_text(text)
    tags = {"sha256": hashlib.sha256(text.encode()).hexdigest(), "source": "made up"}
    about = {"name": "data", "version": "1", "path": "data.csv", "tags": tags}
    (root / "data" / "data.yml").write_text(yaml.safe_dump(about))
    asset = load_definition(root / "data" / "data.yml")
    return Project(root, Settings("small", "small", "me", "data/data.yml", ""), CONTRACT, asset)


def make_package(
    packages: Path, number: int = 1, contract: Contract = CONTRACT, project: Project | None = None
) -> str:
    """A sealed package below `packages`; of a `project` with what its training would have told."""
    draft = packages / "draft"
    draft.mkdir(parents=True)
    (draft / ONNX).write_bytes(
        compile_model(model(LogisticRegression(C=1.0 / number), seed=SEED), contract)
    )
    (draft / "contract.yml").write_text(yaml.safe_dump(contract_values(contract)))
    facts: dict[str, object] = dict.fromkeys(Lineage.__annotations__, "unknown")
    facts |= {"parameters": {}, "seed": SEED, "dirty": False, "metric": "accuracy"}
    training = rows(300, 1)
    if project is not None:
        training, digest = trained_on(project, draft)
        data = {"data": "data:1", "data_digest": project.asset.tags.sha256}
        facts |= {**data, "training_digest": digest, "goal": "maximize"}
    answers = load_predict(draft)(training[INPUTS])
    statistics = reference(training[INPUTS], answers, contract)
    (draft / "reference.json").write_text(json.dumps(statistics, indent=1, sort_keys=True))
    write_lineage(Lineage(**facts), draft)  # type: ignore[arg-type]
    sealed = seal(draft, "small")
    draft.rename(packages / sealed)
    return sealed


def trained_on(project: Project, folder: Path) -> tuple[pd.DataFrame, str]:
    """The training rows of a project's data as the steps of training write them, and their digest."""
    table = load_checked(project.root / "data" / "data.csv", project.contract)
    path = folder / "rows.parquet"
    table.to_parquet(path, index=False)
    training, _ = split(pd.read_parquet(path), SEED)
    training.to_parquet(path, index=False)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.unlink()
    return training.reset_index(drop=True), digest


def contract_values(contract: Contract) -> dict[str, object]:
    """A contract as its file says it."""
    found = json.loads(json.dumps(dataclasses.asdict(contract)))
    for column in found["columns"].values():
        for key in ("range", "categories"):
            if column[key] is None:
                del column[key]
    return dict(found)


def collect(
    folder: Path,
    packages: Path,
    digest: str,
    inputs: pd.DataFrame,
    moments: Sequence[datetime],
    *,
    role: Role = "live",
    ids: Sequence[str] | None = None,
    each: int = 1,
    started: datetime = NOON - 24 * HOUR,
    number: int = 1,
) -> list[str]:
    """Write the rows as the endpoint in `folder` would have, `each` of them in one request.

    `moments` has one for each request; returns the requests' ids.
    """
    package = packages / digest
    contract = load_contract(package / "contract.yml")
    columns = {
        name: [None if pd.isna(v) else v for v in inputs[name].tolist()] for name in contract.inputs
    }
    given = Rows(len(inputs), columns)
    found = load_model(package).answer(given)
    kept = private(contract, folder).of(given)
    named = list(ids or [f"{digest[:4]}-{number}-{n}" for n in range(len(inputs) // each)])
    parts: dict[str, list[Entry]] = {}
    for place, (request, moment) in enumerate(zip(named, moments, strict=True)):
        part = slice(place * each, (place + 1) * each)
        entry = Entry(
            [request],
            [each],
            [0.002],
            role,
            moment.timestamp(),
            "blue",
            "1",
            digest,
            {name: values[part] for name, values in kept.items()},  # type: ignore[index]
            found.values[part].tolist(),
            None if found.labels is None else found.labels[part].tolist(),
        )
        parts.setdefault(moment.strftime("date=%Y-%m-%d/hour=%H"), []).append(entry)
    for hour, entries in parts.items():
        place_of = folder / FOLDER / hour
        place_of.mkdir(parents=True, exist_ok=True)
        name = f"{int(started.timestamp() * 1000):x}-7-{number:06d}-{digest[:12]}.parquet"
        pq.write_table(as_table(entries, contract), place_of / name, compression="zstd")
    return named


def every(start: datetime, number: int, step: timedelta) -> list[datetime]:
    """So many moments, one after the other."""
    return [start + n * step for n in range(number)]
