"""How an endpoint answered in a window: requests, errors and latency, from its workers' counters.

Counters only grow, and begin anew when an endpoint is started. Each run of the monitor notes how much
they have grown since the last one; a window is the sum of these steps.
"""

from __future__ import annotations

import dataclasses
import json
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mlops.deployment.measuring.intervals import wilson
from mlops.deployment.serving.counts import LATENCY_ENDS, Counts, quantile, since, total
from mlops.deployment.serving.told import Told
from mlops.operations.monitoring.settings import ServiceLimits
from mlops.operations.monitoring.verdict import Share, Verdict
from mlops.quality.tables import replace_text

GROUP = "service"
KEPT_DAYS = 35


@dataclass(frozen=True)
class Step:
    """What the endpoint counted between two runs of the monitor, by deployment and package.

    Times are in ISO 8601. `start` is empty where nobody looked before: since the endpoint started.
    """

    start: str
    end: str
    counts: Mapping[str, Counts]
    restarted: bool = False


@dataclass(frozen=True)
class Seen:
    """What the monitor knows of an endpoint's counters: the last of each worker, and all steps."""

    workers: Mapping[str, Mapping[str, Counts]] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Service:
    """What an endpoint answered from `start` to `end`, as far as its counters tell it.

    `latency_ms` holds the times within which 50%, 95% and 99% were answered, by the upper end of the
    bin; `unseen_restarts` counts restarts, at each of which the last counts before it are lost.
    """

    start: datetime | None
    end: datetime | None
    counts: Counts
    latency_ms: Mapping[str, float]
    unseen_restarts: int = 0

    @property
    def refused(self) -> Share | None:
        """Requests that broke the contract, of all; None where there was none."""
        return Share(self.counts.refused, self.counts.requests) if self.counts.requests else None

    @property
    def per_second(self) -> float | None:
        """Requests a second; None where it is not known since when they are counted."""
        if self.start is None or self.end is None or self.end <= self.start:
            return None
        return self.counts.requests / (self.end - self.start).total_seconds()


def read_seen(path: Path) -> Seen:
    """What was written by `write_seen`; nothing where it is not there or not readable any more."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        workers = {pid: _counts(each) for pid, each in values["workers"].items()}
        steps = [Step(**{**each, "counts": _counts(each["counts"])}) for each in values["steps"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Seen()  # lost, or of another version: it is gathered anew
    return Seen(workers, tuple(steps))


def write_seen(seen: Seen, path: Path) -> None:
    """Keep it for the next run of the monitor."""
    replace_text(path, json.dumps(dataclasses.asdict(seen)) + "\n")


def look(seen: Seen, told: Sequence[Told], now: datetime) -> Seen:
    """Add what the counters have grown by since the last look.

    A clock that was put back makes a step that ends where it starts, so that nothing counts twice.
    """
    grown: list[Mapping[str, Counts]] = []
    known = {str(each.pid): each.counts for each in told}
    restarted = any(pid not in known for pid in seen.workers)
    for pid, counts in known.items():
        before = seen.workers.get(pid, {})
        if _shrunk(counts, before):
            restarted, before = True, {}
        grown.append({name: since(c, before.get(name, Counts())) for name, c in counts.items()})
    last = seen.steps[-1].end if seen.steps else ""
    moment = now.astimezone(UTC).isoformat()
    step = Step(last, max(moment, last), total(grown), restarted)
    oldest = (now - timedelta(days=KEPT_DAYS)).astimezone(UTC).isoformat()
    return Seen(known, (*(each for each in seen.steps if each.end >= oldest), step))


def service(seen: Seen, start: datetime, end: datetime, digest: str | None = None) -> Service:
    """The sum of the steps that lie in the window by more than half, of one package or of all."""
    chosen = [step for step in seen.steps if _belongs(step, start, end)]
    parts = [
        counts
        for step in chosen
        for name, counts in step.counts.items()
        if digest is None or name.endswith(f":{digest}")
    ]
    counts = total({"": each} for each in parts).get("", Counts())
    latency = {
        f"p{share:.0%}".rstrip("%"): quantile(counts.latency, share) * 1e3
        for share in (0.5, 0.95, 0.99)
    }
    return Service(
        datetime.fromisoformat(chosen[0].start) if chosen and chosen[0].start else None,
        datetime.fromisoformat(chosen[-1].end) if chosen else None,
        counts,
        latency if sum(counts.latency) else {},
        sum(step.restarted for step in chosen),
    )


def service_verdicts(found: Service, limits: ServiceLimits) -> tuple[Verdict, ...]:
    """`service.error_rate` and `service.latency`: breached where the whole 95% interval is beyond.

    Latency is judged as the share of requests that took longer than the bound, or than the next
    larger end of the counters' bins.
    """
    verdicts = []
    if limits.error_rate is not None:
        failed = Share(found.counts.failed, found.counts.requests)
        said = f"{failed.hits} of {failed.rows} requests failed"
        verdicts.append(_judge("error_rate", failed, limits.error_rate, limits.requests, said))
    if limits.latency_ms is not None:
        place = bisect_left(LATENCY_ENDS, limits.latency_ms / 1e3)
        slow = Share(sum(found.counts.latency[place + 1 :]), sum(found.counts.latency))
        end = LATENCY_ENDS[place] * 1e3 if place < len(LATENCY_ENDS) else float("inf")
        said = f"{slow.hits} of {slow.rows} requests took longer than {end:g} ms"
        allowed = round(1 - limits.latency_quantile, 12)
        verdicts.append(_judge("latency", slow, allowed, limits.requests, said))
    return tuple(verdicts)


def _judge(figure: str, share: Share, bound: float, needed: int, said: str) -> Verdict:
    low, high = wilson(share.hits, share.rows)
    figures = (share.value, low, high, None, bound, share.rows)
    name = f"{GROUP}.{figure}"
    if share.rows < needed:
        why = f"{share.rows} requests; {needed} are needed"
        return Verdict("service", name, "no_verdict", why, *figures)
    return Verdict("service", name, "breached" if low > bound else "holds", said, *figures)


def _belongs(step: Step, start: datetime, end: datetime) -> bool:
    last = datetime.fromisoformat(step.end)
    first = datetime.fromisoformat(step.start) if step.start else last
    middle = first + (last - first) / 2
    return start <= middle < end or (first == last == end)


def _shrunk(now: Mapping[str, Counts], before: Mapping[str, Counts]) -> bool:
    return any(
        now.get(name, Counts()).requests < counts.requests
        or now.get(name, Counts()).mirrored < counts.mirrored
        for name, counts in before.items()
    )


def _counts(values: Mapping[str, Mapping[str, Any]]) -> dict[str, Counts]:
    return {name: Counts(**counted) for name, counted in values.items()}
