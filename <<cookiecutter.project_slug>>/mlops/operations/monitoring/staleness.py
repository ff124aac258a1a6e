"""Staleness: nobody asks, nobody labels, nothing is trained, or the monitor itself did not run.

Pure: the caller tells the moments. A moment that lies ahead of now says that a clock has jumped, and
then nothing is said of how long ago it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from mlops.operations.monitoring.settings import StalenessLimits
from mlops.operations.monitoring.verdict import Verdict

GROUP = "staleness"
_WHAT = {
    "traffic": "a live request",
    "labels": "a label",
    "training": "a training",
    "monitor": "a run of the monitor",
}


@dataclass(frozen=True)
class Last:
    """When each thing happened last, with its zone; None where it never did.

    `serving` is since when the model serves: before, nothing could be asked of it.
    """

    serving: datetime | None = None
    traffic: datetime | None = None
    labels: datetime | None = None
    training: datetime | None = None
    monitor: datetime | None = None


def staleness(last: Last, now: datetime, limits: StalenessLimits) -> tuple[Verdict, ...]:
    """`staleness.<what>` for each that has a limit; the value and its bound are in hours.

    Nothing that serves cannot lack traffic, and without traffic there is nothing to label. A monitor
    that never ran has no verdict: this is its first run. A training that never was is no stopped
    schedule.
    """
    return tuple(
        _judge(what, last, now, hours, timedelta(seconds=limits.clock_seconds))
        for what in _WHAT
        if (hours := getattr(limits, what)) is not None
    )


def _since(what: str, last: Last) -> datetime | None:
    """From when on something was to be expected; None where it was not."""
    if what == "traffic":
        return last.serving
    if what == "labels":
        return last.serving if last.traffic is not None else None
    return None


def _judge(what: str, last: Last, now: datetime, hours: float, ahead: timedelta) -> Verdict:
    name, moment, expected = f"{GROUP}.{what}", getattr(last, what), _since(what, last)
    known = [each for each in (moment, expected) if each is not None]
    if what in ("traffic", "labels") and expected is None:
        nothing = "nothing serves" if what == "traffic" else "there was no traffic to label"
        return Verdict("staleness", name, "no_verdict", nothing, bound=hours)
    if not known:
        return Verdict("staleness", name, "no_verdict", f"never {_WHAT[what]}", bound=hours)
    newest = max(known)
    if newest > now + ahead:
        lead = _hours(newest - now)
        said = f"{_WHAT[what]} is {lead:.1f} h ahead of now: a clock has jumped"
        return Verdict("staleness", name, "no_verdict", said, bound=hours)
    age = max(0.0, _hours(now - newest))
    if moment is None:
        said = f"not {_WHAT[what]} in the {age:.1f} h since it serves"
    elif newest is moment:
        said = f"the last of them was {age:.1f} h ago"
    else:
        said = f"serving for {age:.1f} h, the last before that"
    said = f"{said}; {_WHAT[what]} is expected every {hours:g} h"
    return Verdict(
        "staleness", name, "breached" if age > hours else "holds", said, value=age, bound=hours
    )


def _hours(span: timedelta) -> float:
    return span.total_seconds() / 3600
