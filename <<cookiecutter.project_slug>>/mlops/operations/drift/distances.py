"""The statistics of drift: how far two samples lie apart, and how often chance alone does it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, kolmogorov
from scipy.stats import fisher_exact, kstwo

Values = NDArray[np.float64]
Counts = NDArray[np.int64]

# Cochran, Biometrics 10, 1954: below, the chi-square distribution is no good approximation.
_EXPECTED = 5.0
# From this effective size on, Vrbik's approximation is within 0.2% of p-values above 0.0005.
_LARGE = 2000


@dataclass(frozen=True)
class Ordered:
    """Two samples of numbers, compared.

    `distance` is Kolmogorov and Smirnov's, from 0 to 1: the largest difference of the shares at or
    below one value. That value is `place`, the shares `before` and `now`. `wasserstein` is how far
    the values moved on average, in the unit of the values.
    """

    distance: float
    p_value: float
    place: float
    before: float
    now: float
    wasserstein: float


def compare_ordered(reference: Values, current: Values) -> Ordered:
    """Compare samples of shapes (n,) and (m,) without missing values, neither of them empty.

    Tied values make the p-value too large, never too small.
    """
    n, m = len(reference), len(current)
    both = np.concatenate([np.sort(reference), np.sort(current)])
    order = np.argsort(both, kind="stable")  # two sorted runs: merged, not sorted
    both = both[order]
    of_reference = np.cumsum(order < n)
    last = np.append(both[1:] != both[:-1], True)
    points = both[last]
    before = of_reference[last] / n
    now = (np.flatnonzero(last) + 1 - of_reference[last]) / m
    gaps = np.abs(before - now)
    at = int(np.argmax(gaps))
    distance = float(gaps[at])
    with np.errstate(over="ignore", invalid="ignore"):
        moved = float(np.sum(gaps[:-1] * np.diff(points)))
    return Ordered(
        distance,
        smirnov_p_value(distance, n, m),
        float(points[at]),
        float(before[at]),
        float(now[at]),
        moved,
    )


def smirnov_p_value(distance: float, n: int, m: int) -> float:
    """How often chance alone sets samples of n and m rows this far apart.

    As `scipy.stats.ks_2samp(method="asymp")`: the distribution of the one-sample statistic (Simard
    and L'Ecuyer, Journal of Statistical Software 39, 2011) for the effective size nm/(n + m). From
    2,000 on its approximation by Vrbik (Applied Mathematics 11, 2020), which takes microseconds
    where the other takes a tenth of a second. With fewer than some 20 rows it is too small.
    """
    size = float(np.round(n * m / (n + m)))
    if size < _LARGE:
        return float(np.clip(kstwo.sf(distance, size), 0.0, 1.0))
    root = math.sqrt(size)
    scaled = distance * root
    return float(kolmogorov(max(scaled + 1 / (6 * root) + (scaled - 1) / (4 * size), 0.0)))


def jensen_shannon(counts: Counts) -> float:
    """The Jensen-Shannon distance of two rows of counts, shape (2, cells), from 0 to 1.

    The root of the divergence in bits (Lin, IEEE Transactions on Information Theory 37, 1991), less
    what chance alone makes of it: (cells - 1) (1/n + 1/m) / (8 ln 2), the second order of its
    expansion (Grosse et al., Physical Review E 65, 2002). Without that, a small window of many
    categories would seem far away. Cells without rows do not count.
    """
    kept = counts[:, counts.sum(axis=0) > 0]
    totals = kept.sum(axis=1)
    found = float(divergences(kept / totals[:, None]).sum())
    by_chance = (kept.shape[1] - 1) * float(np.sum(1 / totals)) / (8 * math.log(2))
    return math.sqrt(min(max(found - by_chance, 0.0), 1.0))


def divergences(shares: Values) -> Values:
    """What each cell adds to the Jensen-Shannon divergence in bits; shapes (2, cells) and (cells,)."""
    middle = shares.mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(shares > 0, shares * np.log2(shares / middle), 0.0)
    found: Values = terms.sum(axis=0) / 2
    return found


def pool_rare(counts: Counts) -> tuple[Counts, Counts]:
    """The cells whose expected counts let chi-square judge them, and the sum of all the others.

    Shapes (2, k) and (2,). Chosen by both rows together, so that what is pooled does not depend on
    which row is which. Neither row may be empty.
    """
    totals = counts.sum(axis=1)
    expected = counts.sum(axis=0) * (totals.min() / totals.sum())
    common = expected >= _EXPECTED
    return counts[:, common], counts[:, ~common].sum(axis=1)


def homogeneity(counts: Counts) -> float:
    """The p-value of "both rows come from the same shares"; `counts` has shape (2, cells).

    Pearson's chi-square over the cells that are common enough, without continuity correction. Where
    what is rare is too rare even together, it is held against all the rest by Fisher's exact test,
    and twice the smaller p-value counts (Bonferroni).
    """
    common, rare = pool_rare(counts)
    totals = counts.sum(axis=1)
    if rare.sum() * (totals.min() / totals.sum()) >= _EXPECTED:
        return _chi_square(np.column_stack([common, rare]))
    found = [_chi_square(common)] if common.shape[1] > 1 else []
    if rare.any() and common.size:
        found.append(float(fisher_exact(np.stack([rare, common.sum(axis=1)])).pvalue))
    return min(1.0, len(found) * min(found)) if found else 1.0


def _chi_square(counts: Counts) -> float:
    rows, columns = counts.sum(axis=1), counts.sum(axis=0)
    if not rows.all() or counts.shape[1] < 2:
        return 1.0
    expected = np.outer(rows / rows.sum(), columns)
    statistic = float(np.sum((counts - expected) ** 2 / expected))
    return float(chdtrc(counts.shape[1] - 1, statistic))


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """The p-values for many tests at once (Holm, Scandinavian Journal of Statistics 6, 1979).

    Who calls drift where one is below alpha is wrong with a chance of at most alpha in a window
    without drift, however the columns hang together.
    """
    order = sorted(range(len(p_values)), key=lambda number: p_values[number])
    adjusted = [1.0] * len(p_values)
    highest = 0.0
    for place, number in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - place) * p_values[number]))
        adjusted[number] = highest
    return tuple(adjusted)
