"""Make drawn points keep the relations between columns: redraw only the columns of broken ones.

The other columns stay as evenly spread as they were.
"""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops.deployment.inputs.axes import Axis, Points, input_relations
from mlops.quality.contract import Contract
from mlops.quality.expression import holds, names

_TRIES = 256  # for each point
_HOPELESS = 32  # tries that mend none


@dataclass(frozen=True)
class Related:
    """Axes that relations tie together, by position, and points of theirs that keep them all.

    `known` has shape (m, positions); it comes from data and is empty without.
    """

    positions: tuple[int, ...]
    trees: tuple[ast.Compare, ...]
    known: Points


def related(
    contract: Contract, axes: Sequence[Axis], reference: pd.DataFrame | None
) -> tuple[Related, ...]:
    """The relations between inputs, those that share a column together."""
    place = {axis.name: position for position, axis in enumerate(axes)}
    groups: list[tuple[set[int], list[ast.Compare]]] = []
    for tree in input_relations(contract):
        positions, trees = {place[name] for name in names(tree)}, [tree]
        for group in [group for group in groups if group[0] & positions]:
            groups.remove(group)
            positions, trees = positions | group[0], group[1] + trees
        groups.append((positions, trees))
    found = []
    for positions, trees in groups:
        tied = Related(tuple(sorted(positions)), tuple(trees), np.empty((0, len(positions))))
        if reference is not None and len(reference):
            tied = dataclasses.replace(tied, known=_known(tied, axes, reference))
        found.append(tied)
    return tuple(found)


def mend(
    points: Points,
    pinned: NDArray[np.bool_],
    axes: Sequence[Axis],
    relations: Sequence[Related],
    random: np.random.Generator,
) -> NDArray[np.bool_]:
    """Redraw in place what breaks a relation, except where `pinned`; which points keep them all.

    Where drawing finds none, as with an equation, a row of the data gives the related columns.
    """
    good = np.ones(len(points), dtype=bool)
    for group in relations:
        broken = np.flatnonzero(~_kept(points, group, axes))
        at_first = len(broken)
        for number in range(_TRIES):
            if not len(broken) or (number == _HOPELESS and len(broken) == at_first):
                break
            for position in group.positions:
                free = broken[~pinned[broken, position]]
                points[free, position] = axes[position].at(random.random(len(free)))
            broken = broken[~_kept(points[broken], group, axes)]
        if len(broken) and len(group.known):
            columns = list(group.positions)
            taken = points[broken]
            taken[:, columns] = group.known[random.integers(len(group.known), size=len(broken))]
            taken = np.where(pinned[broken], points[broken], taken)
            points[broken] = taken
            broken = broken[~_kept(taken, group, axes)]
        good[broken] = False
    return good


def _kept(points: Points, group: Related, axes: Sequence[Axis]) -> NDArray[np.bool_]:
    numbers = {axes[p].name: axes[p].numbers(points[:, p]) for p in group.positions}
    kept = np.ones(len(points), dtype=bool)
    for tree in group.trees:
        kept &= holds(tree, numbers)
    return kept


def _known(group: Related, axes: Sequence[Axis], reference: pd.DataFrame) -> Points:
    points = np.full((len(reference), len(axes)), np.nan)
    inside = np.ones(len(reference), dtype=bool)
    for position in group.positions:
        axis, values = axes[position], reference[axes[position].name]
        points[:, position] = axis.points(values)
        missing = np.isnan(points[:, position])
        inside &= ~missing | (values.isna().to_numpy(dtype=bool) & axis.column.missing)
    return points[inside & _kept(points, group, axes)][:, list(group.positions)]
