"""The inputs as a grid: each column's cells between cuts, and its categories and missing values.

Inside a cell a sum of trees does not change, so a box of cells is all that a proof has to look at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops.deployment.axes import Region
from mlops.deployment.verification.supported import Supported
from mlops.quality.contract import Category, Column, Contract
from mlops.quality.values import typed

Values = NDArray[np.float64]
Point = Mapping[str, object]

MOST_VALUES = 62  # bits of a mask, missing not counted
_WIDEST = float(np.finfo(np.float32).max)
_LARGEST_INTEGER = 2.0**53


@dataclass(frozen=True)
class Axis:
    """One column. Cell k holds what lies from `first[k]` to `last[k]`; `values` are told apart.

    A column with categories has no cells, only values; a missing value is the value None.
    """

    name: str
    column: Column
    first: Values
    last: Values
    values: tuple[object, ...]

    @property
    def everything(self) -> int:
        """The mask of all values."""
        return (1 << len(self.values)) - 1

    @property
    def missing(self) -> int:
        """The mask of the missing value; 0 where there is none."""
        return 1 << (len(self.values) - 1) if None in self.values else 0


@dataclass(frozen=True)
class Boxes:
    """n boxes over D columns, each array of shape (n, D).

    A box holds of each column the cells from `low` to `high` (none where low > high), and the values
    whose bits are set in `mask`.
    """

    low: NDArray[np.int32]
    high: NDArray[np.int32]
    mask: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.low)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Boxes:
        """Some of the boxes, by number or mask."""
        return Boxes(self.low[rows], self.high[rows], self.mask[rows])

    def columns(self, chosen: Sequence[int]) -> Boxes:
        """The boxes over some of the columns."""
        picked = list(chosen)
        return Boxes(self.low[:, picked], self.high[:, picked], self.mask[:, picked])


def stacked(parts: Sequence[Boxes]) -> Boxes:
    """Several sets of boxes as one."""
    return Boxes(
        np.concatenate([part.low for part in parts]),
        np.concatenate([part.high for part in parts]),
        np.concatenate([part.mask for part in parts]),
    )


def met(left: Boxes, right: Boxes) -> Boxes:
    """What both hold, box by box; one of them may be a single box."""
    return Boxes(
        np.maximum(left.low, right.low),
        np.minimum(left.high, right.high),
        left.mask & right.mask,
    )


def empty(boxes: Boxes) -> NDArray[np.bool_]:
    """Which boxes hold nothing, shape (n,)."""
    return np.asarray(((boxes.low > boxes.high) & (boxes.mask == 0)).any(axis=1))


def domain(column: Column) -> tuple[float, float]:
    """The lowest and highest number that the contract allows; float32's own where it says nothing."""
    low, high = column.range or (-_WIDEST, _WIDEST)
    if column.type != "integer":
        return float(low), float(high)
    return max(np.ceil(low), -_LARGEST_INTEGER), min(np.floor(high), _LARGEST_INTEGER)


def ordered_axis(name: str, column: Column, cuts: Sequence[float]) -> Axis:
    """The axis of a column of numbers: each of `cuts` is the last value of a cell."""
    low, high = domain(column)
    known = np.asarray(cuts, dtype=float)
    whole = column.type == "integer"
    inner = np.unique(np.floor(known) if whole else known)
    inner = inner[(inner >= low) & (inner < high)] + 0.0
    after = inner + 1 if whole else np.nextafter(inner, np.inf)
    first, last = np.concatenate([[low], after]), np.concatenate([inner, [high]])
    return Axis(name, column, first, last, (None,) if column.missing else ())


def listed_axis(name: str, column: Column, values: Sequence[object]) -> Axis:
    """The axis of a column whose values are told apart one by one."""
    nothing = np.empty(0)
    found = tuple(values)
    return Axis(name, column, nothing, nothing, (*found, None) if column.missing else found)


