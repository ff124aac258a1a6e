"""Drift of a window against its reference: of each column, of all together, of the answers."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd

from mlops.operations.drift.columns import (
    FEWEST_VALUES,
    MISSING,
    Comparison,
    compare_column,
    is_ordered,
    read_column,
)
from mlops.operations.drift.distances import Values
from mlops.operations.drift.joint import separate
from mlops.operations.drift.settings import DriftSettings
from mlops.operations.drift.verdict import Drift, judge
from mlops.quality.contract import Column, Contract

_HASH = re.compile("[0-9a-f]{32}")
_FEW = f"fewer than {FEWEST_VALUES} values in one of the tables"
_ANSWER = Column("number", "an answer of the model")


def measure_drift(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    contract: Contract,
    settings: DriftSettings,
    *,
    seed: int,
    answers: tuple[Values, Values] | None = None,
) -> Drift:
    """Compare a window with its reference, column by column, jointly, and in the answers.

    Both tables have a row for each request and the contract's inputs as columns; `answers` are the
    model's on both, shapes (n, k) and (m, k) or (n,) and (m,), and are named `answer.0`, ... A
    hashed column has to be hashed with the same secret in both. `seed` draws the rows and halves of
    the joint test; all else depends on no row's place.
    """
    rows = len(reference), len(current)
    few = [
        f"{what} has {count} rows, at least {settings.minimum_rows} are needed"
        for what, count in zip(("the reference", "the window"), rows, strict=True)
        if count < settings.minimum_rows
    ]
    if few:
        return Drift(rows, unjudged=" and ".join(few))
    before, now, skipped = _read(reference, current, contract, settings)
    columns = [
        comparison
        for name in before
        for comparison in compare_column(
            name,
            before[name],
            now[name],
            contract.columns[name],
            threshold=_threshold(name, contract, settings),
            missing=settings.missing,
        )
    ]
    known = {each.column for each in columns if each.statistic != MISSING}
    skipped |= {name: _FEW for name in before if name not in known}
    answered = _compare_answers(answers, settings) if answers is not None else []
    apart = None
    if settings.joint is not None and before:
        ordered = {name: is_ordered(contract.columns[name]) for name in before}
        apart = separate(before, now, ordered, settings.joint, seed=seed)
    return replace(judge(rows, columns, answered, apart, settings), skipped=skipped)


def _read(
    reference: pd.DataFrame, current: pd.DataFrame, contract: Contract, settings: DriftSettings
) -> tuple[dict[str, pd.Series], dict[str, pd.Series], dict[str, str]]:
    """The columns of both that can be compared, and why the others cannot."""
    before: dict[str, pd.Series] = {}
    now: dict[str, pd.Series] = {}
    skipped: dict[str, str] = {}
    for name in contract.inputs:
        column = contract.columns[name]
        reason = _reason_to_skip(name, reference, current, column, settings)
        if reason:
            skipped[name] = reason
            continue
        before[name] = read_column(reference[name].reset_index(drop=True), column)
        now[name] = read_column(current[name].reset_index(drop=True), column)
    return before, now, skipped


def _reason_to_skip(
    name: str,
    reference: pd.DataFrame,
    current: pd.DataFrame,
    column: Column,
    settings: DriftSettings,
) -> str:
    if name in settings.exclude:
        return "excluded by the settings"
    if name not in current:
        return "never collected" if column.collect == "never" else "not in the window"
    if name not in reference:
        return "not in the reference"
    if column.collect == "hashed" and not (
        _is_hashed(reference[name]) and _is_hashed(current[name])
    ):
        return "hashed when it was collected, but not in both tables"
    return ""


def _is_hashed(values: pd.Series) -> bool:
    """Whether the values, if there are any, look like the collection's hashes."""
    some = values.dropna().head(1)
    return all(_HASH.fullmatch(str(value)) for value in some)


def _threshold(name: str, contract: Contract, settings: DriftSettings) -> float:
    ordered = is_ordered(contract.columns[name])
    return settings.columns.get(name, settings.numbers if ordered else settings.categories)


def _compare_answers(answers: tuple[Values, Values], settings: DriftSettings) -> list[Comparison]:
    if not all(len(part) for part in answers):
        return []
    before, now = (np.asarray(part, dtype=float).reshape(len(part), -1) for part in answers)
    if before.shape[1] != now.shape[1]:
        raise ValueError(f"answers of {before.shape[1]} and of {now.shape[1]} columns")
    found: list[Comparison] = []
    for number in range(before.shape[1]):
        parts = [pd.Series(part[:, number]) for part in (before, now)]
        one, other = (read_column(part, _ANSWER) for part in parts)
        name, bounds = f"answer.{number}", {"threshold": settings.answers}
        found += compare_column(name, one, other, _ANSWER, missing=settings.missing, **bounds)
    return found
