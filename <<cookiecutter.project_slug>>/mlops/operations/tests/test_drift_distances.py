"""The statistics of drift are those of scipy, and of the papers where scipy has none."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import distance
from scipy.stats import chi2_contingency, fisher_exact, ks_2samp, kstwo, wasserstein_distance

from mlops.operations.drift.distances import (
    compare_ordered,
    holm,
    homogeneity,
    jensen_shannon,
    pool_rare,
    smirnov_p_value,
)

Draw = Callable[[np.random.Generator, int], NDArray[np.float64]]
SAMPLES: dict[str, tuple[Draw, Draw]] = {
    "continuous": (lambda r, n: r.normal(size=n), lambda r, n: r.normal(0.2, 1.3, n)),
    "ties": (
        lambda r, n: r.poisson(3, n).astype(float),
        lambda r, n: r.poisson(4, n).astype(float),
    ),
    "apart": (lambda r, n: r.random(n), lambda r, n: 5 + r.random(n)),
    "alike": (lambda r, n: r.normal(size=n), lambda r, n: r.normal(size=n)),
    "huge": (lambda r, n: 1e300 * r.random(n), lambda r, n: 1e300 * r.random(n)),
}


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("sizes", [(20, 20), (20, 4000), (300, 170), (2500, 3000)])
def test_numbers_are_compared_as_scipy_does(name: str, sizes: tuple[int, int]) -> None:
    random = np.random.default_rng(3)
    one, other = (make(random, n) for make, n in zip(SAMPLES[name], sizes, strict=True))
    ours = compare_ordered(one, other)
    theirs = ks_2samp(one, other, method="asymp")
    assert ours.distance == pytest.approx(theirs.statistic, abs=1e-12)
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-6, abs=1e-12)
    assert ours.wasserstein == pytest.approx(wasserstein_distance(one, other), rel=1e-9)
    assert ours.before == pytest.approx(np.mean(one <= ours.place))
    assert ours.now == pytest.approx(np.mean(other <= ours.place))
    assert abs(ours.before - ours.now) == pytest.approx(ours.distance)


@pytest.mark.parametrize("rows", [4000, 20_000, 100_000])
@pytest.mark.parametrize("scaled", [0.5, 0.9, 1.2, 1.63, 2.0])
def test_large_samples_have_scipys_p_values(rows: int, scaled: float) -> None:
    size = rows / 2
    found = smirnov_p_value(scaled / math.sqrt(size), rows, rows)
    assert found == pytest.approx(kstwo.sf(scaled / math.sqrt(size), size), rel=2e-3)


def test_the_jensen_shannon_distance_is_scipys_without_what_chance_does() -> None:
    counts = np.array([[5000, 3000, 2000], [1000, 2500, 1500]])
    shares = counts / counts.sum(axis=1, keepdims=True)
    by_chance = 2 * (1 / 10_000 + 1 / 5000) / (8 * math.log(2))
    expected = math.sqrt(distance.jensenshannon(*shares, base=2) ** 2 - by_chance)
    assert jensen_shannon(counts) == pytest.approx(expected, rel=1e-12)
    padded = np.insert(counts, 1, 0, axis=1)
    assert jensen_shannon(padded) == pytest.approx(expected, rel=1e-12)


def test_chance_alone_is_no_distance_however_many_categories_there_are() -> None:
    random = np.random.default_rng(0)
    plain, ours = [], []
    for _ in range(50):
        counts = random.multinomial(500, np.full(100, 0.01), 2)
        plain.append(distance.jensenshannon(*(counts / 500), base=2) ** 2)
        ours.append(jensen_shannon(counts) ** 2)
    assert np.mean(plain) > 0.2**2
    assert np.mean(ours) < np.mean(plain) / 10


def test_what_has_nothing_in_common_is_furthest_apart() -> None:
    assert jensen_shannon(np.array([[10**6, 0], [0, 10**6]])) == pytest.approx(1, abs=1e-5)
    assert jensen_shannon(np.array([[50, 50], [50, 50]])) == 0


def test_common_categories_are_judged_by_chi_square() -> None:
    counts = np.array([[500, 300, 200], [240, 180, 80]])
    expected = chi2_contingency(counts, correction=False).pvalue
    assert homogeneity(counts) == pytest.approx(expected, rel=1e-10)
    two = np.array([[400, 100], [180, 70]])
    expected = chi2_contingency(two, correction=False).pvalue
    assert homogeneity(two) == pytest.approx(expected, rel=1e-10)


def test_rare_categories_are_judged_exactly() -> None:
    counts = np.array([[9_970, 30], [28, 2]])
    assert homogeneity(counts) == pytest.approx(fisher_exact(counts).pvalue, rel=1e-12)
    common = np.array([[6_000, 4_000], [20, 10]])
    rare = np.array([0, 6])
    with_rare = np.column_stack([common, rare])
    exact = fisher_exact(np.stack([rare, common.sum(axis=1)])).pvalue
    assert homogeneity(with_rare) == pytest.approx(2 * exact, rel=1e-12)
    assert homogeneity(with_rare) < 1e-10


def test_rare_categories_together_may_be_common() -> None:
    counts = np.array([[400, *[4] * 25], [400, *[4] * 25]])
    common, rare = pool_rare(counts)
    assert common.tolist() == [[400], [400]]
    assert rare.tolist() == [100, 100]
    assert homogeneity(counts) == 1.0


@pytest.mark.parametrize("counts", [[[5], [7]], [[0, 5], [0, 7]], [[1, 0], [0, 1]]])
def test_what_cannot_differ_does_not(counts: list[list[int]]) -> None:
    assert homogeneity(np.array(counts)) == 1.0


def test_holm_gives_the_example_of_the_textbook() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([0.5, 0.9]) == (1.0, 1.0)
    assert holm([]) == ()


@pytest.mark.parametrize(
    "shares",
    [[0.5, 0.3, 0.2], [0.9, 0.07, 0.02, 0.01], [0.98, 0.02], np.full(60, 1 / 60)],
    ids=["three", "rare", "nearly constant", "sixty"],
)
@pytest.mark.parametrize("sizes", [(442, 150), (5000, 120)])
def test_categories_raise_false_alarms_at_most_as_often_as_said(
    shares: list[float], sizes: tuple[int, int]
) -> None:
    random = np.random.default_rng(11)
    pairs = 1500
    drawn = [random.multinomial(size, shares, pairs) for size in sizes]
    found = [homogeneity(np.stack(pair)) for pair in zip(*drawn, strict=True)]
    # three standard deviations of a share of 1% in 1,500 are 0.8%
    assert np.mean(np.array(found) < 0.01) <= 0.018
