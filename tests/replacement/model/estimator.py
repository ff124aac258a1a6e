"""The algorithms that compete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sklearn.base import BaseEstimator
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import Ridge

Candidate = tuple[BaseEstimator, Mapping[str, Sequence[object]]]


def candidates(seed: int) -> Mapping[str, Candidate]:
    """The competitors by name."""
    return {
        "ridge": (Ridge(), {"alpha": [0.1, 1.0, 10.0]}),
        "gradient_boosting": (
            GradientBoostingRegressor(n_estimators=50, random_state=seed),
            {"max_depth": [2, 3]},
        ),
    }
