"""Drift of single columns: each compared by the statistic that fits what it holds."""

from __future__ import annotations

import dataclasses
import datetime
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mlops.operations.drift.distances import (
    Counts,
    Values,
    compare_ordered,
    divergences,
    homogeneity,
    jensen_shannon,
    pool_rare,
)
from mlops.quality.contract import Column
from mlops.quality.values import typed

KOLMOGOROV = "Kolmogorov-Smirnov distance"
JENSEN = "Jensen-Shannon distance"
MISSING = "difference in missing values"
# With fewer, the p-value of the Kolmogorov-Smirnov distance is too small.
FEWEST_VALUES = 20
_LONGEST = 40


@dataclass(frozen=True)
class Comparison:
    """One statistic of one column, before it is judged together with all others.

    `effect` runs from 0 to 1. `moved` is the Wasserstein distance of numbers in standard deviations
    of the reference, for display; None where there is none. `detail` says in words what changed.
    """

    column: str
    statistic: str
    effect: float
    p_value: float
    threshold: float
    detail: str
    moved: float | None = None


def is_ordered(column: Column) -> bool:
    """Whether a column's values have an order to compare: numbers and moments, no codes or texts."""
    if column.collect == "hashed" or column.categories is not None:
        return False
    return column.type in ("number", "integer", "datetime")


def read_column(values: pd.Series, column: Column) -> pd.Series:
    """The values as the contract types them, those that are not of the type missing; hashes as text.

    What has an order comes as floating-point numbers, moments as microseconds since 1970.
    """
    if column.collect == "hashed":
        column = dataclasses.replace(column, type="string", categories=None)
    found, _ = typed(values, column)
    if not is_ordered(column):
        return found
    if column.type == "datetime":
        return found.astype("int64").astype(float).where(found.notna())
    return found.astype(float)


def compare_column(
    name: str,
    reference: pd.Series,
    current: pd.Series,
    column: Column,
    *,
    threshold: float,
    missing: float,
) -> Iterator[Comparison]:
    """The comparisons of two columns as `read_column` gives them, neither without rows.

    Values are compared where both have 20 or more, missing ones where any is missing: what is
    nowhere missing cannot have changed in that.
    """
    gone = np.array([reference.isna().sum(), current.isna().sum()], dtype=np.int64)
    rows = np.array([len(reference), len(current)], dtype=np.int64)
    if (rows - gone >= FEWEST_VALUES).all():
        if is_ordered(column):
            before, now = (part.dropna().to_numpy(float) for part in (reference, current))
            yield _numbers(name, before, now, column, threshold)
        else:
            yield _categories(name, reference, current, threshold)
    if gone.any():
        counts = np.stack([gone, rows - gone], axis=1)
        shares = gone / rows
        yield Comparison(
            name,
            MISSING,
            abs(float(shares[1] - shares[0])),
            homogeneity(counts),
            missing,
            f"{share_text(shares[1])} missing, was {share_text(shares[0])}",
        )


def _numbers(
    name: str, reference: Values, current: Values, column: Column, threshold: float
) -> Comparison:
    found = compare_ordered(reference, current)
    with np.errstate(over="ignore", invalid="ignore"):
        spread = float(np.std(reference))
    moved = found.wasserstein / spread if spread > 0 else math.nan
    place = _place_text(found.place, column)
    return Comparison(
        name,
        KOLMOGOROV,
        found.distance,
        found.p_value,
        threshold,
        f"{share_text(found.now)} at or below {place}, was {share_text(found.before)}",
        moved if math.isfinite(moved) else None,
    )


def _place_text(value: float, column: Column) -> str:
    if column.type == "datetime":
        moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(  # noqa: DTZ001 - all in UTC
            microseconds=value
        )
        return moment.isoformat(sep=" ", timespec="minutes")
    return f"{value:.5g}"


def _categories(
    name: str, reference: pd.Series, current: pd.Series, threshold: float
) -> Comparison:
    counts, values = count_values(reference, current)
    detail = _largest_change(counts, values)
    return Comparison(
        name, JENSEN, jensen_shannon(_cells(counts)), homogeneity(counts), threshold, detail
    )


def _cells(counts: Counts) -> Counts:
    """What is too rare to be judged alone as one cell, or texts that are all different differ."""
    common, rare = pool_rare(counts)
    return np.column_stack([common, rare])


def count_values(reference: pd.Series, current: pd.Series) -> tuple[Counts, pd.Index]:
    """How often each value occurs in both, shape (2, values), and the values."""
    codes, values = pd.factorize(pd.concat([reference, current], ignore_index=True))
    parts = codes[: len(reference)], codes[len(reference) :]
    counts = [np.bincount(part[part >= 0], minlength=len(values)) for part in parts]
    return np.stack(counts).astype(np.int64), pd.Index(values)


def _largest_change(counts: Counts, values: pd.Index) -> str:
    """The value that sets both furthest apart, of equal ones the first by name; and what is new."""
    shares = counts / counts.sum(axis=1, keepdims=True)
    parts = np.round(divergences(shares), 12)
    at = min(np.flatnonzero(parts == parts.max()).tolist(), key=lambda place: str(values[place]))
    text = str(values[at])
    text = text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
    was = "never" if counts[0, at] == 0 else share_text(shares[0, at])
    new = counts[0] == 0
    others = f"; {new.sum()} new values in {share_text(shares[1, new].sum())}"
    return f"{text!r} in {share_text(shares[1, at])}, was {was}" + others * bool(new.sum() > 1)


def share_text(share: float) -> str:
    """A share of the rows in percent, so many digits that a small one is not nothing."""
    percent = 100 * float(share)
    return f"{percent:.0f}%" if percent >= 10 or percent == 0 else f"{percent:.2g}%"
