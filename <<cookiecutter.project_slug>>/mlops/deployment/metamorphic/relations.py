"""Metamorphic relations: how the answers must move when the inputs are moved.

No label is needed: a source input, a follow-up input made from it, and a relation of the two
answers (Chen et al., "Metamorphic testing", ACM Computing Surveys 51, 2018).
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops.deployment.inputs.axes import keeps
from mlops.deployment.measuring.intervals import wilson
from mlops.deployment.measuring.measure import Measure, Predict
from mlops.deployment.metamorphic.relation_file import ANSWERS, MetamorphicRelation, load_relations
from mlops.deployment.metamorphic.relation_report import Outcome, counterexample, describe
from mlops.quality.contract import Contract
from mlops.quality.expression import Values, evaluate, holds, names, parse_relation, parse_term
from mlops.quality.values import typed

__all__ = [
    "MetamorphicRelation",
    "Outcome",
    "check_relation",
    "counterexample",
    "describe",
    "load_relations",
    "measures",
]

Answers = NDArray[np.float64]

_ALONE = 50  # rows that are also asked one by one


def check_relation(
    relation: MetamorphicRelation,
    predict: Predict,
    sources: pd.DataFrame,
    contract: Contract,
    seed: int,
) -> Outcome:
    """Try a relation on the rows of `sources`, which hold the contract's inputs, typed.

    A row does not count where it or its follow-up breaks the contract, where a value that `when` or
    `expect` speaks of is missing, and where all that would be moved is missing. Of several answers
    to a row (one for each label) all must keep the relation.
    """
    rows = sources[list(contract.inputs)]
    used = _selected(relation, rows, contract)
    if relation.permute:
        rows = rows[used].reset_index(drop=True)
        before = _answers(predict, rows)
        return _judged(relation, rows, rows, (before, _reordered(predict, rows, before, seed)))
    moved, whole = _follow_up(relation, rows, contract, np.random.default_rng(seed))
    used &= whole
    used[used] = keeps(moved[used], contract)
    rows, followed = (table[used].reset_index(drop=True) for table in (rows, moved))
    # Rows that were left out may have held what no column of whole numbers can.
    followed = pd.DataFrame(
        {name: typed(followed[name], contract.columns[name])[0] for name in contract.inputs}
    )
    answers = (_answers(predict, rows), _answers(predict, followed))
    return _judged(relation, rows, followed, answers)


def measures(outcomes: Iterable[Outcome]) -> tuple[Measure, ...]:
    """`relations.<name>`: the share of inputs that break it; `declared` is what is allowed."""
    found = []
    for outcome in outcomes:
        relation, name = outcome.relation, f"relations.{outcome.relation.name}"
        if not outcome.used:
            why = "no input and its follow-up keep the contract and what the relation asks for"
            found.append(Measure(name, None, detail=why, declared=relation.allowed))
            continue
        low, high = wilson(outcome.broken, outcome.used)
        share, worst = outcome.broken / outcome.used, describe(outcome)
        found.append(Measure(name, share, low, high, outcome.used, worst, relation.allowed))
    return tuple(found)


def _numbers(table: pd.DataFrame) -> dict[str, Values]:
    numeric = table.select_dtypes(include="number").columns
    return {name: table[name].to_numpy(dtype=float, copy=True) for name in numeric}


def _selected(
    relation: MetamorphicRelation, rows: pd.DataFrame, contract: Contract
) -> NDArray[np.bool_]:
    """The rows that keep the contract, that `when` picks, and that `expect` can be asked of."""
    used, numbers = keeps(rows, contract), _numbers(rows)
    trees = [parse_relation(relation.expect, {**numbers, **dict.fromkeys(ANSWERS)}, relation.name)]
    if relation.when:
        trees.append(parse_relation(relation.when, numbers, relation.name))
        used &= holds(trees[-1], numbers)
    for name in {name for tree in trees for name in names(tree)} - set(ANSWERS):
        used &= ~np.isnan(numbers[name])
    return used


def _follow_up(
    relation: MetamorphicRelation,
    rows: pd.DataFrame,
    contract: Contract,
    random: np.random.Generator,
) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
    """Each row with new values, and for which rows there are such; a missing value stays missing."""
    numbers, followed = _numbers(rows), rows.copy()
    computable, some = np.ones(len(rows), dtype=bool), np.zeros(len(rows), dtype=bool)
    moved = {
        **_changed(relation, numbers, len(rows)),
        **{
            name: numbers[name] + random.uniform(-amount, amount, len(rows))
            for name, amount in (relation.noise or {}).items()
        },
    }
    for name, given in moved.items():
        missing = np.isnan(numbers[name])
        values = np.round(given) if contract.columns[name].type == "integer" else given
        followed[name] = np.where(missing, np.nan, values)
        computable &= missing | np.isfinite(values)
        some |= ~missing
    return followed, computable & some


def _changed(
    relation: MetamorphicRelation, numbers: Mapping[str, Values], rows: int
) -> dict[str, Values]:
    """All from the source's values: the order of the columns does not matter."""
    return {
        name: np.broadcast_to(
            evaluate(parse_term(str(term), numbers, relation.name), numbers), (rows,)
        )
        for name, term in (relation.change or {}).items()
    }


