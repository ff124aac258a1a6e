"""Cell 4, second line: the algorithm, and the values that were tried by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression

Candidate = tuple[BaseEstimator, Mapping[str, Sequence[object]]]


def candidates(seed: int) -> Mapping[str, Candidate]:
    """The competitors by name; this one needs no seed."""
    _ = seed
    return {"logistic_regression": (LogisticRegression(), {"C": [1.0]})}