def below(column: Column, value: float) -> float:
    """The next lower value of the column's type."""
    return float(np.ceil(value) - 1 if column.type == "integer" else np.nextafter(value, -np.inf))


def whole(axes: Sequence[Axis]) -> Boxes:
    """The one box that holds everything."""
    return Boxes(
        np.zeros((1, len(axes)), dtype=np.int32),
        np.array([[len(axis.first) - 1 for axis in axes]], dtype=np.int32),
        np.array([[axis.everything for axis in axes]], dtype=np.uint64),
    )


def region_box(axes: Sequence[Axis], region: Region) -> Boxes:
    """The box of a region whose ends are cuts of the axes; a missing value lies outside of it."""
    box = whole(axes)
    for position, axis in enumerate(axes):
        ends = region.get(axis.name)
        if ends is None:
            continue
        if not len(axis.first):
            bits = sum(1 << bit for bit, value in enumerate(axis.values) if value in ends)
            box.mask[0, position] = bits
            continue
        low, high = (float(end) for end in ends)
        box.low[0, position] = np.searchsorted(axis.last, low, "left")
        box.high[0, position] = np.searchsorted(axis.first, high, "right") - 1
        box.mask[0, position] = 0
    return box


def placed(axes: Sequence[Axis], table: pd.DataFrame) -> Boxes:
    """For each row the smallest box that holds it; empty where a value is beyond the contract."""
    count = len(table)
    low = np.zeros((count, len(axes)), dtype=np.int32)
    high = np.full((count, len(axes)), -1, dtype=np.int32)
    mask = np.zeros((count, len(axes)), dtype=np.uint64)
    for position, axis in enumerate(axes):
        series = table[axis.name]
        absent = series.isna().to_numpy(dtype=bool)
        if len(axis.first):
            numbers = series.to_numpy(dtype=float, na_value=np.nan)
            known = (numbers >= axis.first[0]) & (numbers <= axis.last[-1])
            cell = np.searchsorted(axis.last, np.where(known, numbers, 0.0), "left")
            low[:, position] = np.where(known, cell, 0)
            high[:, position] = np.where(known, cell, -1)
        else:
            for bit, value in enumerate(axis.values):
                if value is not None:
                    same = (series == value).to_numpy(dtype=bool, na_value=False)
                    mask[same & ~absent, position] = 1 << bit
        mask[absent, position] = axis.missing
    return Boxes(low, high, mask)


def holds_each(box: Boxes, rows: Boxes) -> NDArray[np.bool_]:
    """Whether the one box holds each of the rows that `placed` gave, shape (n,)."""
    return ~empty(met(box, rows))


def as_supported(axes: Sequence[Axis], box: Boxes, share: float) -> Supported:
    """A box as ranges of the contract; columns that it holds whole are left out."""
    ranges: dict[str, tuple[float, float]] = {}
    categories: dict[str, tuple[Category, ...]] = {}
    missing: list[str] = []
    for position, axis in enumerate(axes):
        low, high = int(box.low[0, position]), int(box.high[0, position])
        bits = int(box.mask[0, position])
        if (low, high) == (0, len(axis.first) - 1) and bits == axis.everything:
            continue
        if len(axis.first):
            ranges[axis.name] = (float(axis.first[low]), float(axis.last[high]))
        else:
            kept = [v for bit, v in enumerate(axis.values) if bits >> bit & 1 and v is not None]
            categories[axis.name] = tuple(kept)  # type: ignore[arg-type]
        if bits & axis.missing:
            missing.append(axis.name)
    return Supported(share, ranges, categories, tuple(missing))


def as_table(points: Sequence[Point], contract: Contract) -> pd.DataFrame:
    """Points as a table of the contract's types."""
    made = pd.DataFrame(list(points), columns=list(contract.inputs), dtype=object)
    return pd.DataFrame({name: typed(made[name], contract.columns[name])[0] for name in made})
