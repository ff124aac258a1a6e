"""What became of a metamorphic relation, in words and as a table of source and follow-up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from mlops.deployment.metamorphic.relation_file import MetamorphicRelation


@dataclass(frozen=True)
class Outcome:
    """What became of a relation: the inputs it was tried on, and the worst that breaks it.

    `source` and `follow_up` are rows, `before` and `after` the answers to them; `label` is the
    position of the label that these answers are of, where there are several.
    """

    relation: MetamorphicRelation
    used: int
    broken: int
    source: Mapping[str, object] | None = None
    follow_up: Mapping[str, object] | None = None
    before: float = math.nan
    after: float = math.nan
    label: int | None = None


def describe(outcome: Outcome) -> str:
    """The worst input in words; empty where the relation holds."""
    if outcome.source is None or outcome.follow_up is None:
        return ""
    moved = []
    for name, value in outcome.source.items():
        after = outcome.follow_up[name]
        if not _same(value, after):
            moved.append(f"{name} {' to '.join(_distinct(value, after))}")
    before, after = _distinct(outcome.before, outcome.after)
    return (
        f"{outcome.broken} of {outcome.used} inputs break it; the worst: "
        f"{', '.join(moved) or 'rows in another order'}: the answer goes from {before} to {after}"
    )


def counterexample(outcome: Outcome) -> str:
    """The worst input as a table of column, source and follow-up, and the two answers.

    What was moved is marked.
    """
    relation = outcome.relation
    if outcome.source is None or outcome.follow_up is None:
        return f"{relation.name}: no input of {outcome.used} breaks it"
    lines = [("", "source", "follow-up", "")]
    for name, value in outcome.source.items():
        mark = "" if _same(value, outcome.follow_up[name]) else "<"
        lines.append((name, *_distinct(value, outcome.follow_up[name]), mark))
    answer = "answer" if outcome.label is None else f"answer, label {outcome.label}"
    lines.append((answer, *_distinct(outcome.before, outcome.after), ""))
    widths = [max(len(line[n]) for line in lines) for n in range(3)]
    body = [
        f"  {name:<{widths[0]}}  {source:>{widths[1]}}  {follow:>{widths[2]}} {mark}".rstrip()
        for name, source, follow, mark in lines
    ]
    body.insert(-1, "  " + "-" * (sum(widths) + 4))
    head = f"{relation.name}: {outcome.broken} of {outcome.used} inputs break {relation.expect}"
    return "\n".join([head, *body])


def _same(left: object, right: object) -> bool:
    return left == right or (_missing(left) and _missing(right))


def _missing(value: object) -> bool:
    return value is None or value is pd.NaT or (isinstance(value, float) and math.isnan(value))


def _distinct(left: object, right: object) -> tuple[str, str]:
    """Both in few digits, or in as many as it takes to tell them apart."""
    for digits in (4, 6, 9, 12, 15, 17):
        shown = _shown(left, digits), _shown(right, digits)
        if shown[0] != shown[1] or _same(left, right):
            break
    return shown


def _shown(value: object, digits: int) -> str:
    if _missing(value):
        return "missing"
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)
