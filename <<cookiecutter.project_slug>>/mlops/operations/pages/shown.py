"""How pages are filled: everything that comes from outside is escaped, and figures have their units."""

from __future__ import annotations

import html
import math
from datetime import UTC, datetime
from functools import cache

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from mlops.operations.monitoring.verdict import Verdict
from mlops.operations.pages.style import SIGNS, STYLE, Level

_HEAD = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>{{ title }}</title>
<style>
{{ style }}</style>
</head>
"""


def rendered(template: str, **values: object) -> str:
    """A whole page from its body's template; `values` have a `title`."""
    return _page(template).render(style=Markup(STYLE), **values)  # noqa: S704 - a constant of ours


@cache
def _page(template: str) -> Template:
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=clean,
    )
    environment.filters |= {
        "number": number,
        "time": time,
        "plain": plain,
    }
    environment.globals["mark"] = mark
    return environment.from_string(_HEAD + template + "</html>\n")


def escaped(value: object) -> str:
    """Text that is safe between tags and in an attribute's quotes."""
    return html.escape(str(clean(value)))


def clean(value: object) -> object:
    """Text without what no page may hold or show: control characters, lone surrogates, turned writing."""
    if not isinstance(value, str) or isinstance(value, Markup) or value.isprintable():
        return value
    spaced = " ".join(value.split()) if any(each.isspace() for each in value) else value
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in spaced)


def mark(level: Level, word: str) -> Markup:
    """A word with its sign and colour."""
    sign = f'<span class="sign" aria-hidden="true">{SIGNS[level]}</span>'
    return Markup(f'<span class="mark {level}">{sign} {escaped(word)}</span>')  # noqa: S704


def number(value: float | None) -> str:
    """A figure to three digits."""
    if value is None or not math.isfinite(value):
        return "not known"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def chance(value: float) -> str:
    """A p-value."""
    return f"{value:.2g}" if value > 0 else "below 1e-300"


def percent(value: float | None) -> str:
    """A share, as so many of a hundred."""
    return "not known" if value is None or not math.isfinite(value) else f"{100 * value:.3g}%"


def moment(value: datetime) -> str:
    """A time in UTC, to the minute."""
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def time(value: datetime, now: datetime | None = None) -> Markup:
    """A time in UTC as machines and people read it; with `now`, how long ago it was."""
    since = f" ({ago(value, now)})" if now else ""
    when = value.astimezone(UTC).isoformat(timespec="seconds")
    return Markup(f'<time datetime="{when}">{moment(value)}</time>{since}')  # noqa: S704


def ago(value: datetime, now: datetime) -> str:
    """How long before now something was."""
    seconds = (now - value).total_seconds()
    if seconds < -60:
        return "ahead of this clock"
    for unit, length in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit} ago"
    return "just now" if seconds < 60 else f"{seconds:.0f} s ago"


def plain(measure: str) -> str:
    """A measure's name without its group: `data_quality.missing[bmi]` is `bmi: missing`."""
    name = measure.partition(".")[2] or measure
    figure, bracket, of = name.partition("[")
    figure = figure.replace("_", " ")
    return f"{of.removesuffix(']')}: {figure}" if bracket else figure


def value_of(verdict: Verdict) -> str:
    """A verdict's value with its unit and 95% interval; empty where it has none."""
    if verdict.value is None:
        return ""
    said = _with_unit(verdict, verdict.value)
    if verdict.low is None or verdict.high is None:
        return said
    return f"{said} ({_with_unit(verdict, verdict.low)} to {_with_unit(verdict, verdict.high)})"


def bound_of(verdict: Verdict) -> str:
    """A verdict's bound in words; empty where it has none."""
    if verdict.bound is None:
        return ""
    said = _with_unit(verdict, verdict.bound)
    if verdict.kind == "data_quality" and verdict.before is not None:
        points = number(100 * verdict.bound)
        return f"at most {points} points above {_with_unit(verdict, verdict.before)}"
    if verdict.kind == "performance":
        if verdict.before is None:
            return said
        return f"at most {said} worse than {number(verdict.before)} at the gate"
    return f"at most {said}"


def _with_unit(verdict: Verdict, value: float) -> str:
    if verdict.kind == "staleness":
        return f"{number(value)} h"
    return percent(value) if verdict.kind in ("data_quality", "service") else number(value)
