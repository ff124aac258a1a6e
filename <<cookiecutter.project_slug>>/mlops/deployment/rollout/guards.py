"""The guards of a rollout: from what was counted in a stage to a decision with its reasons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mlops.deployment.desired.settings import Guards
from mlops.deployment.serving.counts import Counts, quantile


@dataclass(frozen=True)
class Verdict:
    """What one guard says. `value` is None where there was nothing to judge."""

    guard: str
    value: float | None
    bound: float
    holds: bool
    detail: str

    def __str__(self) -> str:
        value = "nothing to judge" if self.value is None else f"{self.value:.4g}"
        return f"{self.guard} {value} (bound {self.bound:g}; {self.detail})"


def judge(
    candidate: Counts, present: Counts, guards: Guards, *, mirrored: bool
) -> tuple[Verdict, ...]:
    """The verdicts on a stage. `candidate` and `present` are what was counted of the new and of the
    serving model; `mirrored` says that the new one got copies only.
    """
    found: list[Verdict] = []
    if guards.error_rate is not None:
        found.append(_errors(candidate, present, guards.error_rate, mirrored=mirrored))
    if guards.latency_ms is not None and not mirrored:
        value = quantile(candidate.latency, guards.latency_quantile) * 1e3
        detail = f"{guards.latency_quantile:.0%} of {sum(candidate.latency)} requests, in ms"
        found.append(
            Verdict("latency", value, guards.latency_ms, value <= guards.latency_ms, detail)
        )
    # copies that were still on their way when a live stage began are few, and of the stage before
    if guards.agreement is not None and mirrored and candidate.compared:
        value = candidate.agreed / candidate.compared
        detail = f"{candidate.agreed} of {candidate.compared} mirrored rows alike"
        found.append(
            Verdict("agreement", value, guards.agreement, value >= guards.agreement, detail)
        )
    if guards.distribution is not None:
        found.append(_distribution(candidate, present, guards.distribution))
    return tuple(found)


def _errors(candidate: Counts, present: Counts, bound: float, *, mirrored: bool) -> Verdict:
    asked = candidate.mirrored if mirrored else candidate.requests
    failed = candidate.mirror_failed if mirrored else candidate.failed
    if not asked:
        return Verdict("error_rate", None, bound, False, "no request reached the new model")
    value, detail = failed / asked, f"{failed} of {asked} requests failed"
    if not mirrored and value <= bound and present.requests:
        # callers err as well: only what the new model refuses on top speaks against it
        before = present.refused / present.requests
        noise = 2 * math.sqrt(before * (1 - before) / asked)
        more = candidate.refused / asked - before - noise
        if more > value:
            refused = f"{candidate.refused} of {asked} refused"
            value, detail = more, f"{refused}, before {present.refused} of {present.requests}"
    return Verdict("error_rate", value, bound, value <= bound, detail)


def _distribution(candidate: Counts, present: Counts, bound: float) -> Verdict:
    """The Kolmogorov-Smirnov distance over the bins, less what chance explains at 95%."""
    new = [a + b for a, b in zip(candidate.answers, candidate.mirror_answers, strict=True)]
    old = [a + b for a, b in zip(present.answers, present.mirror_answers, strict=True)]
    rows = sum(new), sum(old)
    if not all(rows):
        return Verdict("distribution", None, bound, True, f"{rows[0]} and {rows[1]} rows")
    distance = _distance(new, old)
    chance = 1.358 * math.sqrt((rows[0] + rows[1]) / (rows[0] * rows[1]))
    value = max(distance - chance, 0.0)
    detail = f"distance {distance:.3f} over {rows[0]} and {rows[1]} rows, by chance {chance:.3f}"
    return Verdict("distribution", value, bound, value <= bound, detail)


def _distance(new: Sequence[int], old: Sequence[int]) -> float:
    left = right = largest = 0.0
    for one, other in zip(new, old, strict=True):
        left += one / sum(new)
        right += other / sum(old)
        largest = max(largest, abs(left - right))
    return largest
