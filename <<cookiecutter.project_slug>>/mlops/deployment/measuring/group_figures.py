"""The figures of each protected group, and how far each may be off."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from fairlearn.metrics import (
    MetricFrame,
    false_positive_rate,
    mean_prediction,
    selection_rate,
    true_positive_rate,
)
from numpy.typing import NDArray
from scipy.stats import t as student
from sklearn.metrics import accuracy_score, mean_absolute_error

from mlops.deployment.measuring.intervals import Interval, confusion_replicates, wilson
from mlops.deployment.measuring.scored import Scored

REPLICATES = 1000
Values = NDArray[np.float64]
# Of each figure the cells that count as a hit, and those they are a share of.
_Cells = Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]
# Cells: true positive, false negative, false positive, true negative.
_BINARY: _Cells = {
    "accuracy": ((0, 3), (0, 1, 2, 3)),
    "selection_rate": ((0, 2), (0, 1, 2, 3)),
    "recall": ((0,), (0, 1)),
    "false_positive_rate": ((2,), (2, 3)),
}
# Cells: right, wrong.
_LABELS: _Cells = {"accuracy": ((0,), (0, 1))}
# By the kind of the answers.
FIGURES: Mapping[str, Mapping[str, Callable[..., float]]] = {
    "binary": {
        "accuracy": accuracy_score,
        "selection_rate": selection_rate,
        "recall": true_positive_rate,
        "false_positive_rate": false_positive_rate,
    },
    "labels": {"accuracy": accuracy_score},
    "values": {"mean_answer": mean_prediction, "absolute_error": mean_absolute_error},
}


@dataclass(frozen=True)
class GroupFigures:
    """The figures of one protected group with their 95% intervals; one not defined there is None."""

    attribute: str
    group: str
    rows: int
    figures: Mapping[str, float | None]
    intervals: Mapping[str, Interval]


@dataclass(frozen=True)
class Spread:
    """How far figures may be off: the interval of each, and how far they strayed when drawn anew.

    `intervals` holds one for each group, `errors` has shape (replicates, groups).
    """

    intervals: Mapping[str, list[Interval]]
    errors: Mapping[str, Values]


def by_group(scored: Scored, groups: NDArray[np.object_]) -> pd.DataFrame:
    """The figures as fairlearn gives them, a row for each group by name; NaN where one is not defined.

    `groups` names the group of each row, shape (n,).
    """
    if scored.kind == "values":
        truth, answers = _scaled(scored)
    elif scored.kind == "binary":
        truth = (scored.truth == scored.labels[-1]).astype(int)
        answers = np.where(scored.right(), truth, 1 - truth)
    else:
        # what matters is only whether the label is the true one
        truth, answers = np.ones(len(scored.truth), dtype=int), scored.right().astype(int)
    metrics = dict(FIGURES[scored.kind])
    frame = MetricFrame(metrics=metrics, y_true=truth, y_pred=answers, sensitive_features=groups)
    table = pd.DataFrame(frame.by_group).astype(float)
    if scored.kind == "binary":
        # fairlearn gives 0 where a group has no row that the rate is a share of
        counts = _counts(scored, groups, list(table.index))
        for name, (_, of) in _BINARY.items():
            table[name] = table[name].where(counts[:, of].sum(axis=1) > 0)
    return table


def spread(scored: Scored, groups: NDArray[np.object_], names: Sequence[str], seed: int) -> Spread:
    """How far the figures of the groups `names` may be off."""
    if scored.kind == "values":
        return _of_means(scored, groups, names, seed)
    return _of_shares(scored, groups, names, seed)


def _of_shares(
    scored: Scored, groups: NDArray[np.object_], names: Sequence[str], seed: int
) -> Spread:
    counts = _counts(scored, groups, names)
    drawn, expected = confusion_replicates(counts, REPLICATES, seed)
    errors: dict[str, Values] = {}
    intervals: dict[str, list[Interval]] = {}
    for figure, (hits, of) in (_BINARY if scored.kind == "binary" else _LABELS).items():
        with np.errstate(invalid="ignore"):
            shares = drawn[..., hits].sum(axis=-1) / drawn[..., of].sum(axis=-1)
        errors[figure] = shares - expected[:, hits].sum(axis=1) / expected[:, of].sum(axis=1)
        pairs = zip(counts[:, hits].sum(axis=1), counts[:, of].sum(axis=1), strict=True)
        intervals[figure] = [wilson(int(a), int(b)) if b else (None, None) for a, b in pairs]
    return Spread(intervals, errors)


def _of_means(
    scored: Scored, groups: NDArray[np.object_], names: Sequence[str], seed: int
) -> Spread:
    """Means of n rows stray by Student's t with n - 1 degrees of freedom (Biometrika 6, 1908)."""
    random = np.random.default_rng(seed)
    truth, answers = _scaled(scored)
    errors: dict[str, Values] = {}
    intervals: dict[str, list[Interval]] = {}
    for figure, values in (("mean_answer", answers), ("absolute_error", np.abs(answers - truth))):
        parts = [values[groups == name] for name in names]
        steps = [float(part.std(ddof=1)) / np.sqrt(len(part)) for part in parts]
        drawn = [random.standard_t(len(part) - 1, REPLICATES) for part in parts]
        errors[figure] = np.column_stack(drawn) * steps
        reach = [
            float(student.ppf(0.975, len(p) - 1)) * s for p, s in zip(parts, steps, strict=True)
        ]
        means = [float(part.mean()) for part in parts]
        intervals[figure] = [(m - r, m + r) for m, r in zip(means, reach, strict=True)]
    return Spread(intervals, errors)


def _counts(scored: Scored, groups: NDArray[np.object_], names: Sequence[str]) -> NDArray[np.int64]:
    """The rows in each cell, shape (groups, cells)."""
    right = scored.right()
    cells = [right, ~right]
    if scored.kind == "binary":
        second = np.asarray(scored.truth == scored.labels[-1])
        cells = [right & second, ~right & second, ~right & ~second, right & ~second]
    return np.array([[int((cell & (groups == name)).sum()) for cell in cells] for name in names])


def _scaled(scored: Scored) -> tuple[Values, Values]:
    """Truth and answers in units of the truth's standard deviation."""
    truth = scored.truth.astype(float)
    scale = float(truth.std()) or 1.0
    return truth / scale, scored.predicted / scale
