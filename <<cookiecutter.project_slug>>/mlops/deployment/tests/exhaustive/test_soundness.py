"""Proofs against brute force: every cell of small models, and none proven that does not hold."""

from __future__ import annotations

import dataclasses
from itertools import product

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline

from mlops.deployment.exhaustive import Limits, Property, Subject, Verification, verify
from mlops.deployment.exhaustive.structure import flatten, tree_sum
from mlops.deployment.exhaustive.verify import regions
from mlops.deployment.tests.small import CONTRACT, INPUTS, LINES, TREES, model, rows
from mlops.quality.contract import Column
from mlops.training.search import predict

SLACK = 1e-9
LIMITS = Limits(generated=16, nodes=20000, proofs=0)
SEARCHING = Limits(generated=16, nodes=20000)


def subject(fitted: Pipeline, seed: int) -> Subject:
    samples = rows(60, seed + 1000)[INPUTS]
    return Subject(fitted, lambda table: predict(fitted, table), CONTRACT, samples, SLACK)


def every_cell(fitted: Pipeline) -> pd.DataFrame:
    """One input for each cell of the grid of thresholds, with every category and without `m`."""
    cuts = tree_sum(flatten(fitted, CONTRACT), CONTRACT).cuts
    values: dict[str, list[float]] = {}
    for name in ("a", "n", "m"):
        low, high = CONTRACT.columns[name].range or (0.0, 0.0)
        inner = [float(cut) for cut in cuts[name] if low <= cut < high]
        beside = [float(np.nextafter(cut, np.inf)) for cut in inner]
        values[name] = sorted({low, high, *inner, *([] if name == "n" else beside)})
    values["n"] = list(range(7))
    values["m"].append(np.nan)
    table = pd.DataFrame(list(product(*values.values(), ["x", "y"])), columns=INPUTS)
    return table.astype({"a": float, "n": "int64", "m": float})


def answers(fitted: Pipeline, table: pd.DataFrame) -> np.ndarray:
    return np.asarray(predict(fitted, table), dtype=float)


def largest_fall(table: pd.DataFrame, given: np.ndarray, column: str) -> float:
    """How far an answer falls at most while one column grows and the rest stays."""
    known = table.assign(answer=given).dropna(subset=[column]).sort_values(column)
    others = [name for name in INPUTS if name != column]
    worst = 0.0
    for _, group in known.groupby(others, dropna=False):
        values = group["answer"].to_numpy()
        worst = max(worst, float((np.maximum.accumulate(values) - values).max()))
    return worst


def checked(found: Verification, *, limit: float, truth: float) -> None:
    """The verdict must be the one that brute force gives, and the bound must hold."""
    if truth > limit + 1e-7:
        assert found.proof.verdict == "violated", (found.proof, truth)
    elif truth < limit - 1e-7:
        assert found.proof.verdict == "proven", (found.proof, truth)
    assert found.proof.bound is None or found.proof.bound >= min(truth, limit) - 1e-7


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", TREES)
def test_trees_are_judged_as_brute_force_judges_them(name: str, seed: int) -> None:
    fitted = model(clone(TREES[name]), seed, scaled=seed % 2 == 1)
    table = every_cell(fitted)
    given, judged = answers(fitted, table), subject(fitted, seed)
    low, high = float(given.min()), float(given.max())
    for top in (high + 0.01, high - 0.01):
        found = verify(Property("p", output=(-10.0, top)), judged, LIMITS)
        checked(found, limit=0.0, truth=high - top)
    for bottom in (low - 0.01, low + 0.01):
        found = verify(Property("p", output=(bottom, 10.0)), judged, LIMITS)
        checked(found, limit=0.0, truth=bottom - low)
    for column in ("a", "n", "m"):
        for way, sign in (("rising", 1), ("falling", -1)):
            fall = largest_fall(table, sign * given, column)
            for tolerance in (fall + 0.01, max(fall - 0.01, 0.0)):
                declared = Property("p", monotone={column: way}, tolerance=tolerance)  # type: ignore[dict-item]
                checked(verify(declared, judged, LIMITS), limit=tolerance, truth=fall)
    other = table.assign(g=np.where(table["g"] == "x", "y", "x").astype(object))
    gap = float(np.abs(answers(fitted, other) - given).max())
    for most in (gap + 0.01, max(gap - 0.01, 0.0)):
        found = verify(Property("p", flip="g", at_most=most), judged, LIMITS)
        checked(found, limit=most, truth=gap)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", LINES)
