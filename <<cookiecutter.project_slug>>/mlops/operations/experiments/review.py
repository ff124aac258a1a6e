"""Which answers people shall look at, and what follows from the labels that they give."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops.operations.experiments.settings import UNCERTAIN, ReviewSettings
from mlops.quality.expression import Values, holds, names, parse_relation

Answer = str | int | float | bool
Cell = str | int | float | bool | None


@dataclass(frozen=True)
class Item:
    """An answer to look at. `inputs` hold what was collected; `why` the rules that chose it.

    `answer` is the model's label or value; `time` is when it answered, in ISO 8601. `probability` is
    that of the most probable label, None where the model gives values.
    """

    request_id: str
    row: int
    time: str
    why: tuple[str, ...]
    answer: Answer
    model_version: str
    model_digest: str
    inputs: dict[str, Cell]
    probability: float | None = None


@dataclass(frozen=True)
class Label:
    """What one person says about an item, and when (ISO 8601)."""

    label: Answer
    by: str
    at: str
    note: str = ""


@dataclass(frozen=True)
class Resolution:
    """What people say about an item together.

    `open`: too few have said something; `unresolved`: no label has more than half of them. `by` and
    `at` are those who gave the label and when the last of them did.
    """

    state: Literal["open", "resolved", "unresolved"]
    label: Answer | None = None
    by: tuple[str, ...] = ()
    at: str = ""


def choose(table: pd.DataFrame, settings: ReviewSettings, where: str = "review") -> pd.DataFrame:
    """The live rows of a collected table that go to the queue, in order of time.

    The column `why` holds the reasons of each, separated by commas. Where there are more than
    `per_window`, those that a rule names go first, and among equals those whose digest of request
    and row is lowest: the same each time, and no matter what else is in the table. Raises
    UserError for a rule that cannot be read or names a column that was not collected.
    """
    live = table[table["role"] == "live"].drop_duplicates(["request_id", "row"], keep=False)
    found = {UNCERTAIN: _uncertain(live, settings.margin)}
    numbers = _numbers(live)
    for name, text in settings.rules.items():
        rule = parse_relation(text, numbers, f"{where}: rules: {name}")
        given = [~np.isnan(numbers[column]) for column in names(rule)]
        # what is missing breaks no rule, and so meets none
        found[name] = holds(rule, numbers) & np.logical_and.reduce(given)
    flags = np.array(list(found.values()), dtype=bool)
    chosen = np.flatnonzero(flags.any(axis=0))
    ruled: NDArray[np.bool_] = np.asarray(flags[1:].any(axis=0))
    keys = list(zip(live["request_id"].astype(str), live["row"].astype(int), strict=True))
    ranked = sorted(chosen.tolist(), key=lambda place: (not ruled[place], _rank(*keys[place])))
    kept = np.array(sorted(ranked[: settings.per_window]), dtype=int)
    reasons = [",".join(name for name, flag in found.items() if flag[place]) for place in kept]
    result = live.iloc[kept].assign(why=reasons)
    return result.sort_values(["time", "request_id", "row"], ignore_index=True)


def _uncertain(table: pd.DataFrame, margin: float | None) -> NDArray[np.bool_]:
    columns = [name for name in table.columns if str(name).startswith("probability.")]
    if margin is None or len(columns) < 2 or table.empty:
        return np.zeros(len(table), dtype=bool)
    ordered = np.sort(table[columns].to_numpy(dtype=float), axis=1)
    # the margin as it is written: 0.6 - 0.4 is a little more than 0.2
    return np.asarray(ordered[:, -1] - ordered[:, -2] <= margin + 1e-12)


def _numbers(table: pd.DataFrame) -> dict[str, Values]:
    """The columns that a rule may speak of: numeric inputs by name, `probability_N`, `value`."""
    found: dict[str, Values] = {}
    for column in map(str, table.columns):
        kind, _, name = column.partition(".")
        if kind == "input" and pd.api.types.is_numeric_dtype(table[column]):
            found[name] = table[column].to_numpy(dtype=float, na_value=np.nan)
        elif kind == "probability" or column == "value":
            found[column.replace(".", "_")] = table[column].to_numpy(dtype=float)
    return found


def _rank(request: str, row: int) -> bytes:
    told = f"{request}\0{row}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(told, digest_size=8).digest()


def resolve(labels: Sequence[Label], labellers: int) -> Resolution:
    """What the labels of an item, the oldest first, come to.

    Of each person the last one counts. It is resolved where at least `labellers` people spoke and
    more than half of them agree.
    """
    last = {each.by: each for each in labels}
    if len(last) < max(labellers, 1):
        return Resolution("open")
    # 1 and True are one to Python, but not to people
    votes = Counter((type(each.label).__name__, each.label) for each in last.values())
    (kind, label), number = votes.most_common(1)[0]
    if number * 2 <= len(last):
        return Resolution("unresolved")
    agreeing = [
        each for each in last.values() if (type(each.label).__name__, each.label) == (kind, label)
    ]
    by = tuple(sorted(each.by for each in agreeing))
    return Resolution("resolved", label, by, max(each.at for each in agreeing))
