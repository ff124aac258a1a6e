"""What the model loses when its inputs get worse: noise, and missing values."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from mlops.deployment.measuring.intervals import percentiles
from mlops.deployment.measuring.measure import Measure, Predict
from mlops.deployment.measuring.scored import Scored
from mlops.quality.contract import Contract

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

    `noise` is normal, in standard deviations of each numeric column's training rows, and stays in
    the contract's range; whole numbers stay whole. `missing` is the share of values that are left
    out of the columns that may be missing. Each is the mean of three draws.
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
        scale = {name: noise * _deviation(training[name]) for name in numeric}
        noisy = [_noisy(inputs, scale, contract, random) for _ in range(DRAWS)]
        found.append(_drop("robustness.noise", scored, predict, noisy, seed))
    else:
        found.append(Measure("robustness.noise", None, detail="no column holds numbers"))
    if optional:
        gaps = [_with_gaps(inputs, optional, missing, random) for _ in range(DRAWS)]
        found.append(_drop("robustness.missing", scored, predict, gaps, seed))
    else:
        found.append(Measure("robustness.missing", None, detail="no column may be missing"))
    return tuple(found)


def _deviation(values: pd.Series) -> float:
    known = values.dropna()
    return float(known.std()) if len(known) > 1 else 0.0


def _noisy(
    inputs: pd.DataFrame,
    scale: dict[str, float],
    contract: Contract,
    random: np.random.Generator,
) -> pd.DataFrame:
    moved = inputs.copy()
    for name, deviation in scale.items():
        column = contract.columns[name]
        values = inputs[name].to_numpy(dtype=float, copy=True)
        values += random.normal(0, deviation, len(values))
        if column.type == "integer":
            values = np.rint(values)
        if column.range is not None:
            values = np.clip(values, *column.range)
        moved[name] = pd.Series(values).astype(inputs[name].dtype)
    return moved


def _with_gaps(
    inputs: pd.DataFrame, columns: list[str], share: float, random: np.random.Generator
) -> pd.DataFrame:
    moved = inputs.copy()
    for name in columns:
        values = moved[name]
        if pd.api.types.is_integer_dtype(values):
            values = values.astype(float)
        elif pd.api.types.is_bool_dtype(values):
            values = values.astype(object)
        left_out = random.random(len(moved)) < share
        moved[name] = values.mask(left_out, None if values.dtype == object else np.nan)
    return moved


def _drop(
    name: str, scored: Scored, predict: Predict, worse: list[pd.DataFrame], seed: int
) -> Measure:
    rows = len(scored.truth)
    if not rows:
        return Measure(name, None, detail="there are no rows")
    try:
        answers = [np.asarray(predict(table), dtype=float) for table in worse]
    except (ValueError, TypeError, RuntimeError) as error:
        # a model that cannot take what its contract allows is judged, not the end of all figures
        why = f"the model does not answer: {' '.join(str(error).split())[:120]}"
        return Measure(name, None, rows=rows, detail=why)
    every = np.arange(rows)
    after = float(np.mean([scored.score(answer, every) for answer in answers]))
    drop = scored.score(scored.predicted, every) - after
    if not np.isfinite(drop):
        why = f"{scored.metric} is not defined for these {rows} rows and answers"
        return Measure(name, None, rows=rows, detail=why)
    others = [dataclasses.replace(scored, predicted=answer) for answer in answers]
    after_each = np.mean([other.scores(REPLICATES, seed) for other in others], axis=0)
    low, high = percentiles(scored.scores(REPLICATES, seed) - after_each)
    return Measure(name, drop, low, high, rows, f"of {scored.metric}, mean of {DRAWS} draws")