def test_lines_are_judged_as_a_fine_grid_judges_them(name: str, seed: int) -> None:
    fitted = model(clone(LINES[name]), seed)
    steps = [np.linspace(0, 10, 21), np.arange(7), np.array([*np.linspace(-1, 1, 11), np.nan])]
    table = pd.DataFrame(list(product(*steps, ["x", "y"])), columns=INPUTS)
    given, judged = answers(fitted, table), subject(fitted, seed)
    low, high = float(given.min()), float(given.max())
    for top in (high + 0.01, high - 0.01):
        found = verify(Property("p", output=(low - 1, top)), judged, LIMITS)
        checked(found, limit=0.0, truth=high - top)
    other = table.assign(g=np.where(table["g"] == "x", "y", "x").astype(object))
    gap = float(np.abs(answers(fitted, other) - given).max())
    found = verify(Property("p", flip="g", at_most=gap + 0.02), judged, LIMITS)
    assert found.proof.verdict == "proven"
    assert verify(Property("p", flip="g", at_most=gap - 0.02), judged, LIMITS).proof.verdict == (
        "violated"
    )
    for column in ("a", "m"):
        for way, sign in (("rising", 1), ("falling", -1)):
            fall = largest_fall(table, sign * given, column)
            declared = Property("p", monotone={column: way}, tolerance=fall + 0.02)  # type: ignore[dict-item]
            assert verify(declared, judged, LIMITS).proof.verdict == "proven"
            if fall > 0.05:
                declared = Property("p", monotone={column: way}, tolerance=fall - 0.02)  # type: ignore[dict-item]
                assert verify(declared, judged, LIMITS).proof.verdict == "violated"


@pytest.mark.parametrize("seed", range(3))
def test_what_is_proven_of_a_region_is_proven_inside_it(seed: int) -> None:
    fitted = model(clone(TREES["forest"]), seed)
    judged = subject(fitted, seed)
    top = float(answers(fitted, every_cell(fitted)).max()) - 0.1
    for low, high in ((0.0, 10.0), (0.0, 5.0), (2.0, 5.0), (3.0, 3.5)):
        declared = Property("p", output=(0.0, top), region={"a": (low, high)})
        found = verify(declared, judged, LIMITS)
        table = every_cell(fitted)
        edge = table.assign(a=np.clip(table["a"], low, high))
        checked(found, limit=0.0, truth=float(answers(fitted, edge).max()) - top)


@pytest.mark.parametrize("seed", range(2))
def test_the_supported_range_holds(seed: int) -> None:
    fitted = model(clone(TREES["forest"]), seed)
    judged, table = subject(fitted, seed), every_cell(fitted)
    given = answers(fitted, table)
    declared = Property("p", output=(0.0, float(np.quantile(given, 0.8))))
    found = verify(declared, judged, SEARCHING)
    assert found.proof.verdict == "violated"
    assert found.supported is not None
    box = found.supported.ranges
    clipped = table[table["g"].isin(box["g"])].copy()
    for name in ("a", "n", "m"):
        low, high = (float(str(end)) for end in box[name])
        low, high = (np.ceil(low), np.floor(high)) if name == "n" else (low, high)
        clipped[name] = clipped[name].fillna(0.0).clip(low, high)
    clipped = clipped.astype({"n": "int64"})
    assert answers(fitted, clipped).max() <= declared.output[1] + 1e-6  # type: ignore[index]
    assert 0 < found.supported.share < 1


@pytest.mark.parametrize("estimator", [LINES["logistic"], TREES["forest"]], ids=str)
def test_the_supported_range_of_a_flip_holds_both_categories(estimator: BaseEstimator) -> None:
    fitted = model(clone(estimator), 0)
    judged = subject(fitted, 0)
    found = verify(Property("p", flip="g", at_most=0.0), judged, SEARCHING)
    assert found.proof.verdict == "violated"
    assert found.supported is None or found.supported.ranges["g"] == ("x", "y")


