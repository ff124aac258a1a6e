"""What the monitor says of one measure, and the rules that all its verdicts follow."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from mlops.deployment.measuring.intervals import wilson
from mlops.deployment.measuring.measure import Measure

Kind = Literal["data_quality", "performance", "fairness", "service", "staleness"]
Outcome = Literal["holds", "breached", "no_verdict"]


@dataclass(frozen=True)
class Verdict:
    """What is said of one measure.

    `no_verdict`: there is too little to judge, or nothing to judge it by, and `reason` says which.
    `value` with its 95% interval `low` to `high`, `before` the same figure of the training rows or at
    the gate, `rows` the rows, labels or requests it was taken from. `column` is the one it speaks of.
    """

    kind: Kind
    measure: str
    outcome: Outcome
    reason: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    before: float | None = None
    bound: float | None = None
    rows: int = 0
    column: str = ""


@dataclass(frozen=True)
class Share:
    """How many of how many."""

    hits: int
    rows: int

    @property
    def value(self) -> float:
        """The share; 0 of nothing."""
        return self.hits / self.rows if self.rows else 0.0


def difference(
    one: tuple[float, float, float], other: tuple[float, float, float]
) -> tuple[float, float]:
    """The 95% interval of `one` minus `other`, each a figure with both ends of its own interval.

    Zou and Donner, Statistics in Medicine 27 (2008), for independent figures: of two shares with
    Wilson's intervals it is method 10 of Newcombe, Statistics in Medicine 17 (1998).
    """
    (a, a_low, a_high), (b, b_low, b_high) = one, other
    gap = a - b
    return gap - math.hypot(a - a_low, b_high - b), gap + math.hypot(a_high - a, b - b_low)


def share_risen(now: Share, before: Share) -> tuple[float, float]:
    """The 95% interval of how much a share has risen."""
    return difference(
        (now.value, *wilson(now.hits, now.rows)), (before.value, *wilson(before.hits, before.rows))
    )


def bounded(
    kind: Kind, measure: Measure, at_least: float | None, at_most: float | None
) -> tuple[Verdict, ...]:
    """A verdict for each bound: breached only where the whole interval is beyond it."""
    if measure.value is None:
        return (Verdict(kind, measure.name, "no_verdict", measure.detail, rows=measure.rows),)
    low = measure.value if measure.low is None else measure.low
    high = measure.value if measure.high is None else measure.high
    found = []
    for bound, sign in ((at_least, 1), (at_most, -1)):
        if bound is None:
            continue
        best = high if sign > 0 else low
        breached, kept = sign * best < sign * bound, sign * measure.value >= sign * bound
        outcome: Outcome = "breached" if breached else "holds"
        reason = reason_of(measure, breached=breached, kept=kept)
        figures = (measure.value, measure.low, measure.high, None, bound, measure.rows)
        found.append(Verdict(kind, measure.name, outcome, reason, *figures))
    return tuple(found)


def reason_of(measure: Measure, *, breached: bool, kept: bool) -> str:
    """Why a figure with an interval breaches its bound or not, in words."""
    if breached:
        said = "beyond the bound, with its whole interval"
    elif kept:
        said = "keeps the bound"
    else:
        said = f"beyond the bound, though {measure.rows} rows leave it open"
    return "; ".join(filter(None, [said, measure.detail]))
