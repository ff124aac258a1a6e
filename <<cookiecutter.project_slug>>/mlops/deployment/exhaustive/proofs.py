"""Proofs of properties: for sums of trees by search, for linear models in closed form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from mlops.deployment.exhaustive.linear import LinearProver
from mlops.deployment.exhaustive.properties import Property, Range
from mlops.deployment.exhaustive.search import Cells, Goal, Term, maximise
from mlops.deployment.exhaustive.structure import (
    LINEAR,
    Flat,
    Leaves,
    TreeSum,
    flatten,
    leaves,
    numeric_columns,
    tree_sum,
)
from mlops.deployment.exhaustive.witness import Outcome, Witness, combinations_of
from mlops.deployment.measuring.measure import Predict
from mlops.quality.contract import Contract


class Prover(Protocol):
    """Something that bounds how far a property may be broken in a box."""

    declared: Property
    limit: float
    share: float
    left_open: str

    def search(self, box: Mapping[str, Range], nodes: int, deadline: float) -> Outcome:
        """The bound for the box, and the worst input found."""
        ...


def prover(
    declared: Property,
    *,
    model: Pipeline,
    predict: Predict,
    contract: Contract,
    rows: pd.DataFrame,
    slack: float,
) -> Prover:
    """The prover for a model's structure; raises NotSupportedError."""
    flat = flatten(model, contract)
    witness = Witness(declared, predict, contract, flat.filled)
    if isinstance(flat.final, LINEAR):
        return LinearProver(declared, flat, contract, rows, witness, slack)
    return TreeProver(declared, tree_sum(flat, contract), contract, rows, witness, slack)


