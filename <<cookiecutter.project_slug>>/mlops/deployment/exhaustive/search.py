"""Branch and bound over the cells of a sum of trees: an exact maximum, or the best bound.

A box of cells is bounded by adding up, for each tree, the best of the leaves that the box still
reaches. The box with the highest bound is split first, at a limit of the tree that is most
undecided in it (Chen et al., "Robustness verification of tree-based models", NeurIPS 2019).
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlops.deployment.exhaustive.structure import Leaves

Link = Callable[[NDArray[np.float64]], NDArray[np.float64]]
Cells = NDArray[np.int32]


@dataclass(frozen=True)
class Term:
    """One of the sums in a difference: `axes` says which axis of the box each column is."""

    leaves: Leaves
    axes: NDArray[np.intp]


@dataclass(frozen=True)
class Goal:
    """What is maximised: the answer of `first`, or its difference to that of `second`.

    `sign` -1 turns an answer into a minimum. `ordered` names two axes of which the first must not
    lie above the second. `equal`, shape (trees,), tells the trees that add the same to both sums,
    where that does not depend on the box; `column` is the one in which the two points differ
    otherwise.
    """

    first: Term
    second: Term | None
    link: Link
    base: float
    logistic: bool
    sign: float = 1.0
    ordered: tuple[int, int] | None = None
    equal: NDArray[np.bool_] | None = None
    column: int = 0


@dataclass(frozen=True)
class Found:
    """The outcome: `bound` holds for the whole box; `best` was reached in the cells `where`."""

    bound: float
    best: float
    where: Cells | None
    nodes: int


@dataclass(frozen=True)
class _Box:
    low: Cells
    high: Cells
    live: tuple[NDArray[np.intp], ...]


def maximise(
    goal: Goal,
    ends: tuple[Cells, Cells],
    *,
    limit: float,
    nodes: int,
    deadline: float,
    accept: Callable[[Cells], bool],
) -> Found:
    """Search the box for a value above `limit`; ends as soon as one is accepted or none is left.

    `accept` says whether a point of cells counts (it may break what the contract relates).
    """
    terms = [goal.first, *([goal.second] if goal.second else [])]
    low, high = ends
    start = _Box(low.copy(), high.copy(), tuple(np.arange(len(t.leaves.value)) for t in terms))
    box = _narrowed(start, terms, goal)
    if box is None:
        return Found(-np.inf, -np.inf, None, 0)
    queue = [(-_bound(box, terms, goal), 0, box)]
    best, where, used, made, refused = -np.inf, None, 0, 0, -np.inf
    while queue and -queue[0][0] > limit:
        bound = -queue[0][0]
        if used >= nodes or time.monotonic() > deadline:
            return Found(max(bound, refused), best, where, used)
        box = heapq.heappop(queue)[2]
        used += 1
        point = _point(box, goal)
        value = _value(point, box, terms, goal)
        if value > best and (value <= limit or accept(point)):
            best, where = value, point
            if value > limit:
                return Found(max(bound, refused), best, where, used)
        split = _split(box, terms)
        if split is None:
            # one answer in the whole box, and it was not accepted: nothing more is known of it
            refused = max(refused, bound)
            continue
        for part in split:
            child = _narrowed(part, terms, goal)
            if child is not None:
                made += 1
                heapq.heappush(queue, (-min(_bound(child, terms, goal), bound), made, child))
    rest = -queue[0][0] if queue else -np.inf
    return Found(max(rest, best, refused), best, where, used)


def _narrowed(box: _Box, terms: list[Term], goal: Goal) -> _Box | None:
    """The box with what order demands, and the leaves that it reaches; None where it is empty."""
    low, high = box.low.copy(), box.high.copy()
    if goal.ordered:
        before, after = goal.ordered
        high[before] = min(high[before], high[after])
        low[after] = max(low[after], low[before])
    if (low > high).any():
        return None
    live = []
    for term, alive in zip(terms, box.live, strict=True):
        leaves = term.leaves
        reached = (leaves.low[alive] <= high[term.axes]) & (leaves.high[alive] >= low[term.axes])
        live.append(alive[reached.all(axis=1)])
    return _Box(low, high, tuple(live))


def _extremes(term: Term, live: NDArray[np.intp]) -> tuple[NDArray[np.float64], ...]:
    """For each tree the lowest and the highest leaf, shape (trees,)."""
    tree, value = term.leaves.tree[live], term.leaves.value[live]
    starts = np.flatnonzero(np.diff(tree, prepend=-1))
    return np.minimum.reduceat(value, starts), np.maximum.reduceat(value, starts)


def _bound(box: _Box, terms: list[Term], goal: Goal) -> float:
    low, high = _extremes(terms[0], box.live[0])
    if len(terms) == 1:
        total = high.sum() if goal.sign > 0 else low.sum()
        return float(goal.sign * goal.link(np.asarray(total + goal.base)))
    other, _ = _extremes(terms[1], box.live[1])
    apart = float(np.where(_same(box, terms, goal), 0.0, high - other).sum())
    ends = np.array([high.sum(), other.sum()]) + goal.base
    linked = float(np.subtract(*goal.link(ends)))
    if goal.logistic:
        # the logistic function is nowhere steeper than 1/4
        return min(linked, max(apart, 0.0) / 4)
    return min(linked, apart)


def _same(box: _Box, terms: list[Term], goal: Goal) -> NDArray[np.bool_]:
    """The trees, shape (trees,), that add the same for both points wherever in the box they lie.

    They are those of which no leaf in reach looks at the column in which the points differ.
    """
    if goal.equal is not None:
        return goal.equal
    axes = [term.axes[goal.column] for term in terms]
    low, high = box.low[axes].min(), box.high[axes].max()
    leaves, live = terms[0].leaves, box.live[0]
    looks = (leaves.low[live, goal.column] > low) | (leaves.high[live, goal.column] < high)
    tree = leaves.tree[live]
    starts = np.flatnonzero(np.diff(tree, prepend=-1))
    return ~np.logical_or.reduceat(looks, starts)


def _point(box: _Box, goal: Goal) -> Cells:
    point = (box.low + box.high) // 2
    if goal.ordered:
        before, after = goal.ordered
        point[before], point[after] = box.low[before], box.high[after]
    return point


def _value(point: Cells, box: _Box, terms: list[Term], goal: Goal) -> float:
    answers = []
    for term, live in zip(terms, box.live, strict=True):
        leaves, cell = term.leaves, point[term.axes]
        hit = ((leaves.low[live] <= cell) & (leaves.high[live] >= cell)).all(axis=1)
        total = leaves.value[live][hit].sum() + goal.base
        answers.append(float(goal.link(np.asarray(total))))
    return goal.sign * answers[0] if len(answers) == 1 else answers[0] - answers[1]


def _split(box: _Box, terms: list[Term]) -> tuple[_Box, _Box] | None:
    """Two halves of the box, cut at the commonest limit of its most undecided tree."""
    widest: tuple[float, Term, NDArray[np.intp]] | None = None
    for term, live in zip(terms, box.live, strict=True):
        low, high = _extremes(term, live)
        number = int((high - low).argmax())
        if high[number] > low[number] and (
            widest is None or high[number] - low[number] > widest[0]
        ):
            mine = live[term.leaves.tree[live] == np.unique(term.leaves.tree[live])[number]]
            widest = (float(high[number] - low[number]), term, mine)
    if widest is None:
        return None
    _, term, mine = widest
    votes: dict[tuple[int, int], int] = {}
    for column, axis in enumerate(term.axes):
        ends = term.leaves.high[mine, column]
        for end in ends[(ends >= box.low[axis]) & (ends < box.high[axis])]:
            key = (int(axis), int(end))
            votes[key] = votes.get(key, 0) + 1
    if not votes:
        return None
    axis, end = max(votes, key=lambda key: (votes[key], -key[0], -key[1]))
    left_high, right_low = box.high.copy(), box.low.copy()
    left_high[axis], right_low[axis] = end, end + 1
    return _Box(box.low, left_high, box.live), _Box(right_low, box.high, box.live)
