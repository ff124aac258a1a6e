"""The supported range: the box in which a property was proven. Needs neither scikit-learn nor search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops.quality.contract import Category
from mlops.quality.strict import parse


@dataclass(frozen=True)
class Supported:
    """A box over the contract's columns; a column that is not named has the contract's whole range.

    `ranges` are the ends of numbers, both included, and `categories` what the others may be. In a
    column that is named a missing value lies outside, unless `missing` names it too. `share` is the
    part of the rows in the property's region that lies in the box.
    """

    share: float
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    categories: Mapping[str, tuple[Category, ...]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


def read_supported(values: object, where: str) -> Supported:
    """A box from what JSON holds; raises UserError that begins with `where`."""
    return parse(Supported, values, where)


def inside(supported: Supported, table: pd.DataFrame) -> NDArray[np.bool_]:
    """Whether each row of typed inputs, shape (n,), lies in the box."""
    kept = np.ones(len(table), dtype=bool)
    for name, (low, high) in supported.ranges.items():
        values = table[name].to_numpy(dtype=float, na_value=np.nan)
        kept &= ((values >= low) & (values <= high)) | _missing(name, supported, table)
    for name, categories in supported.categories.items():
        found = table[name].isin(list(categories)).to_numpy(dtype=bool)
        kept &= found | _missing(name, supported, table)
    return kept


def _missing(name: str, supported: Supported, table: pd.DataFrame) -> NDArray[np.bool_]:
    if name not in supported.missing:
        return np.zeros(len(table), dtype=bool)
    return table[name].isna().to_numpy(dtype=bool)
