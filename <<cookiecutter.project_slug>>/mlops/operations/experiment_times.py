"""When two packages both answered live, and which of them is the challenger, as the audit log tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import numpy as np
import pandas as pd

from mlops.deployment.history import Served
from mlops.deployment.serving.traffic import Deployment
from mlops.operations.experiments.outcomes import shares_at
from mlops.operations.experiments.sequential import Epoch
from mlops.operations.monitoring.service import Step


@dataclass(frozen=True)
class Span:
    """A time in which the challenger had one and the same share of what both of a pair answered."""

    start: datetime
    end: datetime
    share: float


@dataclass(frozen=True)
class Times:
    """The spans that reach into a window, the oldest first.

    `unconfirmed` changes of the traffic let both answer, but no entry says that every worker followed.
    """

    spans: tuple[Span, ...] = ()
    unconfirmed: int = 0

    @property
    def hours(self) -> float:
        """How long both answered, in hours."""
        return sum((each.end - each.start).total_seconds() for each in self.spans) / 3600


def challenger_of(served: Sequence[Served], one: str, other: str) -> str:
    """Which of two packages is the challenger, by its digest.

    The one that the last rollout with both led to, or that got copies of the other's requests. Where
    none of that was, it is `other`: `one` serves most.
    """
    for entry in reversed(served):
        there = {each.digest: each for each in entry.deployments}
        if one not in there or other not in there:
            continue
        led_to = {d for d in (one, other) if entry.rollout and there[d].name == entry.rollout.to}
        copied = {d for d in (one, other) if there[d].mirror > 0}
        for found in (led_to, copied):
            if len(found) == 1:
                return found.pop()
    return other


def common_times(
    served: Sequence[Served], champion: str, challenger: str, start: datetime, now: datetime
) -> Times:
    """The spans from `start` until `now` in which both had a share of the requests.

    A span begins when every worker followed the change, and ends when the next change is logged: what
    was answered in between may have come by either share. One that began before `start` is whole.
    """
    spans, unconfirmed = [], 0
    kept = _since_clock_went_back(served)
    for entry, end in zip(kept, [*(_moment(each.time) for each in kept[1:]), now], strict=True):
        share = _share(entry.deployments, champion, challenger)
        if share is None or end <= start:
            continue
        if not entry.followed:
            unconfirmed += 1
        elif (begun := _moment(entry.followed)) < end:
            spans.append(Span(begun, end, share))
    return Times(tuple(spans), unconfirmed)


def share_at(times: pd.Series, spans: Sequence[Span]) -> pd.Series:
    """The challenger's share in force at each time; NaN outside of the spans."""
    if not spans:
        return pd.Series(np.nan, index=times.index)
    moments = [moment for each in spans for moment in (each.start, each.end)]
    values = [value for each in spans for value in (each.share, np.nan)]
    return shares_at(times, pd.Series(values, index=pd.to_datetime(moments, utc=True)))


def failures(
    steps: Sequence[Step], spans: Sequence[Span], champion: str, challenger: str
) -> tuple[Epoch, ...]:
    """What the monitor counted of both in those of its steps that lie within a span."""
    found = []
    for step in steps:
        if not step.start or step.restarted:
            continue
        first, last = _moment(step.start), _moment(step.end)
        for span in spans:
            if span.start <= first and last <= span.end:
                old, new = (_counted(step, digest) for digest in (champion, challenger))
                found.append(Epoch(span.share, *old, *new))
    return tuple(found)


def _counted(step: Step, digest: str) -> tuple[int, int]:
    """Requests and failed ones of a package."""
    counts = [each for name, each in step.counts.items() if name.endswith(f":{digest}")]
    return sum(each.requests for each in counts), sum(each.failed for each in counts)


def _share(deployments: Sequence[Deployment], champion: str, challenger: str) -> float | None:
    shares = {each.digest: each.share for each in deployments}
    old, new = shares.get(champion, 0.0), shares.get(challenger, 0.0)
    return new / (old + new) if old > 0 and new > 0 else None


def _since_clock_went_back(served: Sequence[Served]) -> Sequence[Served]:
    """The changes since the last one that is older than the one before: only these have an order."""
    back = [
        number
        for number, (one, other) in enumerate(pairwise(served), start=1)
        if _moment(other.time) < _moment(one.time)
    ]
    return served[back[-1] :] if back else served


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
