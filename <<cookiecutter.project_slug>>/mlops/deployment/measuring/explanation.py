"""What the answers rest on: SHAP values of the contract's columns, asked of the model alone.

A column's value is its share of the difference between this answer and the mean one (Lundberg and
Lee, "A unified approach to interpreting model predictions", NeurIPS 2017).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import spearmanr

from mlops.deployment.measuring.column_codes import ColumnCodes, column_codes
from mlops.deployment.measuring.measure import Measure, Predict
from mlops.deployment.measuring.scored import Scored

BACKGROUND = 30
ROWS = 60
# Up to here every subset of the columns is asked for; above, permutations of them.
EXACT = 11
_PERMUTATIONS = 5
_STRONGEST = 3
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Example:
    """One answer explained: which row (from 1), why it was chosen, and the share of each column.

    `base` and all shares add up to the answer.
    """

    why: str
    row: int
    answer: float
    base: float
    values: Mapping[str, str]
    shares: Mapping[str, float]


@dataclass(frozen=True)
class Explanation:
    """Figures, the mean absolute share of each column, and some answers explained."""

    measures: tuple[Measure, ...]
    importance: Mapping[str, float]
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class _Shares:
    """Answers, shape (n,): the share of each column, shape (n, columns), and what they start from."""

    answers: Values
    values: Values
    base: Values

    @property
    def importance(self) -> Values:
        means = np.abs(self.values).mean(axis=0)
        # what summing up rounds away has no rank
        return np.where(means > 1e-9 * np.abs(self.answers).max(), means, 0.0)


def explain(scored: Scored, predict: Predict, training: pd.DataFrame, *, seed: int) -> Explanation:
    """Explain the answers to the scored rows, or to 60 of them drawn by the seed.

    `explanation.stability` is Spearman's rank correlation of two importances, each against another
    background of training rows; `explanation.additivity` the largest distance of an answer from
    the sum of its shares. Of several labels the most frequent one's probability is explained.
    """
    names = list(scored.contract.inputs)
    inputs, known = scored.table[names].reset_index(drop=True), training[names]
    if not len(inputs) or not len(known):
        why = f"there are no {'rows to explain' if len(known) else 'training rows'}"
        figures = (f"explanation.{name}" for name in ("stability", "additivity"))
        return Explanation(tuple(Measure(name, None, detail=why) for name in figures), {}, ())
    single, subject = _single(predict, scored)
    chosen = _chosen(np.asarray(single(inputs), dtype=float), scored)
    rows = _drawn(len(inputs), [row for _, row in chosen], seed)
    one, other = _twice(single, inputs, known, rows, seed)
    off = float(np.abs(one.base + one.values.sum(axis=1) - one.answers).max())
    measures = (
        _stability(one.importance, other.importance, names, len(rows)),
        Measure("explanation.additivity", off, rows=len(rows), detail=subject),
    )
    importance = dict(zip(names, one.importance.tolist(), strict=True))
    examples = [_example(why, inputs.iloc[[row]], one, rows.index(row)) for why, row in chosen]
    return Explanation(measures, importance, tuple(examples))


def _drawn(number: int, chosen: list[int], seed: int) -> list[int]:
    """The chosen row numbers and others, `ROWS` of them at most, each once."""
    others = np.random.default_rng(seed).permutation(number)[:ROWS].tolist()
    return list(dict.fromkeys([*chosen, *others]))[:ROWS]


def _twice(
    predict: Predict, inputs: pd.DataFrame, training: pd.DataFrame, rows: list[int], seed: int
) -> tuple[_Shares, _Shares]:
    """The shares of some rows, each time against another background."""
    codes = column_codes(pd.concat([training, inputs], ignore_index=True))
    explained = codes.encode(inputs.iloc[rows])

    def against(turn: int) -> _Shares:
        background = training.sample(min(BACKGROUND, len(training)), random_state=turn)
        return _shap(predict, codes, codes.encode(background), explained, turn)

    return against(seed), against(seed + 1)


def _single(predict: Predict, scored: Scored) -> tuple[Predict, str]:
    """The model with one answer a row, and what that is."""
    if scored.kind != "labels":
        return predict, ""
    place = int(np.bincount(scored.predicted.argmax(axis=1)).argmax())
    return (
        lambda table: np.asarray(predict(table))[:, place],
        f"of the probability of {scored.labels[place]}",
    )


def _chosen(answers: Values, scored: Scored) -> tuple[tuple[str, int], ...]:
    middle, name = scored.threshold, "nearest to the threshold"
    if scored.kind != "binary":
        middle, name = float(np.median(answers)), "nearest to the median answer"
    return (
        ("the highest answer", int(answers.argmax())),
        ("the lowest answer", int(answers.argmin())),
        (name, int(np.abs(answers - middle).argmin())),
    )


def _shap(
    predict: Predict, codes: ColumnCodes, background: Values, rows: Values, seed: int
) -> _Shares:
    import shap  # noqa: PLC0415 - imports slowly

    def ask(numbers: Values) -> Values:
        return np.asarray(predict(codes.decode(np.asarray(numbers, dtype=float))), dtype=float)

    masker = shap.maskers.Independent(background, max_samples=len(background))
    if rows.shape[1] <= EXACT:
        found = shap.explainers.ExactExplainer(ask, masker)(rows, silent=True)
    else:
        explainer = shap.explainers.PermutationExplainer(ask, masker, seed=seed)
        # each permutation is walked there and back
        calls = _PERMUTATIONS * 2 * rows.shape[1] + 1
        found = explainer(rows, max_evals=calls, silent=True)
    base = np.broadcast_to(np.asarray(found.base_values, dtype=float), len(rows))
    return _Shares(ask(rows), np.asarray(found.values, dtype=float), base)


def _stability(one: Values, other: Values, names: list[str], rows: int) -> Measure:
    name = "explanation.stability"
    strongest = min(_STRONGEST, len(names))
    top = [set(np.argsort(-values, kind="stable")[:strongest].tolist()) for values in (one, other)]
    detail = f"of the {strongest} strongest columns {len(top[0] & top[1])} are the same"
    if not one.any() and not other.any():
        return Measure(name, None, rows=rows, detail="no column changes any answer")
    if len(names) == 1:
        return Measure(name, 1.0, rows=rows, detail="there is one column")
    # equal ranks in one of them, and different ones in the other, are no correlation
    varied = len(set(one.tolist())) > 1 and len(set(other.tolist())) > 1
    value = float(spearmanr(one, other).statistic) if varied else float(np.allclose(one, other))
    return Measure(name, value, rows=rows, detail=detail)


def _example(why: str, row: pd.DataFrame, shares: _Shares, place: int) -> Example:
    return Example(
        why,
        int(row.index[0]) + 1,
        float(shares.answers[place]),
        float(shares.base[place]),
        {str(name): str(row[name].iloc[0]) for name in row.columns},
        dict(zip(map(str, row.columns), shares.values[place].tolist(), strict=True)),
    )