def _answers(predict: Predict, rows: pd.DataFrame) -> Answers:
    """The answers, shape (n, 1) or (n, labels)."""
    if rows.empty:
        return np.empty((0, 1))
    return np.array(predict(rows), dtype=float).reshape(len(rows), -1)


def _reordered(predict: Predict, rows: pd.DataFrame, before: Answers, seed: int) -> Answers:
    """The answers to the rows in another order, put back; of some also those to the row alone.

    Where there are both, the one that is further from `before`.
    """
    order = np.random.default_rng(seed).permutation(len(rows))
    after = _answers(predict, rows.iloc[order].reset_index(drop=True))[np.argsort(order)]
    for row in order[:_ALONE]:
        alone = _answers(predict, rows.iloc[[row]].reset_index(drop=True))[0]
        if not np.abs(alone - before[row]).max() <= np.abs(after[row] - before[row]).max():
            after[row] = alone
    return after


def _judged(
    relation: MetamorphicRelation,
    rows: pd.DataFrame,
    followed: pd.DataFrame,
    answers: tuple[Answers, Answers],
) -> Outcome:
    before, after = answers
    numbers = _numbers(rows)
    tree = parse_relation(relation.expect, {**numbers, **dict.fromkeys(ANSWERS)}, relation.name)
    excess = np.column_stack(
        [
            _excess(tree, {**numbers, "before": before[:, n], "after": after[:, n]})
            for n in range(before.shape[1])
        ]
    )
    broken = int((excess >= 0).any(axis=1).sum())
    if not broken:
        return Outcome(relation, len(rows), 0)
    row, label = (int(index) for index in np.unravel_index(excess.argmax(), excess.shape))
    return Outcome(
        relation,
        len(rows),
        broken,
        _row(rows, row),
        _row(followed, row),
        float(before[row, label]),
        float(after[row, label]),
        label if before.shape[1] > 1 else None,
    )


def _row(table: pd.DataFrame, number: int) -> dict[str, object]:
    return {str(name): value for name, value in table.iloc[[number]].to_dict("records")[0].items()}


def _excess(tree: ast.Compare, values: Mapping[str, Values]) -> Values:
    """By how much each row breaks the relation; -1 where it keeps it.

    An answer that is no number breaks it beyond all measure.
    """
    sound = np.isfinite(values["before"]) & np.isfinite(values["after"])
    broken = ~(holds(tree, values) & sound)
    terms = [evaluate(term, values) for term in (tree.left, *tree.comparators)]
    apart = np.zeros(len(broken))
    for left, operator, right in zip(terms, tree.ops, terms[1:], strict=False):
        gap = right - left if isinstance(operator, ast.Gt | ast.GtE) else left - right
        apart = np.maximum(apart, np.abs(gap) if isinstance(operator, ast.Eq) else gap)
    return np.where(broken, np.where(sound, np.nan_to_num(apart, nan=np.inf), np.inf), -1.0)
