"""What is predicted, and which rows are kept apart for evaluation."""

from __future__ import annotations

import pandas as pd
from sklearn.model_selection import train_test_split

# The median of the study's 442 patients. A constant, so that the question does not move with the
# rows that happen to be in a table.
MEDIAN_PROGRESSION = 140.5


def label(table: pd.DataFrame) -> pd.Series:
    """The answer to learn for each row: 1 where the disease progressed faster than the median.

    Takes a table with all columns of the contract; returns as many values, with the same index.
    """
    return (table["progression"] > MEDIAN_PROGRESSION).astype(int)


def split(table: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows for training and the rows for evaluation (a quarter), the same for the same seed.

    Both parts hold the answers and both sexes in the proportions of the whole.
    """
    strata = label(table).astype(str) + table["sex"].astype(str)
    training, evaluation = train_test_split(
        table, test_size=0.25, random_state=seed, stratify=strata
    )
    return training.sort_index(), evaluation.sort_index()
