"""The verdict of an experiment, with its reasons, and the share of traffic that follows from it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mlops.operations.experiments.sequential import (
    Epoch,
    Interval,
    Outcomes,
    assignment,
    counted,
    difference,
)
from mlops.operations.experiments.settings import ExperimentSettings

Outcome = Literal[
    "challenger better",
    "challenger worse",
    "no difference that matters",
    "no verdict yet",
    "ended without a verdict",
]

# Of an honest assignment, one experiment in a thousand is called into question.
ASSIGNMENT_ALPHA = 0.001


@dataclass(frozen=True)
class Evidence:
    """What an experiment has shown so far: intervals of challenger minus champion.

    `guards` are those of the guard-rails, by name; `assignment` is how much more than its share the
    challenger was given. `share` is the challenger's at present, `days` how long the experiment runs.
    """

    kpi: Interval
    guards: Mapping[str, Interval]
    assignment: Interval
    share: float
    days: float


@dataclass(frozen=True)
class Verdict:
    """What came out, why, and the challenger's share from now on: 1 promotes it, 0 stops it."""

    outcome: Outcome
    share: float
    reasons: tuple[str, ...]


def gather(
    kpi: Outcomes,
    guards: Mapping[str, Outcomes | Sequence[Epoch]],
    settings: ExperimentSettings,
    *,
    share: float,
    days: float,
) -> Evidence:
    """The evidence in what was observed: of the KPI and of each guard-rail, outcomes or counts."""
    alpha, horizon = settings.alpha, settings.horizon
    rails = {
        name: (
            difference(found, alpha=alpha, horizon=horizon, unseen=_size(found))
            if isinstance(found, Outcomes)
            else counted(found, alpha=alpha, horizon=horizon)
        )
        for name, found in guards.items()
    }
    return Evidence(
        difference(kpi, alpha=alpha, horizon=horizon, unseen=settings.unseen),
        rails,
        assignment(kpi, alpha=ASSIGNMENT_ALPHA, horizon=horizon),
        share,
        days,
    )


def _size(found: Outcomes) -> float:
    """1 for outcomes of 0 or 1, of which one kind may not have shown up yet."""
    known = found.value[np.isfinite(found.value)]
    return float(np.isin(known, (0.0, 1.0)).all())


def judge(evidence: Evidence, settings: ExperimentSettings) -> Verdict:
    """The verdict on an experiment; may be asked for after every request.

    A broken guard-rail stops at once, whatever the KPI says. A better challenger is promoted only
    where each guard-rail is shown to hold; without a verdict in time the champion stays.
    """
    broken, open_ = _guards(evidence.guards, settings)
    if broken:
        return Verdict("challenger worse", 0.0, broken)
    lacking = _lacking(evidence, settings)
    if not lacking:
        outcome, reason = _compared(evidence.kpi, settings)
        if outcome == "challenger better" and open_:
            lacking = (reason, *open_)
        elif outcome == "no verdict yet":
            lacking = (reason,)
        else:
            return Verdict(outcome, float(outcome == "challenger better"), (reason,))
    if evidence.days >= settings.days:
        over = f"{evidence.days:g} days are over (at most {settings.days:g}); the champion stays"
        return Verdict("ended without a verdict", 0.0, (over, *lacking))
    return Verdict("no verdict yet", evidence.share, lacking)


def _compared(kpi: Interval, settings: ExperimentSettings) -> tuple[Outcome, str]:
    sign = 1 if settings.goal == "higher" else -1
    low, high = sorted((sign * kpi.low, sign * kpi.high))
    shown = f"challenger minus champion is {told(kpi)}"
    if low > 0:
        return "challenger better", f"{shown}, {settings.goal} is better"
    if high < 0:
        return "challenger worse", f"{shown}, {settings.goal} is better"
    if -settings.difference < low and high < settings.difference:
        return "no difference that matters", f"{shown}, within {settings.difference:g}"
    return "no verdict yet", f"{shown}, which leaves open who is better"


def _lacking(evidence: Evidence, settings: ExperimentSettings) -> tuple[str, ...]:
    """What stands against any verdict on the KPI."""
    given = evidence.assignment
    if given.low > 0 or given.high < 0:
        more = "more" if given.low > 0 else "less"
        counted = f"{given.challenger} of {given.champion + given.challenger} units"
        return (
            f"the challenger got {more} than its share, {counted}: the arms are not comparable",
        )
    arms = {"champion": evidence.kpi.champion, "challenger": evidence.kpi.challenger}
    return tuple(
        f"{number} known outcomes of the {arm}, {settings.minimum} are needed"
        for arm, number in arms.items()
        if number < settings.minimum
    )


def _guards(
    found: Mapping[str, Interval], settings: ExperimentSettings
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The reasons of broken guard-rails, and of those that are not shown to hold."""
    broken, open_ = [], []
    for name, guard in settings.guards.items():
        interval = found.get(name)
        if interval is None:
            open_.append(f"{name}: not measured")
            continue
        number = min(interval.champion, interval.challenger)
        if number < settings.guard_minimum:
            needed = settings.guard_minimum
            open_.append(f"{name}: {number} requests of an arm, {needed} are needed")
            continue
        # how much worse the challenger is, whatever the goal
        worse = (interval.low, interval.high)
        low, high = worse if guard.goal == "lower" else (-worse[1], -worse[0])
        if low > guard.margin:
            broken.append(f"{name}: {told(interval)}, worse by more than {guard.margin:g}")
        elif high > guard.margin:
            open_.append(f"{name}: {told(interval)} may be worse by more than {guard.margin:g}")
    return tuple(broken), tuple(open_)


def told(interval: Interval) -> str:
    """The interval in words."""
    if math.isnan(interval.estimate):
        return "not known"
    return f"{interval.estimate:+.4g} ({interval.low:+.4g} to {interval.high:+.4g})"
