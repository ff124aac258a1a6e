"""The situation of an environment as its watch and its history tell it, and the remedy for it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

import numpy as np

from mlops.deployment import audit_log, history
from mlops.deployment.desired import repository
from mlops.deployment.desired.environment import Environment, environment
from mlops.deployment.desired.model_file import FILE
from mlops.deployment.measuring.comparison import compare
from mlops.deployment.measuring.scored import Scored
from mlops.deployment.packaging.package import opened
from mlops.deployment.packaging.predictor import load_predict
from mlops.operations.follow import broken
from mlops.operations.labelled_rows import labelled_since
from mlops.operations.monitoring.labelled import scored
from mlops.operations.monitoring.training_rows import labels_of
from mlops.operations.monitoring.verdict import Verdict
from mlops.operations.package_watch import Place
from mlops.operations.retraining.remedy import Remedy, Situation, remedy
from mlops.operations.watch import Watched
from mlops.quality.errors import UserError

Against = Literal["worse", "not_worse", "unknown"]


def remedy_for(place: Place, watched: Watched) -> Remedy:
    """What helps the environment now, by its `remedy` settings; nothing is done."""
    return remedy(situation_of(place, watched), place.settings.remedy)


def situation_of(place: Place, watched: Watched) -> Situation:
    """What is known of what serves; "unknown" and None where something is not."""
    serving = watched.serving
    if serving is None:
        return Situation(previous=False)
    project, digest = place.project, serving.deployment.digest
    since = _since(project.state, watched.environment, digest)
    before = previous_digest(project.state, watched.environment, digest)
    lost = _performance(serving.verdicts)
    return Situation(
        performance=lost,
        against_previous=_against(place, before) if lost == "lost" else "unknown",
        drift=serving.drift.data_drift or serving.drift.prediction_drift,
        failing=any(v.kind == "service" and v.outcome == "breached" for v in serving.verdicts),
        broken_data=broken(watched),
        deployed_for=watched.now - since if since else None,
        previous=_has_before(environment(project, watched.environment)),
        came_back=_came_back(project.state, watched.environment, digest),
    )


def previous_digest(state: Path, name: str, digest: str) -> str:
    """The package that served alone before this one did; empty where none is known."""
    served = [str(entry["digest"]) for entry in history.events(state, name, history.DEPLOYED)]
    while served and served[-1] == digest:
        served.pop()
    return served[-1] if served else ""


def _performance(verdicts: Sequence[Verdict]) -> Literal["lost", "kept", "unknown"]:
    outcomes = {each.outcome for each in verdicts if each.kind == "performance"}
    if "breached" in outcomes:
        return "lost"
    return "kept" if "holds" in outcomes else "unknown"


def _against(place: Place, before: str) -> Against:
    """Whether what serves is worse than the package before on the same labelled rows of the window.

    It is where the whole 95% interval of the difference lies below nought.
    """
    if not before:
        return "unknown"
    try:
        judged, other = _both(place, before)
    except UserError:
        return "unknown"
    figure = compare(judged, other)[0]
    if figure.high is None:
        return "unknown"
    return "worse" if figure.high < 0 else "not_worse"


def _both(place: Place, before: str) -> tuple[Scored, Scored]:
    """The labelled rows with the answers that were given, and with those of the package before."""
    found, about = labelled_since(place, place.start, to_judge=True)
    rows = found.parts.get(about.digest)
    if rows is None or rows.empty:
        raise UserError("there are no labelled rows")
    judged = scored(rows, about.contract, place.problem, labels_of(about, place.problem))
    if judged.table.isna().all().any():
        raise UserError("a column is not collected as it is: the model before cannot be asked")
    predict = load_predict(opened(place.environment.packages / before, before))
    answers = np.asarray(predict(judged.table[list(about.contract.inputs)]), dtype=float)
    return judged, dataclasses.replace(judged, predicted=answers)


def _since(state: Path, name: str, digest: str) -> datetime | None:
    entry = history.deployed(state, name, digest)
    return datetime.fromisoformat(str(entry["time"])) if entry else None


def _has_before(chosen: Environment) -> bool:
    """Whether `nox -s rollback` would find something to go back to."""
    path = chosen.files / FILE
    try:
        last = repository.last_change(chosen.root, path)
    except UserError:
        return False
    if last is None:
        return False
    return repository.content_before(chosen.root, path, last.commit) is not None


def _came_back(state: Path, name: str, digest: str) -> bool:
    """Whether what serves was rolled back to, and not promoted since."""
    moves = [
        entry
        for entry in audit_log.entries(state)
        if entry.get("environment") == name and entry.get("event") in ("promote", "rollback")
    ]
    last = moves[-1] if moves else {}
    return last.get("event") == "rollback" and last.get("digest") == digest
