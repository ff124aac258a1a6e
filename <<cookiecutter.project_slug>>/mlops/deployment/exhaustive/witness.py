"""Counterexamples: inputs that are run on the served model and keep what the contract relates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops.deployment.exhaustive.properties import Property, Range
from mlops.deployment.exhaustive.structure import NotSupportedError, numeric_columns
from mlops.deployment.exhaustive.trying import plausible
from mlops.deployment.measuring.measure import Predict
from mlops.quality.contract import Contract
from mlops.quality.values import typed

# How many points of a box of cells are tried for one that keeps the relations.
_POINTS = 256
_MOST = 64
Spans = Sequence[Mapping[str, tuple[float, float]]]


@dataclass(frozen=True)
class Outcome:
    """How far a property may be broken at most, and how far an input that was run breaks it."""

    bound: float
    best: float
    nodes: int
    rows: tuple[Mapping[str, object], ...] | None = None
    answers: tuple[float, ...] = ()

    def worse(self, other: Outcome) -> Outcome:
        """The worse of two, with the work of both."""
        worst = other if other.best > self.best else self
        bound, nodes = max(self.bound, other.bound), self.nodes + other.nodes
        return Outcome(bound, worst.best, nodes, worst.rows, worst.answers)


@dataclass
class Witness:
    """Looks for an input among cells that breaks a property on the served model."""

    declared: Property
    predict: Predict
    contract: Contract
    filled: Mapping[str, float]
    refused: int = 0

    def answers(self, table: pd.DataFrame) -> NDArray[np.float64]:
        """The served model's answers, shape (n,)."""
        if not len(table):
            return np.zeros(0)
        return np.asarray(self.predict(table[list(self.contract.inputs)]), dtype=float)

    def find(
        self,
        spans: Spans,
        fixed: Mapping[str, object],
        box: Mapping[str, Range],
        limit: float,
    ) -> Outcome | None:
        """An input of the cells, or two, that breaks the property by more than `limit`."""
        tables = self._tables(spans, fixed, box)
        good = np.logical_and.reduce([plausible(table, self.contract) for table in tables])
        if not good.any():
            self.refused += 1
            return None
        tables = [table[good].reset_index(drop=True) for table in tables]
        answers = [self.answers(table) for table in tables]
        off = self._off(answers)
        row = int(off.argmax())
        if not off[row] > limit:
            return None
        rows = tuple(_row(table.iloc[row]) for table in tables)
        return Outcome(np.inf, float(off[row]), 0, rows, tuple(float(a[row]) for a in answers))

    def crossing(
        self, row: pd.Series, span: Mapping[str, tuple[float, float]], near: Mapping[str, Range]
    ) -> Outcome | None:
        """A neighbour of `row` in the cells that is of another class."""
        fixed = {name: row[name] for name in self.contract.inputs if name not in span}
        (table,) = self._tables([span], fixed, near)
        table = table[plausible(table, self.contract)].reset_index(drop=True)
        if table.empty:
            return None
        before = float(self.answers(pd.DataFrame([row]))[0])
        after = self.answers(table)
        limit = self.declared.threshold
        other = np.flatnonzero((after >= limit) != (before >= limit))
        if not len(other):
            return None
        found = _row(table.iloc[int(other[0])])
        return Outcome(1.0, 1.0, 0, (_row(row), found), (before, float(after[other[0]])))

    def _off(self, answers: list[NDArray[np.float64]]) -> NDArray[np.float64]:
        if self.declared.output is not None:
            low, high = self.declared.output
            return np.maximum(answers[0] - high, low - answers[0])
        apart = answers[0] - answers[1]
        return np.abs(apart) if self.declared.flip is not None else apart

    def _tables(
        self, spans: Spans, fixed: Mapping[str, object], box: Mapping[str, Range]
    ) -> list[pd.DataFrame]:
        """For each of the spans its points: the last of each cell first, then random ones."""
        random = np.random.default_rng(0)
        shares = {name: random.random(_POINTS) for name in spans[0]}
        gaps = {name: random.random(_POINTS) < 0.5 for name in spans[0]}
        tables = []
        for number, span in enumerate(spans):
            columns: dict[str, pd.Series] = {}
            for name in self.contract.inputs:
                column = self.contract.columns[name]
                if name not in span:
                    value = self._category(name, number, fixed, box)
                    columns[name] = typed(pd.Series([value] * _POINTS, dtype=object), column)[0]
                    continue
                low, high = span[name]
                values = low + shares[name] * (high - low)
                values[0] = high
                if column.type == "integer":
                    values = np.clip(np.round(values), np.ceil(low), np.floor(high))
                filled = self.filled.get(name, np.nan)
                if column.missing and low <= filled <= high:
                    values[1:][gaps[name][1:]] = np.nan
                columns[name] = typed(pd.Series(values), column)[0]
            tables.append(pd.DataFrame(columns))
        return tables

    def _category(
        self, name: str, number: int, fixed: Mapping[str, object], box: Mapping[str, Range]
    ) -> object:
        if name == self.declared.flip and number:
            return next(value for value in box[name] if value != fixed[name])
        return fixed[name]


def _row(row: pd.Series) -> dict[str, object]:
    return {str(name): value for name, value in row.items()}


def combinations_of(
    contract: Contract, box: Mapping[str, Range], flip: str | None = None
) -> list[dict[str, object]]:
    """Every combination of the categories in the box; raises NotSupportedError where they are too many."""
    numeric = numeric_columns(contract)
    names = [name for name in contract.inputs if name not in numeric]
    if missing := [name for name in names if name not in box]:
        raise NotSupportedError(f"{missing[0]} has no list of categories")
    if optional := [name for name in names if contract.columns[name].missing]:
        raise NotSupportedError(f"{optional[0]} has categories and may be missing")
    many = int(np.prod([len(box[name]) for name in names]))
    if many > _MOST or (flip is not None and len(box[flip]) > 2):
        raise NotSupportedError(f"{many} combinations of categories")
    return [dict(zip(names, values, strict=True)) for values in product(*(box[n] for n in names))]
