"""The supported range: where a property was proven, as a box over the contract's columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops.quality.contract import Category


@dataclass(frozen=True)
class Supported:
    """A box, as ranges of numbers or categories by column, and the share of rows that lie in it."""

    ranges: Mapping[str, tuple[float, float] | tuple[Category, ...]]
    share: float


def inside(
    ranges: Mapping[str, tuple[float, float] | tuple[Category, ...]],
    table: pd.DataFrame,
    *,
    numeric: frozenset[str] | None = None,
) -> NDArray[np.bool_]:
    """Whether each row, shape (n,), lies in the box. A missing value lies outside.

    `numeric` names the columns whose ranges are intervals; without it a pair of numbers is one.
    """
    kept = np.ones(len(table), dtype=bool)
    for name, ends in ranges.items():
        interval = name in numeric if numeric is not None else _is_interval(ends)
        values = table[name]
        found = values.between(*ends) if interval else values.isin(list(ends))
        kept &= found.to_numpy(dtype=bool)
    return kept


def _is_interval(ends: tuple[object, ...]) -> bool:
    return len(ends) == 2 and all(type(end) is float for end in ends)
