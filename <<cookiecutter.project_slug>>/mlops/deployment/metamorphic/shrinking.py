"""Find an input that breaks a metamorphic relation, and make it as plain as it can be."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, Phase, Verbosity, find, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample
from hypothesis.strategies import SearchStrategy

from mlops.deployment.inputs.strategies import Row, row_strategy, rows_of, table_of_rows
from mlops.deployment.measuring.measure import Predict
from mlops.deployment.metamorphic.relation_file import MetamorphicRelation
from mlops.deployment.metamorphic.relation_report import Outcome
from mlops.deployment.metamorphic.relations import check_relation
from mlops.quality.contract import Column, Contract

_TRIES = 150  # rows in a search
_SEED = 0  # of the noise that moves a row
_DIGITS = 3  # to which a number is rounded before it is kept as it is


def find_violation(
    relation: MetamorphicRelation,
    predict: Predict,
    contract: Contract,
    reference: pd.DataFrame | None = None,
) -> Outcome | None:
    """Search the contract's rows for one that breaks the relation; the plainest found, or None.

    What hypothesis tries is the same each time. The order of rows is nothing of one row: for
    `permute` the answer is None.
    """
    if relation.permute:
        return None
    rows = row_strategy(contract, reference)
    table = table_of_rows(_first_tries(rows), contract)
    # all at once: row by row, as a search goes, is a hundred times slower
    if not check_relation(_with_one_noise(relation), predict, table, contract, _SEED).broken:
        return None
    outcome_of = _asked(relation, predict, contract)
    row = _plainest(rows, lambda row: outcome_of(row).broken > 0)
    return None if row is None else outcome_of(row)


def searched(
    outcome: Outcome, predict: Predict, contract: Contract, reference: pd.DataFrame
) -> Outcome:
    """The outcome; where no input broke the relation, with one that a search finds, if it does."""
    if outcome.broken or not outcome.used:
        return outcome
    found = find_violation(outcome.relation, predict, contract, reference)
    return outcome if found is None else dataclasses.replace(found, used=outcome.used + 1)


def shrink(
    relation: MetamorphicRelation,
    predict: Predict,
    contract: Contract,
    reference: pd.DataFrame,
    found: Outcome | None = None,
) -> Outcome | None:
    """The worst input of `found` with as many columns as possible at their usual value.

    Usual is the median of `reference`, or the most frequent value; other numbers are rounded as far
    as the relation stays broken. `used` and `broken` remain those of `found`. Without `found` an
    input is searched for first; None where there is none.
    """
    outcome = found or find_violation(relation, predict, contract, reference)
    if outcome is None or outcome.source is None or relation.permute:
        return outcome
    asked = _asked(_pinned(outcome), predict, contract)
    start = rows_of(pd.DataFrame([outcome.source]), contract)[0]
    usual = _usual(reference, contract)
    plain = _plainest(_plainer(start, usual, contract), lambda row: asked(row).broken > 0)
    if plain is None:
        return outcome
    last = asked(plain)
    return dataclasses.replace(last, relation=relation, used=outcome.used, broken=outcome.broken)


def _asked(
    relation: MetamorphicRelation, predict: Predict, contract: Contract
) -> Callable[[Row], Outcome]:
    """The outcome of one row; noise is the same each time."""

    def ask(row: Row) -> Outcome:
        return check_relation(relation, predict, table_of_rows([row], contract), contract, _SEED)

    return ask


def _first_tries(rows: SearchStrategy[Row]) -> list[Row]:
    """What a search tries before it has found anything: the same rows, whatever is looked for."""
    tried: list[Row] = []

    def broken(row: Row) -> bool:
        tried.append(row)
        return False

    _plainest(rows, broken)
    return tried


def _with_one_noise(relation: MetamorphicRelation) -> MetamorphicRelation:
    """The relation with the noise that a row alone gets as its change, so that all rows get it."""
    if not relation.noise:
        return relation
    random = np.random.default_rng(_SEED)
    return _moved(relation, {n: random.uniform(-most, most) for n, most in relation.noise.items()})


def _moved(relation: MetamorphicRelation, moves: Mapping[str, float]) -> MetamorphicRelation:
    change = {name: f"{name} + {move!r}" for name, move in moves.items()}
    return dataclasses.replace(relation, noise=None, change=change)


def _pinned(outcome: Outcome) -> MetamorphicRelation:
    """The relation with the noise that was found as its change, so that only the row shrinks."""
    relation, source, follow_up = outcome.relation, outcome.source or {}, outcome.follow_up or {}
    if not relation.noise:
        return relation
    moves = {
        name: float(str(follow_up[name])) - float(str(source[name]))
        for name in relation.noise
        if not pd.isna(float(str(source[name])))
    }
    return _moved(relation, moves)


def _plainest(rows: SearchStrategy[Row], broken: Callable[[Row], bool]) -> Row | None:
    known: dict[tuple[object, ...], bool] = {}

    def asked(row: Row) -> bool:
        key = tuple(row.values())
        if key not in known:
            known[key] = broken(row)
        return known[key]

    quiet = settings(
        max_examples=_TRIES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )
    try:
        return find(rows, asked, settings=quiet)
    except NoSuchExample:
        return None


def _plainer(start: Row, usual: Row, contract: Contract) -> SearchStrategy[Row]:
    """Rows between `start` and `usual`: hypothesis shrinks each pick towards the usual value.

    High picks all give the value of `start`, so that most first tries are near it.
    """
    steps = [_steps(start[name], usual[name], contract.columns[name]) for name in contract.inputs]
    pick = st.integers(0, 8 * len(steps))

    def row(picks: tuple[int, ...]) -> Row:
        chosen = zip(contract.inputs, steps, picks, strict=True)
        return {name: step[min(number, len(step) - 1)] for name, step, number in chosen}

    return st.tuples(*[pick] * len(steps)).map(row)


def _steps(start: object, usual: object, column: Column) -> list[object]:
    rounded: list[object] = []
    if isinstance(start, int | float) and not column.categories and column.type != "boolean":
        texts = [f"{start:.{digits}g}" for digits in range(1, _DIGITS + 1)]
        rounded = [int(float(t)) if column.type == "integer" else float(t) for t in texts]
    return list(dict.fromkeys([usual, *rounded, start]))


def _usual(reference: pd.DataFrame, contract: Contract) -> Row:
    row: Row = {}
    for name in contract.inputs:
        column, seen = contract.columns[name], reference[name].dropna()
        if seen.empty:
            row[name] = None
        elif column.categories or column.type in ("string", "boolean"):
            row[name] = seen.mode().astype(object).iloc[0]
        elif column.type == "datetime":
            row[name] = seen.sort_values().iloc[len(seen) // 2]
        else:
            middle = float(np.median(seen))
            row[name] = round(middle) if column.type == "integer" else middle
    return row
