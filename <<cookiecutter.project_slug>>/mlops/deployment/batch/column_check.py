"""The data contract on Arrow columns: which rows may break it, at the speed of NumPy.

The words for a broken row are those of `mlops.quality.checks`, which is asked about suspects alone.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlops.quality.contract import Column, Contract
from mlops.quality.expression import holds, names, plainly_holds
from mlops.quality.values import LARGEST_INTEGER, typed

Mask = NDArray[np.bool_]
_Array = NDArray[np.float64] | NDArray[np.int64]
# One per input: float64 or int64 for numbers, truth values, or an Arrow array of texts.
Values = Mapping[str, "NDArray[np.generic] | pa.Array"]

_LARGEST = sys.float_info.max


@dataclass(frozen=True)
class Read:
    """The inputs of n rows, and a mask of shape (n,) of those that may break the contract.

    `singles` are those inputs as float32 that a model wants so. None for the mask: all rows keep it.
    """

    values: Values
    singles: Mapping[str, NDArray[np.float32]]
    suspect: Mask | None


class ColumnCheck:
    """The checks of one contract; `singles` names the inputs that a model wants as float32."""

    def __init__(self, contract: Contract, singles: Collection[str] = ()) -> None:
        self._columns = {name: contract.columns[name] for name in contract.inputs}
        self._limits = {name: _limits(column) for name, column in self._columns.items()}
        self._singles = frozenset(singles)
        # a walk over a relation's tree for each batch would cost as much as a check
        known = [(tree, names(tree)) for tree in contract.relation_trees().values()]
        self._trees = [(tree, found) for tree, found in known if set(found) <= set(self._columns)]

    def read(self, batch: pa.RecordBatch) -> Read:
        """The typed inputs of a batch that has them all, and its suspect rows."""
        values: dict[str, NDArray[np.generic] | pa.Array] = {}
        singles: dict[str, NDArray[np.float32]] = {}
        suspect: Mask | None = None
        # what is too large for float32 becomes infinite, as in the model itself
        with np.errstate(over="ignore"):
            for name, column in self._columns.items():
                read = _READERS[column.type](_plain(batch.column(name)), column)
                if isinstance(read, _Numbers):
                    values[name], wrong = read
                    if name in self._singles:
                        singles[name] = read.values.astype(np.float32)
                    limits = self._limits[name]
                    if limits is not None and not limits.plainly_hold(singles.get(name)):
                        wrong = _either(wrong, limits.beyond(read.values, column))
                else:
                    values[name], wrong = read
                suspect = _either(suspect, wrong)
        for tree, known in self._trees:
            wanted = {name: np.asarray(values[name], dtype=np.float64) for name in known}
            if not plainly_holds(tree, wanted):
                suspect = _either(suspect, ~holds(tree, wanted))
        return Read(values, singles, suspect)


def _plain(array: pa.Array) -> pa.Array:
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _either(one: Mask | None, other: Mask | None) -> Mask | None:
    if other is None or not other.any():
        return one
    return other if one is None else one | other


class _Numbers(NamedTuple):
    """A column of numbers, and what is wrong with them besides their range."""

    values: _Array
    bad: Mask | None


def _numbers(array: pa.Array, column: Column) -> _Numbers:
    kind, bad = array.type, None
    whole = column.type == "integer"
    values: _Array
    if pa.types.is_signed_integer(kind) and not array.null_count:
        # as they are: each conversion costs as much as a check
        values = array.to_numpy().astype(np.int64, copy=False)
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
        # float32 too: NumPy would round the contract's limits to the type of the values
        values = array.to_numpy(zero_copy_only=False).astype(np.float64, copy=False)
    else:
        series, bad = typed(array.to_pandas(), column)
        values = series.to_numpy(dtype=np.float64, na_value=np.nan)
    if whole and not pa.types.is_integer(kind):
        bad = _either(bad, _beside(values != np.floor(values), values, column))
    if column.categories is not None:
        first, *others = column.categories
        one_of = values == first
        for category in others:
            one_of |= values == category
        if not one_of.all():
            bad = _either(bad, _beside(~one_of, values, column))
    return _Numbers(values, bad)


class _Limits(NamedTuple):
    """The range of a column of numbers; `rounded` to float32, whose checks cost half."""

    range: tuple[float, float]
    rounded: tuple[np.float32, np.float32]

    def plainly_hold(self, single: NDArray[np.float32] | None) -> bool:
        """Whether all values lie within, judged by those as float32.

        Rounding keeps the order: what is above a rounded limit was above the limit. What is not a
        number compares as False.
        """
        if single is None or not len(single):
            return False
        low, high = self.rounded
        return bool(low < np.minimum.reduce(single) and np.maximum.reduce(single) < high)

    def beyond(self, values: _Array, column: Column) -> Mask | None:
        """Which values lie beyond."""
        low, high = self.range
        # Python compares whole numbers exactly
        if not len(values) or (low <= values.min().item() and values.max().item() <= high):
            return None
        return _beside(~((values >= low) & (values <= high)), values, column)


def _limits(column: Column) -> _Limits | None:
    """The limits to look at: none where there are no numbers, or categories that lie within."""
    if column.type not in ("integer", "number"):
        return None
    low, high = column.range or (-_LARGEST, _LARGEST)
    if column.type == "integer":
        low, high = max(low, 1 - LARGEST_INTEGER), min(high, LARGEST_INTEGER - 1)
    numbers = [value for value in column.categories or () if not isinstance(value, str)]
    if numbers and all(low <= value <= high for value in numbers):
        return None
    with np.errstate(over="ignore"):
        return _Limits((low, high), (np.float32(low), np.float32(high)))


def _beside(wrong: Mask, values: _Array, column: Column) -> Mask:
    """What is wrong beside what may be missing."""
    return wrong & ~np.isnan(values) if column.missing else wrong


def _truths(array: pa.Array, column: Column) -> tuple[NDArray[np.generic], Mask | None]:
    if pa.types.is_boolean(array.type) and not array.null_count:
        values, bad = array.to_numpy(zero_copy_only=False), None
    else:
        series, bad = typed(array.to_pandas(), column)
        values = series.to_numpy()
        bad = bad if column.missing else bad | series.isna().to_numpy()
    if column.categories is not None:
        allowed = (*column.categories, None) if column.missing else column.categories
        bad = _either(bad, np.array([value not in allowed for value in values.tolist()], bool))
    return values, bad


def _texts(array: pa.Array, column: Column) -> tuple[pa.Array, Mask | None]:
    bad: Mask | None = None
    if not (pa.types.is_string(array.type) or pa.types.is_large_string(array.type)):
        series, bad = typed(array.to_pandas(), column)
        array = pa.array(series, pa.string(), from_pandas=True)
    if array.null_count and not column.missing:
        bad = _either(bad, _mask(pc.is_null(array)))
    if column.categories is not None:
        one_of = pc.is_in(array, pa.array(column.categories, array.type))
        bad = _either(bad, ~_mask(pc.or_(one_of, pc.is_null(array))))
    return array, bad


def _moments(array: pa.Array, column: Column) -> tuple[NDArray[np.generic], Mask | None]:
    series, bad = typed(array.to_pandas(), column)
    return series.to_numpy(), bad if column.missing else bad | series.isna().to_numpy()


def _mask(array: pa.Array) -> Mask:
    mask: Mask = array.to_numpy(zero_copy_only=False)
    return mask


_READERS = {
    "number": _numbers,
    "integer": _numbers,
    "boolean": _truths,
    "string": _texts,
    "datetime": _moments,
}
