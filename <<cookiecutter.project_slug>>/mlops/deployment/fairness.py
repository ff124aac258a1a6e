"""Whether groups of people are treated alike: the largest difference between protected groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

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
from sklearn.metrics import accuracy_score, mean_absolute_error

from mlops.deployment.intervals import percentiles
from mlops.deployment.measure import Measure
from mlops.deployment.scored import Scored
from mlops.training.evaluation import segment_masks

REPLICATES = 1000


@dataclass(frozen=True)
class GroupFigures:
    """The figures of one protected group; one that is not defined there is None."""

    attribute: str
    group: str
    rows: int
    figures: Mapping[str, float | None]


@dataclass(frozen=True)
class Fairness:
    """The differences between groups, and the figures of each group."""

    measures: tuple[Measure, ...]
    groups: tuple[GroupFigures, ...]


def fairness(scored: Scored, minimum: int, seed: int = 0) -> Fairness:
    """`fairness.<figure>[attribute]` for each protected attribute and each two of them together.

    Figures are fairlearn's: of two labels the selection rate, recall, false positive rate and
    accuracy; of more the accuracy; of values the mean answer and the mean absolute error, in units
    of the truth's standard deviation. Groups of fewer than `minimum` rows are left out, and named.
    """
    protected = scored.contract.protected
    if not protected:
        none = Measure("fairness.none", None, detail="the contract declares nothing protected")
        return Fairness((none,), ())
    named = {column: _named(scored, column) for column in protected}
    measures, groups = [], []
    for column in [column for column, values in named.items() if values is None]:
        why = f"declare the edges of its groups under segments: {column}"
        measures.append(Measure(f"fairness.groups[{column}]", None, detail=why))
    known = {column: values for column, values in named.items() if values is not None}
    attributes: dict[str, pd.Series] = dict(known)
    for one, other in combinations(known, 2):
        attributes[f"{one} x {other}"] = known[one] + ", " + known[other]
    for attribute, values in attributes.items():
        found, table = _attribute(scored, attribute, values, minimum, seed)
        measures += found
        groups += table
    return Fairness(tuple(measures), tuple(groups))


def _named(scored: Scored, column: str) -> pd.Series | None:
    """The group of each row as text; None where the contract does not say how to form groups."""
    declared = scored.contract.columns[column]
    if column in scored.contract.segments:
        groups = pd.Series("missing", index=range(len(scored.table)), dtype=object)
        for name, group, mask in segment_masks(scored.table, scored.contract):
            if name == column:
                groups[mask] = group
        return groups
    if declared.categories or declared.type == "boolean":
        return scored.table[column].astype(str).reset_index(drop=True)
    return None


def _attribute(
    scored: Scored, attribute: str, values: pd.Series, minimum: int, seed: int
) -> tuple[list[Measure], list[GroupFigures]]:
    sizes = values.value_counts()
    large = sorted(group for group in sizes.index if sizes[group] >= minimum)
    small = [f"{group} ({sizes[group]})" for group in sorted(sizes.index) if group not in large]
    left_out = f"too small to say: {', '.join(small)}" if small else ""
    if len(large) < 2:
        why = f"fewer than two groups of {minimum} rows; {left_out}".rstrip("; ")
        return [Measure(f"fairness.groups[{attribute}]", None, detail=why)], []
    mask = values.isin(large).to_numpy()
    part, groups = scored.rows(mask), values[mask].reset_index(drop=True)
    table = _by_group(part, groups)
    replicates = _replicates(part, groups, large, seed)
    measures = []
    for name in table.columns:
        known = table[name].dropna()
        gap = float(known.max() - known.min()) if len(known) > 1 else None
        low, high = percentiles(replicates[name])
        lowest = f"{known.idxmin()} {known.min():.3f}, {known.idxmax()} {known.max():.3f}"
        detail = "; ".join(filter(None, [lowest if gap is not None else "not defined", left_out]))
        measures.append(
            Measure(f"fairness.{name}[{attribute}]", gap, low, high, len(groups), detail)
        )
    figures = [
        GroupFigures(
            attribute,
            str(group),
            int(sizes[group]),
            {name: None if pd.isna(v) else float(v) for name, v in table.loc[group].items()},
        )
        for group in large
    ]
    return measures, figures


def _by_group(scored: Scored, groups: pd.Series) -> pd.DataFrame:
    truth: NDArray[np.generic]
    answers: NDArray[np.generic]
    if scored.kind == "values":
        scale = float(scored.truth.astype(float).std()) or 1.0
        truth, answers = scored.truth.astype(float) / scale, scored.predicted / scale
        metrics = {"mean_answer": mean_prediction, "absolute_error": mean_absolute_error}
    else:
        truth, answers = np.asarray(scored.truth), scored.decided()
        metrics = {"accuracy": accuracy_score}
    if scored.kind == "binary":
        second = scored.labels[-1]
        truth, answers = (truth == second).astype(int), (answers == second).astype(int)
        metrics |= {
            "selection_rate": selection_rate,
            "recall": true_positive_rate,
            "false_positive_rate": false_positive_rate,
        }
    frame = MetricFrame(metrics=metrics, y_true=truth, y_pred=answers, sensitive_features=groups)
    return pd.DataFrame(frame.by_group)


def _replicates(
    scored: Scored, groups: pd.Series, names: list[str], seed: int
) -> Mapping[str, NDArray[np.float64]]:
    """Replicates of the differences, shape (replicates,) for each figure.

    Of labels drawn from each group's confusion counts, which is the bootstrap without its rows.
    """
    random = np.random.default_rng(seed)
    rates = [
        rates
        for name in names
        for rates in [_drawn(scored.rows((groups == name).to_numpy()), random)]
    ]
    gaps = {}
    for figure in rates[0]:
        stacked = np.column_stack([rate[figure] for rate in rates])
        gaps[figure] = stacked.max(axis=1) - stacked.min(axis=1)
    return gaps


def _drawn(scored: Scored, random: np.random.Generator) -> Mapping[str, NDArray[np.float64]]:
    rows = len(scored.truth)
    if scored.kind == "values":
        scale = float(scored.truth.astype(float).std()) or 1.0
        picked = random.integers(0, rows, (REPLICATES, rows))
        off = np.abs(scored.predicted - scored.truth.astype(float)) / scale
        answers = scored.predicted / scale
        return {
            "mean_answer": answers[picked].mean(axis=1),
            "absolute_error": off[picked].mean(axis=1),
        }
    right = scored.decided() == scored.truth
    if scored.kind == "labels":
        return {"accuracy": random.binomial(rows, right.mean(), REPLICATES) / rows}
    positive = scored.truth == scored.labels[-1]
    cells = [right & positive, ~right & positive, ~right & ~positive, right & ~positive]
    counts = random.multinomial(rows, [float(cell.mean()) for cell in cells], REPLICATES)
    tp, fn, fp, tn = counts.T.astype(float)
    with np.errstate(invalid="ignore"):
        return dict(_rates(tp, fn, fp, tn))


def _rates(
    tp: NDArray[np.float64],
    fn: NDArray[np.float64],
    fp: NDArray[np.float64],
    tn: NDArray[np.float64],
) -> Iterator[tuple[str, NDArray[np.float64]]]:
    total = tp + fn + fp + tn
    yield "accuracy", (tp + tn) / total
    yield "selection_rate", (tp + fp) / total
    yield "recall", tp / (tp + fn)
    yield "false_positive_rate", fp / (fp + tn)
