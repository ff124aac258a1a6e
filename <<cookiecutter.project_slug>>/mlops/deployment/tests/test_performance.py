"""Metrics and errors, overall and by segment, against numbers counted by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from mlops.deployment.measuring.performance import performance
from mlops.deployment.measuring.scored import Scored
from mlops.deployment.tests.scoring import binary, calibrated, close, labels, named, table, values
from mlops.quality.errors import UserError

# Of sex f: 1 of 2 noes is called a yes, no yes is missed; of m: no false alarm, 2 of 3 missed.
TRUTH = [0, 0, 1, 1, 0, 1, 1, 1]
TOLD = [0.1, 0.9, 0.8, 0.7, 0.2, 0.4, 0.3, 0.6]
SEX = ["f"] * 4 + ["m"] * 4


def few() -> Scored:
    rows = table(8).assign(sex=SEX, age=30)
    return binary(TRUTH, TOLD, rows)


def test_two_labels_by_hand() -> None:
    found = named(performance(few(), "golden"))
    expected = {
        "golden.accuracy": 5 / 8,
        "golden.error_rate": 3 / 8,
        "golden.false_positive_rate": 1 / 3,
        "golden.false_negative_rate": 2 / 5,
        "golden.accuracy[sex=f]": 3 / 4,
        "golden.false_positive_rate[sex=f]": 1 / 2,
        "golden.false_negative_rate[sex=f]": 0.0,
        "golden.false_positive_rate[sex=m]": 0.0,
        "golden.false_negative_rate[sex=m]": 2 / 3,
        "golden.error_rate[age=below 40]": 3 / 8,
    }
    for name, value in expected.items():
        assert close(found[name], value), name
    assert found["golden.false_negative_rate"].detail == "2 of 5"
    assert found["golden.accuracy[sex=m]"].rows == 4


def test_three_labels_by_hand() -> None:
    one_hot = np.eye(3)[[0, 1, 1, 2, 0, 2]]
    scored = labels([0, 1, 2, 2, 1, 2], one_hot.tolist(), table(6))
    found = named(performance(scored, "evaluation"))
    assert close(found["evaluation.error_rate"], 2 / 6)
    assert close(found["evaluation.missed[0]"], 0.0)
    assert close(found["evaluation.missed[1]"], 1 / 2)
    assert close(found["evaluation.missed[2]"], 1 / 3)
    assert close(found["evaluation.false_alarms[0]"], 1 / 5)
    assert close(found["evaluation.false_alarms[1]"], 1 / 4)
    assert close(found["evaluation.false_alarms[2]"], 0.0)


def test_values_by_hand() -> None:
    scored = values([1, 2, 3, 4], [2, 2, 3, 7], table(4).assign(sex="f"))
    found = named(performance(scored, "evaluation"))
    assert close(found["evaluation.rmse"], np.sqrt(10 / 4))
    assert close(found["evaluation.absolute_error"], 1.0)
    assert close(found["evaluation.absolute_error[sex=f]"], 1.0)
    without = dataclasses.replace(scored, metrics=lambda *_: {"rmse": 1.0})
    assert close(named(performance(without, "evaluation"))["evaluation.bias"], 1.0)


def test_a_metric_of_the_user_s_own_takes_the_place_of_an_error_of_that_name() -> None:
    scored = dataclasses.replace(few(), metrics=lambda *_: {"accuracy": 0.5, "error_rate": 7.0})
    assert named(performance(scored, "golden"))["golden.error_rate"].value == 7.0


def test_a_good_model_is_told_from_a_bad_one() -> None:
    good = calibrated(rows=400)
    bad = dataclasses.replace(good, predicted=1 - good.predicted)
    well, badly = (named(performance(scored, "e")) for scored in (good, bad))
    for name in ("e.accuracy", "e.accuracy[sex=f]"):
        assert (well[name].low or 0) > (badly[name].high or 1)
    for name in ("e.error_rate", "e.false_positive_rate", "e.false_negative_rate[sex=m]"):
        assert (well[name].high or 1) < (badly[name].low or 0)


def test_values_that_are_too_high_have_a_bias_that_chance_does_not_explain() -> None:
    random = np.random.default_rng(0)
    truth = random.normal(10, 3, 200)
    straight, high = truth + random.normal(0, 1, 200), truth + random.normal(0.5, 1, 200)
    one, other = (
        named(performance(dataclasses.replace(values(truth.tolist(), told.tolist()),
              metrics=lambda *_: {"rmse": 1.0}), "e"))["e.bias"]
        for told in (straight, high)
    )  # fmt: skip
    assert (one.low or 1) < 0 < (one.high or -1)
    assert (other.low or -1) > 0.2


def test_the_same_seed_gives_the_same_figures() -> None:
    assert performance(few(), "e", seed=3) == performance(few(), "e", seed=3)
    assert performance(few(), "e", seed=3) != performance(few(), "e", seed=4)


def test_one_label_only_leaves_the_other_s_rate_undefined() -> None:
    found = named(performance(binary([1, 1, 1], [0.9, 0.2, 0.8], table(3)), "golden"))
    assert close(found["golden.false_negative_rate"], 1 / 3)
    assert found["golden.false_positive_rate"].value is None
    assert found["golden.false_positive_rate"].detail == "no rows of that kind"


def test_no_rows_leave_every_figure_undefined() -> None:
    empty = table(0)
    for scored in (binary([], [], empty), values([], [], empty)):
        found = performance(scored, "golden")
        assert {measure.name for measure in found} >= {f"golden.{scored.metric}"}
        assert all(measure.value is None and measure.detail for measure in found)


def test_a_faultless_model_on_few_rows_is_not_said_to_be_certain() -> None:
    found = named(performance(binary([0, 1] * 4, [0.1, 0.9] * 4, table(8)), "golden"))
    assert found["golden.accuracy"].value == 1.0
    assert found["golden.accuracy"].high is None
    assert (found["golden.error_rate"].high or 0) > 0.2


@pytest.mark.parametrize("kind", ["raises", "is NaN"])
def test_a_metric_that_cannot_be_taken_is_undefined_with_its_reason(kind: str) -> None:
    def metrics(truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
        if kind == "raises":
            raise ValueError("only one class present")
        return {"accuracy": float("nan")}

    found = named(performance(dataclasses.replace(few(), metrics=metrics), "golden"))
    assert found["golden.accuracy"].value is None
    expected = "only one class" if kind == "raises" else "not defined for these 8 rows"
    assert expected in found["golden.accuracy"].detail
    assert close(found["golden.error_rate"], 3 / 8)


def test_an_answer_that_is_no_number_is_wrong() -> None:
    scored = binary([0, 0, 1], [0.1, np.nan, 0.9], table(3))
    assert close(named(performance(scored, "e"))["e.false_positive_rate"], 1 / 2)
    lost = values([1.0, 2.0], [1.0, np.nan], table(2))
    assert named(performance(lost, "e"))["e.absolute_error"].detail == "an answer is no number"


@pytest.mark.parametrize("names", [(), (1,), (0, 1, 2)], ids=["none", "one", "three"])
def test_labels_that_do_not_fit_the_answers_are_refused(names: tuple[int, ...]) -> None:
    """With the one label of a small table, every answer would be read upside down."""
    with pytest.raises(UserError, match="tells 2 labels apart"):
        dataclasses.replace(few(), labels=names)


def test_labels_may_be_texts() -> None:
    scored = dataclasses.replace(
        few(), labels=("no", "yes"), truth=np.where(np.array(TRUTH) == 1, "yes", "no")
    )
    found = named(
        performance(dataclasses.replace(scored, metrics=lambda *_: {"accuracy": 1.0}), "e")
    )
    assert close(found["e.false_positive_rate"], 1 / 3)


def test_a_segment_without_rows_is_left_out() -> None:
    rows: pd.DataFrame = table(8).assign(sex="f", age=30)
    names = named(performance(binary(TRUTH, TOLD, rows), "e"))
    assert "e.accuracy[sex=f]" in names
    assert "e.accuracy[sex=m]" not in names
