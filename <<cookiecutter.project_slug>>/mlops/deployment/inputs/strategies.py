"""Hypothesis strategies that a contract gives: single rows that keep it, and shrink well.

Imported where they are needed only: hypothesis takes a while to load.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from mlops.deployment.inputs.axes import Axis, axes_of, input_relations
from mlops.deployment.inputs.generation import generate
from mlops.quality.contract import Contract
from mlops.quality.expression import holds, names
from mlops.quality.values import typed

Row = dict[str, object]

_STARTS = 64


def row_strategy(contract: Contract, reference: pd.DataFrame | None = None) -> SearchStrategy[Row]:
    """Rows of the contract's inputs that keep it: types, ranges, categories, missing, relations.

    A row starts as one of the data (generated, without `reference`) and takes new values where the
    relations let it, so none is thrown away and it shrinks towards the row that it started from.
    Raises UserError where a column has no range and there is no data.
    """
    axes = axes_of(contract, reference)
    if reference is None:
        starts = rows_of(generate(contract, _STARTS, 0).table, contract)
    else:
        chosen = reference[list(contract.inputs)].sample(
            min(_STARTS, len(reference)), random_state=0
        )
        starts = rows_of(chosen, contract)
    return _rows(starts, {axis.name: values(axis) for axis in axes}, _related(contract))


def rows_of(table: pd.DataFrame, contract: Contract) -> list[Row]:
    """The inputs of a table as rows; a missing value is None."""
    found = table[list(contract.inputs)].astype(object)
    return [
        {str(name): value for name, value in row.items()}
        for row in found.where(found.notna(), None).to_dict("records")
    ]


def table_of_rows(rows: Sequence[Mapping[str, object]], contract: Contract) -> pd.DataFrame:
    """Rows as a table with the contract's types, as a pipeline takes it."""
    return pd.DataFrame(
        {
            name: typed(
                pd.Series([row[name] for row in rows], dtype=object), contract.columns[name]
            )[0]
            for name in contract.inputs
        }
    )


def values(axis: Axis) -> SearchStrategy[object]:
    """The values of one column; a missing one is None."""
    found: SearchStrategy[object]
    if axis.values:
        found = st.sampled_from(axis.values)
    elif axis.column.type == "integer":
        found = st.integers(int(np.ceil(axis.low)), int(np.floor(axis.high)))
    elif axis.column.type == "datetime":
        whole = st.integers(int(axis.low), int(axis.high))
        found = whole.map(lambda number: pd.Timestamp(number, unit="us"))
    else:
        found = st.floats(axis.low, axis.high, allow_nan=False)
    return st.one_of(found, st.none()) if axis.column.missing else found


def _related(contract: Contract) -> Callable[[Row], bool]:
    """Whether one row keeps the relations between columns."""
    trees = input_relations(contract)
    spoken_of = {name for tree in trees for name in names(tree)}

    def kept(row: Row) -> bool:
        given = {name: row[name] for name in spoken_of}
        numbers = {
            name: np.array([np.nan if value is None else float(str(value))])
            for name, value in given.items()
        }
        return all(bool(holds(tree, numbers)[0]) for tree in trees)

    return kept


@st.composite
def _rows(
    draw: st.DrawFn,
    starts: Sequence[Row],
    columns: Mapping[str, SearchStrategy[object]],
    keeps: Callable[[Row], bool],
) -> Row:
    row = dict(draw(st.sampled_from(starts)))
    for name, column in columns.items():
        if draw(st.booleans()):
            changed = {**row, name: draw(column)}
            row = changed if keeps(changed) else row
    return row
