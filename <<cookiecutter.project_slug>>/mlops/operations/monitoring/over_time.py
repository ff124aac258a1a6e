"""The figures of a window step by step, for plots: how good the answers were, hour by hour."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd

from mlops.deployment.measuring.measure import Measure
from mlops.deployment.measuring.scored import Scored
from mlops.operations.monitoring.performance import quick_figures


@dataclass(frozen=True)
class Point:
    """One figure of a part of the window, for plots."""

    start: datetime
    end: datetime
    measure: Measure


def over_time(
    judged: Scored, times: pd.Series, window: tuple[datetime, datetime], hours: float
) -> tuple[Point, ...]:
    """The errors of each step of a window with their intervals, and the metrics without.

    `times` says when each row was answered. Steps without a labelled row are left out.
    """
    found: list[Point] = []
    for start, end in steps(*window, hours):
        inside = ((times >= start) & (times < end)).to_numpy(dtype=bool)
        if inside.any():
            part = judged.rows(inside)
            found += [Point(start, end, measure) for measure in quick_figures(part)]
    return tuple(found)


def steps(start: datetime, end: datetime, hours_each: float) -> Iterator[tuple[datetime, datetime]]:
    """The window in steps of equal length, the last of which may be shorter."""
    step, begin = timedelta(hours=hours_each), start
    while begin < end:
        yield begin, min(begin + step, end)
        begin += step
