"""Decay is told from chance, too few labels have no verdict, and groups are compared."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from mlops.deployment.measuring.measure import Measure
from mlops.deployment.measuring.scored import Scored
from mlops.deployment.tests import scoring
from mlops.operations.monitoring.fairness import live_fairness
from mlops.operations.monitoring.over_time import over_time, steps
from mlops.operations.monitoring.performance import kpi_figure, live_performance
from mlops.operations.monitoring.settings import Bound, FairnessLimits, PerformanceLimits
from mlops.operations.monitoring.verdict import Verdict
from mlops.operations.tests.collected_cases import HOUR, NOON

LIMITS = PerformanceLimits()
NONE = np.array([], dtype=float)
GATE = {"evaluation.accuracy": Measure("evaluation.accuracy", 0.9, 0.86, 0.94, 200)}
RMSE = {"evaluation.rmse": Measure("evaluation.rmse", 1.0, 0.95, 1.05, 500)}


def right_in(share: float, rows: int = 400) -> Scored:
    """Answers of which that share is right."""
    given = scoring.table(rows, 3)
    truth = (np.random.default_rng(5).random(rows) < 0.5).astype(int)
    wrong = np.arange(rows) >= round(share * rows)
    answers = np.where(wrong, 1 - truth, truth).astype(float)
    mixed = np.random.default_rng(6).permutation(rows)
    return scoring.binary(truth[mixed].tolist(), answers[mixed].tolist(), given)


def off_by(size: float, rows: int = 400) -> Scored:
    random = np.random.default_rng(7)
    truth = random.normal(0, 3, rows)
    return scoring.values(truth.tolist(), (truth + random.normal(0, size, rows)).tolist())


def verdicts(
    judged: Scored,
    limits: PerformanceLimits = LIMITS,
    at_gate: dict[str, Measure] | None = None,
    kpi: np.ndarray = NONE,
) -> dict[str, Verdict]:
    gate = GATE if at_gate is None else at_gate
    found = live_performance(judged, kpi, limits, gate, seed=0)
    return {verdict.measure: verdict for verdict in found.verdicts}


@pytest.mark.parametrize(
    ("share", "rows", "outcome", "said"),
    [
        (0.9, 400, "holds", "keeps the bound"),
        (0.99, 400, "holds", "keeps the bound"),
        (0.7, 400, "breached", "+0.2 worse than 0.9 at the gate"),
        (0.76, 50, "holds", "though 50 rows leave it open"),
    ],
)
def test_decay_of_a_share(share: float, rows: int, outcome: str, said: str) -> None:
    verdict = verdicts(right_in(share, rows))["performance.accuracy"]
    assert (verdict.outcome, verdict.before) == (outcome, 0.9)
    assert verdict.bound == pytest.approx(0.09)
    assert said in verdict.reason
    assert verdict.value == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize(("size", "outcome"), [(1.0, "holds"), (0.5, "holds"), (1.5, "breached")])
def test_decay_of_an_error_that_should_be_small(size: float, outcome: str) -> None:
    assert verdicts(off_by(size), at_gate=RMSE)["performance.rmse"].outcome == outcome


def test_too_few_labels_have_no_verdict_but_figures() -> None:
    few = right_in(0.0, 49)
    found = live_performance(few, NONE, LIMITS, GATE, seed=0)
    assert [(v.measure, v.outcome) for v in found.verdicts] == [
        ("performance.accuracy", "no_verdict")
    ]
    assert found.verdicts[0].reason == "49 labelled rows; 50 are needed"
    assert next(m for m in found.measures if m.name == "performance.accuracy").value == 0
    assert verdicts(right_in(0.0, 50))["performance.accuracy"].outcome == "breached"


def test_no_label_at_all_has_no_verdict() -> None:
    none = right_in(0.5, 50).rows(np.zeros(50, dtype=bool))
    found = live_performance(none, NONE, LIMITS, GATE, seed=0)
    assert [verdict.outcome for verdict in found.verdicts] == ["no_verdict"]
    assert [measure.name for measure in found.measures] == ["performance.kpi"]


def test_without_the_gates_figure_there_is_no_verdict_of_decay() -> None:
    verdict = verdicts(right_in(0.1), at_gate={})["performance.accuracy"]
    assert (verdict.outcome, verdict.reason) == (
        "no_verdict",
        "its figure at the gate is not known",
    )
    off = dataclasses.replace(LIMITS, worse_by=None)
    assert verdicts(right_in(0.1), off) == {}


def test_a_metric_that_is_not_defined_has_no_verdict() -> None:
    broken = dataclasses.replace(right_in(0.9), predicted=np.full(400, np.nan))
    assert verdicts(broken)["performance.accuracy"].outcome == "no_verdict"


@pytest.mark.parametrize(
    ("bound", "outcome"),
    [
        (Bound(at_least=0.95), "breached"),
        (Bound(at_least=0.7), "holds"),
        (Bound(at_most=0.5), "breached"),
        (Bound(at_least=0.92), "holds"),  # the interval leaves it open
    ],
)
def test_a_declared_bound_of_any_figure(bound: Bound, outcome: str) -> None:
    limits = PerformanceLimits(worse_by=None, bounds={"accuracy": bound})
    assert verdicts(right_in(0.9), limits)["performance.accuracy"].outcome == outcome


def test_a_bound_of_a_figure_that_is_not_there_says_so() -> None:
    limits = PerformanceLimits(worse_by=None, bounds={"acuracy": Bound(at_least=0.5)})
    verdict = verdicts(right_in(0.9), limits)["performance.acuracy"]
    assert verdict.outcome == "no_verdict"
    assert "known are accuracy, count, error_rate" in verdict.reason


def test_kpi_with_its_interval_and_bounds() -> None:
    kpi = np.random.default_rng(1).normal(5, 1, 200)
    figure = kpi_figure(kpi, 0)
    assert figure.low is not None
    assert figure.high is not None
    assert 4.7 < figure.low < kpi.mean() < figure.high < 5.3
    for bound, outcome in ((Bound(at_least=6.0), "breached"), (Bound(4.0, 6.0), "holds")):
        limits = PerformanceLimits(kpi=bound)
        found = live_performance(right_in(0.9), kpi, limits, GATE, seed=0)
        assert {v.outcome for v in found.verdicts if v.measure == "performance.kpi"} == {outcome}
    few = verdicts(right_in(0.9), PerformanceLimits(kpi=Bound(6.0)), kpi=kpi[:49])
    assert few["performance.kpi"].outcome == "no_verdict"
    assert "performance.kpi" not in verdicts(right_in(0.9), kpi=kpi)
    assert kpi_figure(NONE, 0).value is None
    assert kpi_figure(np.array([3.0]), 0).low is None


def test_of_many_labels_a_part_is_judged_the_same_each_time() -> None:
    limits = PerformanceLimits(most=100)
    one = live_performance(right_in(0.9), NONE, limits, GATE, seed=1)
    assert one == live_performance(right_in(0.9), NONE, limits, GATE, seed=1)
    assert {m.rows for m in one.measures if m.name == "performance.accuracy"} == {100}


def test_chance_alone_hardly_ever_breaches() -> None:
    alarms = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        right = random.random(150) < 0.9
        judged = scoring.binary([1] * 150, right.astype(float).tolist())
        alarms += verdicts(judged)["performance.accuracy"].outcome == "breached"
    assert alarms <= 1


def test_figures_hour_by_hour() -> None:
    judged = scoring.binary([1, 1, 0, 0], [0.9, 0.1, 0.2, 0.8])
    times = pd.Series([NOON, NOON + HOUR, NOON + HOUR, NOON + 3 * HOUR])
    points = over_time(judged, times, (NOON, NOON + 4 * HOUR), 1.0)
    errors = [p for p in points if p.measure.name == "performance.error_rate"]
    assert [(p.start - NOON, p.measure.value, p.measure.rows) for p in errors] == [
        (timedelta(0), 0.0, 1),
        (HOUR, 0.5, 2),
        (3 * HOUR, 1.0, 1),
    ]
    assert all(p.measure.low is not None for p in errors)
    values = scoring.values([1.0, 2.0, 3.0], [1.5, 2.0, 2.0])
    found = over_time(values, pd.Series([NOON] * 3), (NOON, NOON + HOUR), 1.0)
    error = next(p.measure for p in found if p.measure.name == "performance.absolute_error")
    assert error.value == 0.5
    assert error.low == 0.0
    assert error.high == pytest.approx(0.5 + 4.303 * 0.5 / 3**0.5, abs=1e-3)


def test_steps_cover_the_window() -> None:
    found = list(steps(NOON, NOON + 2.5 * HOUR, 1.0))
    assert [(a - NOON) / HOUR for a, _ in found] == [0, 1, 2]
    assert found[-1][1] == NOON + 2.5 * HOUR


def by_sex(gap: float, rows: int = 600) -> Scored:
    """Answers that are right 90% of the time for one sex, and less often by `gap` for the other."""
    given = scoring.table(rows, 3)
    random = np.random.default_rng(8)
    truth = (random.random(rows) < 0.5).astype(int)
    wrong = random.random(rows) < np.where(given["sex"] == "f", 0.1 + gap, 0.1)
    return scoring.binary(truth.tolist(), np.where(wrong, 1 - truth, truth).tolist(), given)


def fair(judged: Scored, limits: FairnessLimits | None = None) -> dict[str, Verdict]:
    found = live_fairness(judged, limits or FairnessLimits(), seed=0)
    return {verdict.measure: verdict for verdict in found.verdicts}


def test_fairness_of_a_window() -> None:
    assert fair(by_sex(0.5))["fairness.accuracy[sex]"].outcome == "breached"
    equal = fair(by_sex(0.0))
    assert {equal[f"fairness.{n}[sex]"].outcome for n in ("accuracy", "recall")} == {"holds"}
    # few rows show the same difference and decide nothing
    few = fair(by_sex(0.3, 70))["fairness.accuracy[sex]"]
    assert few.outcome == "holds"
    small = fair(by_sex(0.5), FairnessLimits(group=500))["fairness.accuracy[sex]"]
    assert small.outcome == "no_verdict"
    assert "fewer than two groups of 500 rows" in small.reason


def test_fairness_is_judged_by_the_strictest_bound_and_only_where_there_is_one() -> None:
    limits = FairnessLimits(at_most={"fairness.*": 0.9, "fairness.accuracy[sex]": 0.1})
    found = fair(by_sex(0.5), limits)
    assert found["fairness.accuracy[sex]"].bound == 0.1
    assert found["fairness.recall[sex]"].outcome == "holds"
    assert fair(by_sex(0.5), FairnessLimits(at_most={})) == {}
    nothing = dataclasses.replace(scoring.CONTRACT, protected=())
    assert fair(dataclasses.replace(by_sex(0.5), contract=nothing)) == {}
