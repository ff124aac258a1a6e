"""Drift that is there is found and told, and what is none stays quiet."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from mlops.operations.drift.columns import JENSEN, KOLMOGOROV, MISSING
from mlops.operations.drift.measure import measure_drift
from mlops.operations.drift.settings import DriftSettings, JointSettings
from mlops.operations.drift.verdict import Drift, Finding
from mlops.quality.contract import Column, Contract

ALONE = DriftSettings(joint=None)
Random = np.random.Generator
Changed = pd.Series | NDArray[np.generic]


def contract(**columns: Column) -> Contract:
    target = Column("number", "")
    return Contract("c", "", "regression", "target", {**columns, "target": target})


NUMBER, TEXT, TRUTH = (Column(kind, "", missing=True) for kind in ("number", "string", "boolean"))
FIVE = {"near": NUMBER, "far": NUMBER, "count": Column("integer", "")}
TEN = contract(
    **FIVE,
    **{"code": Column("integer", "", categories=(1, 2, 3)), "text": TEXT, "truth": TRUTH},
    **{"gaps": NUMBER, "skewed": NUMBER, "rare": TEXT},
    when=Column("datetime", ""),
)


def table(rows: int, random: Random) -> pd.DataFrame:
    """Ten columns of every type; `near` and `far` hang together."""
    near = random.normal(size=rows)
    gaps = np.where(random.random(rows) < 0.05, np.nan, random.normal(size=rows))
    days = pd.to_timedelta(random.integers(0, 365, rows), unit="D")
    return pd.DataFrame(
        {
            "near": near,
            "far": 0.8 * near + 0.6 * random.normal(size=rows),
            "count": random.poisson(4, rows),
            "code": random.choice([1, 2, 3], rows, p=[0.6, 0.3, 0.1]),
            "text": random.choice(["red", "green", "blue"], rows),
            "truth": random.random(rows) < 0.3,
            "gaps": gaps,
            "skewed": random.exponential(size=rows),
            "rare": random.choice(["usual", "odd"], rows, p=[0.99, 0.01]),
            "when": pd.Timestamp("2026-01-01") + days,
        }
    )


def found(drift: Drift, statistic: str = "") -> set[str]:
    return {each.column for each in drift.columns if each.drifted and statistic in each.statistic}


def of(drift: Drift, column: str, statistic: str) -> Finding:
    return next(
        each for each in drift.columns if (each.column, each.statistic) == (column, statistic)
    )


def single(
    before: object, now: object, column: Column = NUMBER, settings: DriftSettings = ALONE
) -> Drift:
    tables = [pd.DataFrame({"x": values}) for values in (before, now)]
    return measure_drift(tables[0], tables[1], contract(x=column), settings, seed=0)


def test_no_shift_raises_alarms_at_most_as_often_as_said() -> None:
    alarms = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        drift = measure_drift(table(1000, random), table(500, random), TEN, ALONE, seed=seed)
        assert len(drift.columns) == 11
        alarms += drift.data_drift
    # a rate of 1% gives more than 7 of 200 once in a thousand times
    assert alarms <= 7


def test_without_shift_the_joint_test_raises_alarms_at_most_as_often_as_said() -> None:
    chances = []
    few = [("near", NUMBER), ("far", NUMBER), ("gaps", NUMBER)]
    for seed in range(60):
        random = np.random.default_rng(seed)
        tables = table(200, random), table(150, random)
        drift = measure_drift(*tables, contract(**dict(few)), DriftSettings(), seed=seed)
        assert drift.joint is not None
        assert not drift.joint.drifted
        chances.append(drift.joint.p_value)
    # of 60, a rate of 5% gives more than 9 once in a thousand times
    assert np.sum(np.array(chances) < 0.05) <= 9


SHIFTS: dict[str, tuple[str, str, Callable[[pd.DataFrame, Random], Changed]]] = {
    "mean": ("near", KOLMOGOROV, lambda t, _: t.near + 0.5),
    "spread": ("near", KOLMOGOROV, lambda t, _: t.near * 2),
    "skewed, reversed": ("skewed", KOLMOGOROV, lambda t, _: t.skewed.max() - t.skewed),
    "counts": ("count", KOLMOGOROV, lambda t, r: t["count"] + (r.random(len(t)) < 0.7)),
    "moments": ("when", KOLMOGOROV, lambda t, _: t.when + pd.Timedelta(days=100)),
    "code": ("code", JENSEN, lambda t, r: r.choice([1, 2, 3], len(t), p=[0.4, 0.4, 0.2])),
    "new code": ("code", JENSEN, lambda t, r: t.code.where(r.random(len(t)) > 0.08, 4)),
    "text": ("text", JENSEN, lambda t, r: t.text.where(r.random(len(t)) > 0.3, "red")),
    "new text": ("text", JENSEN, lambda t, r: t.text.where(r.random(len(t)) > 0.08, "new")),
    "truth": ("truth", JENSEN, lambda t, r: r.random(len(t)) < 0.5),
    "missing": ("gaps", MISSING, lambda t, r: t.gaps.where(r.random(len(t)) > 0.15)),
}


@pytest.mark.parametrize("name", SHIFTS)
def test_a_shift_of_known_size_is_found_in_its_column(name: str) -> None:
    column, statistic, change = SHIFTS[name]
    hits = 0
    for seed in range(10):
        random = np.random.default_rng(seed)
        reference, current = table(1000, random), table(500, random)
        current[column] = change(current, random)
        drift = measure_drift(reference, current, TEN, ALONE, seed=seed)
        hits += column in found(drift, statistic)
        assert found(drift) <= {column}
    assert hits >= 9


@pytest.mark.parametrize("change", [lambda x, _: -x, lambda x, r: r.permutation(x)])
def test_a_column_reversed_against_the_others_is_found_jointly(
    change: Callable[[pd.Series, Random], Changed],
) -> None:
    random = np.random.default_rng(4)
    reference, current = table(1000, random), table(1000, random)
    current["near"] = change(current.near, random)
    drift = measure_drift(reference, current, TEN, DriftSettings(), seed=0)
    assert found(drift) == set()
    assert drift.joint is not None
    assert drift.joint.drifted
    assert {name for name, _ in drift.joint.telling[:2]} == {"near", "far"}
    assert drift.data_drift
    assert drift.reasons == (drift.joint.reason,)
    assert "most by" in drift.joint.reason
    lax = DriftSettings(joint=JointSettings(auc=0.95))
    assert not measure_drift(reference, current, TEN, lax, seed=0).data_drift
    assert measure_drift(reference, current, TEN, ALONE, seed=0).joint is None


def test_a_large_window_does_not_cry_wolf() -> None:
    random = np.random.default_rng(0)
    reference, current = table(100_000, random), table(100_000, random)
    current["near"] += 0.05
    current["truth"] = random.random(100_000) < 0.32
    current["gaps"] = current.gaps.where(random.random(100_000) > 0.02)
    drift = measure_drift(reference, current, TEN, DriftSettings(), seed=0)
    sure = {each.column for each in drift.columns if each.adjusted < 0.001}
    assert sure == {"near", "truth", "gaps"}
    assert not drift.data_drift
    assert drift.reasons == ()
    assert "within 0.10" in of(drift, "near", KOLMOGOROV).reason
    strict = DriftSettings(columns={"near": 0.01, "truth": 0.01}, missing=0.01, joint=None)
    assert found(measure_drift(reference, current, TEN, strict, seed=0)) == sure


def test_a_large_distance_that_chance_explains_is_none() -> None:
    random = np.random.default_rng(3)
    drift = single(random.normal(size=100), random.normal(size=100))
    finding = of(drift, "x", KOLMOGOROV)
    assert finding.effect > finding.threshold
    assert not finding.drifted
    assert "but chance may do that" in finding.reason


def test_many_tests_are_judged_together() -> None:
    random = np.random.default_rng(11)
    reference = pd.DataFrame({f"c{n}": random.normal(size=300) for n in range(40)})
    current = pd.DataFrame({f"c{n}": random.normal(size=300) for n in range(40)})
    current["c0"] += 0.3
    columns = contract(**{f"c{n}": NUMBER for n in range(40)})
    alone = measure_drift(reference[["c0"]], current[["c0"]], contract(c0=NUMBER), ALONE, seed=0)
    among = measure_drift(reference, current, columns, ALONE, seed=0)
    one, same = of(alone, "c0", KOLMOGOROV), of(among, "c0", KOLMOGOROV)
    assert one.p_value == same.p_value == one.adjusted
    assert same.adjusted == pytest.approx(40 * same.p_value)
    assert one.drifted
    assert not same.drifted


def test_reasons_say_what_changed() -> None:
    before, now = np.arange(100.0), np.arange(100.0) + 50
    drift = single(before, now)
    expected = "x: Kolmogorov-Smirnov distance 0.50, beyond 0.10: 0% at or below 49, was 50%"
    assert drift.reasons == (expected,)
    assert of(drift, "x", KOLMOGOROV).moved == pytest.approx(50 / np.std(before))
    drift = single(["a"] * 200 + ["b"] * 200, ["a"] * 180 + ["b"] * 190 + ["new"] * 30, TEXT)
    assert "'new' in 7.5%, was never" in drift.reasons[0]
    drift = single([1.0] * 200, [1.0] * 150 + [math.nan] * 50)
    assert drift.reasons == (
        "x: difference in missing values 0.25, beyond 0.05: 25% missing, was 0%",
    )
    dates = pd.date_range("2026-01-01", periods=100)
    drift = single(dates, dates + pd.Timedelta(days=99), Column("datetime", ""))
    assert "0% at or below 2026-04-09 00:00, was 99%" in drift.reasons[0]


def test_the_largest_effect_is_told_first() -> None:
    random = np.random.default_rng(0)
    reference, current = table(500, random), table(500, random)
    current["near"] += 1
    current["skewed"] += 10
    told = measure_drift(reference, current, TEN, ALONE, seed=0).reasons
    assert [reason.split(":")[0] for reason in told] == ["skewed", "near"]


def test_the_order_of_rows_does_not_matter() -> None:
    random = np.random.default_rng(0)
    reference, current = table(400, random), table(300, random)
    current["text"] = current.text.where(random.random(300) > 0.3, "new")
    mixed = [part.sample(frac=1, random_state=1) for part in (reference, current)]
    before = measure_drift(reference, current, TEN, ALONE, seed=0)
    after = measure_drift(mixed[0], mixed[1], TEN, ALONE, seed=0)
    for one, other in zip(before.columns, after.columns, strict=True):
        assert one.reason == other.reason
        assert one.p_value == pytest.approx(other.p_value, rel=1e-9)


def test_the_same_seed_gives_the_same_answer() -> None:
    random = np.random.default_rng(0)
    tables = table(400, random), table(6000, random)
    settings = DriftSettings(joint=JointSettings(auc=0.5, rows=300))
    first, again, other = (measure_drift(*tables, TEN, settings, seed=seed) for seed in (7, 7, 8))
    assert first == again
    assert first.joint is not None
    assert other.joint is not None
    assert first.joint.rows == (300, 300)
    assert first.joint.auc != other.joint.auc
    assert first.columns == other.columns


@pytest.mark.parametrize(
    ("rows", "named"), [((99, 100), "the reference"), ((100, 99), "the window")]
)
def test_too_few_rows_give_no_verdict(rows: tuple[int, int], named: str) -> None:
    far = single(np.zeros(rows[0]), np.ones(rows[1]))
    assert far.unjudged == f"{named} has 99 rows, at least 100 are needed"
    assert (far.columns, far.joint, far.data_drift, far.reasons) == ((), None, False, ())
    assert far.rows == rows
    assert single(np.zeros(100), np.ones(100)).data_drift


@pytest.mark.parametrize("rows", [0, 1])
def test_an_empty_window_and_a_single_row_give_no_verdict(rows: int) -> None:
    drift = single(np.zeros(200), np.zeros(rows), settings=DriftSettings())
    assert f"the window has {rows} rows" in drift.unjudged
    assert not drift.data_drift


ODD: dict[str, tuple[object, object, Column]] = {
    "constant": ([3.0] * 200, [3.0] * 200, NUMBER),
    "all missing": ([math.nan] * 200, [math.nan] * 200, NUMBER),
    "all missing texts": ([None] * 200, [None] * 200, TEXT),
    "texts all different": ([f"a{n}" for n in range(200)], [f"b{n}" for n in range(200)], TEXT),
    "huge integers": ([10**400] * 100 + [5] * 100, [10**400] * 100 + [5] * 100, NUMBER),
    "infinite": ([math.inf] * 20 + [1.0] * 180, [math.inf] * 20 + [1.0] * 180, NUMBER),
    "largest numbers": ([1.7e308, -1.7e308] * 100, [-1.7e308, 1.7e308] * 100, NUMBER),
    "numbers as text": ([str(n) for n in range(200)], list(range(200)), NUMBER),
    "truth and gaps": ([True, False, None, True] * 50, [True, False, None, True] * 50, TRUTH),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_columns_that_do_not_change_stay_quiet(name: str) -> None:
    before, now, column = ODD[name]
    drift = single(before, now, column, DriftSettings())
    assert not drift.data_drift
    assert drift.joint is not None
    assert 0 <= drift.joint.p_value <= 1
    assert all(0 <= each.p_value <= 1 and 0 <= each.effect <= 1 for each in drift.columns)


def test_odd_columns_that_change_are_found() -> None:
    constant = single([3.0] * 200, [4.0] * 200)
    assert of(constant, "x", KOLMOGOROV).effect == 1
    assert of(constant, "x", KOLMOGOROV).moved is None
    assert found(single([1.0] * 200, [math.nan] * 200), MISSING) == {"x"}
    assert found(single([1.0] * 200, [math.inf] * 50 + [1.0] * 150), MISSING) == {"x"}
    few = single(["a", "b"] * 100, [f"id {n}" for n in range(200)], TEXT)
    assert found(few, JENSEN) == {"x"}
    assert "200 new values in 100%" in few.reasons[0]
    small = single(["a"] * 9990 + ["b"] * 10, ["a"] * 100 + ["b"] * 20, TEXT)
    assert found(small, JENSEN) == {"x"}


def test_columns_that_cannot_be_compared_are_named() -> None:
    random = np.random.default_rng(0)
    reference = pd.DataFrame({name: random.normal(size=200) for name in "abcd"})
    current = pd.DataFrame({"a": reference.a, "b": reference.b + 5, "e": reference.a})
    columns = dict.fromkeys("abde", NUMBER) | {"c": dataclasses.replace(NUMBER, collect="never")}
    settings = DriftSettings(exclude=("b",))
    drift = measure_drift(reference, current, contract(**columns), settings, seed=0)
    assert dict(drift.skipped) == {
        "b": "excluded by the settings",
        "c": "never collected",
        "d": "not in the window",
        "e": "not in the reference",
    }
    assert {each.column for each in drift.columns} == {"a"}
    assert not drift.data_drift
    nothing = measure_drift(reference[["d"]], current[["e"]], contract(d=NUMBER), settings, seed=0)
    assert nothing.joint is None
    assert not nothing.data_drift


def test_too_few_values_are_not_compared_but_what_is_missing_is() -> None:
    before, now = [1.0] * 200, [9.0] * 19 + [math.nan] * 181
    drift = single(before, now)
    assert dict(drift.skipped) == {"x": "fewer than 20 values in one of the tables"}
    assert found(drift) == found(drift, MISSING) == {"x"}
    enough = single(before, [9.0] * 20 + [math.nan] * 180)
    assert not enough.skipped
    assert found(enough, KOLMOGOROV) == {"x"}


def test_hashes_are_compared_as_texts_and_only_with_hashes() -> None:
    column = dataclasses.replace(NUMBER, collect="hashed")
    hashes = [f"{number:032x}" for number in range(4)]
    same = single(hashes * 50, hashes[::-1] * 50, column)
    assert not same.data_drift
    assert of(same, "x", JENSEN).effect == 0
    assert single(hashes * 50, hashes[:2] * 100, column).data_drift
    for raw in ([1.0, 2.0] * 100, ["one", "two"] * 100):
        drift = single(raw, hashes * 50, column)
        assert dict(drift.skipped) == {"x": "hashed when it was collected, but not in both tables"}
        assert not drift.columns


def test_answers_are_compared_apart_from_the_data() -> None:
    random = np.random.default_rng(1)
    reference, current = table(500, random), table(400, random)
    before, now = random.beta(2, 5, 500), random.beta(2, 5, 400)
    pairs = [np.stack([1 - part, part], axis=1) for part in (before, now)]
    quiet = measure_drift(reference, current, TEN, ALONE, seed=0, answers=(pairs[0], pairs[1]))
    assert [each.column for each in quiet.answers] == ["answer.0", "answer.1"]
    assert not quiet.prediction_drift
    drift = measure_drift(reference, current, TEN, ALONE, seed=0, answers=(before, now + 0.2))
    assert [each.column for each in drift.answers if each.drifted] == ["answer.0"]
    assert drift.prediction_drift
    assert not drift.data_drift
    assert drift.reasons[0].startswith("answer.0: Kolmogorov-Smirnov distance")
    lax = dataclasses.replace(ALONE, answers=0.9)
    again = measure_drift(reference, current, TEN, lax, seed=0, answers=(before, now + 0.2))
    assert not again.prediction_drift
    none = measure_drift(reference, current, TEN, ALONE, seed=0, answers=(before, now[:0]))
    assert none.answers == ()
    with pytest.raises(ValueError, match="answers of 2 and of 1 columns"):
        measure_drift(reference, current, TEN, ALONE, seed=0, answers=(pairs[0], now))
