"""Small problems with every kind of column, and models of every kind that can be proven of."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from mlops.quality.contract import Column, Contract

CONTRACT = Contract(
    name="small",
    description="Is it large?",
    task="classification",
    target="answer",
    columns={
        "a": Column("number", "a", range=(0.0, 10.0)),
        "n": Column("integer", "n", range=(0, 6)),
        "m": Column("number", "m", range=(-1.0, 1.0), missing=True),
        "g": Column("string", "g", categories=("x", "y")),
        "answer": Column("integer", "answer", categories=(0, 1)),
    },
    protected=("g",),
    segments={"g": ()},
)
INPUTS = list(CONTRACT.inputs)
TREES: dict[str, BaseEstimator] = {
    "tree": DecisionTreeClassifier(max_depth=4),
    "forest": RandomForestClassifier(n_estimators=4, max_depth=3),
    "extra trees": ExtraTreesClassifier(n_estimators=3, max_depth=3),
    "boosting": GradientBoostingClassifier(n_estimators=5, max_depth=2),
    "tree of values": DecisionTreeRegressor(max_depth=3),
    "forest of values": RandomForestRegressor(n_estimators=3, max_depth=3),
    "boosting of values": GradientBoostingRegressor(n_estimators=4, max_depth=2),
}
LINES: dict[str, BaseEstimator] = {
    "logistic": make_pipeline(StandardScaler(), LogisticRegression()),
    "ridge": Ridge(),
}


def rows(number: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "a": random.uniform(0, 10, number),
            "n": random.integers(0, 7, number),
            "m": random.uniform(-1, 1, number),
            "g": random.choice(["x", "y"], number).astype(object),
        }
    )
    table["g"] = table["g"].astype(object)
    table.loc[random.random(number) < 0.1, "m"] = np.nan
    score = table["a"] / 10 + table["n"] / 6 + table["m"].fillna(0) + (table["g"] == "x")
    table["answer"] = (score + random.normal(0, 0.3, number) > 1.5).astype(int)
    return table


def model(estimator: BaseEstimator, seed: int, *, scaled: bool = False) -> Pipeline:
    """A fitted pipeline, the same for the same seed."""
    table = rows(150, seed)
    if "random_state" in estimator.get_params():
        estimator.set_params(random_state=seed)
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    features = ColumnTransformer(
        [
            ("numbers", numbers if scaled else SimpleImputer(strategy="median"), ["a", "n", "m"]),
            ("g", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["g"]),
        ]
    )
    fitted = Pipeline([("features", features), ("model", estimator)])
    return fitted.fit(table[INPUTS], table["answer"])
