"""The verdict of an experiment: each outcome, what stands against it, and what it does to traffic."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from mlops.operations.experiments.sequential import Epoch, Interval, Outcomes
from mlops.operations.experiments.settings import ExperimentSettings, GuardRail
from mlops.operations.experiments.verdict import Evidence, gather, judge

SETTINGS = ExperimentSettings(
    guards={"error_rate": GuardRail(0.01), "revenue": GuardRail(2.0, "higher")}
)
HELD = {
    "error_rate": Interval(0.0, -0.004, 0.004, 900, 900),
    "revenue": Interval(0.0, -1.0, 1.0, 900, 900),
}
FAIR = Interval(0.0, -0.02, 0.02, 900, 900)


def evidence(low: float, high: float, known: int = 900, **changed: object) -> Evidence:
    kpi = Interval((low + high) / 2, low, high, 900, known)
    whole = Evidence(kpi, HELD, FAIR, share=0.3, days=2.0)
    return dataclasses.replace(whole, **changed)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "outcome", "share"),
    [
        (evidence(0.001, 0.05), "challenger better", 1.0),
        (evidence(-0.05, -0.001), "challenger worse", 0.0),
        (evidence(-0.009, 0.009), "no difference that matters", 0.0),
        (evidence(-0.02, 0.03), "no verdict yet", 0.3),
        (evidence(-0.02, 0.03, days=28.0), "ended without a verdict", 0.0),
        (evidence(0.001, 0.05, days=28.0), "challenger better", 1.0),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_outcome_and_the_share_that_follows(
    found: Evidence, outcome: str, share: float
) -> None:
    verdict = judge(found, SETTINGS)
    assert (verdict.outcome, verdict.share) == (outcome, share)
    assert verdict.reasons


def test_of_a_cost_lower_is_better() -> None:
    settings = dataclasses.replace(SETTINGS, goal="lower")
    assert judge(evidence(-0.05, -0.001), settings).outcome == "challenger better"
    assert judge(evidence(0.001, 0.05), settings).outcome == "challenger worse"


def test_too_few_labels_give_no_verdict() -> None:
    verdict = judge(evidence(0.2, 0.4, known=499), SETTINGS)
    assert (verdict.outcome, verdict.share) == ("no verdict yet", 0.3)
    assert verdict.reasons == ("499 known outcomes of the challenger, 500 are needed",)
    assert judge(evidence(0.2, 0.4, known=500), SETTINGS).outcome == "challenger better"


@pytest.mark.parametrize(
    ("guard", "interval"),
    [
        ("error_rate", Interval(0.02, 0.011, 0.03, 900, 900)),
        ("revenue", Interval(-3.0, -4.0, -2.1, 900, 900)),
    ],
)
def test_a_broken_guard_stops_a_better_challenger(guard: str, interval: Interval) -> None:
    for known in (900, 0):
        verdict = judge(evidence(0.1, 0.2, known, guards={**HELD, guard: interval}), SETTINGS)
        assert (verdict.outcome, verdict.share) == ("challenger worse", 0.0)
        assert guard in verdict.reasons[0]


@pytest.mark.parametrize(
    ("guard", "interval", "why"),
    [
        ("error_rate", Interval(0.0, -0.011, 0.011, 900, 900), "may be worse by more than 0.01"),
        ("revenue", Interval(0.0, -2.1, 2.1, 900, 900), "may be worse by more than 2"),
        ("error_rate", Interval(0.5, 0.4, 0.6, 900, 199), "199 requests of an arm, 200 are needed"),
        ("error_rate", None, "not measured"),
    ],
)
def test_a_guard_that_is_not_shown_to_hold_delays_the_promotion(
    guard: str, interval: Interval | None, why: str
) -> None:
    guards = {**HELD, guard: interval} if interval else {"revenue": HELD["revenue"]}
    verdict = judge(evidence(0.1, 0.2, guards=guards), SETTINGS)
    assert (verdict.outcome, verdict.share) == ("no verdict yet", 0.3)
    assert any(why in reason for reason in verdict.reasons)
    assert judge(evidence(-0.2, -0.1, guards=guards), SETTINGS).outcome == "challenger worse"


def test_arms_that_are_not_drawn_as_declared_are_not_compared() -> None:
    verdict = judge(evidence(0.1, 0.2, assignment=Interval(-0.1, -0.12, -0.08, 900, 700)), SETTINGS)
    assert verdict.outcome == "no verdict yet"
    assert "700 of 1600 units: the arms are not comparable" in verdict.reasons[0]


def outcomes(before: float, now: float, number: int = 20_000) -> Outcomes:
    random = np.random.default_rng(4)
    challenger = random.random(number) < 0.3
    value = random.random(number) < np.where(challenger, now, before)
    return Outcomes(value.astype(float), challenger, np.full(number, 0.3))


@pytest.mark.parametrize(
    ("now", "failed", "outcome"),
    [
        (0.2, 20, "challenger better"),
        (0.2, 600, "challenger worse"),
        (0.05, 20, "challenger worse"),
    ],
)
def test_from_observations_to_a_verdict(now: float, failed: int, outcome: str) -> None:
    settings = dataclasses.replace(SETTINGS, guards={"error_rate": GuardRail(0.01)})
    counts = [Epoch(0.3, 14_000, 50, 6_000, failed)]
    found = gather(outcomes(0.1, now), {"error_rate": counts}, settings, share=0.3, days=1.0)
    assert judge(found, settings).outcome == outcome


def test_a_guard_may_be_given_by_request() -> None:
    settings = dataclasses.replace(SETTINGS, guards={"error_rate": GuardRail(0.01)})
    silent = outcomes(0.0, 0.0, 1000)
    found = gather(outcomes(0.1, 0.2), {"error_rate": silent}, settings, share=0.3, days=1.0)
    # no failure among 300 does not show that fewer than one in a hundred fail
    assert found.guards["error_rate"].high > 0.01
    assert judge(found, settings).outcome == "no verdict yet"


def test_nothing_at_all_gives_no_verdict() -> None:
    none = Outcomes(np.zeros(0), np.zeros(0, dtype=bool), np.zeros(0))
    verdict = judge(gather(none, {}, SETTINGS, share=0.3, days=0.0), SETTINGS)
    assert (verdict.outcome, verdict.share) == ("no verdict yet", 0.3)
    assert len(verdict.reasons) == 2
    assert math.isnan(gather(none, {}, SETTINGS, share=0.3, days=0.0).kpi.estimate)
