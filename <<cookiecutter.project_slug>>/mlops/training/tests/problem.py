"""A small problem of the tests' own, so that they hold whatever stands in model/."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.tree import DecisionTreeClassifier

from mlops.quality.contract import Column, Contract
from mlops.training.search import Problem

ROWS = 120
CONTRACT = Contract(
    name="toy",
    description="Is the sum positive?",
    task="classification",
    target="answer",
    columns={
        "a": Column("number", "first"),
        "b": Column("number", "second"),
        "group": Column("integer", "a group", categories=(1, 2)),
        "answer": Column("integer", "the answer", categories=(0, 1)),
    },
    protected=("group",),
    segments={"group": (), "a": (0.0,)},
)
INPUTS = list(CONTRACT.inputs)


def table() -> pd.DataFrame:
    random = np.random.default_rng(3)
    rows = pd.DataFrame({"a": random.normal(size=ROWS), "b": random.normal(size=ROWS)})
    rows["group"] = np.where(np.arange(ROWS) % 3 == 0, 1, 2)
    rows["answer"] = (rows["a"] + rows["b"] + random.normal(0, 0.4, ROWS) > 0).astype(int)
    return rows


def metrics(truth: NDArray[np.generic], predicted: NDArray[np.float64]) -> Mapping[str, float]:
    hits = (predicted >= 0.5).astype(int) == truth
    return {"accuracy": float(hits.mean()), "loss": float(np.mean((predicted - truth) ** 2))}  # type: ignore[operator]


def classification() -> Problem:
    return Problem(
        SimpleImputer(),
        {
            "line": (LogisticRegression(), {"C": [0.001, 1.0]}),
            "tree": (DecisionTreeClassifier(random_state=0), {"max_depth": [1, 2, 3]}),
        },
        metrics,
    )


def regression() -> Problem:
    return Problem(SimpleImputer(), {"ridge": (Ridge(), {"alpha": [0.1, 1.0]})}, metrics)
