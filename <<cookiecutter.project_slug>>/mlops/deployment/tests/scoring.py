"""Small problems of the tests' own with answers of known quality: two labels, three, and values."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops.deployment.measuring.measure import Measure
from mlops.deployment.measuring.scored import Scored
from mlops.quality.contract import Column, Contract

ROWS = 240
Values = NDArray[np.float64]
CONTRACT = Contract(
    name="toy",
    description="Is x large?",
    task="classification",
    target="answer",
    columns={
        "x": Column("number", "what decides", range=(-5, 5)),
        "noise": Column("number", "what says nothing", range=(-5, 5), missing=True),
        "age": Column("integer", "years", range=(0, 90)),
        "sex": Column("string", "a group", categories=("f", "m")),
        "answer": Column("integer", "the answer", categories=(0, 1)),
    },
    protected=("sex", "age"),
    segments={"sex": (), "age": (40.0,)},
)
REGRESSION = dataclasses.replace(CONTRACT, task="regression")


def table(rows: int = ROWS, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "x": random.uniform(-5, 5, rows),
            "noise": random.uniform(-5, 5, rows),
            "age": random.integers(0, 90, rows),
            "sex": random.choice(["f", "m"], rows).astype(object),
        }
    )


def logistic(inputs: pd.DataFrame) -> Values:
    """The true chance of a 1, for the tables above."""
    return np.asarray(1 / (1 + np.exp(-1.5 * inputs["x"].to_numpy(dtype=float))))


def hits(truth: NDArray[np.generic], predicted: Values) -> Mapping[str, float]:
    decided = predicted.argmax(axis=1) if predicted.ndim == 2 else predicted >= 0.5
    if not np.isfinite(predicted).all():
        raise ValueError("Input contains NaN")
    return {"accuracy": float(np.mean(decided == truth)), "count": float(len(truth))}


def losses(truth: NDArray[np.generic], predicted: Values) -> Mapping[str, float]:
    if not np.isfinite(predicted).all():
        raise ValueError("Input contains NaN")
    off = predicted - truth.astype(float)
    return {"rmse": float(np.sqrt(np.mean(off**2))), "bias": float(off.mean())}


def binary(
    truth: Sequence[int], predicted: Sequence[float], rows: pd.DataFrame | None = None
) -> Scored:
    given = table(len(truth)) if rows is None else rows
    return Scored(
        given, np.array(truth, dtype=int), np.array(predicted, dtype=float), CONTRACT,
        0.5, (0, 1), hits, "accuracy", "maximize",
    )  # fmt: skip


def values(
    truth: Sequence[float], predicted: Sequence[float], rows: pd.DataFrame | None = None
) -> Scored:
    given = table(len(truth)) if rows is None else rows
    return Scored(
        given, np.array(truth, dtype=float), np.array(predicted, dtype=float), REGRESSION,
        0.5, (), losses, "rmse", "minimize",
    )  # fmt: skip


def labels(
    truth: Sequence[int], predicted: Sequence[Sequence[float]], rows: pd.DataFrame | None = None
) -> Scored:
    chances = np.array(predicted, dtype=float).reshape(len(truth), -1)
    return dataclasses.replace(
        binary(truth, [0.0] * len(truth), rows),
        predicted=chances,
        labels=tuple(range(chances.shape[1])),
    )


def calibrated(seed: int = 1, rows: int = ROWS) -> Scored:
    """Answers that are the true chances."""
    given = table(rows, seed)
    chance = logistic(given)
    truth = np.random.default_rng(seed + 1000).random(rows) < chance
    return binary(truth.astype(int).tolist(), chance.tolist(), given)


def named(measures: Sequence[Measure]) -> dict[str, Measure]:
    found = {measure.name: measure for measure in measures}
    assert len(found) == len(measures), "a name is given twice"
    return found


def close(measure: Measure, value: float) -> bool:
    """Whether a figure is that, and inside its interval where it has one."""
    assert measure.value is not None, measure.detail
    inside = measure.low is None or measure.high is None
    return abs(measure.value - value) < 1e-9 and (
        inside or ((measure.low or 0.0) <= value + 1e-9 and value <= (measure.high or 0.0) + 1e-9)
    )
