"""What the training rows looked like: the reference against which drift is measured later."""

from __future__ import annotations

from typing import cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops.quality.contract import Contract


def reference(
    inputs: pd.DataFrame, answers: NDArray[np.float64], contract: Contract
) -> dict[str, object]:
    """Statistics of each column and of the answers, the same for the same rows.

    Numbers: `edges` of bins of equally many rows, and the `counts` in them; others: the counts of
    each value. Floating-point numbers are rounded to 12 digits.
    """
    columns = {}
    for name in contract.inputs:
        column, values = contract.columns[name], inputs[name]
        numeric = column.type in ("integer", "number") and not column.categories
        known = values.dropna()
        shape = _numbers(known.to_numpy(dtype=float)) if numeric else _values(known)
        columns[name] = {
            "type": column.type,
            "missing": _round(float(values.isna().mean())),
            **shape,
        }
    parts = answers.reshape(len(answers), -1)
    return {
        "rows": len(inputs),
        "columns": columns,
        "answers": [_numbers(parts[:, number]) for number in range(parts.shape[1])],
    }


def _numbers(values: NDArray[np.float64]) -> dict[str, object]:
    if not len(values):
        return {"edges": [], "counts": []}
    edges = np.unique(np.quantile(values, np.linspace(0, 1, 11)))
    counts, _ = np.histogram(values, edges if len(edges) > 1 else 1)
    return {
        "mean": _round(float(values.mean())),
        "deviation": _round(float(values.std())),
        "edges": [_round(float(edge)) for edge in edges],
        "counts": [int(count) for count in counts],
    }


def _values(values: pd.Series) -> dict[str, object]:
    counted = values.astype(str).value_counts()
    return {"counts": {str(name): int(cast(int, counted[name])) for name in sorted(counted.index)}}


def _round(value: float) -> float:
    return float(f"{value:.12g}")
