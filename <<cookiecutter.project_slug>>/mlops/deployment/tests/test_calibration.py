"""Probabilities that come true are told from those that do not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mlops.deployment.measuring.calibration import calibration, curve
from mlops.deployment.tests.scoring import binary, calibrated, labels, named, table, values


def test_the_error_by_hand() -> None:
    # two bins of 20: told 0.2, true 0.1; told 0.9, true 0.7
    truth = [1] * 2 + [0] * 18 + [1] * 14 + [0] * 6
    found = named(calibration(binary(truth, [0.2] * 20 + [0.9] * 20)))
    assert found["calibration.error"].value == pytest.approx((0.1 + 0.2) / 2)
    assert found["calibration.bias"].value == pytest.approx(0.15)
    assert found["calibration.error"].detail == "bins: 2"
    assert found["calibration.error"].rows == 40


def test_a_model_that_is_too_sure_is_told_from_one_that_is_not() -> None:
    good = calibrated(rows=1000)
    sure = dataclasses.replace(good, predicted=np.where(good.predicted > 0.5, 0.999, 0.001))
    assert named(calibration(good))["calibration.error"].low == 0.0
    bad = named(calibration(dataclasses.replace(sure, truth=1 - good.truth)))["calibration.error"]
    assert (bad.low or 0) > 0.5
    assert (named(calibration(sure))["calibration.error"].low or 0) > 0.0


def test_a_model_that_foretells_too_much_has_a_bias() -> None:
    good = calibrated(rows=600)
    much = dataclasses.replace(good, predicted=np.clip(good.predicted + 0.15, 0, 1))
    one, other = (named(calibration(scored))["calibration.bias"] for scored in (good, much))
    assert (one.low or 1) < 0 < (one.high or -1)
    assert (other.low or 0) > 0.02


@pytest.mark.parametrize(("rows", "shift"), [(111, 0.0), (400, 0.0), (111, 0.2), (400, 0.2)])
def test_the_interval_covers(rows: int, shift: float) -> None:
    """The percentiles of the error itself leave out 0 always for a model without one."""
    random, held = np.random.default_rng(0), []
    given = table(rows)
    for trial in range(150):
        told = random.uniform(0, 1 - shift, rows)
        truth = random.random(rows) < told + shift
        scored = binary(truth.astype(int).tolist(), told.tolist(), given)
        found = named(calibration(scored, trial))["calibration.error"]
        held.append((found.low or 0) <= shift <= (found.high or 0))
    assert np.mean(held) > 0.92


def test_of_more_labels_the_chosen_one_counts() -> None:
    told = np.tile([0.6, 0.3, 0.1], (100, 1))
    truth = [0] * 60 + [1] * 30 + [2] * 10
    right = named(calibration(labels(truth, told.tolist())))["calibration.error"]
    assert right.value == pytest.approx(0.0)
    wrong = named(calibration(labels([1] * 100, told.tolist())))["calibration.error"]
    assert wrong.value == pytest.approx(0.6)
    assert (wrong.low or 0) > 0.3


@pytest.mark.parametrize("unit", [1.0, 1000.0])
def test_values_have_a_slope_and_an_error_in_units_of_their_spread(unit: float) -> None:
    random = np.random.default_rng(3)
    signal = random.normal(0, 1, 400)
    truth = (signal + random.normal(0, 0.3, 400)) * unit
    good, bold, high = (
        named(calibration(values(truth.tolist(), told.tolist())))
        for told in (signal * unit, 2 * signal * unit, (signal + 1) * unit)
    )
    assert good["calibration.slope"].value == pytest.approx(1, abs=0.05)
    assert (good["calibration.slope"].low or 2) < 1 < (good["calibration.slope"].high or 0)
    assert bold["calibration.slope"].value == pytest.approx(0.5, abs=0.03)
    assert (bold["calibration.slope"].high or 1) < 0.6
    assert (good["calibration.error"].low or 0) < 0.05
    assert (bold["calibration.error"].low or 0) > 0.3
    assert high["calibration.bias"].value == pytest.approx(1 / np.std(truth / unit), abs=0.1)
    assert (high["calibration.bias"].low or 0) > 0.5


def test_answers_that_are_all_the_same_have_no_slope() -> None:
    found = named(calibration(values(np.arange(60.0).tolist(), [29.5] * 60)))
    assert found["calibration.slope"].value is None
    assert found["calibration.slope"].detail == "all answers are the same"
    assert found["calibration.bias"].value == pytest.approx(0.0)


@pytest.mark.parametrize("rows", [0, 1, 39])
def test_too_few_rows_say_so(rows: int) -> None:
    for scored in (binary([1] * rows, [0.5] * rows), values([1.0] * rows, [0.5] * rows)):
        for measure in calibration(scored):
            assert measure.value is None
            assert measure.detail == f"{rows} rows are too few"


def test_an_answer_that_is_no_number_is_no_pass() -> None:
    found = calibration(binary([0, 1] * 30, [np.nan, 0.9] * 30))
    assert [measure.value for measure in found] == [None, None]
    assert found[0].detail == "an answer is no number"


def test_one_label_only_is_no_crash() -> None:
    found = named(calibration(binary([1] * 60, [0.9] * 60)))["calibration.error"]
    assert found.value == pytest.approx(0.1)
    assert (found.high or 0) > 0.1


def test_the_order_of_the_rows_does_not_matter() -> None:
    """Trees give many rows the same answer; rows are often kept in the order of their truth."""
    told = np.repeat([0.2, 0.5, 0.8], 60)
    truth = np.concatenate([np.arange(60) < share for share in (12, 30, 48)]).astype(int)
    mixed = np.random.default_rng(0).permutation(180)
    one = binary(truth.tolist(), told.tolist())
    other = binary(truth[mixed].tolist(), told[mixed].tolist())
    assert named(calibration(one))["calibration.error"].value == pytest.approx(0.0)
    assert named(calibration(other))["calibration.error"].value == pytest.approx(0.0)


@pytest.mark.parametrize(("rows", "bins"), [(10, 2), (40, 2), (111, 5), (5000, 10)])
def test_bins_hold_rows_enough(rows: int, bins: int) -> None:
    told, _, share = curve(np.linspace(0, 1, rows), np.zeros(rows))
    assert len(share) == bins
    assert share.sum() == pytest.approx(1)
    assert (np.diff(told) > 0).all()


def test_the_same_seed_gives_the_same_figures() -> None:
    assert calibration(calibrated(), 1) == calibration(calibrated(), 1)
