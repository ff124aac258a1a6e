"""The rows that the loop's callers send: records of the project's own data, moved a little, and shifted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops.quality.contract import Contract
from mlops.quality.errors import UserError
from mlops.quality.expression import holds, names

# How far numbers are moved, in standard deviations of their column: no row is one that was learnt from.
JITTER = 0.02
# A column of which more of the records share one value stays as it is: moving those a little to either
# side would change how the column is spread, which is the drift that nobody injected.
SHARED = 0.05
# A column whose shift would have more of the rows break a relation of the contract is not shifted.
BREAKS = 0.2
MOST_RECORDS = 5_000
BEFORE = 150

Label = Callable[[pd.DataFrame], pd.Series]


@dataclass(frozen=True)
class Shift:
    """A column of a share of the rows moves by so many of its standard deviations."""

    column: str
    deviations: float
    share: float


@dataclass(frozen=True)
class Drawn:
    """Every record once, in a new order. `shifted` says of each whether it was, shape (n,)."""

    table: pd.DataFrame
    shifted: NDArray[np.bool_]


class Row(NamedTuple):
    """One request's body, what will turn out to be true of it, and whether it was shifted."""

    body: str
    target: object
    shifted: bool


def records(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The rows to draw from: all, or so many of a large table that they fit a short run."""
    if len(table) > MOST_RECORDS:
        table = table.sample(MOST_RECORDS, random_state=seed)
    return table.reset_index(drop=True)


def parted(table: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The records of which truth is told before the shift, a fifth at most, and those after it."""
    order = np.random.default_rng(seed).permutation(len(table))
    first = min(BEFORE, max(1, len(table) // 5))
    one, other = table.iloc[order[:first]], table.iloc[order[first:]]
    return one.reset_index(drop=True), other.reset_index(drop=True)


def drawn(
    table: pd.DataFrame, contract: Contract, shift: Shift | None, random: np.random.Generator
) -> Drawn:
    """The records of a table in a new order, each once, that keep the contract.

    Numbers that are `fine` are moved by `JITTER`; where that would break a relation the record stays as it was, and
    where the shift would, it is not shifted.
    """
    whole = table.iloc[random.permutation(len(table))].reset_index(drop=True)
    moved = whole.copy()
    for name in fine(table, contract):
        noise = random.normal(0.0, JITTER * _deviation(table[name]), len(whole))
        moved[name] = _within(whole[name].to_numpy(dtype=float) + noise, contract, name)
    moved = _where(keeps(moved, contract), moved, whole)
    shifted = np.zeros(len(whole), dtype=bool)
    if shift is not None:
        # drawn even where nothing changes, so that a seed means the same rows
        chosen = random.random(len(whole)) < shift.share
        after = _shifted(moved, table, contract, shift)
        shifted = chosen & keeps(after, contract)
        moved = _where(shifted, after, moved)
    return Drawn(moved, shifted)


def shift_column(table: pd.DataFrame, contract: Contract, label: Label, deviations: float) -> str:
    """The number among the inputs that says most of the label, by its correlation.

    Raises UserError where no column can be shifted and keep the contract.
    """
    truth = label(table)
    if pd.api.types.is_numeric_dtype(truth) and truth.nunique() > 2:
        answers = [truth.to_numpy(dtype=float)]
    else:
        answers = [(truth == each).to_numpy(dtype=float) for each in truth.unique()]
    best: tuple[float, str] = (0.0, "")
    for name in movable(contract):
        values = table[name].to_numpy(dtype=float)
        known = np.isfinite(values)
        after = _shifted(table, table, contract, Shift(name, deviations, 1.0))
        broken = 1 - float(keeps(after, contract).mean())
        if known.sum() < 3 or not np.nanstd(values) > 0 or broken > BREAKS:
            continue
        found = max(_correlation(values[known], each[known]) for each in answers)
        best = max(best, (found, name))
    if not best[1]:
        raise UserError("loop: no column of numbers can be shifted and keep the contract")
    return best[1]


def movable(contract: Contract) -> tuple[str, ...]:
    """The inputs that are numbers, not codes."""
    return tuple(
        name
        for name in contract.inputs
        if contract.columns[name].type in ("number", "integer")
        and not contract.columns[name].categories
    )


def fine(table: pd.DataFrame, contract: Contract) -> tuple[str, ...]:
    """The numbers of which hardly two records share a value."""
    shares = {name: table[name].value_counts(normalize=True) for name in movable(contract)}
    return tuple(name for name, found in shares.items() if len(found) and found.max() <= SHARED)


def keeps(table: pd.DataFrame, contract: Contract) -> NDArray[np.bool_]:
    """Which rows keep the relations of the contract that speak of inputs alone, shape (n,)."""
    kept = np.ones(len(table), dtype=bool)
    for tree in contract.relation_trees().values():
        columns = names(tree)
        if set(columns) <= set(contract.inputs):
            kept &= holds(tree, {each: table[each].to_numpy(dtype=float) for each in columns})
    return kept


class Stream:
    """Rows without end: every record once, then every record again in another order."""

    def __init__(self, table: pd.DataFrame, contract: Contract, seed: int) -> None:
        self._table, self._contract = table, contract
        self._random = np.random.default_rng(seed)
        self._shift: Shift | None = None
        self._rows: Iterator[Row] = iter(())

    def __len__(self) -> int:
        return len(self._table)

    def shift(self, shift: Shift | None) -> None:
        """From now on rows are shifted so; a new order begins."""
        self._shift, self._rows = shift, iter(())

    def next(self) -> Row:
        """The next row."""
        for row in self._rows:
            return row
        found = drawn(self._table, self._contract, self._shift, self._random)
        self._rows = iter(bodies(found, self._contract))
        return next(self._rows)


def bodies(found: Drawn, contract: Contract) -> list[Row]:
    """Each row as the body of a request to `/invocations`."""
    inputs = found.table[list(contract.inputs)]
    plain: list[dict[str, object]] = json.loads(
        inputs.to_json(orient="records", date_format="iso", double_precision=15)
    )
    whole = [name for name in contract.inputs if contract.columns[name].type == "integer"]
    targets = found.table[contract.target].tolist()
    rows = []
    for values, target, shifted in zip(plain, targets, found.shifted.tolist(), strict=True):
        for name in whole:
            if isinstance(number := values[name], float):
                values[name] = int(number)
        rows.append(Row(json.dumps({"dataframe_records": [values]}), target, shifted))
    return rows


def _shifted(
    rows: pd.DataFrame, table: pd.DataFrame, contract: Contract, shift: Shift
) -> pd.DataFrame:
    """All rows with the column moved; `table` tells its mean and deviation."""
    limits, mean = contract.columns[shift.column].range, float(table[shift.column].mean())
    # to the side on which there is more room
    sign = -1.0 if limits is not None and mean - limits[0] > limits[1] - mean else 1.0
    by = sign * shift.deviations * _deviation(table[shift.column])
    values = rows[shift.column].to_numpy(dtype=float) + by
    return rows.assign(**{shift.column: _within(values, contract, shift.column)})


def _within(values: NDArray[np.float64], contract: Contract, name: str) -> NDArray[np.float64]:
    column = contract.columns[name]
    if column.range is not None:
        values = np.clip(values, *column.range)
    return np.round(values) if column.type == "integer" else values


def _where(chosen: NDArray[np.bool_], one: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    found = one.copy()
    for name in one.columns:
        if not one[name].equals(other[name]):
            found[name] = np.where(chosen, one[name], other[name])
    return found


def _deviation(values: pd.Series) -> float:
    found = float(values.astype(float).std())
    return found if np.isfinite(found) else 0.0


def _correlation(values: NDArray[np.float64], answers: NDArray[np.float64]) -> float:
    if not (values.std() > 0 and answers.std() > 0):
        return 0.0
    return abs(float(np.corrcoef(values, answers)[0, 1]))
