"""What a watch gives rise to: an event for each kind of breach, with its figures and reasons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from mlops.operations.drift.verdict import Drift
from mlops.operations.events.event import Event, new_event, stable_id
from mlops.operations.monitoring.verdict import Verdict
from mlops.operations.watch import Watched

_Kind = Literal[
    "data_drift",
    "prediction_drift",
    "performance",
    "fairness",
    "service",
    "data_quality",
    "staleness",
]
# The kinds of verdicts, in the order in which a person should hear of them.
_JUDGED: tuple[_Kind, ...] = ("service", "data_quality", "performance", "fairness", "staleness")


@dataclass(frozen=True)
class Breach:
    """Everything of one kind that is beyond its bounds; `sizes` by column or measure."""

    kind: _Kind
    columns: tuple[str, ...]
    reasons: tuple[str, ...]
    rows: int
    sizes: Mapping[str, float]


def breaches(watched: Watched) -> tuple[Breach, ...]:
    """What a watch found beyond its bounds, of the package that serves now."""
    drift = watched.serving.drift if watched.serving else None
    return (*(_drifts(drift) if drift else ()), *_judged(watched.verdicts))


def events(watched: Watched, source: str) -> tuple[Event, ...]:
    """An event for each breach.

    A breach that goes on has the same id all day (UTC): it is told once a day, and asks for one
    retraining at most.
    """
    return tuple(_event(watched, breach, source) for breach in breaches(watched))


def _drifts(drift: Drift) -> Iterator[Breach]:
    rows = drift.rows[1]
    joint = drift.joint if drift.joint and drift.joint.drifted else None
    if drift.data_drift:
        moved = [each for each in drift.columns if each.drifted]
        columns = [each.column for each in moved]
        if joint and not moved:
            columns = [name for name, _ in joint.telling]
        reasons = [each.reason for each in moved] + ([joint.reason] if joint else [])
        yield _breach("data_drift", columns, reasons, rows, {m.column: m.effect for m in moved})
    if drift.prediction_drift:
        moved = [each for each in drift.answers if each.drifted]
        columns, reasons = [m.column for m in moved], [m.reason for m in moved]
        sizes = {each.column: each.effect for each in moved}
        yield _breach("prediction_drift", columns, reasons, rows, sizes)


def _judged(verdicts: Sequence[Verdict]) -> Iterator[Breach]:
    for kind in _JUDGED:
        found = [each for each in verdicts if each.kind == kind and each.outcome == "breached"]
        if found:
            reasons = [f"{each.measure}: {each.reason}" for each in found]
            columns = [each.column for each in found if each.column]
            sizes = {each.measure: each.value for each in found if each.value is not None}
            rows = max(each.rows for each in found)
            yield _breach(kind, columns or [each.measure for each in found], reasons, rows, sizes)


def _breach(
    kind: _Kind,
    columns: Sequence[str],
    reasons: Sequence[str],
    rows: int,
    sizes: Mapping[str, float],
) -> Breach:
    return Breach(kind, tuple(dict.fromkeys(columns)), tuple(reasons), rows, sizes)


def _event(watched: Watched, breach: Breach, source: str) -> Event:
    deployed = watched.serving.deployment if watched.serving else None
    digest = deployed.digest if deployed else ""
    day = watched.now.strftime("%Y-%m-%d")
    event_id = stable_id(watched.environment, breach.kind, digest, day, *sorted(breach.columns))
    data = {
        "model": watched.model,
        "version": deployed.version if deployed else "",
        "digest": digest,
        "columns": list(breach.columns),
        "reasons": list(breach.reasons),
        "rows": breach.rows,
        "sizes": dict(breach.sizes),
        "window": [watched.start.isoformat(), watched.now.isoformat()],
    }
    now = watched.now
    return new_event(
        breach.kind, watched.environment, data, source=source, now=now, event_id=event_id
    )
