"""What the model loses when its inputs get worse: noise, and missing values."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops.deployment.intervals import bootstrap
from mlops.deployment.measure import Measure, Predict
from mlops.deployment.scored import Scored

DRAWS = 3
REPLICATES = 100


def robustness(
    scored: Scored,
    predict: Predict,
    training: pd.DataFrame,
    *,
    noise: float,
    missing: float,
    seed: int,
) -> tuple[Measure, ...]:
    """`robustness.noise` and `robustness.missing`: the drop of the deciding metric; above 0 is worse.

    `noise` is normal, in standard deviations of each column's training rows; `missing` is the share
    of values that are left out of the columns that may be missing.
    """
    contract, random = scored.contract, np.random.default_rng(seed)
    inputs = scored.table[list(contract.inputs)].reset_index(drop=True)
    numeric = [
        name
        for name in contract.inputs
        if contract.columns[name].type in ("integer", "number")
        and not contract.columns[name].categories
    ]
    optional = [name for name in contract.inputs if contract.columns[name].missing]
    found = []
    if numeric:
        noisy = [_noisy(inputs, training, numeric, noise, random) for _ in range(DRAWS)]
        found.append(_drop("robustness.noise", scored, predict, noisy, seed))
    else:
        found.append(Measure("robustness.noise", None, detail="no column holds numbers"))
    if optional:
        gaps = [_with_gaps(inputs, optional, missing, random) for _ in range(DRAWS)]
        found.append(_drop("robustness.missing", scored, predict, gaps, seed))
    else:
        found.append(Measure("robustness.missing", None, detail="no column may be missing"))
    return tuple(found)


def _noisy(
    inputs: pd.DataFrame,
    training: pd.DataFrame,
    columns: list[str],
    noise: float,
    random: np.random.Generator,
) -> pd.DataFrame:
    moved = inputs.copy()
    for name in columns:
        scale = noise * float(training[name].std())
        values = moved[name].to_numpy(dtype=float, copy=True)
        moved[name] = values + random.normal(0, scale, len(values))
    return moved


def _with_gaps(
    inputs: pd.DataFrame, columns: list[str], share: float, random: np.random.Generator
) -> pd.DataFrame:
    moved = inputs.copy()
    for name in columns:
        moved[name] = moved[name].mask(random.random(len(moved)) < share)
    return moved


def _drop(
    name: str, scored: Scored, predict: Predict, worse: list[pd.DataFrame], seed: int
) -> Measure:
    answers = [np.asarray(predict(table), dtype=float) for table in worse]

    def drop(rows: NDArray[np.intp]) -> float:
        before = scored.score(scored.predicted, rows)
        return before - float(np.mean([scored.score(after, rows) for after in answers]))

    every = np.arange(len(scored.truth))
    low, high = bootstrap(drop, len(every), REPLICATES, seed)
    return Measure(name, drop(every), low, high, len(every), f"of {scored.metric}, {DRAWS} draws")
