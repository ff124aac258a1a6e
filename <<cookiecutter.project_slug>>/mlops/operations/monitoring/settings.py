"""What people decide for the monitor of an environment: its window, and a bound for each measure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mlops.quality.errors import UserError


@dataclass(frozen=True)
class QualityLimits:
    """How far columns may stray from the training rows, as differences of shares (0.05: 5 in 100).

    `missing`: of values that are missing; `unseen`: of values that no training row had; `beyond`: of
    numbers below the least or above the largest of the training rows; `refused`: of requests that
    broke the contract. None switches one off. Below `rows` rows (requests) there is no verdict.
    """

    rows: int = 100
    missing: float | None = 0.05
    unseen: float | None = 0.02
    beyond: float | None = 0.02
    refused: float | None = 0.05


@dataclass(frozen=True)
class Bound:
    """Between which values a figure shall stay."""

    at_least: float | None = None
    at_most: float | None = None


@dataclass(frozen=True)
class PerformanceLimits:
    """How good answers must stay.

    Below `labels` labelled rows there is no verdict; of more than `most` a part is judged. `worse_by`:
    how much worse than at the gate the deciding metric may be, as a share of its figure there (None
    switches it off). `bounds`: of any other figure, by its name. `kpi`: of the mean KPI.
    """

    labels: int = 50
    most: int = 5_000
    worse_by: float | None = 0.1
    bounds: Mapping[str, Bound] = field(default_factory=dict)
    kpi: Bound = field(default_factory=Bound)


def _differences() -> dict[str, float]:
    return {
        "fairness.accuracy*": 0.2,
        "fairness.recall*": 0.2,
        "fairness.false_positive_rate*": 0.2,
        "fairness.selection_rate*": 0.5,
        "fairness.absolute_error*": 0.5,
    }


@dataclass(frozen=True)
class FairnessLimits:
    """How much groups may differ. Groups of fewer than `group` labelled rows are left out.

    `at_most`: the largest difference by the name of the figure, in which `*` stands for any text.
    """

    group: int = 30
    at_most: Mapping[str, float] = field(default_factory=_differences)


@dataclass(frozen=True)
class ServiceLimits:
    """How the endpoint must answer. Below `requests` requests there is no verdict.

    `error_rate`: the share of requests that fail; `latency_ms`: the time within which the share
    `latency_quantile` of them is answered. None switches one off.
    """

    requests: int = 100
    error_rate: float | None = 0.01
    latency_ms: float | None = 50.0
    latency_quantile: float = 0.99


@dataclass(frozen=True)
class StalenessLimits:
    """After how many hours without it something is stale; None switches one off.

    `traffic`: a live request; `labels`: a label, where there was traffic; `training`: a training;
    `monitor`: a run of the monitor. `clock_seconds`: how far ahead of now a time may be.
    """

    traffic: float | None = 24.0
    labels: float | None = 24.0 * 14
    training: float | None = 24.0 * 35
    monitor: float | None = 3.0
    clock_seconds: float = 60.0


@dataclass(frozen=True)
class Monitoring:
    """The settings of one environment's monitor.

    The window is the last `window_hours`, told over time in steps of `step_hours`. At most `rows` rows
    are read. `labels` is the folder or the URL (fsspec) that holds the labels; empty: the
    environment's own folder.
    """

    window_hours: float = 24.0
    step_hours: float = 1.0
    rows: int = 200_000
    labels: str = ""
    quality: QualityLimits = field(default_factory=QualityLimits)
    performance: PerformanceLimits = field(default_factory=PerformanceLimits)
    fairness: FairnessLimits = field(default_factory=FairnessLimits)
    service: ServiceLimits = field(default_factory=ServiceLimits)
    staleness: StalenessLimits = field(default_factory=StalenessLimits)


def check_monitoring(settings: Monitoring, where: str) -> None:
    """Raise UserError for a value that cannot be meant; `where` names the file and the section."""
    positive = [
        (where, settings, ("window_hours", "step_hours", "rows")),
        (f"{where}: quality", settings.quality, ("rows",)),
        (f"{where}: performance", settings.performance, ("labels", "most", "worse_by")),
        (f"{where}: fairness", settings.fairness, ("group",)),
        (f"{where}: service", settings.service, ("requests", "latency_ms")),
        (f"{where}: staleness", settings.staleness, ("traffic", "labels", "training", "monitor")),
    ]
    for place, section, keys in positive:
        for key in keys:
            _check(getattr(section, key), f"{place}: {key}", "more than 0", lambda v: v > 0)
    for key in ("missing", "unseen", "beyond", "refused"):
        _check_share(getattr(settings.quality, key), f"{where}: quality: {key}")
    for key in ("error_rate", "latency_quantile"):
        _check_share(getattr(settings.service, key), f"{where}: service: {key}")
    clock = settings.staleness.clock_seconds
    _check(clock, f"{where}: staleness: clock_seconds", "0 or more", lambda v: v >= 0)
    if settings.step_hours > settings.window_hours:
        raise UserError(f"{where}: step_hours: expected at most window_hours, the whole window")
    if settings.performance.most < settings.performance.labels:
        raise UserError(f"{where}: performance: most: expected at least as many as labels")
    for name, limit in settings.fairness.at_most.items():
        _check(limit, f"{where}: fairness: at_most: {name}", "0 or more", lambda v: v >= 0)
    for name, bound in settings.performance.bounds.items():
        _check_bound(bound, f"{where}: performance: bounds: {name}")
        if bound == Bound():
            raise UserError(f"{where}: performance: bounds: {name}: expected at_least or at_most")
    _check_bound(settings.performance.kpi, f"{where}: performance: kpi")


def _check_share(value: float | None, where: str) -> None:
    _check(value, where, "0 to 1", lambda v: 0 <= v <= 1)


def _check_bound(bound: Bound, where: str) -> None:
    for key in ("at_least", "at_most"):
        _check(getattr(bound, key), f"{where}: {key}", "a number", lambda _: True)
    if None not in (bound.at_least, bound.at_most) and bound.at_least > bound.at_most:  # type: ignore[operator]
        raise UserError(f"{where}: at_least is more than at_most: nothing could hold")


def _check(value: float | None, where: str, wanted: str, holds: Callable[[float], bool]) -> None:
    if value is not None and not (math.isfinite(value) and holds(value)):
        raise UserError(f"{where}: expected {wanted}, found {value:g}")
