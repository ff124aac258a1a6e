"""What the answers rest on: SHAP values of the contract's columns, asked of the model alone.

A column's value is its share of the difference between this answer and the mean one (Lundberg and
Lee, "A unified approach to interpreting model predictions", NeurIPS 2017).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import spearmanr

from mlops.deployment.measure import Measure, Predict
from mlops.deployment.scored import Scored

BACKGROUND = 30
ROWS = 60
# Up to here every subset of the columns is asked for; above, permutations of them.
EXACT = 11


@dataclass(frozen=True)
class Example:
    """One answer explained: which row, why it was chosen, and the share of each column."""

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


def explain(scored: Scored, predict: Predict, training: pd.DataFrame, *, seed: int) -> Explanation:
    """Explain the answers to the scored rows, at most `ROWS` of them.

    `explanation.stability` is Spearman's rank correlation of two importances, each against another
    background of training rows; `explanation.additivity` the largest error of a sum of shares.
    """
    names = list(scored.contract.inputs)
    table = scored.table[names].reset_index(drop=True).head(ROWS)
    codes = _Codes(pd.concat([training[names], table], ignore_index=True))
    single = _single(predict, scored)
    shares, base, answers = [], [], single(table)
    for turn in (seed, seed + 1):
        background = training[names].sample(min(BACKGROUND, len(training)), random_state=turn)
        found, middle = _shap(single, codes, codes.encode(background), codes.encode(table), turn)
        shares.append(found)
        base.append(middle)
    ranks = [np.abs(found).mean(axis=0) for found in shares]
    stability = float(spearmanr(*ranks).statistic) if len(names) > 1 else 1.0
    top = [{names[n] for n in np.argsort(-rank)[:3]} for rank in ranks]
    off = float(np.abs(base[0] + shares[0].sum(axis=1) - answers).max())
    measures = (
        Measure(
            "explanation.stability",
            stability if np.isfinite(stability) else None,
            rows=len(table),
            detail=f"of the three strongest columns {len(top[0] & top[1])} are the same",
        ),
        Measure("explanation.additivity", off, rows=len(table)),
    )
    importance = {name: float(value) for name, value in zip(names, ranks[0], strict=True)}
    return Explanation(
        measures, importance, _examples(table, answers, base[0], shares[0], scored.threshold)
    )


class _Codes:
    """Columns that are no numbers as numbers, and back."""

    def __init__(self, table: pd.DataFrame) -> None:
        self.types = {str(name): kind for name, kind in table.dtypes.items()}
        self.levels = {
            name: list(dict.fromkeys(table[name].dropna()))
            for name in table.columns
            if not pd.api.types.is_numeric_dtype(table[name])
            or pd.api.types.is_bool_dtype(table[name])
        }

    def encode(self, table: pd.DataFrame) -> NDArray[np.float64]:
        """The table as numbers, shape (n, columns); NaN where a value is missing."""
        columns = []
        for name in table.columns:
            if name in self.levels:
                number = {level: float(code) for code, level in enumerate(self.levels[name])}
                columns.append(table[name].map(number).to_numpy(dtype=float))
            else:
                columns.append(table[name].to_numpy(dtype=float))
        return np.column_stack(columns)

    def decode(self, codes: NDArray[np.float64]) -> pd.DataFrame:
        """The numbers as the table that the model takes."""
        table = {}
        for number, (name, kind) in enumerate(self.types.items()):
            values = codes[:, number]
            if name in self.levels:
                levels = np.array([*self.levels[name], None], dtype=object)
                picked = np.where(np.isnan(values), len(levels) - 1, values).astype(int)
                table[name] = pd.Series(levels[picked]).astype(kind)
            else:
                table[name] = pd.Series(values).astype(kind)
        return pd.DataFrame(table)


def _single(predict: Predict, scored: Scored) -> Predict:
    """The model with one answer a row: of several labels, the most common one's probability."""
    if scored.kind != "labels":
        return predict
    label = int(scored.predicted.mean(axis=0).argmax())
    return lambda table: np.asarray(predict(table))[:, label]


def _shap(
    predict: Predict,
    codes: _Codes,
    background: NDArray[np.float64],
    rows: NDArray[np.float64],
    seed: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shares, shape (n, columns), and what they are counted from, shape (n,)."""
    import shap  # noqa: PLC0415 - imports slowly

    def ask(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(predict(codes.decode(np.asarray(numbers, dtype=float))), dtype=float)

    masker = shap.maskers.Independent(background, max_samples=len(background))
    if rows.shape[1] <= EXACT:
        found = shap.explainers.ExactExplainer(ask, masker)(rows, silent=True)
    else:
        explainer = shap.explainers.PermutationExplainer(ask, masker, seed=seed)
        found = explainer(rows, max_evals=10 * rows.shape[1] + 1, silent=True)
    base = np.broadcast_to(np.asarray(found.base_values, dtype=float), len(rows))
    return np.asarray(found.values, dtype=float), base


def _examples(
    table: pd.DataFrame,
    answers: NDArray[np.float64],
    base: NDArray[np.float64],
    shares: NDArray[np.float64],
    threshold: float,
) -> tuple[Example, ...]:
    chosen: Sequence[tuple[str, int]] = (
        ("the highest answer", int(answers.argmax())),
        ("the lowest answer", int(answers.argmin())),
        ("nearest to the threshold", int(np.abs(answers - threshold).argmin())),
    )
    return tuple(
        Example(
            why,
            row + 1,
            float(answers[row]),
            float(base[row]),
            {str(name): str(value) for name, value in table.iloc[row].items()},
            {name: float(v) for name, v in zip(table.columns, shares[row], strict=True)},
        )
        for why, row in chosen
    )
