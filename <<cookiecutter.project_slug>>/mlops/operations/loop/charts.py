"""The pictures of a play over time as inline SVG: who answered, how fast, and what the monitor measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from mlops.operations.loop.record import Second
from mlops.operations.loop.story import Act
from mlops.operations.loop.witness import Figure
from mlops.operations.pages.charts import svg
from mlops.operations.pages.shown import escaped, number

COLOURS = ("var(--accent)", "var(--open)", "var(--good)", "var(--note)")
_WIDTH, _LEFT, _RIGHT, _TOP = 960.0, 46.0, 948.0, 26.0
_TICKS = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 1800, 3600)


@dataclass(frozen=True)
class Span:
    """The time of all pictures, in seconds since 1970, and the acts whose beginnings they mark.

    `zero` is when the first act began, from which time is told.
    """

    zero: float
    start: float
    end: float
    acts: tuple[Act, ...]

    @property
    def marked(self) -> tuple[tuple[int, Act], ...]:
        """The acts that begin within the time shown, with their numbers."""
        numbered = enumerate(self.acts, start=1)
        return tuple(each for each in numbered if _seconds(each[1].start) >= self.start)

    def across(self, when: float) -> float:
        """Where a moment lies."""
        share = (when - self.start) / (self.end - self.start) if self.end > self.start else 0.0
        return _LEFT + (_RIGHT - _LEFT) * min(1.0, max(0.0, share))


def colour_of(version: str, versions: Sequence[str]) -> str:
    """The colour of a version in all pictures."""
    return COLOURS[versions.index(version) % len(COLOURS)] if version in versions else COLOURS[-1]


def requests_chart(steps: Sequence[Second], versions: Sequence[str], span: Span) -> Markup:
    """Requests a second by the version that answered, stacked; failed ones on top."""
    foot = 236.0
    most = max((sum(each.by_version.values()) + each.failed for each in steps), default=0) or 1

    def up(value: float) -> float:
        return foot - (foot - _TOP) * value / most

    parts = [*_frame(span, foot), *_levels([0, most / 2, most], up, number)]
    below = [0.0] * len(steps)
    layers = [(each, colour_of(each, versions)) for each in versions] + [("", "var(--bad)")]
    for version, colour in layers:
        counts = [each.by_version.get(version, 0) if version else each.failed for each in steps]
        above = [low + count for low, count in zip(below, counts, strict=True)]
        if any(counts):
            path = _area(steps, below, above, span, up)
            parts.append(f'<path d="{path}" fill="{colour}" fill-opacity=".85"/>')
        below = above
    total = sum(sum(each.by_version.values()) for each in steps)
    lost = sum(each.failed for each in steps)
    told = ", ".join(f"version {each}" for each in versions)
    label = f"requests a second over time, {total} answered by {told or 'nobody'}, {lost} failed"
    return svg(_WIDTH, 268, label, [*parts, *_marks(span, foot)])


def latency_chart(steps: Sequence[Second], span: Span) -> Markup:
    """Latency in ms on a logarithmic scale: the middle, and within what 99 of 100 were answered."""
    foot = 176.0
    known = [value for each in steps for value in (each.p50, each.p99) if value is not None]
    least = math.floor(math.log10(max(0.1, min(known, default=1.0))))
    most = max(least + 1, math.ceil(math.log10(max(known, default=10.0))))

    def up(value: float) -> float:
        return foot - (foot - _TOP) * (math.log10(max(value, 10**least)) - least) / (most - least)

    levels = [10.0**power for power in range(least, most + 1)]
    parts = [*_frame(span, foot), *_levels(levels, up, lambda value: f"{value:g} ms")]
    for quantile, colour in (("p99", "var(--note)"), ("p50", "var(--ink)")):
        line, is_open = "", False
        for each in steps:
            value = each.p99 if quantile == "p99" else each.p50
            if value is not None:
                x = span.across(each.start + 0.5)
                line += f"{'L' if is_open else 'M'}{x:.1f} {up(value):.1f}"
            is_open = value is not None
        if line:
            parts.append(f'<path d="{line}" fill="none" stroke="{colour}" stroke-width="1.8"/>')
    worst = max((each.p99 for each in steps if each.p99 is not None), default=None)
    label = f"latency over time, 99% of the worst second within {number(worst)} ms"
    return svg(_WIDTH, 208, label, [*parts, *_marks(span, foot)])


def figure_chart(found: Sequence[Figure], versions: Sequence[str], span: Span) -> Markup:
    """One figure at each run of the monitor, with its interval, in the colour of what served."""
    foot = 156.0
    values = [
        value
        for each in found
        for value in (each.value, each.low, each.high, each.bound)
        if value is not None
    ]
    least, most = min(values), max(values)
    room = (most - least) * 0.12 or abs(most) * 0.1 or 0.5
    least, most = least - room, most + room

    def up(value: float) -> float:
        return foot - (foot - _TOP) * (value - least) / (most - least)

    parts = [*_frame(span, foot), *_levels([least, (least + most) / 2, most], up, _short)]
    last = -100.0
    for each in found:
        x = span.across(each.time.timestamp())
        # a figure soon after another one is told above, so that both can be read
        rise = 14.0 if x - last < 80 else 0.0
        last = x
        parts += _dot(each, colour_of(each.version, versions), (x, rise), up)
    told = ", ".join(f"{number(each.value)} of version {each.version}" for each in found)
    label = f"{found[0].name} at each run of the monitor: {told}"
    return svg(_WIDTH, 188, label, [*parts, *_marks(span, foot)])


def _dot(
    each: Figure, colour: str, place: tuple[float, float], up: Callable[[float], float]
) -> list[str]:
    (x, rise), y = place, up(each.value)
    parts = []
    if each.bound is not None:
        at = up(each.bound)
        parts.append(
            f'<path d="M{x - 14:.1f} {at:.1f}H{x + 14:.1f}" stroke="var(--ink)" '
            'stroke-dasharray="3 2" stroke-width="1.5"/>'
        )
    if each.low is not None and each.high is not None:
        ends = f"M{x:.1f} {up(each.low):.1f}V{up(each.high):.1f}"
        parts.append(f'<path d="{ends}" stroke="{colour}" stroke-width="2"/>')
    if each.breached:
        cross = f"M{x - 5:.1f} {y - 5:.1f}l10 10m-10 0l10 -10"
        parts.append(f'<path d="{cross}" stroke="var(--bad)" stroke-width="2.5"/>')
    else:
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{colour}"/>')
    side, by = ("end", -9) if x > _RIGHT - 60 else ("start", 9)
    said = escaped(f"{number(each.value)} (v{each.version})")
    parts.append(
        f'<text x="{x + by:.1f}" y="{y + 4 - rise:.1f}" text-anchor="{side}">{said}</text>'
    )
    return parts


def _area(
    steps: Sequence[Second],
    below: Sequence[float],
    above: Sequence[float],
    span: Span,
    up: Callable[[float], float],
) -> str:
    """A stair-shaped area between two lines."""
    ends = [(span.across(each.start), span.across(each.start + 1)) for each in steps]
    out = [
        f"{x:.1f} {up(y):.1f}L{z:.1f} {up(y):.1f}" for (x, z), y in zip(ends, above, strict=True)
    ]
    back = [
        f"{z:.1f} {up(y):.1f}L{x:.1f} {up(y):.1f}"
        for (x, z), y in zip(reversed(ends), reversed(below), strict=True)
    ]
    return "M" + "L".join([*out, *back]) + "Z"


def _frame(span: Span, foot: float) -> list[str]:
    """The line of time, with seconds since the first act."""
    long = span.end - span.start
    step = next((each for each in _TICKS if long / each <= 14), _TICKS[-1])
    parts = [f'<path d="M{_LEFT:g} {foot:g}H{_RIGHT:g}" stroke="var(--rest)"/>']
    first, last = math.ceil((span.start - span.zero) / step), (span.end - span.zero) // step
    for tick in range(first, int(last) + 1):
        x = span.across(span.zero + tick * step)
        parts.append(
            f'<path d="M{x:.1f} {foot:g}v4" stroke="var(--rest)"/>'
            f'<text x="{x:.1f}" y="{foot + 17:g}" text-anchor="middle">{tick * step} s</text>'
        )
    return parts


def _levels(
    values: Sequence[float], up: Callable[[float], float], shown: Callable[[float], str]
) -> list[str]:
    return [
        f'<path d="M{_LEFT:g} {up(value):.1f}H{_RIGHT:g}" stroke="var(--line)"/>'
        f'<text x="{_LEFT - 5:g}" y="{up(value) + 4:.1f}" text-anchor="end">{escaped(shown(value))}</text>'
        for value in values
    ]


def _marks(span: Span, foot: float) -> list[str]:
    """A dotted line where each act begins, with its number; numbers that would overlap step aside."""
    parts, last = [], -100.0
    for place, act in span.marked:
        x = span.across(_seconds(act.start))
        colour = "var(--bad)" if act.outcome == "failed" else "var(--quiet)"
        high = 10 if x - last > 16 else 21
        last = x if high == 10 else last
        parts.append(
            f'<path d="M{x:.1f} {_TOP:g}V{foot:g}" stroke="{colour}" stroke-dasharray="1 3"/>'
            f'<text x="{x:.1f}" y="{high}" text-anchor="middle">{place}</text>'
        )
    return parts


def _short(value: float) -> str:
    return f"{value:.2f}" if 0.01 <= abs(value) < 100 else f"{value:.1g}"


def _seconds(moment: datetime) -> float:
    return moment.timestamp()
