"""How far points cover the axes of a contract: what was met together, counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlops.deployment.inputs.axes import Axis, Points

Places = NDArray[np.int_]

_CELLS = 8  # a column
_CHUNK = 8192  # rows at a time


@dataclass(frozen=True)
class Coverage:
    """How far the inputs cover the contract.

    `pairs_covered` of `pairs` combinations of two columns' corners (low end, middle, high end, each
    category, missing) are there, and `cells_hit` of `cells` in a grid of 8 by 8 over each two
    numeric columns. Relations between columns may forbid the rest. `dropped` points were drawn and
    given up, since nothing made them keep the relations.
    """

    rows: int
    pairs: int
    pairs_covered: int
    cells: int
    cells_hit: int
    dropped: int

    def __str__(self) -> str:
        return (
            f"{self.rows} inputs hold {self.pairs_covered} of {self.pairs} pairs of corners and hit "
            f"{self.cells_hit} of {self.cells} cells"
        )


def count(axes: Sequence[Axis], points: Points, dropped: int) -> Coverage:
    """What points, shape (n, axes), cover."""
    pairs, covered = _together(*corner_places(axes, points))
    cells, hit = _together(*_cell_places(axes, points))
    return Coverage(len(points), pairs, covered, cells, hit, dropped)


def corner_places(axes: Sequence[Axis], points: Points) -> tuple[Places, list[int]]:
    """Which of its axis' corners each value is, -1 for none, and how many each axis has."""
    places = np.full(points.shape, -1)
    for position, axis in enumerate(axes):
        values = points[:, position]
        for number, corner in enumerate(axis.corners):
            found = np.isnan(values) if np.isnan(corner) else values == corner
            places[found, position] = number
    return places, [len(axis.corners) for axis in axes]


def _cell_places(axes: Sequence[Axis], points: Points) -> tuple[Places, list[int]]:
    wide = [n for n, axis in enumerate(axes) if not axis.values and axis.high > axis.low]
    low = np.array([axes[n].low for n in wide])
    high = np.array([axes[n].high for n in wide])
    shares = (points[:, wide] / 2 - low / 2) / (high / 2 - low / 2)
    cells = np.minimum(np.floor(shares * _CELLS), _CELLS - 1)
    return np.where(np.isnan(cells), -1, cells).astype(int), [_CELLS] * len(wide)


def _together(places: Places, sizes: Sequence[int]) -> tuple[int, int]:
    """How many combinations of two columns' places there are, and how many of them were met."""
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(int)
    met = np.zeros((starts[-1], starts[-1]), dtype=bool)
    for first in range(0, len(places), _CHUNK):
        chunk = places[first : first + _CHUNK]
        hits = np.zeros((len(chunk), starts[-1]), dtype=np.float32)
        rows, columns = np.nonzero(chunk >= 0)
        hits[rows, starts[columns] + chunk[rows, columns]] = 1
        met |= hits.T @ hits > 0
    owner = np.repeat(np.arange(len(sizes)), sizes)
    later = owner[:, None] < owner[None, :]
    return int(later.sum()), int((met & later).sum())
