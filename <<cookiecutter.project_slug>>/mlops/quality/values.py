"""A column's values with the type that the contract gives them, and which of them are not of it."""

from __future__ import annotations

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops.quality.contract import Column

Mask = NDArray[np.bool_]

_TRUTH = {"true": True, "false": False, "1": True, "0": False}
_NUMBERS = (str, int, float, Decimal, np.integer, np.floating)
# From here on neighbouring whole numbers are one and the same floating-point number.
LARGEST_INTEGER = 2**53
# What pandas reads as a moment is more: a bare year, "now", "today".
_DATE = r"\s*\d{4}-\d{2}-\d{2}"


def typed(values: pd.Series, column: Column) -> tuple[pd.Series, Mask]:
    """The values with the contract's type, and a mask of shape (n,) of those that are not of it.

    Wrong values are missing in the result. A column of integers that may be missing is made of
    floating-point numbers, and one of truth values of objects; the same for every table.
    """
    if isinstance(values.dtype, pd.CategoricalDtype | pd.ArrowDtype | pd.SparseDtype):
        values = values.astype(object)
    given = values.notna().to_numpy(dtype=bool)
    if column.type in ("integer", "number"):
        return _numbers(values, given, column)
    if column.type == "boolean":
        return _truths(values, given)
    if column.type == "datetime":
        return _moments(values, given)
    if isinstance(values.dtype, pd.StringDtype):
        return values.astype(object), np.zeros(len(values), dtype=bool)
    texts = values.map(lambda value: isinstance(value, str)).to_numpy(dtype=bool)
    return values.where(texts).astype(object), given & ~texts


def _numbers(values: pd.Series, given: Mask, column: Column) -> tuple[pd.Series, Mask]:
    readable = values
    if values.dtype == object:
        readable = values.map(_number_or_none)
    elif not (_is_number(values) or isinstance(values.dtype, pd.StringDtype)):
        return pd.Series(np.nan, index=values.index), given
    # Parquet's nullable integers keep their missing values only as floating-point numbers.
    numbers = pd.to_numeric(readable, errors="coerce").astype(float)
    array = numbers.to_numpy()
    good = np.isfinite(array)
    if column.type == "integer":
        good &= (array == np.floor(array)) & (np.abs(array) < LARGEST_INTEGER)
    bad = given & ~good
    bad[bad] = [not _is_nan_text(value) for value in values[bad]]
    numbers = numbers.where(good)
    whole = column.type == "integer" and not column.missing and good.all()
    return (numbers.astype("int64") if whole else numbers), bad


def _is_nan_text(value: object) -> bool:
    return isinstance(value, str) and value.strip().lower() == "nan"


def _is_number(values: pd.Series) -> bool:
    api = pd.api.types
    return (
        api.is_numeric_dtype(values)
        and not api.is_bool_dtype(values)
        and not api.is_complex_dtype(values)
    )


def _number_or_none(value: object) -> object:
    if not isinstance(value, _NUMBERS) or isinstance(value, bool):
        return None
    try:
        return value if isinstance(value, str) else float(value)
    except OverflowError:
        return np.inf


def _truths(values: pd.Series, given: Mask) -> tuple[pd.Series, Mask]:
    if values.dtype == bool:
        return values, np.zeros(len(values), dtype=bool)
    if isinstance(values.dtype, pd.StringDtype):
        truth = values.str.strip().str.lower().map(_TRUTH)
    else:
        truth = values.astype(object).map(_truth)
    known = truth.notna().to_numpy(dtype=bool)
    truth = truth.astype(object).where(known, None)
    return (truth.astype(bool) if known.all() else truth), given & ~known


def _truth(value: object) -> bool | None:
    if isinstance(value, str):
        return _TRUTH.get(value.strip().lower())
    if isinstance(value, bool | np.bool_ | int | float | np.number) and value in (0, 1):
        return bool(value)
    return None


def _moments(values: pd.Series, given: Mask) -> tuple[pd.Series, Mask]:
    if not pd.api.types.is_datetime64_any_dtype(values):
        if isinstance(values.dtype, pd.StringDtype):
            texts = values
        else:
            texts = values.astype(object).map(_date_text).astype("str")
        values = texts.where(texts.str.match(_DATE, na=False))
    moments = pd.to_datetime(values, errors="coerce", format="ISO8601", utc=True)
    # In UTC and without a zone, as MLflow's schemas want them; of one unit whatever the file.
    moments = moments.dt.tz_localize(None).dt.as_unit("us")
    return moments, given & moments.isna().to_numpy()


def _date_text(value: object) -> str | None:
    if isinstance(value, datetime.date):
        return value.isoformat()
    return value if isinstance(value, str) else None