def test_a_counterexample_is_an_input_and_was_run() -> None:
    fitted = model(clone(TREES["forest"]), 0)
    found = verify(Property("p", output=(0.0, 0.5)), subject(fitted, 0), Limits(generated=0))
    (row,) = found.proof.counterexample
    assert row["n"] == int(row["n"])  # type: ignore[call-overload]
    assert row["g"] in {"x", "y"}
    again = predict(fitted, pd.DataFrame([row])[INPUTS])
    assert found.proof.answers == (float(again[0]),)
    assert again[0] > 0.5


def test_a_budget_that_is_used_up_proves_nothing() -> None:
    fitted = model(clone(TREES["forest"]), 1)
    top = float(answers(fitted, every_cell(fitted)).max())
    declared = Property("p", output=(0.0, top + 1e-6))
    few = Limits(generated=8, nodes=0)
    found = verify(declared, subject(fitted, 1), few)
    assert found.proof.verdict in {"unknown", "proven"}
    if found.proof.verdict == "proven":
        assert found.proof.bound is not None
        assert found.proof.bound <= SLACK
    assert verify(declared, subject(fitted, 1), LIMITS).proof.verdict == "proven"


def test_rows_close_to_the_threshold_are_not_stable() -> None:
    fitted = model(clone(TREES["boosting"]), 2)
    judged = subject(fitted, 2)
    small = verify(Property("p", stable={"a": 1e-9}), judged, LIMITS)
    wide = verify(Property("p", stable={"a": 9.0, "m": 1.0}), judged, LIMITS)
    assert small.share > 0.95
    assert wide.share < small.share
    assert wide.proof.verdict == "violated"


def test_columns_that_the_model_does_not_read_are_in_nobodys_way() -> None:
    fitted = model(clone(TREES["forest"]), 0)
    day, note = Column("datetime", "a day"), Column("string", "free text", missing=True)
    more = dataclasses.replace(CONTRACT, columns={"day": day, **CONTRACT.columns, "note": note})
    samples = rows(60, 1000)[INPUTS].assign(day=pd.Timestamp("2026-01-01"), note=None)
    seen: set[str] = set()

    def answer(table: pd.DataFrame) -> np.ndarray:
        seen.update(table.columns)
        return np.asarray(predict(fitted, table), dtype=float)

    judged = Subject(fitted, answer, more, samples, SLACK)
    top = float(answers(fitted, every_cell(fitted)).max())
    for limit, verdict in ((top + 0.01, "proven"), (top - 0.01, "violated")):
        found = verify(Property("p", output=(0.0, limit)), judged, LIMITS)
        assert found.proof.verdict == verdict
    assert seen == set(more.inputs)
    flipped = verify(Property("p", flip="g", at_most=1.0), judged, LIMITS)
    assert flipped.proof.verdict == "proven"


def test_categories_without_a_list_are_unknown_where_the_model_reads_them() -> None:
    fitted = model(clone(TREES["forest"]), 0)
    free = dataclasses.replace(CONTRACT.columns["g"], categories=None)
    other = dataclasses.replace(CONTRACT, columns={**CONTRACT.columns, "g": free})
    judged = dataclasses.replace(subject(fitted, 0), contract=other)
    found = verify(Property("p", output=(0.0, 1.0)), judged, LIMITS)
    assert found.proof.verdict == "unknown"
    assert "g has no list of categories" in found.proof.reason


def test_a_structure_that_is_not_known_is_unknown() -> None:
    from sklearn.neighbors import KNeighborsClassifier

    fitted = model(KNeighborsClassifier(), 0)
    found = verify(Property("p", output=(-1.0, 2.0)), subject(fitted, 0), LIMITS)
    assert found.proof.verdict == "unknown"
    assert "KNeighborsClassifier" in found.proof.reason
    assert found.share == 0.0
    broken = verify(Property("p", output=(0.4, 0.6)), subject(fitted, 0), LIMITS)
    assert broken.proof.verdict == "violated"
    assert broken.samples.broken > 0


def test_the_whole_contract_is_the_region_where_none_is_declared() -> None:
    found = regions({}, CONTRACT, rows(5, 0))
    assert found == {"a": (0.0, 10.0), "n": (0, 6), "m": (-1.0, 1.0), "g": ("x", "y")}
