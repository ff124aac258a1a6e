"""Proofs over linear and logistic models, in closed form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from mlops.deployment.exhaustive.properties import Property, Range
from mlops.deployment.exhaustive.structure import (
    Flat,
    NotSupportedError,
    numeric_columns,
    sigmoid,
)
from mlops.deployment.exhaustive.witness import Outcome, Witness, combinations_of
from mlops.quality.contract import Contract


@dataclass(frozen=True)
class _Sum:
    """For one choice of categories: the constant part, and what each column adds at either end."""

    constant: float
    low: Mapping[str, float]
    high: Mapping[str, float]


@dataclass
class LinearProver:
    """A sum over columns, each of which moves it one way only: its extremes lie at the ends."""

    declared: Property
    flat: Flat
    contract: Contract
    rows: pd.DataFrame
    witness: Witness
    slack: float
    share: float = 0.0
    left_open: str = ""

    def __post_init__(self) -> None:
        final = self.flat.final
        self.logistic = isinstance(final, LogisticRegression)
        if self.logistic and len(final.classes_) != 2:
            raise NotSupportedError("more than two labels")
        self.weights = np.ravel(final.coef_)
        self.constant = float(np.ravel(final.intercept_)[0])
        self.names = list(numeric_columns(self.contract))
        twice = [name for name in self.names if self.flat.owners.count(name) > 1]
        if twice:
            raise NotSupportedError(f"{twice[0]} is used twice")
        self.limit = self.declared.limit + self.slack

    def search(self, box: Mapping[str, Range], _nodes: int, _deadline: float) -> Outcome:
        """The worst over all combinations of categories."""
        if self.declared.stable is not None:
            return self._stable(box)
        worst = Outcome(-np.inf, -np.inf, 0)
        for fixed in combinations_of(self.contract, box, self.declared.flip):
            worst = worst.worse(self._one(fixed, box))
        if worst.bound > self.limit and worst.rows is None:
            self.left_open = (
                f"the bound is {worst.bound:.4g}; the input that reaches it breaks the "
                "contract's relations"
            )
        return worst

    def _one(self, fixed: Mapping[str, object], box: Mapping[str, Range]) -> Outcome:
        total = self._sum(fixed, box)
        if self.declared.output is not None:
            low, high = self.declared.output
            most, least = self._answer(self._end(total, 1)), self._answer(self._end(total, -1))
            sign = 1 if most - high >= low - least else -1
            bound = max(most - high, low - least)
            return self._told(bound, [self._corner(total, sign, box)], fixed, box)
        if self.declared.flip is not None:
            other = next(v for v in box[self.declared.flip] if v != fixed[self.declared.flip])
            theirs = self._sum({**fixed, self.declared.flip: other}, box)
            return self._apart(total, theirs.constant - total.constant, fixed, box)
        return self._falls(total, fixed, box)

    def _falls(self, total: _Sum, fixed: Mapping[str, object], box: Mapping[str, Range]) -> Outcome:
        """How much the answer goes the wrong way when one column goes from end to end."""
        ((column, way),) = (self.declared.monotone or {}).items()
        change = total.high[column] - total.low[column]
        wrong = -change if way == "rising" else change
        if wrong <= 0:
            return Outcome(0.0, 0.0, 0)
        rest = _Sum(
            total.constant,
            {**total.low, column: 0.0},
            {**total.high, column: 0.0},
        )
        # the two answers: with the wrong end above
        start = max(total.low[column], total.high[column])
        bound, share = self._steepest(rest, start, -wrong)
        ends = [self._at(rest, share, box), self._at(rest, share, box)]
        low, high = (float(str(end)) for end in box[column])
        first = low if way == "rising" else high
        ends[0][column] = (first, first)
        ends[1][column] = (low + high - first, low + high - first)
        return self._told(bound, ends, fixed, box)

    def _apart(
        self, total: _Sum, change: float, fixed: Mapping[str, object], box: Mapping[str, Range]
    ) -> Outcome:
        bound, share = self._steepest(total, 0.0, change)
        spans = [self._at(total, share, box), self._at(total, share, box)]
        return self._told(bound, spans, fixed, box)

    def _steepest(self, total: _Sum, start: float, change: float) -> tuple[float, float]:
        """The largest difference that `change` makes, and where between the ends the rest then is.

        Of the logistic function the steepest place is the one around 0.
        """
        if not self.logistic:
            return abs(change), 0.5
        least, most = self._end(total, -1) + start, self._end(total, 1) + start
        middle = float(np.clip(-change / 2, least, most))
        both = sigmoid(np.array([middle, middle + change]))
        share = (middle - least) / (most - least) if most > least else 0.5
        return float(abs(both[1] - both[0])), share

    def _told(
        self,
        bound: float,
        spans: list[dict[str, tuple[float, float]]],
        fixed: Mapping[str, object],
        box: Mapping[str, Range],
    ) -> Outcome:
        if bound <= self.limit:
            return Outcome(bound, -np.inf, 1)
        found = self.witness.find(spans, fixed, box, self.declared.limit)
        if found is None:
            return Outcome(bound, -np.inf, 1)
        return Outcome(bound, found.best, 1, found.rows, found.answers)

    def _stable(self, box: Mapping[str, Range]) -> Outcome:
        from mlops.deployment.exhaustive.proofs import neighbourhood  # noqa: PLC0415 - a cycle

        answers = self.witness.answers(self.rows)
        safe, worst = 0, Outcome(-np.inf, -np.inf, 0)
        for number, above in enumerate(answers >= self.declared.threshold):
            row = self.rows.iloc[number]
            near = neighbourhood(self.declared, row, box, self.flat)
            fixed = {name: row[name] for name in self.contract.inputs if name not in self.names}
            total = self._sum(fixed, near)
            sign = -1 if above else 1
            end = self._answer(self._end(total, sign))
            limit = self.declared.threshold
            kept = end > limit + self.slack if above else end < limit - self.slack
            safe += kept
            if not kept and worst.rows is None:
                span = self._corner(total, sign, near)
                worst = self.witness.crossing(row, span, near) or worst
        self.share = safe / len(self.rows) if len(self.rows) else 0.0
        self.left_open = f"{safe} of {len(self.rows)} rows are proven"
        return Outcome(1 - self.share, worst.best, len(self.rows), worst.rows, worst.answers)

    def _sum(self, fixed: Mapping[str, object], box: Mapping[str, Range]) -> _Sum:
        rows = []
        for side in (0, 1):
            given = {**fixed, **{name: float(str(box[name][side])) for name in self.names}}
            rows.append({name: given[name] for name in self.contract.inputs})
        made = self.flat.transform(pd.DataFrame(rows)) * self.weights
        mine = {
            name: self.flat.owners.index(name) for name in self.names if name in self.flat.owners
        }
        others = [n for n, owner in enumerate(self.flat.owners) if owner not in mine]
        ends = [
            {name: float(made[side, mine[name]]) if name in mine else 0.0 for name in self.names}
            for side in (0, 1)
        ]
        return _Sum(float(made[0, others].sum()) + self.constant, ends[0], ends[1])

    def _end(self, total: _Sum, sign: int) -> float:
        """The largest (sign 1) or smallest (-1) sum."""
        pick = max if sign > 0 else min
        return total.constant + sum(pick(total.low[name], total.high[name]) for name in self.names)

    def _answer(self, total: float) -> float:
        return float(sigmoid(np.array(total))) if self.logistic else total

    def _corner(
        self, total: _Sum, sign: int, box: Mapping[str, Range]
    ) -> dict[str, tuple[float, float]]:
        spans = {}
        for name in self.names:
            up = (total.high[name] >= total.low[name]) == (sign > 0)
            end = float(str(box[name][1 if up else 0]))
            spans[name] = (end, end)
        return spans

    def _at(
        self, total: _Sum, share: float, box: Mapping[str, Range]
    ) -> dict[str, tuple[float, float]]:
        """A point at which the sum lies at a share of the way from its lowest to its highest."""
        spans = {}
        for name in self.names:
            low, high = (float(str(end)) for end in box[name])
            up = total.high[name] >= total.low[name]
            value = low + (share if up else 1 - share) * (high - low)
            spans[name] = (value, value)
        return spans
