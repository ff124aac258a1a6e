"""What is measured of one package in a window: drift, quality, performance, fairness, service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from mlops.deployment.desired.environment import Environment
from mlops.deployment.measuring.measure import Measure
from mlops.deployment.serving.traffic import Deployment
from mlops.operations.drift.measure import measure_drift
from mlops.operations.drift.verdict import Drift
from mlops.operations.monitoring import gate_figures
from mlops.operations.monitoring.answered import answers_of, as_collected, inputs_of, known_labels
from mlops.operations.monitoring.column_reference import read_reference, with_rows
from mlops.operations.monitoring.fairness import LiveFairness, live_fairness
from mlops.operations.monitoring.labelled import Problem, scored, times_of
from mlops.operations.monitoring.over_time import Point, over_time
from mlops.operations.monitoring.performance import Performance, live_performance
from mlops.operations.monitoring.quality import data_quality
from mlops.operations.monitoring.service import Service, service_verdicts
from mlops.operations.monitoring.training_rows import (
    Reference,
    Split,
    cache_folder,
    evaluation_of,
    labels_of,
)
from mlops.operations.monitoring.verdict import Verdict
from mlops.operations.settings import Operations
from mlops.quality.project import Project


@dataclass(frozen=True)
class Place:
    """Which environment is watched, by which settings and functions of the user's, and when."""

    project: Project
    environment: Environment
    settings: Operations
    problem: Problem
    split: Split
    now: datetime
    start: datetime


@dataclass(frozen=True)
class Package:
    """What was measured of one package in the window.

    `rows` of it were served live, `labelled` have a label. `why` says why there is no reference, or
    only that of the package.
    """

    deployment: Deployment
    rows: int
    labelled: int
    drift: Drift
    verdicts: tuple[Verdict, ...]
    service: Service
    performance: Performance | None = None
    fairness: LiveFairness | None = None
    points: tuple[Point, ...] = ()
    why: str = ""


@dataclass(frozen=True)
class Served:
    """What a package answered in the window: its rows, those with a label or a KPI, and its counts."""

    deployment: Deployment
    rows: pd.DataFrame
    labelled: pd.DataFrame
    counted: Service


@dataclass(frozen=True)
class _Judged:
    """What labels tell."""

    performance: Performance
    labelled: int = 0
    fairness: LiveFairness | None = None
    points: tuple[Point, ...] = ()


def watch_package(place: Place, served: Served, about: Reference | str) -> Package:
    """Measure one package; `about` is its reference, or why there is none."""
    limits, rows = place.settings.monitoring, served.rows
    verdicts = service_verdicts(served.counted, limits.service)
    if isinstance(about, str) or rows.empty:
        why = about if isinstance(about, str) else about.why
        nothing = Drift((0, len(rows)), unjudged=why or "the window has no row of it")
        return Package(served.deployment, len(rows), 0, nothing, verdicts, served.counted, why=why)
    inputs = inputs_of(rows, about.contract)
    columns = read_reference(place.environment.packages / about.digest)
    if about.training is not None:
        columns = with_rows(columns, about.training.table)
    quality = data_quality(inputs, about.contract, columns, served.counted.refused, limits.quality)
    judged = _judge(place, about, rows, served.labelled)
    fair = judged.fairness.verdicts if judged.fairness else ()
    return Package(
        served.deployment,
        len(rows),
        judged.labelled,
        _drift(place, about, rows, inputs),
        (*verdicts, *quality, *judged.performance.verdicts, *fair),
        served.counted,
        judged.performance,
        judged.fairness,
        judged.points,
        about.why,
    )


def _judge(place: Place, about: Reference, rows: pd.DataFrame, labelled: pd.DataFrame) -> _Judged:
    limits, seed = place.settings.monitoring, about.lineage.seed
    if labelled.empty:
        why = f"no label, at least {limits.performance.labels} are needed"
        nothing = Verdict("performance", "performance", "no_verdict", why)
        return _Judged(Performance((), (nothing,)))
    labels = known_labels([rows], labels_of(about, place.problem))
    judged = scored(labelled, about.contract, place.problem, labels)
    kpi = labelled["kpi"].dropna().to_numpy(dtype=float)
    gate = _gate(place, about)
    performance = live_performance(judged, kpi, limits.performance, gate, seed=seed)
    known = len(judged.truth)
    fair = None
    if known >= limits.performance.labels:
        fair = live_fairness(judged, limits.fairness, seed=seed)
    span = (place.start, place.now)
    points = over_time(judged, times_of(labelled), span, limits.step_hours)
    return _Judged(performance, known, fair, points)


def _gate(place: Place, about: Reference) -> Mapping[str, Measure]:
    """The figures of the gate, measured again on its own rows; none where they are not here."""
    evaluated = evaluation_of(about, place.problem)
    if evaluated is None:
        return {}
    return gate_figures.measured_again(evaluated, cache_folder(place.project, about.digest))


def _drift(place: Place, about: Reference, rows: pd.DataFrame, inputs: pd.DataFrame) -> Drift:
    if about.training is None:
        return Drift((0, len(rows)), unjudged=about.why)
    table = about.training.table[list(about.contract.inputs)]
    return measure_drift(
        as_collected(table, about.contract, place.environment.folder),
        inputs,
        about.contract,
        place.settings.drift,
        seed=about.lineage.seed,
        answers=(about.training.answers, answers_of(rows)),
    )
