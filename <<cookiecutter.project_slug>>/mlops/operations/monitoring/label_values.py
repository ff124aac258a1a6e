"""The values in files of labels: texts and numbers as the contract and the model name them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops.quality.contract import Contract
from mlops.quality.errors import UserError
from mlops.quality.values import typed

Mask = NDArray[np.bool_]
_TRUTH = {"true": True, "false": False, "1": True, "0": False}


def refuse(bad: Mask, where: str, column: str, why: Callable[[int], str]) -> None:
    """Raise UserError for the first row in `bad`, a mask of shape (n,); `why` is asked for it.

    Rows are counted from 1 below the header, as in the checks of data.
    """
    if bad.any():
        place = int(np.flatnonzero(bad)[0])
        more = int(bad.sum()) - 1
        rest = f" (and {more} more)" if more else ""
        raise UserError(f"{where}: row {place + 1}, column {column}: {why(place)}{rest}")


def as_rows(values: pd.Series, where: str) -> NDArray[np.int64]:
    """Places in a request, from 1."""
    numbers = as_numbers(values, "row", where)
    bad = ~((numbers >= 1) & (numbers == np.floor(numbers)))
    refuse(bad, where, "row", lambda n: f"expected 1, 2, ..., found {values.iloc[n]!r}")
    return numbers.astype(np.int64)


def as_numbers(values: pd.Series, column: str, where: str) -> NDArray[np.float64]:
    """Numbers, NaN where nothing is given."""
    given = values.notna().to_numpy(dtype=bool)
    numbers = pd.to_numeric(values.astype(object), errors="coerce").astype(float)
    found = np.array(numbers, dtype=np.float64)
    bad = given & ~np.isfinite(found)
    refuse(bad, where, column, lambda n: f"expected a number, found {values.iloc[n]!r}")
    return found


def as_times(values: pd.Series, where: str) -> pd.Series:
    """Moments in UTC, missing where nothing is given."""
    moments = pd.to_datetime(values, errors="coerce", format="ISO8601", utc=True)
    bad = (values.notna() & moments.isna()).to_numpy()
    wanted = "expected a time such as 2026-05-03T14:00:00Z, found"
    refuse(bad, where, "time", lambda n: f"{wanted} {values.iloc[n]!r}")
    return moments


def as_labels(values: pd.Series, known: Sequence[object], where: str) -> NDArray[np.object_]:
    """Labels as the model names them, None where nothing is given; numbers where it gives values."""
    if not known:
        numbers = as_numbers(values, "label", where)
        return np.array([None if np.isnan(each) else float(each) for each in numbers], dtype=object)
    read = {value: _label(value, known) for value in values.dropna().unique()}
    given = values.notna().to_numpy(dtype=bool)
    unread = [value for value, found in read.items() if found is None]
    bad = given & values.isin(unread).to_numpy()
    listed = ", ".join(map(str, known))
    refuse(bad, where, "label", lambda n: f"expected one of {listed}, found {values.iloc[n]!r}")
    found = [
        read[value] if is_given else None for value, is_given in zip(values, given, strict=True)
    ]
    return _objects(found)


def as_targets(values: pd.Series, contract: Contract, where: str) -> NDArray[np.object_]:
    """Values of the contract's target, None where nothing is given."""
    column = contract.columns[contract.target]
    found, bad = typed(values.reset_index(drop=True), column)
    given = values.notna().to_numpy(dtype=bool)
    name = contract.target
    refuse(bad, where, name, lambda n: f"expected {column.type}, found {values.iloc[n]!r}")
    if column.range is not None:
        low, high = column.range
        out = given & ~found.between(low, high).to_numpy(dtype=bool)
        said = f"range is {low:g} to {high:g}, found"
        refuse(out, where, name, lambda n: f"{said} {values.iloc[n]!r}")
    if column.categories is not None:
        out = given & ~found.isin(column.categories).to_numpy(dtype=bool)
        said = f"expected one of {', '.join(map(str, column.categories))}, found"
        refuse(out, where, name, lambda n: f"{said} {values.iloc[n]!r}")
    return _objects([v if g else None for v, g in zip(found.tolist(), given, strict=True)])


def _objects(values: Sequence[object]) -> NDArray[np.object_]:
    """As objects one by one: NumPy would make an array of texts of what looks like texts."""
    found: NDArray[np.object_] = np.empty(len(values), dtype=object)
    found[:] = list(values)
    return found


def _label(value: object, known: Sequence[object]) -> object | None:
    """The label that a value in a file means; None where it means none."""
    text = str(value).strip()
    for label in known:
        if str(label) == text:
            return label
    if all(isinstance(label, bool) for label in known):
        truth = _TRUTH.get(text.lower())
        return truth if truth in known else None
    try:
        number = float(text)
    except ValueError:
        return None
    numeric = (int, float, np.integer, np.floating)
    return next((x for x in known if isinstance(x, numeric) and float(x) == number), None)
