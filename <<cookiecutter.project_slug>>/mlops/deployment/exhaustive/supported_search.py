"""The search for a supported range: a large box of inputs in which a property is proven.

From the whole region one end of one column after the other is moved inwards to a quantile of the
rows, past an input that breaks the property: the end that loses the fewest rows. The box in which
the property is proven then grows again. What holds in a box holds in every box inside it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from mlops.deployment.exhaustive.proofs import Prover
from mlops.deployment.exhaustive.properties import Range
from mlops.deployment.exhaustive.structure import numeric_columns
from mlops.deployment.exhaustive.supported import Supported, inside
from mlops.quality.contract import Contract

# Nodes of a proof, and of a look whether a step is worth it.
_NODES, _FEW = 200, 12
# The share of rows beyond an end.
_TAILS = (0.0, 0.03, 0.08, 0.15, 0.25, 0.35, 0.45)
_HALVINGS = 2
_POINTS = 12
_End = tuple[str, int]


@dataclass
class _Search:
    """What is searched, and how many proofs and until when."""

    engine: Prover
    region: Mapping[str, Range]
    contract: Contract
    samples: pd.DataFrame
    proofs: int
    deadline: float
    numeric: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.numeric = [name for name in numeric_columns(self.contract) if name in self.region]

    def proven(self, box: Mapping[str, Range]) -> bool:
        """Whether the property is proven in a box; never after the last proof."""
        self.proofs -= 1
        if self.over():
            return False
        return self.engine.search(box, _NODES, self.deadline).bound <= self.engine.limit

    def bound(self, box: Mapping[str, Range]) -> float:
        """A first bound for a box."""
        return self.engine.search(box, _FEW, self.deadline).bound

    def rows(self, box: Mapping[str, Range]) -> int:
        """How many of the rows lie in a box."""
        numeric = frozenset(numeric_columns(self.contract))
        return int(inside(box, self.samples, numeric=numeric).sum())

    def over(self) -> bool:
        """Whether nothing more may be tried."""
        return self.proofs < 0 or time.monotonic() > self.deadline


def largest(
    engine: Prover,
    region: Mapping[str, Range],
    rows: tuple[Contract, pd.DataFrame],
    budget: tuple[int, float],
) -> Supported | None:
    """The largest box found, with the share of rows in it; None where there is none.

    `rows` are the rows with their contract, `budget` a number of proofs and a time to end.
    """
    contract, samples = rows
    search = _Search(engine, region, contract, samples, *budget)
    found = _narrowed(search) or _around_a_row(search)
    if found is None:
        return None
    box = _grown(search, found)
    return Supported(box, search.rows(box) / len(samples) if len(samples) else 0.0)


def _narrowed(search: _Search) -> dict[str, Range] | None:
    """The whole region, narrowed end by end until the property is proven."""
    ends, box = _ends(search), _floats(search)
    if not search.proven(box):
        # where no row lies, narrowing costs nothing
        for end, places in ends.items():
            box = _moved(box, end, places[min(1, len(places) - 1)])
    while True:
        search.proofs -= 1
        found = search.engine.search(box, _NODES, search.deadline)
        if found.bound <= search.engine.limit:
            return box
        options = [
            (search.rows(narrower), narrower)
            for end in ends
            if (to := _next(ends[end], box, end, found.rows or ())) is not None
            for narrower in [_moved(box, end, to)]
        ]
        kept = max((rows for rows, _ in options), default=0)
        if not kept or search.over():
            return None
        # of those that keep most rows the one that leaves least to break
        best = [narrower for rows, narrower in options if rows == kept]
        box = min(best, key=search.bound) if len(best) > 1 else best[0]


def _next(
    ends: list[float], box: Mapping[str, Range], end: _End, broken: tuple[Mapping[str, object], ...]
) -> float | None:
    """Where an end moves to so that one of the inputs that break the property lies outside."""
    name, side = end
    now = float(str(box[name][side]))
    inwards = [to for to in ends if (to < now if side else to > now)]
    values = [float(str(row[name])) for row in broken if not pd.isna(row[name])]  # type: ignore[call-overload]
    if broken:
        inwards = [to for to in inwards if any(to < v if side else to > v for v in values)]
    return inwards[0] if inwards else None


def _around_a_row(search: _Search) -> dict[str, Range] | None:
    """The first of some rows, with its own categories, of which it is proven.

    What the property flips keeps all its categories: of one alone there is nothing to prove.
    """
    flip, known = search.engine.declared.flip, search.samples.dropna(subset=search.numeric)
    search.proofs = _POINTS + 2 * _HALVINGS * len(search.numeric)
    for number in np.unique(np.linspace(0, len(known) - 1, min(len(known), _POINTS)).astype(int)):
        row = known.iloc[number]
        box: dict[str, Range] = {
            name: (
                (float(row[name]), float(row[name]))
                if name in search.numeric
                else _only(search.region[name], row[name])
            )
            for name in search.region
        }
        if flip is not None:
            box[flip] = search.region[flip]
        if search.proven(box):
            return box
    return None


def _grown(search: _Search, box: dict[str, Range]) -> dict[str, Range]:
    """The box with each end moved back towards the region's, as far as it stays proven."""
    whole = _floats(search)
    for name, side in _both(search.numeric):
        inner, outer = (float(str(ends[name][side])) for ends in (box, whole))
        if inner == outer:
            continue
        tries: list[Callable[[float, float], float]] = [lambda _, out: out]
        tries += [lambda into, out: (into + out) / 2] * _HALVINGS
        for to in tries:
            wider = _moved(box, (name, side), to(inner, outer))
            if search.proven(wider):
                box, inner = wider, to(inner, outer)
                if inner == outer:
                    break
            else:
                outer = to(inner, outer)
    return box


def _only(categories: Range, value: object) -> Range:
    """The category, as it was declared."""
    return tuple(one for one in categories if one == value)  # type: ignore[misc]


def _both(numeric: list[str]) -> list[_End]:
    return [(name, side) for name in numeric for side in (0, 1)]


def _floats(search: _Search) -> dict[str, Range]:
    """The region, its intervals as floating-point numbers."""
    box = dict(search.region)
    for name in search.numeric:
        low, high = (float(str(end)) for end in box[name])
        box[name] = (low, high)
    return box


def _ends(search: _Search) -> dict[_End, list[float]]:
    """For each end of each column where it may be moved to, from the outside inwards."""
    whole, ends = _floats(search), {}
    for name, side in _both(search.numeric):
        low, high = (float(str(end)) for end in whole[name])
        shares = [1 - tail if side else tail for tail in _TAILS]
        values = search.samples[name].dropna().astype(float).quantile(shares).clip(low, high)
        start = high if side else low
        ends[name, side] = list(dict.fromkeys([start, *map(float, values.dropna())]))
    return ends


def _moved(box: Mapping[str, Range], end: _End, to: float) -> dict[str, Range]:
    name, side = end
    low, high = (float(str(value)) for value in box[name])
    return {**box, name: (low, to) if side else (to, high)}
