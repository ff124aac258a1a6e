"""A better challenger is told from a worse one, on the same rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binomtest

from mlops.deployment.measuring.comparison import compare
from mlops.deployment.measuring.scored import Scored
from mlops.deployment.tests.scoring import binary, calibrated, hits, labels, values

RANDOM = np.random.default_rng(0)
TRUTH = RANDOM.integers(0, 2, 300)


def wrong(share: float) -> Scored:
    flipped = np.random.default_rng(1).random(300) < share
    return binary(TRUTH.tolist(), np.where(flipped, 1 - TRUTH, TRUTH).tolist())


def test_the_difference_by_hand() -> None:
    champion = binary([0, 1, 1, 1], [0.1, 0.2, 0.9, 0.2])
    challenger = binary([0, 1, 1, 1], [0.9, 0.8, 0.9, 0.8])
    (found,) = compare(challenger, champion)
    assert found.name == "champion.accuracy"
    assert found.value == pytest.approx(3 / 4 - 2 / 4)
    assert (
        found.detail == f"2 rows now right, 1 now wrong: McNemar p = {binomtest(2, 3).pvalue:.2g}"
    )
    assert found.rows == 4


def test_a_better_challenger_is_above_0_and_a_worse_one_below() -> None:
    good, bad = wrong(0.1), wrong(0.3)
    (better,), (worse,) = compare(good, bad), compare(bad, good)
    assert (better.low or 0) > 0.05
    assert (worse.high or 0) < -0.05
    assert better.value == pytest.approx(-(worse.value or 0))


def test_the_same_model_is_no_better_and_no_worse() -> None:
    (found,) = compare(wrong(0.2), wrong(0.2))
    assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)
    assert found.detail.endswith("McNemar p = 1")


def test_a_loss_that_falls_is_an_improvement() -> None:
    truth = RANDOM.normal(size=200)
    near, far = truth + RANDOM.normal(0, 0.1, 200), truth + RANDOM.normal(0, 0.5, 200)
    champion, challenger = (values(truth.tolist(), told.tolist()) for told in (far, near))
    (found,) = compare(challenger, champion)
    assert found.name == "champion.rmse"
    assert found.value == pytest.approx(0.4, abs=0.05)
    assert (found.low or 0) > 0.3
    assert found.detail == ""


def test_the_paired_interval_is_narrower_than_that_of_two_samples() -> None:
    # both err on the same rows, but for a few
    champion = wrong(0.3)
    told = champion.predicted.copy()
    told[:6] = TRUTH[:6]
    (found,) = compare(dataclasses.replace(champion, predicted=told), champion)
    assert (found.high or 1) - (found.low or 0) < 0.05


def test_more_labels_are_compared_too() -> None:
    truth = np.arange(90) % 3
    champion = labels(truth.tolist(), np.eye(3)[(truth + (np.arange(90) % 2)) % 3].tolist())
    challenger = labels(truth.tolist(), np.eye(3)[truth].tolist())
    (found,) = compare(challenger, champion)
    assert found.value == pytest.approx(0.5)
    assert found.detail.startswith("45 rows now right, 0 now wrong")


UNLIKE = {
    "another shape": (labels([0, 1], [[1, 0], [0, 1]]), "another shape"),
    "other labels": (dataclasses.replace(binary([0, 1], [0, 1]), labels=(0, 2)), "other labels"),
    "other rows": (binary([1, 1], [0, 1]), "other rows"),
}


@pytest.mark.parametrize("kind", UNLIKE)
def test_what_cannot_be_compared_is_undefined(kind: str) -> None:
    champion, why = UNLIKE[kind]
    (found,) = compare(binary([0, 1], [0, 1]), champion)
    assert found.value is None
    assert why in found.detail


def test_no_rows_and_no_figure_are_undefined() -> None:
    (found,) = compare(binary([], []), binary([], []))
    assert found.value is None
    good = wrong(0.1)
    silent = dataclasses.replace(good, predicted=np.full(300, np.nan))
    (lost,) = compare(silent, good)
    assert lost.value is None
    assert lost.detail == "accuracy of the challenger is not defined for these 300 rows"
    (won,) = compare(good, silent)
    assert won.value is None
    assert "of the champion" in won.detail


def test_the_same_seed_gives_the_same_figures() -> None:
    one = calibrated()
    other = dataclasses.replace(one, predicted=one.predicted[::-1].copy())
    assert compare(one, other, 2) == compare(one, other, 2)


def test_the_metrics_of_the_same_draws_are_asked_for_once() -> None:
    calls = 0

    def counted(truth: NDArray[np.generic], predicted: NDArray[np.float64]) -> Mapping[str, float]:
        nonlocal calls
        calls += 1
        return hits(truth, predicted)

    one = dataclasses.replace(wrong(0.1), metrics=counted)
    assert one.resampled(20, 0) == one.resampled(20, 0)
    assert calls == 20
    assert one.resampled(20, 1) != one.resampled(20, 0)
    other = dataclasses.replace(one, predicted=1 - one.predicted)
    assert other.scores(20, 0) == pytest.approx(1 - one.scores(20, 0))
    assert calls == 60
