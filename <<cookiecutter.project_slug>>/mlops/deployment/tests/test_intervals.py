"""Intervals hold the truth about as often as they claim, and are not wider than they must be."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binomtest

from mlops.deployment.measuring.intervals import (
    bootstrap,
    confusion_replicates,
    gap_interval,
    percentiles,
    resamples,
    wilson,
)

TRIALS = 300


@pytest.mark.parametrize(("hits", "rows"), [(0, 10), (3, 10), (10, 10), (37, 111), (1, 1)])
def test_wilson_is_the_textbook_interval(hits: int, rows: int) -> None:
    interval = binomtest(hits, rows).proportion_ci(method="wilson")
    assert wilson(hits, rows) == pytest.approx((interval.low, interval.high))


def test_a_share_of_no_rows_may_be_anything() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5])
def test_wilson_covers(share: float) -> None:
    drawn = np.random.default_rng(1).binomial(40, share, 2000)
    held = [low <= share <= high for low, high in (wilson(int(hits), 40) for hits in drawn)]
    assert 0.92 < np.mean(held) < 0.99


def test_the_bootstrap_covers_a_mean() -> None:
    random, held = np.random.default_rng(0), []
    for trial in range(TRIALS):
        values = random.normal(3, 2, 60)
        low, high = bootstrap(lambda rows, v=values: float(v[rows].mean()), 60, 200, trial)  # type: ignore[misc]
        assert low is not None
        assert high is not None
        held.append(low <= 3 <= high)
        assert high - low < 2
    assert 0.90 < np.mean(held) < 0.98


def test_the_bootstrap_is_the_same_for_the_same_seed() -> None:
    values = np.random.default_rng(0).normal(size=30)

    def mean(rows: NDArray[np.intp]) -> float:
        return float(values[rows].mean())

    assert bootstrap(mean, 30, 50, 4) == bootstrap(mean, 30, 50, 4)
    assert bootstrap(mean, 30, 50, 4) != bootstrap(mean, 30, 50, 5)


def test_what_is_not_a_number_does_not_count() -> None:
    low, high = percentiles(np.array([np.nan, *np.linspace(0, 1, 101)]))
    assert (low, high) == pytest.approx((0.025, 0.975))


@pytest.mark.parametrize(
    "values", [[], [np.nan], [np.nan, np.nan, 1.0]], ids=["none", "no number", "too few"]
)
def test_what_is_defined_too_rarely_has_no_interval(values: list[float]) -> None:
    assert percentiles(np.array(values)) == (None, None)


def test_no_rows_give_no_interval() -> None:
    assert bootstrap(len, 0, 20, 0) == (None, None)
    assert list(resamples(0, 20, 0)) == []


def test_drawn_counts_are_those_of_drawn_rows() -> None:
    counts = np.array([[30, 10, 5, 55], [8, 2, 0, 10]])
    drawn, expected = confusion_replicates(counts, 4000, 0)
    assert drawn.shape == (4000, 2, 4)
    assert (drawn.sum(axis=2) == counts.sum(axis=1)).all()
    np.testing.assert_allclose(drawn.mean(axis=0), expected, atol=0.3)
    rows = np.repeat(np.arange(4), counts[0])
    by_row = [np.bincount(rows[picked], minlength=4) for picked in resamples(100, 1000, 0)]
    np.testing.assert_allclose(drawn[:, 0].std(axis=0), np.std(by_row, axis=0), atol=0.5)


def test_a_cell_without_rows_varies_too() -> None:
    drawn, _ = confusion_replicates(np.array([[20, 0]]), 500, 0)
    assert drawn[:, 0, 1].std() > 0


@pytest.mark.parametrize(
    ("shares", "rows"),
    [
        ([0.7] * 6, 20),
        ([0.8] * 6, 10),
        ([0.8, 0.8], 25),
        ([0.5, 0.9], 25),
        ([0.3, 0.6, 0.9], 40),
        ([0.6, 0.8], 250),
    ],
    ids=["six alike", "six small alike", "two alike", "two apart", "three apart", "large"],
)
def test_the_largest_difference_is_covered(shares: list[float], rows: int) -> None:
    """The percentiles of the gap itself leave out 0 always for six groups that are alike."""
    random, truth, held = np.random.default_rng(0), max(shares) - min(shares), []
    for trial in range(TRIALS):
        hits = random.binomial(rows, shares)
        counts = np.column_stack([hits, rows - hits])
        drawn, expected = confusion_replicates(counts, 300, trial)
        errors = (drawn - expected)[..., 0] / rows
        low, high = gap_interval(float(hits.max() - hits.min()) / rows, errors)
        assert low is not None
        assert high is not None
        held.append(low <= truth + 1e-9 <= high + 2e-9)
    assert np.mean(held) > 0.92


def test_a_difference_of_groups_that_are_often_undefined_has_no_interval() -> None:
    errors = np.full((100, 2), np.nan)
    assert gap_interval(0.2, errors) == (None, None)
