"""Trying a property on inputs: the first two rigours, and the check of every counterexample."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops.deployment.exhaustive.properties import Property, Range
from mlops.deployment.measuring.measure import Predict
from mlops.quality.contract import Contract
from mlops.quality.expression import holds, names

# How many values of the column, or points of the neighbourhood, each input is tried with.
STEPS = 12
Label = Callable[[int], str]


def broken_by(
    declared: Property,
    predict: Predict,
    table: pd.DataFrame,
    *,
    region: Mapping[str, Range],
    contract: Contract,
    seed: int,
) -> tuple[int, str]:
    """The number of inputs that break a property, and the worst of them in words.

    What an input is changed to must keep the contract's relations.
    """
    before = np.asarray(predict(table), dtype=float)
    if declared.output is not None:
        low, high = declared.output
        off = np.maximum(before - high, low - before)
        return _told(off, 0.0, lambda row: f"row {row + 1} answers {before[row]:.4g}")
    worst = np.full(len(table), -np.inf)
    text: dict[int, str] = {}
    for changed, label in _changed(declared, table, region, contract, seed):
        after = np.asarray(predict(changed), dtype=float)
        off = _off(declared, table, changed, before, after)
        off[~plausible(changed, contract)] = -np.inf
        for row in np.flatnonzero(off > worst):
            text[int(row)] = f"{label(int(row))}: {before[row]:.4g} becomes {after[row]:.4g}"
        worst = np.maximum(worst, off)
    limit = declared.tolerance if declared.monotone else declared.at_most
    return _told(worst, 0.0 if declared.stable else limit, lambda row: text[row])


def plausible(table: pd.DataFrame, contract: Contract) -> NDArray[np.bool_]:
    """Whether each row, shape (n,), keeps what the contract relates."""
    numbers = {
        name: table[name].to_numpy(dtype=float, na_value=np.nan)
        for name in contract.inputs
        if contract.columns[name].type in ("integer", "number")
    }
    kept = np.ones(len(table), dtype=bool)
    for tree in contract.relation_trees().values():
        if set(names(tree)) <= set(numbers):
            kept &= holds(tree, numbers)
    return kept


def _told(off: NDArray[np.float64], limit: float, text: Label) -> tuple[int, str]:
    broken = int((off > limit).sum())
    return broken, text(int(off.argmax())) if broken else ""


def _changed(
    declared: Property,
    table: pd.DataFrame,
    region: Mapping[str, Range],
    contract: Contract,
    seed: int,
) -> list[tuple[pd.DataFrame, Label]]:
    """The table with each row changed, in all ways that are tried, and what was done in words."""
    if declared.flip is not None:
        column = declared.flip
        return [
            (table.assign(**{column: _like(table[column], value)}), _label(column, value))
            for value in region[column]
        ]
    if declared.monotone is not None:
        ((column, _),) = declared.monotone.items()
        low, high = (float(str(end)) for end in region[column])
        values = np.linspace(low, high, STEPS)
        if contract.columns[column].type == "integer":
            values = np.unique(np.round(values))
        return [
            (table.assign(**{column: _like(table[column], float(value))}), _label(column, value))
            for value in values
        ]
    random = np.random.default_rng(seed)
    made = []
    for _ in range(STEPS):
        moved = table.copy()
        for column, radius in (declared.stable or {}).items():
            values = table[column].to_numpy(dtype=float, copy=True)
            values = values + random.uniform(-radius, radius, len(values))
            if contract.columns[column].type == "integer":
                values = np.trunc(values)
            low, high = (float(str(end)) for end in region[column])
            moved[column] = np.clip(values, low, high)
        made.append((moved, _label("a neighbour", "close by")))
    return made


def _off(
    declared: Property,
    table: pd.DataFrame,
    changed: pd.DataFrame,
    before: NDArray[np.float64],
    after: NDArray[np.float64],
) -> NDArray[np.float64]:
    if declared.flip is not None:
        return np.abs(after - before)
    if declared.monotone is not None:
        ((column, way),) = declared.monotone.items()
        grows = changed[column].to_numpy(dtype=float) - table[column].to_numpy(dtype=float)
        sign = 1.0 if way == "rising" else -1.0
        return np.where(np.isnan(grows), -np.inf, -sign * np.sign(grows) * (after - before))
    return np.where((before >= declared.threshold) != (after >= declared.threshold), 1.0, -np.inf)


def _like(values: pd.Series, value: object) -> pd.Series:
    return pd.Series([value] * len(values), index=values.index)


def _label(column: str, value: object) -> Label:
    shown = f"{value:.4g}" if isinstance(value, float) else str(value)
    return lambda row: f"row {row + 1} with {column} {shown}"
