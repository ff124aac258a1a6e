"""What is predicted, and which days are kept apart."""

from __future__ import annotations

import pandas as pd


def label(table: pd.DataFrame) -> pd.Series:
    """The number of rentals."""
    return table["rentals"].astype(float)


def split(table: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The first three quarters of the time, and the last; the seed does not matter."""
    _ = seed
    ordered = table.sort_values("day")
    cut = len(ordered) * 3 // 4
    return ordered.iloc[:cut], ordered.iloc[cut:]
