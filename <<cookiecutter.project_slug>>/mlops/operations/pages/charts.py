"""Small pictures as inline SVG: bars of effects, whiskers, shares of traffic, events in time.

Every picture has a label that tells the same in words. Colours are the page's own variables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from markupsafe import Markup

from mlops.deployment.serving.traffic import Deployment
from mlops.operations.pages.shown import escaped, number, percent
from mlops.operations.pages.style import Level


def svg(width: float, height: float, label: str, parts: Iterable[str], css: str = "") -> Markup:
    """A picture of that size and label; `parts` are its elements, ready and escaped."""
    inside = "".join(parts)
    return Markup(  # noqa: S704 - every text is escaped where it enters
        f'<svg xmlns="http://www.w3.org/2000/svg" class="{css}" role="img" '
        f'viewBox="0 0 {width:g} {height:g}" aria-label="{escaped(label)}">{inside}</svg>'
    )


def effect_bar(effect: float, threshold: float, *, drifted: bool, least: float = 0.0) -> Markup:
    """An effect between `least` and 1 as a bar, with a line at its threshold."""

    def place(value: float) -> float:
        return 4 + 232 * min(1.0, max(0.0, (value - least) / (1 - least)))

    colour = "var(--bad)" if drifted else "var(--accent)"
    at = place(threshold)
    side = "end" if at > 130 else "start"
    parts = (
        '<rect x="4" y="6" width="232" height="12" rx="2" fill="var(--line)"/>',
        f'<rect x="4" y="6" width="{max(1.5, place(effect) - 4):.1f}" height="12" rx="2" fill="{colour}"/>',
        f'<path d="M{at:.1f} 2V22" stroke="var(--ink)" stroke-width="2"/>',
        f'<text x="{at + (-4 if side == "end" else 4):.1f}" y="32" text-anchor="{side}">'
        f"threshold {number(threshold)}</text>",
    )
    label = f"effect {number(effect)}, threshold {number(threshold)}, scale {number(least)} to 1"
    return svg(240, 36, label, parts, "bar")


def whisker(
    value: float,
    low: float,
    high: float,
    lines: Sequence[tuple[str, float]],
    *,
    level: Level,
    shown: Callable[[float], str],
) -> Markup:
    """A figure with its interval, and what it is compared with by name: the first a whole line, others dotted."""
    numbers = [value, low, high, *(at for _, at in lines)]
    least, most = min(numbers), max(numbers)
    scale = 124 / (most - least) if most > least else 0.0

    def place(number_: float) -> float:
        return 8 + (number_ - least) * scale if scale else 70.0

    colour = f"var(--{level})"
    parts = [
        f'<path d="M{place(low):.1f} 12H{place(high):.1f}M{place(low):.1f} 7v10M{place(high):.1f} 7v10" '
        f'stroke="{colour}" stroke-width="2"/>',
        f'<circle cx="{place(value):.1f}" cy="12" r="4" fill="{colour}"/>',
    ]
    for number_, (_, at) in enumerate(lines):
        dots = ' stroke-dasharray="2 3"' if number_ else ""
        parts.append(
            f'<path d="M{place(at):.1f} 1V23" stroke="var(--ink)" stroke-width="2"{dots}/>'
        )
    told = ", ".join(f"{name} {shown(at)}" for name, at in lines)
    label = f"{shown(value)}, interval {shown(low)} to {shown(high)}" + (told and f", {told}")
    return svg(140, 24, label, parts, "whisker")


def share_bar(deployments: Sequence[Deployment]) -> Markup:
    """The shares of live traffic as one bar: the first filled, the others hatched."""
    parts, told, at = [], [], 0.0
    for number_, each in enumerate(each for each in deployments if each.share > 0):
        width = 300 * each.share
        fill, hatched = ("var(--accent)", "") if number_ == 0 else ("var(--rest)", 1)
        parts.append(f'<rect x="{at:.1f}" y="1" width="{width:.1f}" height="14" fill="{fill}"/>')
        if hatched:
            lines = "".join(f"M{at + x:.1f} 15l8 -14" for x in range(0, max(0, int(width) - 8), 8))
            parts.append(f'<path d="{lines}" stroke="var(--ink)"/>' if lines else "")
        told.append(f"version {each.version} {percent(each.share)}")
        at += width
    return svg(300, 16, "traffic: " + (", ".join(told) or "none"), parts, "bar")


def strip(
    moments: Sequence[tuple[datetime, Level]], start: datetime, end: datetime, label: str
) -> Markup:
    """When things happened: a disc is good, a cross bad, a ring open, a small dot neither."""
    parts = ['<path d="M6 14H294" stroke="var(--rest)" stroke-width="2"/>']
    for when, level in moments:
        if start <= when <= end and end > start:
            parts.append(_sign(6 + 288 * ((when - start) / (end - start)), level))
    for x, side, when in ((6, "start", start), (294, "end", end)):
        parts.append(
            f'<text x="{x}" y="38" text-anchor="{side}">{when.astimezone(UTC):%d %b %H:%M}</text>'
        )
    return svg(300, 42, label, parts, "strip")


def _sign(x: float, level: Level) -> str:
    colour = f"var(--{level})"
    if level == "bad":
        lines = f"M{x - 5:.1f} 9l10 10M{x - 5:.1f} 19l10 -10"
        return f'<path d="{lines}" stroke="{colour}" stroke-width="2.5"/>'
    if level == "open":
        return f'<circle cx="{x:.1f}" cy="14" r="5" fill="var(--paper)" stroke="{colour}" stroke-width="2"/>'
    return f'<circle cx="{x:.1f}" cy="14" r="{5 if level == "good" else 2.5}" fill="{colour}"/>'
