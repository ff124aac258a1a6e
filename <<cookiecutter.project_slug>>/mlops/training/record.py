"""One training in the tracking server: a run with its trials and files, then a model version.

The version is made last, so that what is registered is whole. Everything here can be done again
after a crash: a finished run without a version gets one, an unfinished run is marked as killed.
MLflow and scikit-learn are imported late: that alone takes seconds, and most commands only ask.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Dataset, Run
    from mlflow.entities.model_registry import ModelVersion

    from mlops.training.search import Leaderboard, Trial

IDENTITY = "mlops.identity"
CANDIDATE, CHAMPION = "candidate", "champion"
# Of a version: why it was made, as text for its promotion.
NOTE_TAG = "mlops.note"
_PARENT = "mlflow.parentRunId"
# What the UI shows as the run's description.
_NOTE = "mlflow.note.content"
# Characters that a version's description may have.
_DESCRIPTION = 5000


@dataclass(frozen=True)
class Training:
    """What one training leaves: its facts, its figures, and a folder with all its files.

    `identity` is a digest of what came out (model, data, figures): the same outcome is recorded
    once. `card` is the model card, as Markdown; `started` is in seconds since the epoch.
    """

    identity: str
    name: str
    card: str
    started: float
    tags: Mapping[str, str]
    parameters: Mapping[str, str]
    metrics: Mapping[str, float]
    dataset: Dataset
    board: Leaderboard
    files: Path


@dataclass(frozen=True)
class Registered:
    """The registry's answer: which version stands for a training, and whether it is new."""

    version: str
    run_id: str
    new: bool


def register(client: MlflowClient, experiment: str, model: str, training: Training) -> Registered:
    """Record a training and register its model, unless the registry already holds the same.

    `experiment` is an id. `training.files` holds the MLflow model in `model/`. Sets the alias
    `candidate` to the version.
    """
    if version := find_version(client, model, training.identity):
        client.set_registered_model_alias(model, CANDIDATE, version.version)
        return Registered(str(version.version), version.run_id or "", new=False)
    run_id = _finished_run(client, experiment, training) or _record(client, experiment, training)
    _ensure_model(client, model)
    made = client.create_model_version(
        model,
        f"runs:/{run_id}/model",
        run_id,
        tags={**training.tags, IDENTITY: training.identity},
        description=fitting(training.card),
    )
    client.set_registered_model_alias(model, CANDIDATE, made.version)
    return Registered(str(made.version), run_id, new=True)


def find_version(client: MlflowClient, model: str, identity: str) -> ModelVersion | None:
    """The registered version with that identity, or None."""
    for version in versions(client, model):
        if version.tags.get(IDENTITY) == identity:
            return version
    return None


def versions(client: MlflowClient, model: str) -> list[ModelVersion]:
    """All versions of a model, the newest first; none where the model is not registered."""
    found: list[ModelVersion] = []
    token = None
    while True:
        page = client.search_model_versions(f"name='{model}'", page_token=token)
        found += page
        token = page.token
        if not token:
            return sorted(found, key=lambda version: -int(version.version))


def aliased(client: MlflowClient, model: str, alias: str) -> ModelVersion | None:
    """The version that an alias points to, or None."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - late, see above

    try:
        return client.get_model_version_by_alias(model, alias)
    except MlflowException:
        return None


def _finished_run(client: MlflowClient, experiment: str, training: Training) -> str | None:
    """The run of an earlier, interrupted call that was recorded whole; killed ones are marked."""
    wanted = f"tags.`{IDENTITY}` = '{training.identity}'"
    runs: list[Run] = client.search_runs([experiment], wanted)
    for run in runs:
        if run.info.status == "FINISHED":
            return str(run.info.run_id)
        client.set_terminated(run.info.run_id, "KILLED")
    return None


def _record(client: MlflowClient, experiment: str, training: Training) -> str:
    from mlflow.entities import DatasetInput, Metric, Param  # noqa: PLC0415 - late, see above

    begin = int(training.started * 1000)
    tags = {**training.tags, IDENTITY: training.identity, _NOTE: fitting(training.card)}
    run = client.create_run(experiment, begin, tags, run_name=training.name)
    run_id = str(run.info.run_id)
    now = int(time.time() * 1000)
    client.log_batch(
        run_id,
        metrics=[Metric(name, value, now, 0) for name, value in training.metrics.items()],
        params=[Param(name, value) for name, value in training.parameters.items()],
    )
    client.log_inputs(run_id, datasets=[DatasetInput(training.dataset)])
    client.log_artifacts(run_id, str(training.files))
    for rank, trial in enumerate(training.board.trials, start=1):
        _record_trial(client, run, trial, rank, training.board.metric)
    client.set_terminated(run_id, "FINISHED")
    return run_id


def _record_trial(client: MlflowClient, parent: Run, trial: Trial, rank: int, metric: str) -> None:
    from mlflow.entities import Metric, Param, RunTag  # noqa: PLC0415 - late, see above

    begin = int(trial.started * 1000)
    name = f"{rank:02} {trial.algorithm}"
    user = parent.data.tags.get("mlflow.user", "")
    tags = {_PARENT: str(parent.info.run_id), "mlflow.user": user}
    run = client.create_run(parent.info.experiment_id, begin, tags, run_name=name)
    end = int((trial.started + trial.seconds) * 1000)
    figures = {f"cv_{metric}": trial.score, f"cv_{metric}_spread": trial.spread, "rank": rank}
    parameters = {"algorithm": trial.algorithm, **trial.parameters}
    client.log_batch(
        run.info.run_id,
        metrics=[
            Metric(key, float(value), end, 0)
            for key, value in figures.items()
            if not math.isnan(value)
        ],
        params=[Param(key, str(value)[:500]) for key, value in parameters.items()],
        tags=[RunTag("mlops.rank", str(rank))],
    )
    client.set_terminated(run.info.run_id, "FINISHED", end)


def fitting(card: str) -> str:
    """The card, or its beginning where MLflow's database has no room for more."""
    rest = "\n\n(The whole card is the run's file `model_card.md`.)"
    return card if len(card) <= _DESCRIPTION else card[: _DESCRIPTION - len(rest)] + rest


def _ensure_model(client: MlflowClient, model: str) -> None:
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - late, see above

    try:
        client.create_registered_model(model)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
