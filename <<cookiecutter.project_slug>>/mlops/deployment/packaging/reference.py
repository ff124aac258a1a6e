"""What the training rows looked like: the reference against which drift is measured later."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops.quality.contract import Column, Contract

_BINS = 10
# Of a column of texts without categories; the others are counted together.
_MOST_TEXTS = 50
_DIGITS = 12
_MICROSECOND = "datetime64[us]"


def reference(
    inputs: pd.DataFrame, answers: NDArray[np.float64], contract: Contract
) -> dict[str, object]:
    """Statistics of each column and of the answers, shape (n,) or (n, labels); ready for JSON.

    Numbers: `edges` of bins of equally many rows, and the `counts` in them; a bin holds its lower
    edge, the last also its upper one. Moments are microseconds since 1970. Others: the `counts` of
    each value by its text, of a category that does not occur 0, and `others`, the count of texts
    beyond the 50 most frequent. Floating-point numbers are rounded to 12 significant digits. The
    order of the rows does not matter.
    """
    parts = np.atleast_2d(np.asarray(answers, dtype=float).T)
    return {
        "rows": len(inputs),
        "columns": {
            name: _column(inputs[name], contract.columns[name]) for name in contract.inputs
        },
        "answers": [_numbers(part) for part in parts],
    }


def _column(values: pd.Series, column: Column) -> dict[str, object]:
    known = values.dropna()
    missing = _round(float(values.isna().mean())) if len(values) else 0.0
    about: dict[str, object] = {"type": column.type, "missing": missing}
    if column.type == "datetime":
        moments = known.to_numpy(dtype=_MICROSECOND).astype(np.int64)
        return about | _numbers(moments.astype(float))
    if column.type in ("integer", "number") and not column.categories:
        return about | _numbers(known.to_numpy(dtype=float))
    return about | _texts(known, column)


def _numbers(values: NDArray[np.float64]) -> dict[str, object]:
    values = np.sort(values[np.isfinite(values)])
    if not len(values):
        return {"edges": [], "counts": []}
    edges = np.unique([_round(e) for e in np.quantile(values, np.linspace(0, 1, _BINS + 1))])
    # a rounded end must not lose the row it came from
    inside = np.clip(values, edges[0], edges[-1])
    counts = np.histogram(inside, edges)[0] if len(edges) > 1 else np.array([len(values)])
    return {
        "mean": _round(float(values.mean())),
        "deviation": _round(float(values.std())),
        "edges": edges.tolist(),
        "counts": counts.tolist(),
    }


def _texts(values: pd.Series, column: Column) -> dict[str, object]:
    listed = column.categories or ((False, True) if column.type == "boolean" else None)
    if listed:
        return {"counts": {str(each): int((values == each).sum()) for each in listed}}
    counted = sorted(
        values.astype(str).value_counts().items(), key=lambda item: (-item[1], item[0])
    )
    kept = {str(text): int(count) for text, count in counted[:_MOST_TEXTS]}
    others = sum(int(count) for _, count in counted[_MOST_TEXTS:])
    return {"counts": dict(sorted(kept.items())), "others": others}


def _round(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
