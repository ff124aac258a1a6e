"""Inputs that cover a contract: points spread evenly over its ranges, and its corners.

Sobol's points fill the space more evenly than random ones (Sobol, "On the distribution of points in
a cube", 1967). Edges, categories and missing values are covered in pairs: of any two columns, each
combination that the contract's relations allow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import qmc

from mlops.deployment.inputs.axes import Axis, Points, Region, axes_of, table_of
from mlops.deployment.inputs.coverage import Coverage, corner_places, count
from mlops.deployment.inputs.mending import Related, mend, related
from mlops.quality.contract import Contract
from mlops.quality.errors import UserError

__all__ = ["Coverage", "Generated", "Region", "generate", "unknown_categories"]

_MISSING = 0.05  # of the cells that may be missing
_NEAR = 0.5  # of the cells of a column with thresholds
_ROUNDS = 4  # of drawing more where relations left too few
_EACH = 200  # rows with an unknown category, for each column


@dataclass(frozen=True)
class Generated:
    """Inputs with the contract's types, and what they cover."""

    table: pd.DataFrame
    coverage: Coverage


@dataclass(frozen=True)
class _Space:
    axes: tuple[Axis, ...]
    relations: tuple[Related, ...]
    near: Mapping[str, Sequence[float]]
    random: np.random.Generator


def generate(
    contract: Contract,
    rows: int,
    seed: int,
    *,
    region: Region | None = None,
    near: Mapping[str, Sequence[float]] | None = None,
    reference: pd.DataFrame | None = None,
) -> Generated:
    """About `rows` inputs that keep the contract, the same for the same seed.

    More where the pairs of corners need it, fewer where the relations allow no more. `near` holds
    numbers beside which inputs are wanted, such as the thresholds of trees. `reference` gives the
    range of a column that declares none. Raises UserError where a column has neither, and where no
    point keeps the relations.
    """
    axes = axes_of(contract, reference, region)
    random = np.random.default_rng(seed)
    space = _Space(axes, related(contract, axes, reference), near or {}, random)
    corners, dropped = _corners(space)
    kept, wanted = [corners], max(rows, 1) - len(corners)
    sampler = qmc.Sobol(len(axes), rng=np.random.default_rng(seed))
    for _ in range(_ROUNDS):
        if wanted <= 0:
            break
        even = sampler.random(1 << (wanted - 1).bit_length())[:wanted]
        points, given_up = _drawn(even, space)
        kept.append(points)
        wanted, dropped = wanted - len(points), dropped + given_up
    points = np.concatenate(kept)
    if not len(points):
        listed = ", ".join(relation.name for relation in contract.relations)
        raise UserError(f"{contract.name}: no generated input keeps the relations {listed}")
    return Generated(table_of(axes, points), count(axes, points, dropped))


def unknown_categories(contract: Contract, table: pd.DataFrame) -> pd.DataFrame:
    """The rows again, with a category that the contract does not know, one column after another.

    Empty where no column has categories of text or whole numbers.
    """
    parts = []
    for name in contract.inputs:
        column = contract.columns[name]
        if not column.categories or column.type not in ("string", "integer"):
            continue
        part = table.head(_EACH).copy()
        if column.type == "string":
            part[name] = "".join(map(str, column.categories)) + "?"
        else:
            part[name] = max(int(category) for category in column.categories) + 1
        parts.append(part.astype({name: table[name].dtype}))
    return pd.concat(parts, ignore_index=True) if parts else table.head(0)


def _corners(space: _Space) -> tuple[Points, int]:
    """Points with every pair of corners that the relations allow; how many found no such point."""
    axes, random = space.axes, space.random
    pairs = [
        (left, right, one, two)
        for left, right in combinations(range(len(axes)), 2)
        for one, two in product(axes[left].corners, axes[right].corners)
    ] or [(0, 0, corner, corner) for corner in axes[0].corners]
    points = np.empty((len(pairs), len(axes)))
    bound = {position for relation in space.relations for position in relation.positions}
    for position, axis in enumerate(axes):
        if position in bound:
            points[:, position] = axis.at(random.random(len(pairs)))
        else:
            points[:, position] = random.choice(axis.corners, len(pairs))
    pinned = np.zeros(points.shape, dtype=bool)
    numbers = np.arange(len(pairs))
    for side in (0, 1):
        positions = np.array([pair[side] for pair in pairs], dtype=int)
        points[numbers, positions] = [pair[side + 2] for pair in pairs]
        pinned[numbers, positions] = True
    good = mend(points, pinned, axes, space.relations, random)
    return _needed(points[good], axes), int((~good).sum())


def _needed(points: Points, axes: Sequence[Axis]) -> Points:
    """The points that hold a pair of corners that no point before them holds."""
    places, sizes = corner_places(axes, points)
    starts = np.cumsum([0, *sizes])
    places = np.where(places >= 0, places + starts[:-1], starts[-1])
    left, right = np.triu_indices(len(axes), k=0 if len(axes) == 1 else 1)
    seen = np.zeros((starts[-1] + 1, starts[-1] + 1), dtype=bool)
    seen[-1, :] = seen[:, -1] = True
    kept = []
    for number, place in enumerate(places):
        if not seen[place[left], place[right]].all():
            seen[place[left], place[right]] = True
            kept.append(number)
    return points[kept]


def _drawn(shares: Points, space: _Space) -> tuple[Points, int]:
    """Points at `shares` of the axes, some of them beside thresholds; how many were given up."""
    random, points = space.random, np.empty(shares.shape)
    pinned = np.zeros(shares.shape, dtype=bool)
    missing = np.zeros(shares.shape, dtype=bool)
    for position, axis in enumerate(space.axes):
        points[:, position] = axis.at(shares[:, position])
        beside = _beside(space.near.get(axis.name, ()), axis)
        if len(beside):
            close = np.flatnonzero(random.random(len(points)) < _NEAR)
            points[close, position] = np.resize(random.permutation(beside), len(close))
            pinned[close, position] = True
        if axis.column.missing:
            missing[:, position] = random.random(len(points)) < _MISSING
    points[missing] = np.nan
    good = mend(points, pinned | missing, space.axes, space.relations, random)
    again = points[~good]
    good_again = mend(again, missing[~good], space.axes, space.relations, random)
    found = np.concatenate([points[good], again[good_again]])
    return found, len(points) - len(found)


def _beside(thresholds: Sequence[float], axis: Axis) -> NDArray[np.float64]:
    """Each threshold inside the axis and its neighbours above and below, as float64 and float32."""
    inside = np.array([t for t in thresholds if axis.low <= t <= axis.high], dtype=float)
    if axis.values or not len(inside):
        return np.empty(0)
    if axis.column.type == "integer":
        return np.unique(axis.rounded(np.concatenate([np.floor(inside), np.ceil(inside)])))
    narrow = inside.astype(np.float32)
    around = [
        inside,
        np.nextafter(inside, np.inf),
        np.nextafter(inside, -np.inf),
        narrow.astype(float),
        np.nextafter(narrow, np.float32(np.inf)).astype(float),
        np.nextafter(narrow, np.float32(-np.inf)).astype(float),
    ]
    return np.unique(axis.rounded(np.concatenate(around)))
