"""Cell 3: which answer, and which rows are kept apart."""

from __future__ import annotations

import pandas as pd
from sklearn.model_selection import train_test_split


def label(table: pd.DataFrame) -> pd.Series:
    """1 for the species virginica."""
    return (table["species"] == 2).astype(int)


def split(table: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows for training and the rows for evaluation."""
    training, evaluation = train_test_split(
        table, test_size=0.3, random_state=seed, stratify=label(table)
    )
    return training, evaluation
