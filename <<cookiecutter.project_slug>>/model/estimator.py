"""The algorithms that compete, each with the parameters to try."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sklearn.base import BaseEstimator
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

# An estimator and, for each of its parameters to search, the values to try.
Candidate = tuple[BaseEstimator, Mapping[str, Sequence[object]]]


def candidates(seed: int) -> Mapping[str, Candidate]:
    """The competitors by name. The same seed gives the same models."""
    return {
        "logistic_regression": (
            Pipeline([("scale", StandardScaler()), ("line", LogisticRegression(max_iter=1000))]),
            {"line__C": [0.01, 0.1, 1.0, 10.0]},
        ),
        "random_forest": (
            RandomForestClassifier(n_estimators=100, random_state=seed),
            {"max_depth": [3, 6], "min_samples_leaf": [5, 10]},
        ),
        "gradient_boosting": (
            GradientBoostingClassifier(n_estimators=50, random_state=seed),
            {"max_depth": [2, 3], "learning_rate": [0.03, 0.1]},
        ),
    }
