"""A figure over time as inline SVG: its line with the interval, and how many labels each step has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from markupsafe import Markup

from mlops.operations.monitoring.over_time import Point
from mlops.operations.pages.charts import svg
from mlops.operations.pages.shown import escaped, moment, number, plain

_LEFT, _RIGHT, _TOP, _FOOT, _ROWS = 46.0, 352.0, 8.0, 118.0, 152.0


@dataclass(frozen=True)
class _Dot:
    """A point that has a value, with its interval where it has one."""

    point: Point
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class _Scale:
    """From times and values to places in the picture."""

    start: datetime
    end: datetime
    least: float
    most: float

    def across(self, when: datetime) -> float:
        share = (when - self.start) / (self.end - self.start) if self.end > self.start else 0.5
        return _LEFT + (_RIGHT - _LEFT) * share

    def up(self, value: float) -> float:
        return _FOOT - (_FOOT - _TOP) * (value - self.least) / (self.most - self.least)

    def middle(self, point: Point) -> float:
        return self.across(point.start + (point.end - point.start) / 2)


def over_time_chart(
    points: Sequence[Point], start: datetime, end: datetime, line: tuple[str, float] | None
) -> Markup:
    """One figure from `start` to `end`, above its labelled rows; `line` is what it is compared with.

    A step without a value, or without labels, is a gap.
    """
    dots = [
        _Dot(each, each.measure.value, each.measure.low, each.measure.high)
        for each in points
        if each.measure.value is not None
    ]
    values = [
        value for dot in dots for value in (dot.value, dot.low, dot.high) if value is not None
    ]
    scale = _Scale(start, end, *_range(values + ([line[1]] if line else [])))
    parts = [*_frame(scale), *_rows(points, scale)]
    parts += [
        _joined(one, other, scale)
        for one, other in pairwise(dots)
        if one.point.end == other.point.start
    ]
    parts += [_dot(each, scale) for each in dots]
    if line:
        at = scale.up(line[1])
        parts.append(
            f'<path d="M{_LEFT:g} {at:.1f}H{_RIGHT:g}" stroke="var(--open)" stroke-width="1.5" '
            f'stroke-dasharray="5 3"/><text x="{_RIGHT:g}" y="{at - 4 if at > 24 else at + 12:.1f}" '
            f'text-anchor="end">{escaped(line[0])} {number(line[1])}</text>'
        )
    return svg(360, 172, _in_words(points, dots, line), parts)


def _range(values: Sequence[float]) -> tuple[float, float]:
    least, most = (min(values), max(values)) if values else (0.0, 1.0)
    room = (most - least) * 0.08 or abs(most) * 0.1 or 0.5
    return least - room, most + room


def _frame(scale: _Scale) -> list[str]:
    parts = []
    for share in (0.0, 0.5, 1.0):
        y = _FOOT - (_FOOT - _TOP) * share
        value = number(scale.least + (scale.most - scale.least) * share)
        parts.append(
            f'<path d="M{_LEFT:g} {y:.1f}H{_RIGHT:g}" stroke="var(--line)"/>'
            f'<text x="{_LEFT - 5:g}" y="{y + 4:.1f}" text-anchor="end">{value}</text>'
        )
    for x, side, when in ((_LEFT, "start", scale.start), (_RIGHT, "end", scale.end)):
        told = f"{when.astimezone(UTC):%d %b %H:%M}"
        parts.append(f'<text x="{x:g}" y="{_ROWS + 16:g}" text-anchor="{side}">{told}</text>')
    parts.append(f'<text x="199" y="{_ROWS + 16:g}" text-anchor="middle">UTC</text>')
    return parts


def _rows(points: Sequence[Point], scale: _Scale) -> list[str]:
    most = max((each.measure.rows for each in points), default=0)
    parts = [f'<text x="{_LEFT - 5:g}" y="{_ROWS:g}" text-anchor="end">rows</text>']
    for each in points if most else ():
        height = 22 * each.measure.rows / most
        left, right = scale.across(each.start), scale.across(each.end)
        parts.append(
            f'<rect x="{left:.1f}" y="{_ROWS - height:.1f}" height="{height:.1f}" '
            f'width="{max(0.8, right - left - 1):.1f}" fill="var(--rest)"/>'
        )
    return parts


def _joined(one: _Dot, other: _Dot, scale: _Scale) -> str:
    left, right = scale.middle(one.point), scale.middle(other.point)
    band = ""
    ends = [y for y in (one.low, other.low, other.high, one.high) if y is not None]
    if len(ends) == 4:
        corners = zip((left, right, right, left), ends, strict=True)
        shape = " ".join(f"{x:.1f},{scale.up(y):.1f}" for x, y in corners)
        band = f'<polygon points="{shape}" fill="var(--band)"/>'
    line = f"M{left:.1f} {scale.up(one.value):.1f}L{right:.1f} {scale.up(other.value):.1f}"
    return f'{band}<path d="{line}" stroke="var(--accent)" stroke-width="2"/>'


def _dot(dot: _Dot, scale: _Scale) -> str:
    at, span = scale.middle(dot.point), ""
    if dot.low is not None and dot.high is not None:
        ends = f"M{at:.1f} {scale.up(dot.low):.1f}V{scale.up(dot.high):.1f}"
        span = f'<path d="{ends}" stroke="var(--accent)" opacity=".55"/>'
    place = f'cx="{at:.1f}" cy="{scale.up(dot.value):.1f}"'
    return f'{span}<circle {place} r="2.6" fill="var(--accent)"/>'


def _in_words(points: Sequence[Point], dots: Sequence[_Dot], line: tuple[str, float] | None) -> str:
    if not dots:
        return "no step of the window has a value"
    first, last = dots[0], dots[-1]
    told = (
        f"{plain(first.point.measure.name)} in {len(dots)} steps: {number(first.value)} at "
        f"{moment(first.point.start)}, {number(last.value)} at {moment(last.point.start)}; "
        f"{sum(each.measure.rows for each in points)} labelled rows in all"
    )
    return told + (f"; {line[0]} {number(line[1])}" if line else "")
