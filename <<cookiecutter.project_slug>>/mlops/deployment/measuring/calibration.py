"""Whether a probability of 0.7 comes true seven times out of ten."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mlops.deployment.measuring.intervals import Interval, bootstrap
from mlops.deployment.measuring.measure import Measure
from mlops.deployment.measuring.scored import Scored

REPLICATES = 300
# Rows in a bin, at least, and the number of bins.
_ROWS, _FEWEST, _MOST = 20, 2, 10
Values = NDArray[np.float64]


def calibration(scored: Scored, seed: int = 0) -> tuple[Measure, ...]:
    """`calibration.error`: the expected calibration error over bins of equally many rows.

    That is the mean distance between what was told and what came true in a bin (Naeini et al.,
    AAAI 2015), of more than two labels for the one that was chosen, of values in units of the
    truth's standard deviation. Besides `calibration.bias`, the mean told minus the mean true, and of
    values `calibration.slope` of the truth over the answers: 1 where they are neither too bold (below)
    nor too timid.
    """
    told, true = chances(scored)
    rows = len(true)
    names = ["error", "bias", *(["slope"] if scored.kind == "values" else [])]
    why = f"{rows} rows are too few" if rows < _FEWEST * _ROWS else ""
    if not np.isfinite(told).all():
        why = "an answer is no number"
    if why:
        return tuple(Measure(f"calibration.{n}", None, rows=rows, detail=why) for n in names)
    off = told - true
    low, high = bootstrap(lambda drawn: float(off[drawn].mean()), rows, REPLICATES, seed)
    found = [
        _error(told, true, seed),
        Measure("calibration.bias", float(off.mean()), low, high, rows),
    ]
    return (*found, *([_slope(told, true, seed)] if scored.kind == "values" else []))


def chances(scored: Scored) -> tuple[Values, Values]:
    """What was told of each row and what came true, shapes (n,).

    The probability of the second or the chosen label, and 1 or 0; of values the answer and the
    truth, both in units of the truth's standard deviation.
    """
    if scored.kind == "values":
        truth = scored.truth.astype(float)
        scale = (float(truth.std()) if len(truth) else 0.0) or 1.0
        return scored.predicted / scale, truth / scale
    if scored.kind == "binary":
        return scored.predicted, (scored.truth == scored.labels[-1]).astype(float)
    return scored.predicted.max(axis=1), scored.right().astype(float)


def curve(told: Values, true: Values) -> tuple[Values, Values, Values]:
    """For each bin the mean that was told, the mean that came true, and the share of rows.

    There are 2 to 10 bins, of 20 rows or more where there are that many.
    """
    parts = _bins(told)
    middles = np.array([told[part].mean() for part in parts])
    seen = np.array([true[part].mean() for part in parts])
    return middles, seen, np.array([len(part) for part in parts]) / len(told)


def _bins(told: Values) -> list[NDArray[np.intp]]:
    """The row numbers in each bin. Equal answers share one: their order says nothing."""
    number, ranked = max(_FEWEST, min(_MOST, len(told) // _ROWS)), np.sort(told)
    edges = ranked[np.arange(1, number) * len(told) // number]
    places = np.searchsorted(edges, told, side="right")
    return [np.flatnonzero(places == place) for place in np.unique(places)]


def _error(told: Values, true: Values, seed: int) -> Measure:
    middles, seen, share = curve(told, true)
    error = float((np.abs(middles - seen) * share).sum())
    low, high = _reach(told, true, error, seed)
    return Measure("calibration.error", error, low, high, len(true), f"bins: {len(share)}")


def _reach(told: Values, true: Values, error: float, seed: int) -> Interval:
    """The interval of the error: it is off by no more than its bins are, together.

    Percentiles of the error itself would not do: chance alone makes distances, so they leave out 0
    where every probability is right.
    """
    random, strayed = np.random.default_rng(seed), np.zeros(REPLICATES)
    for part in _bins(told):
        rest = true[part] - told[part]
        # a bin in which all rows are alike varies too: one of each kind is added
        spread = float(np.sqrt((rest.var() * len(rest) + 2 * _prior(true)) / (len(rest) + 2)))
        off = random.standard_t(max(len(part) - 1, 1), REPLICATES) * spread / np.sqrt(len(part))
        strayed += np.abs(off) * len(part) / len(true)
    reach = float(np.percentile(strayed, 95))
    return max(0.0, error - reach), error + reach


def _prior(true: Values) -> float:
    """The variance that a bin's two added rows bring: that of a coin for truths of 0 and 1."""
    return 0.25 if set(np.unique(true)) <= {0.0, 1.0} else 0.0


def _slope(told: Values, true: Values, seed: int) -> Measure:
    def slope(rows: NDArray[np.intp]) -> float:
        middle, spread = float(told[rows].mean()), float(told[rows].var())
        if spread <= 1e-12 * middle**2:
            return np.nan
        return float(((told[rows] - middle) * true[rows]).mean()) / spread

    every = np.arange(len(true))
    value = slope(every)
    if not np.isfinite(value):
        return Measure("calibration.slope", None, rows=len(true), detail="all answers are the same")
    low, high = bootstrap(slope, len(true), REPLICATES, seed)
    return Measure("calibration.slope", value, low, high, len(true))
