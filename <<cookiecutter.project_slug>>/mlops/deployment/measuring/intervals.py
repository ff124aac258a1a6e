"""95% intervals: of shares in closed form, of any figure by resampling the rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

_Z = 1.959963984540054
Rows = NDArray[np.intp]
Values = NDArray[np.float64]
# Both ends, or nothing where the figure is defined too rarely.
Interval = tuple[float, float] | tuple[None, None]


def wilson(hits: int, rows: int) -> tuple[float, float]:
    """The interval of a share of `rows` (Wilson, Journal of the ASA 22, 1927); (0, 1) without rows."""
    if not rows:
        return 0.0, 1.0
    share, square = hits / rows, _Z * _Z
    middle = (share + square / (2 * rows)) / (1 + square / rows)
    half = (
        _Z
        / (1 + square / rows)
        * math.sqrt(share * (1 - share) / rows + square / (4 * rows * rows))
    )
    return max(0.0, min(middle - half, share)), min(1.0, max(middle + half, share))


def resamples(rows: int, replicates: int, seed: int) -> Iterator[Rows]:
    """Row numbers drawn with replacement, `rows` of them each time; nothing where there are none."""
    random = np.random.default_rng(seed)
    for _ in range(replicates if rows else 0):
        yield random.integers(0, rows, rows)


def bootstrap(figure: Callable[[Rows], float], rows: int, replicates: int, seed: int) -> Interval:
    """The percentile interval of a figure of row numbers (Efron and Tibshirani, 1993, chapter 13).

    Replicates for which it is NaN do not count; (None, None) where fewer than half are left.
    """
    return percentiles(np.array([figure(drawn) for drawn in resamples(rows, replicates, seed)]))


def percentiles(values: Values) -> Interval:
    """The middle 95% of replicates, shape (n,); (None, None) where fewer than half are numbers."""
    known = values[np.isfinite(values)]
    if not len(known) or len(known) * 2 < len(values):
        return None, None
    low, high = np.percentile(known, [2.5, 97.5])
    return float(low), float(high)


def confusion_replicates(
    counts: NDArray[np.int64], replicates: int, seed: int
) -> tuple[Values, Values]:
    """Counts drawn anew from each group's, shape (replicates, groups, cells), and their expectation.

    `counts` has shape (groups, cells). Drawing counts is drawing rows, at once. Half a row is
    added to each cell first, or cells without rows would never vary (Jeffreys' prior).
    """
    random = np.random.default_rng(seed)
    totals = counts.sum(axis=1)
    smooth = (counts + 0.5) / (totals + counts.shape[1] / 2)[:, None]
    drawn = [
        random.multinomial(total, chances, replicates)
        for total, chances in zip(totals, smooth, strict=True)
    ]
    return np.stack(drawn, axis=1).astype(float), smooth * totals[:, None]


def gap_interval(gap: float, errors: Values) -> Interval:
    """The interval of the largest difference between groups.

    `errors` holds how far each group's figure strayed, shape (replicates, groups). No difference of
    two groups is further from its truth than the widest range of errors, and so neither is the
    largest (Tukey's simultaneous intervals). Percentiles of the gap itself would not do: chance
    alone makes gaps, so they leave out 0 where there is no difference.
    """
    defined = errors[np.isfinite(errors).all(axis=1)]
    if not len(defined) or len(defined) * 2 < len(errors):
        return None, None
    reach = float(np.percentile(defined.max(axis=1) - defined.min(axis=1), 95))
    return max(0.0, gap - reach), gap + reach
