"""Whether groups of people are treated alike: the largest difference between protected groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops.deployment.measuring.group_figures import FIGURES, GroupFigures, Spread, by_group, spread
from mlops.deployment.measuring.intervals import gap_interval
from mlops.deployment.measuring.measure import Measure
from mlops.deployment.measuring.protected_groups import protected_groups
from mlops.deployment.measuring.scored import Scored


@dataclass(frozen=True)
class Fairness:
    """The differences between groups, and the figures of each group."""

    measures: tuple[Measure, ...]
    groups: tuple[GroupFigures, ...]


@dataclass(frozen=True)
class _Large:
    """The rows of groups that are large enough: each row's group, and what is told of the others."""

    attribute: str
    scored: Scored
    groups: NDArray[np.object_]
    left_out: str


def fairness(scored: Scored, minimum: int, seed: int = 0) -> Fairness:
    """`fairness.<figure>[attribute]` for each protected attribute and each intersection.

    Figures are fairlearn's: of two labels the selection rate, recall, false positive rate and
    accuracy; of more the accuracy; of values the mean answer and the mean absolute error, in units
    of the truth's standard deviation. The value is the largest difference between two groups.
    Groups of fewer than `minimum` rows (2 at least) are left out, and named. An attribute without
    two groups gives figures that are not defined; such an intersection `fairness.groups[...]` alone.
    """
    contract = scored.contract
    if not contract.protected:
        none = Measure("fairness.none", None, detail="the contract declares nothing protected")
        return Fairness((none,), ())
    measures: list[Measure] = []
    figures: list[GroupFigures] = []
    for attribute, groups in protected_groups(scored.table, contract).items():
        found = groups if isinstance(groups, str) else _large(attribute, scored, groups, minimum)
        if isinstance(found, str):
            names = list(FIGURES[scored.kind]) if attribute in contract.protected else ["groups"]
            measures += [Measure(f"fairness.{n}[{attribute}]", None, detail=found) for n in names]
            continue
        gaps, table = _compared(found, seed)
        measures += gaps
        figures += table
    return Fairness(tuple(measures), tuple(figures))


def _large(attribute: str, scored: Scored, groups: pd.Series, minimum: int) -> _Large | str:
    least, sizes = max(minimum, 2), groups.value_counts()
    large = [group for group in sizes.index if sizes[group] >= least]
    small = [f"{group} ({sizes[group]})" for group in sorted(sizes.index) if group not in large]
    left_out = f"too small to say: {', '.join(small)}" if small else ""
    if len(large) < 2:
        return "; ".join(filter(None, [f"fewer than two groups of {least} rows", left_out]))
    mask = groups.isin(large).to_numpy(dtype=bool)
    kept = groups[mask].to_numpy(dtype=object)
    return _Large(attribute, scored.rows(mask), kept, left_out)


def _compared(large: _Large, seed: int) -> tuple[list[Measure], list[GroupFigures]]:
    table = by_group(large.scored, large.groups)
    off = spread(large.scored, large.groups, list(table.index), seed)
    measures = [_gap(large, table[name], off) for name in table.columns]
    figures = [
        GroupFigures(
            large.attribute,
            str(group),
            int((large.groups == group).sum()),
            {name: None if pd.isna(v) else float(v) for name, v in table.loc[group].items()},
            {str(name): off.intervals[name][place] for name in table.columns},
        )
        for place, group in enumerate(table.index)
    ]
    return measures, figures


def _gap(large: _Large, figures: pd.Series, off: Spread) -> Measure:
    name = f"fairness.{figures.name}[{large.attribute}]"
    known, rows = figures.dropna(), len(large.groups)
    if len(known) < 2:
        why = "; ".join(filter(None, ["defined for fewer than two groups", large.left_out]))
        return Measure(name, None, rows=rows, detail=why)
    gap = float(known.max() - known.min())
    errors = off.errors[str(figures.name)]
    low, high = gap_interval(gap, errors[:, figures.notna().to_numpy()])
    if high is not None and large.scored.kind != "values":
        high = min(high, 1.0)
    ends = f"{known.idxmin()} {known.min():.3f}, {known.idxmax()} {known.max():.3f}"
    detail = "; ".join(filter(None, [ends, large.left_out]))
    return Measure(name, gap, low, high, rows, detail)
