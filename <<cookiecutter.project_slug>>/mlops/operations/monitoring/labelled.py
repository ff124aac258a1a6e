"""Answers beside what turned out to be true: collected rows joined with labels by request and row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops.deployment.measuring.scored import Scored
from mlops.operations.monitoring.answered import answers_of, inputs_of, kept_columns
from mlops.operations.monitoring.labels import KEY, Labels
from mlops.operations.monitoring.window import Window, is_sampled
from mlops.quality.contract import Contract
from mlops.quality.errors import UserError
from mlops.training.search import Metrics


@dataclass(frozen=True)
class Problem:
    """The user's functions, and what decides between models.

    `label` makes the label from a table with all columns of the contract; `metrics` judges; `metric`
    decides and `goal` is maximize or minimize.
    """

    label: Callable[[pd.DataFrame], pd.Series]
    metrics: Metrics
    metric: str
    goal: str
    threshold: float = 0.5


@dataclass(frozen=True)
class Joined:
    """The rows of each package that have a label or a KPI, with `Labels.table`'s columns.

    `elsewhere` labels belong to no row of the window: to another window or role, or to nothing.
    """

    parts: Mapping[str, pd.DataFrame]
    elsewhere: int = 0


def joined(window: Window, labels: Labels) -> Joined:
    """Each row of a window that has a label, with it; the model's own `label` is `answered` here."""
    given = labels.table
    if window.share < 1:
        # those of requests that were not read would pass for labels of nothing
        chosen = [is_sampled(str(each), window.share) for each in given["request_id"]]
        given = given[np.array(chosen, dtype=bool)]
    parts: dict[str, pd.DataFrame] = {}
    found: set[tuple[object, ...]] = set()
    for digest, rows in window.parts.items():
        renamed = rows.rename(columns={"label": "answered"})
        typed_rows = renamed.astype({"row": "int64", "request_id": object})
        parts[digest] = typed_rows.merge(given, on=KEY, how="inner", validate="many_to_one")
        found |= set(parts[digest][KEY].itertuples(index=False, name=None))
    return Joined(parts, len(given) - len(found))


def scored(
    rows: pd.DataFrame, contract: Contract, problem: Problem, labels: Sequence[object]
) -> Scored:
    """The joined rows that have a label or a target, as the measures of the gate take them.

    A column that is collected hashed, or never, is missing in them. Raises UserError where the
    user's function makes no label.
    """
    given = rows[rows["label"].notna() | rows["target"].notna()].reset_index(drop=True)
    table = inputs_of(given, contract)
    for name in kept_columns(contract, "hashed", "never"):
        table[name] = np.nan
    table = table[list(contract.inputs)]
    return Scored(
        table=table,
        truth=_truth(given, table, contract, problem),
        predicted=answers_of(given),
        contract=contract,
        threshold=problem.threshold,
        labels=tuple(labels),
        metrics=problem.metrics,
        metric=problem.metric,
        goal=problem.goal,
    )


def times_of(rows: pd.DataFrame) -> pd.Series:
    """When each row that `scored` judges was answered, in its order."""
    return rows[rows["label"].notna() | rows["target"].notna()]["time"].reset_index(drop=True)


def _truth(
    given: pd.DataFrame, table: pd.DataFrame, contract: Contract, problem: Problem
) -> NDArray[np.generic]:
    truth: list[object] = given["label"].tolist()
    told = given["label"].notna().to_numpy(dtype=bool)
    if not told.all():
        targets = pd.Series(given["target"][~told].tolist(), index=given.index[~told])
        whole = table[~told].assign(**{contract.target: targets})[list(contract.columns)]
        try:
            made = problem.label(whole)
        except Exception as error:  # the user's own code
            said = " ".join(str(error).split())[:200] or type(error).__name__
            raise UserError(f"model/data.py: label() of collected rows: {said}") from error
        if len(made) != len(whole) or made.isna().any():
            raise UserError("model/data.py: label() of collected rows gives no label for some")
        for place, value in zip(np.flatnonzero(~told), made.tolist(), strict=True):
            truth[int(place)] = value
    return np.array(truth, dtype=float if contract.task == "regression" else None)