@dataclass
class TreeProver:
    """Proofs over a sum of trees."""

    declared: Property
    total: TreeSum
    contract: Contract
    rows: pd.DataFrame
    witness: Witness
    slack: float
    share: float = 0.0
    left_open: str = ""

    def __post_init__(self) -> None:
        self.names = list(numeric_columns(self.contract))
        self.known: dict[tuple[object, ...], Leaves] = {}
        self.limit = self.declared.limit + self.slack

    def search(self, box: Mapping[str, Range], nodes: int, deadline: float) -> Outcome:
        """The worst over all combinations of categories, which share the nodes."""
        if self.declared.stable is not None:
            return self._stable(box, nodes, deadline)
        goals = [
            (fixed, goal, offset)
            for fixed in combinations_of(self.contract, box, self.declared.flip)
            for goal, offset in self._goals(fixed, box)
        ]
        worst = Outcome(-np.inf, -np.inf, 0)
        for fixed, goal, offset in goals:
            found = self._one(
                fixed,
                goal,
                offset=offset,
                box=box,
                nodes=nodes // len(goals) + 1,
                deadline=deadline,
            )
            worst = worst.worse(found)
            if worst.best > self.limit:
                break
        return worst

    def _one(
        self,
        fixed: Mapping[str, object],
        goal: Goal,
        *,
        offset: float,
        box: Mapping[str, Range],
        nodes: int,
        deadline: float,
    ) -> Outcome:
        """The bound of one goal; `offset` turns its value into how far the property is broken."""
        low, high = self._cells(box, goal)
        found_rows: list[Outcome] = []

        def accept(point: Cells) -> bool:
            outcome = self._witnessed(point, fixed, box, goal)
            if outcome is not None:
                found_rows.append(outcome)
            return outcome is not None

        found = maximise(
            goal,
            (low, high),
            limit=self.limit + offset,
            nodes=nodes,
            deadline=deadline,
            accept=accept,
        )
        bound = found.bound - offset
        if found_rows:
            return Outcome(
                bound, found_rows[-1].best, found.nodes, found_rows[-1].rows, found_rows[-1].answers
            )
        if self.witness.refused and bound > self.limit:
            self.left_open = (
                f"the bound is {bound:.4g}; the inputs found that break it also break the "
                "contract's relations"
            )
        return Outcome(bound, -np.inf, found.nodes)

    def _goals(
        self, fixed: Mapping[str, object], box: Mapping[str, Range]
    ) -> list[tuple[Goal, float]]:
        """What to maximise, and what to take off to know how far the property is broken."""
        axes = np.arange(len(self.names))
        link, base, logistic = self.total.link, self.total.base, self.total.logistic
        mine = Term(self._leaves(fixed), axes)
        if self.declared.output is not None:
            low, high = self.declared.output
            return [
                (Goal(mine, None, link, base, logistic), high),
                (Goal(mine, None, link, base, logistic, sign=-1.0), -low),
            ]
        if self.declared.flip is not None:
            goals = []
            for value in box[self.declared.flip]:
                other = {**fixed, self.declared.flip: value}
                if value == fixed[self.declared.flip]:
                    continue
                theirs = Term(self._leaves(other), axes)
                equal = _equal(mine.leaves, theirs.leaves)
                goals.append((Goal(mine, theirs, link, base, logistic, equal=equal), 0.0))
            return goals
        ((column, way),) = (self.declared.monotone or {}).items()
        place, extra = self.names.index(column), len(self.names)
        other_axes = axes.copy()
        other_axes[place] = extra
        theirs = Term(mine.leaves, other_axes)
        # rising: the answer for less may not lie above the answer for more
        ordered = (place, extra) if way == "rising" else (extra, place)
        goal = Goal(mine, theirs, link, base, logistic, ordered=ordered, column=place)
        return [(goal, 0.0)]

    def _leaves(self, fixed: Mapping[str, object]) -> Leaves:
        key = tuple(fixed.values())
        if key not in self.known:
            row = {
                name: fixed.get(name, _start(self.contract, name)) for name in self.contract.inputs
            }
            self.known[key] = leaves(self.total, self.contract, pd.DataFrame([row]))
        return self.known[key]

    def _cells(self, box: Mapping[str, Range], goal: Goal | None) -> tuple[Cells, Cells]:
        """The first and the last cell of each axis."""
        low, high = [], []
        for name in self.names:
            start, end = self._ends(box, name)
            low.append(int(np.searchsorted(self.total.cuts[name], start)))
            high.append(int(np.searchsorted(self.total.cuts[name], end)))
        if goal is not None and goal.ordered:
            low.append(low[goal.column])
            high.append(high[goal.column])
        return np.array(low, dtype=np.int32), np.array(high, dtype=np.int32)

    def _ends(self, box: Mapping[str, Range], name: str) -> tuple[float, float]:
        start, end = (float(str(value)) for value in box[name])
        declared = self.contract.columns[name]
        if declared.type == "integer" and not declared.missing and np.ceil(start) <= np.floor(end):
            return float(np.ceil(start)), float(np.floor(end))
        return start, end

    def _witnessed(
        self, point: Cells, fixed: Mapping[str, object], box: Mapping[str, Range], goal: Goal
    ) -> Outcome | None:
        """The cells as inputs, tried on the served model; None where none of them counts."""
        spans = []
        for term in [goal.first, *([goal.second] if goal.second else [])]:
            spans.append(
                {
                    name: self._span(name, int(point[axis]), box)
                    for name, axis in zip(self.names, term.axes, strict=True)
                }
            )
        return self.witness.find(spans, fixed, box, self.limit)

    def _span(self, name: str, cell: int, box: Mapping[str, Range]) -> tuple[float, float]:
        """The smallest and the largest value of a cell, inside the box."""
        cuts, (start, end) = self.total.cuts[name], self._ends(box, name)
        high = min(float(cuts[cell]), end) if cell < len(cuts) else end
        low = max(float(np.nextafter(cuts[cell - 1], np.inf)), start) if cell else start
        declared = self.contract.columns[name]
        if declared.type == "integer" and not declared.missing:
            low, high = float(np.ceil(low)), float(np.floor(high))
        return min(low, high), high

    def _stable(self, box: Mapping[str, Range], nodes: int, deadline: float) -> Outcome:
        """The share of rows that are not proven to keep their class close by."""
        answers = self.witness.answers(self.rows)
        safe, used, worst = 0, 0, Outcome(-np.inf, -np.inf, 0)
        axes = np.arange(len(self.names))
        each = max(nodes // max(len(self.rows), 1), 50)
        for number, above in enumerate(answers >= self.declared.threshold):
            row = self.rows.iloc[number]
            near = neighbourhood(self.declared, row, box, self.total.flat)
            fixed = {name: row[name] for name in self.contract.inputs if name not in self.names}
            term = Term(self._leaves(fixed), axes)
            sign = -1.0 if above else 1.0
            goal = Goal(
                term, None, self.total.link, self.total.base, self.total.logistic, sign=sign
            )
            low, high = self._cells(near, None)
            limit = sign * self.declared.threshold - self.slack
            found = maximise(
                goal,
                (low, high),
                limit=limit - self.slack,
                nodes=each,
                deadline=deadline,
                accept=lambda _: True,
            )
            used += found.nodes
            safe += found.bound < limit
            if (
                found.best > limit + 2 * self.slack
                and worst.rows is None
                and found.where is not None
            ):
                spans = [
                    {
                        name: self._span(name, int(found.where[axis]), near)
                        for name, axis in zip(self.names, axes, strict=True)
                    }
                ]
                shown = self.witness.crossing(row, spans[0], near)
                worst = shown or worst
        self.share = safe / len(self.rows) if len(self.rows) else 0.0
        self.left_open = f"{safe} of {len(self.rows)} rows are proven"
        return Outcome(1 - self.share, worst.best, used, worst.rows, worst.answers)


def neighbourhood(
    declared: Property, row: pd.Series, box: Mapping[str, Range], flat: Flat
) -> dict[str, Range]:
    """The box around one row; a missing value stays what the imputer makes of it."""
    near: dict[str, Range] = {}
    for name, ends in box.items():
        value = row[name]
        if name not in (declared.stable or {}) and not isinstance(value, int | float | np.number):
            near[name] = (value,)
            continue
        if pd.isna(value):
            middle = flat.filled.get(name, 0.0)
            near[name] = (middle, middle)
            continue
        radius = (declared.stable or {}).get(name, 0.0)
        if radius:
            low, high = (float(str(end)) for end in ends)
            near[name] = (max(float(value) - radius, low), min(float(value) + radius, high))
        else:
            near[name] = (float(value), float(value))
    return near


def _equal(one: Leaves, other: Leaves) -> np.ndarray:
    """The trees, shape (trees,), that are the same for both choices of categories."""
    trees = int(one.tree[-1]) + 1
    same = np.zeros(trees, dtype=bool)
    for tree in range(trees):
        mine, theirs = one.tree == tree, other.tree == tree
        same[tree] = mine.sum() == theirs.sum() and all(
            np.array_equal(getattr(one, part)[mine], getattr(other, part)[theirs])
            for part in ("low", "high", "value")
        )
    return same


def _start(contract: Contract, name: str) -> object:
    ends = contract.columns[name].range
    return float(ends[0]) if ends else 0.0
