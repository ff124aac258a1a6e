"""Joint drift: can a classifier tell the rows of the window from those of the reference?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from mlops.operations.drift.distances import Values
from mlops.operations.drift.settings import JointSettings

Rows = NDArray[np.intp]

# The classifier has 255 bins; values that are rarer than so many others share one.
_CATEGORIES = 250
# Which columns tell needs fewer rows than whether any does.
_SHUFFLED = 750
_TOLD = 3


@dataclass(frozen=True)
class Separation:
    """How well a classifier tells both tables apart: an AUC of 0.5 is not at all, 1 always.

    `telling` names the columns without whose values it would do worst, and how much worse, the
    first most; empty where the AUC is within its threshold. `rows` were drawn of each table.
    """

    auc: float
    p_value: float
    telling: tuple[tuple[str, float], ...]
    rows: tuple[int, int]


def separate(
    reference: Mapping[str, pd.Series],
    current: Mapping[str, pd.Series],
    ordered: Mapping[str, bool],
    settings: JointSettings,
    *,
    seed: int,
) -> Separation:
    """A classifier two-sample test (Lopez-Paz and Oquab, ICLR 2017), with the AUC as its statistic.

    The tables are columns as `read_column` gives them; `ordered` says which have an order. Each is
    cut into halves at random; a classifier that learned from one pair of halves is tried on the
    other, and the other way round. On rows that it has not seen the AUC is Mann and Whitney's
    statistic, whose distribution without drift is known. Both trials hang together, so their AUC
    is averaged but not taken for one of twice the rows: twice the smaller p-value counts.
    """
    random = np.random.default_rng(seed)
    table, drawn = _drawn(reference, current, ordered, settings.rows, random)
    window = np.repeat([0, 1], drawn)
    half = np.concatenate([random.permutation(rows) % 2 for rows in drawn]).astype(np.intp)
    halves = [(np.flatnonzero(half != side), np.flatnonzero(half == side)) for side in (0, 1)]
    told: tuple[tuple[str, float], ...] = ()
    # threads that wait for each other cost more than they save on so few rows
    with threadpool_limits(1):
        trials = [_Trial(table, window, *each) for each in halves]
        found = [trial.judged() for trial in trials]
        auc = float(np.mean([each for each, _ in found]))
        if auc > settings.auc:
            losses = np.mean([trial.losses(random) for trial in trials], axis=0)
            names = sorted(zip(ordered, losses.tolist(), strict=True), key=lambda each: -each[1])
            told = tuple((name, loss) for name, loss in names[:_TOLD] if loss > 0)
    p_value = min(1.0, 2 * min(each for _, each in found))
    return Separation(auc, p_value, told, drawn)


class _Trial:
    """A classifier that learned from some rows, tried on others."""

    def __init__(self, table: Values, window: Rows, learned: Rows, tried: Rows) -> None:
        self._model = HistGradientBoostingClassifier(
            max_iter=50,
            max_leaf_nodes=15,
            early_stopping=False,
            random_state=0,
        ).fit(table[learned], window[learned])
        self._rows, self._window = table[tried], window[tried]

    def judged(self) -> tuple[float, float]:
        """The AUC, and how often chance alone makes it as large."""
        return self._auc(self._rows, self._window)

    def losses(self, random: np.random.Generator) -> Values:
        """How much AUC goes where one column's values are shuffled, shape (columns,)."""
        sides = [np.flatnonzero(self._window == side) for side in (0, 1)]
        some = np.concatenate([random.permutation(side)[:_SHUFFLED] for side in sides])
        rows, window = self._rows[some], self._window[some]
        whole, _ = self._auc(rows, window)
        found = []
        for number in range(rows.shape[1]):
            shuffled = rows.copy()
            shuffled[:, number] = random.permutation(shuffled[:, number])
            found.append(whole - self._auc(shuffled, window)[0])
        return np.array(found)

    def _auc(self, rows: Values, window: Rows) -> tuple[float, float]:
        scores = self._model.decision_function(rows)
        now, before = scores[window == 1], scores[window == 0]
        found = mannwhitneyu(now, before, alternative="greater", method="asymptotic")
        return float(found.statistic) / (len(now) * len(before)), float(found.pvalue)


def _drawn(
    reference: Mapping[str, pd.Series],
    current: Mapping[str, pd.Series],
    ordered: Mapping[str, bool],
    limit: int,
    random: np.random.Generator,
) -> tuple[Values, tuple[int, int]]:
    """At most `limit` rows of each as numbers, shape (rows of both, columns), missing ones NaN."""
    some = next(iter(ordered))
    totals = len(reference[some]), len(current[some])
    picks = [np.sort(random.permutation(rows)[:limit]) for rows in totals]
    columns = []
    for name, has_order in ordered.items():
        parts = [reference[name].iloc[picks[0]], current[name].iloc[picks[1]]]
        both = pd.concat(parts, ignore_index=True)
        ranks = both.rank(method="dense").to_numpy(float) if has_order else _codes(both, random)
        # the classifier refuses a column without any value
        columns.append(np.zeros(len(both)) if np.isnan(ranks).all() else ranks)
    return np.column_stack(columns), (len(picks[0]), len(picks[1]))


def _codes(values: pd.Series, random: np.random.Generator) -> Values:
    """A number for each value, by how common it is; all rare ones share the last.

    Equally common ones come in no order: in that of their appearance the number would tell which
    table a value stems from.
    """
    codes, _ = pd.factorize(values)
    known = codes >= 0
    counts = np.bincount(codes[known])
    places = np.empty(len(counts), dtype=np.intp)
    places[np.lexsort([random.permutation(len(counts)), -counts])] = np.arange(len(counts))
    found = np.full(len(codes), np.nan)
    found[known] = np.minimum(places[codes[known]], _CATEGORIES)
    return found
