"""An unfair model is shown to be unfair, a fair one is not, and too few rows show nothing."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from mlops.deployment.measuring.fairness import Fairness, fairness
from mlops.deployment.measuring.scored import Scored
from mlops.deployment.tests.scoring import CONTRACT, binary, close, labels, named, table, values
from mlops.quality.contract import Column

BOTH = ("sex", "age", "sex x age")


def unfair(rows: int = 400, miss: float = 0.6) -> Scored:
    """Of sex m, `miss` of the yeses are missed; all other answers are right."""
    given, random = table(rows, 4), np.random.default_rng(4)
    truth = random.integers(0, 2, rows)
    missed = (given["sex"] == "m").to_numpy() & (truth == 1) & (random.random(rows) < miss)
    return binary(truth.tolist(), np.where(missed, 0.1, truth * 0.8 + 0.1).tolist(), given)


def gaps(found: Fairness) -> dict[str, float | None]:
    return {measure.name: measure.value for measure in found.measures}


def test_differences_by_hand() -> None:
    rows = table(8).assign(sex=["f"] * 4 + ["m"] * 4, age=30)
    scored = binary([0, 0, 1, 1, 0, 1, 1, 1], [0.1, 0.9, 0.8, 0.7, 0.2, 0.4, 0.3, 0.6], rows)
    found = fairness(scored, minimum=2)
    measures = named(found.measures)
    assert close(measures["fairness.accuracy[sex]"], 3 / 4 - 2 / 4)
    assert close(measures["fairness.selection_rate[sex]"], 3 / 4 - 1 / 4)
    assert close(measures["fairness.recall[sex]"], 1 - 1 / 3)
    assert close(measures["fairness.false_positive_rate[sex]"], 1 / 2)
    assert measures["fairness.recall[sex]"].detail == "m 0.333, f 1.000"
    first = found.groups[0]
    assert (first.attribute, first.group, first.rows) == ("sex", "f", 4)
    assert first.figures["selection_rate"] == 3 / 4
    low, high = first.intervals["selection_rate"]
    assert low is not None
    assert high is not None
    assert low < 3 / 4 < high


def test_an_unfair_model_is_told_from_a_fair_one() -> None:
    bad, good = (named(fairness(unfair(miss=miss), minimum=20).measures) for miss in (0.6, 0.0))
    for attribute in ("sex", "sex x age"):
        name = f"fairness.recall[{attribute}]"
        assert (bad[name].low or 0) > 0.3, attribute
        assert good[name].low == 0.0, attribute
    assert (bad["fairness.recall[age]"].low or 0) < 0.2
    assert (bad["fairness.false_positive_rate[sex]"].value) == 0.0


def test_what_only_an_intersection_shows_is_found_there() -> None:
    given, random = table(800, 5), np.random.default_rng(5)
    truth = random.integers(0, 2, 800)
    # both sexes and both bands fare alike, but men below 40 and women from 40 on do not
    one = (given["sex"] == "m").to_numpy() ^ (given["age"] >= 40).to_numpy()
    told = np.where(one & (random.random(800) < 0.5), 0.1, truth * 0.8 + 0.1)
    found = named(fairness(binary(truth.tolist(), told.tolist(), given), 20).measures)
    assert (found["fairness.recall[sex x age]"].low or 0) > 0.25
    assert (found["fairness.recall[sex]"].low or 0) < 0.1
    assert (found["fairness.recall[age]"].low or 0) < 0.1


def test_alike_groups_of_few_rows_are_not_refused() -> None:
    """Chance alone makes large differences between small groups; the interval knows."""
    refused = 0
    for seed in range(40):
        given, random = table(111, seed), np.random.default_rng(seed)
        truth = random.integers(0, 2, 111)
        told = np.where(random.random(111) < 0.25, 1 - truth, truth)
        found = fairness(binary(truth.tolist(), told.tolist(), given), 20, seed).measures
        refused += sum((m.low or 0) > 0.2 for m in found if m.name.startswith("fairness.recall"))
    assert refused <= 3


def test_small_groups_are_left_out_and_named() -> None:
    rows = table(100).assign(sex=["f"] * 90 + ["m"] * 10, age=[30] * 45 + [50] * 55)
    scored = binary([0, 1] * 50, [0.1, 0.9] * 50, rows)
    found = fairness(scored, minimum=20)
    measures = named(found.measures)
    assert measures["fairness.recall[sex]"].value is None
    assert "too small to say: m (10)" in measures["fairness.recall[sex]"].detail
    assert measures["fairness.recall[sex x age]"].value == 0.0
    assert measures["fairness.recall[sex x age]"].rows == 90
    assert "m, 40 and over (10)" in measures["fairness.recall[sex x age]"].detail
    assert {group.group for group in found.groups if group.attribute == "sex"} == set()


def test_an_attribute_without_groups_is_undefined_in_every_figure() -> None:
    few = table(12).assign(sex="f")
    found = named(fairness(binary([0, 1] * 6, [0.2] * 12, few), minimum=20).measures)
    for figure in ("accuracy", "selection_rate", "recall", "false_positive_rate"):
        assert found[f"fairness.{figure}[sex]"].value is None
        assert "fewer than two groups of 20 rows" in found[f"fairness.{figure}[sex]"].detail
    assert found["fairness.groups[sex x age]"].value is None


def test_numbers_without_edges_say_that_they_need_them() -> None:
    contract = dataclasses.replace(CONTRACT, segments={})
    found = named(fairness(dataclasses.replace(unfair(), contract=contract), 20).measures)
    assert found["fairness.recall[age]"].value is None
    assert "declare the edges" in found["fairness.recall[age]"].detail
    assert "age" in found["fairness.recall[age]"].detail
    assert (found["fairness.recall[sex]"].low or 0) > 0.3


def test_texts_without_categories_say_that_they_need_them() -> None:
    columns = {**CONTRACT.columns, "sex": Column("string", "a group")}
    contract = dataclasses.replace(CONTRACT, segments={"age": (40.0,)}, columns=columns)
    found = named(fairness(dataclasses.replace(unfair(), contract=contract), 20).measures)
    assert "declare its categories" in found["fairness.accuracy[sex]"].detail


def test_nothing_protected_is_said_and_no_pass() -> None:
    contract = dataclasses.replace(CONTRACT, protected=())
    (only,) = fairness(dataclasses.replace(unfair(), contract=contract), 20).measures
    assert only.value is None
    assert "nothing protected" in only.detail


def test_rows_whose_group_is_missing_are_a_group() -> None:
    sexes: list[str | None] = [*["f"] * 30, *["m"] * 30, *[None] * 30]
    rows = table(90).assign(sex=pd.Series(sexes, dtype=object))
    found = fairness(binary([1, 0] * 45, [0.9, 0.1] * 30 + [0.1, 0.9] * 15, rows), minimum=20)
    assert {g.group for g in found.groups if g.attribute == "sex"} == {"f", "m", "missing"}
    assert named(found.measures)["fairness.accuracy[sex]"].value == 1.0


def test_a_rate_of_no_rows_is_undefined_and_not_nought() -> None:
    rows = table(60).assign(sex=["f"] * 30 + ["m"] * 30)
    found = fairness(binary([1, 0] * 15 + [0] * 30, [0.9, 0.1] * 15 + [0.1] * 30, rows), 20)
    measures = named(found.measures)
    assert measures["fairness.recall[sex]"].value is None
    assert "fewer than two groups" in measures["fairness.recall[sex]"].detail
    men = next(group for group in found.groups if group.group == "m")
    assert men.figures["recall"] is None
    assert men.intervals["recall"] == (None, None)
    assert measures["fairness.false_positive_rate[sex]"].value == 0.0


def test_three_labels_are_compared_by_accuracy() -> None:
    rows = table(120).assign(sex=["f", "m"] * 60)
    truth = np.arange(120) % 3
    told = np.where((rows["sex"] == "m") & (truth == 2), 0, truth)
    found = named(fairness(labels(truth.tolist(), np.eye(3)[told].tolist(), rows), 20).measures)
    assert close(found["fairness.accuracy[sex]"], 1 / 3)
    assert (found["fairness.accuracy[sex]"].low or 0) > 0.1


@pytest.mark.parametrize("unit", [1.0, 1000.0])
def test_values_are_compared_in_units_of_the_truth_s_spread(unit: float) -> None:
    random, rows = np.random.default_rng(2), table(300, 6)
    truth = random.normal(0, 1, 300)
    told = truth + np.where(rows["sex"] == "m", 2.0, 0.0) + random.normal(0, 0.1, 300)
    found = named(
        fairness(values((truth * unit).tolist(), (told * unit).tolist(), rows), 20).measures
    )
    error = found["fairness.absolute_error[sex]"]
    assert error.value == pytest.approx(1.92, abs=0.15)
    assert (error.low or 0) > 1.7
    assert (error.high or 9) < 2.2
    fair = values(truth.tolist(), (truth + random.normal(0, 0.1, 300)).tolist(), rows)
    assert (named(fairness(fair, 20).measures)["fairness.absolute_error[sex]"].high or 9) < 0.1


def test_the_same_seed_gives_the_same_figures() -> None:
    assert fairness(unfair(), 20, 1).measures == fairness(unfair(), 20, 1).measures


def test_three_attributes_are_compared_together() -> None:
    columns = {**CONTRACT.columns, "fast": Column("boolean", "a third")}
    contract = dataclasses.replace(CONTRACT, columns=columns, protected=("sex", "age", "fast"))
    scored = unfair(800)
    whole: pd.DataFrame = scored.table.assign(fast=np.arange(800) % 2 == 0)
    found = fairness(dataclasses.replace(scored, contract=contract, table=whole), 20)
    assert "fairness.recall[sex x age x fast]" in named(found.measures)
    assert len([g for g in found.groups if g.attribute == "sex x age x fast"]) == 8
