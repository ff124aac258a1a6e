"""Tables as matrices of numbers and back, for methods that know numbers only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray


@dataclass(frozen=True)
class ColumnCodes:
    """The columns of tables of one shape: each one's type, and the values of those of no numbers.

    The last of a column's levels is what stands for a missing value in it: preprocessing may tell
    None from NaN.
    """

    types: Mapping[str, object]
    levels: Mapping[str, tuple[object, ...]]

    def encode(self, table: pd.DataFrame) -> NDArray[np.float64]:
        """The table as numbers, shape (n, columns): the place among its levels, or the number itself.

        NaN where a value is missing.
        """
        columns: list[NDArray[np.float64]] = []
        for name in self.types:
            if name in self.levels:
                known = enumerate(self.levels[name][:-1])
                places = {level: float(place) for place, level in known}
                coded = [places.get(value, np.nan) for value in table[name]]
                columns.append(np.array(coded, dtype=float))
            else:
                columns.append(table[name].to_numpy(dtype=float, na_value=np.nan))
        return np.column_stack(columns)

    def decode(self, codes: NDArray[np.float64]) -> pd.DataFrame:
        """The numbers, shape (n, columns), as the table they stand for, of the same types."""
        table = {}
        for number, (name, kind) in enumerate(self.types.items()):
            values = codes[:, number]
            if name in self.levels:
                levels = np.array(self.levels[name], dtype=object)
                places = np.where(np.isnan(values), len(levels) - 1, values).astype(int)
                picked = pd.Series(levels[places], dtype=object)
                table[name] = picked.astype(kind)  # type: ignore[call-overload]
            else:
                table[name] = pd.Series(values).astype(kind)  # type: ignore[call-overload]
        return pd.DataFrame(table)


def column_codes(table: pd.DataFrame) -> ColumnCodes:
    """The codes for a table's columns and for all tables that hold no other values."""
    api = pd.api.types
    levels = {
        str(name): (*dict.fromkeys(table[name].dropna()), _missing(table[name]))
        for name in table.columns
        if not api.is_numeric_dtype(table[name]) or api.is_bool_dtype(table[name])
    }
    return ColumnCodes({str(name): kind for name, kind in table.dtypes.items()}, levels)


def _missing(values: pd.Series) -> object:
    return next(iter(values[values.isna()]), None)
