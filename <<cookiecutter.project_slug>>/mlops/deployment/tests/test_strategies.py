from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st

from mlops.deployment.inputs.axes import keeps
from mlops.deployment.inputs.strategies import Row, row_strategy, rows_of, table_of_rows
from mlops.deployment.tests.every_type import CONTRACT, reference
from mlops.quality.checks import check_table
from mlops.quality.contract import Column, Contract, Relation
from mlops.quality.errors import UserError

QUIET = settings(
    max_examples=100,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
NARROW = Contract(
    name="narrow",
    description="",
    task="regression",
    target="answer",
    columns={
        "a": Column("number", "", range=(0.0, 100.0)),
        "b": Column("number", "", range=(0.0, 100.0)),
        "n": Column("integer", "", range=(3, 9)),
        "kind": Column("string", "", categories=("x", "y"), missing=True),
        "answer": Column("number", ""),
    },
    relations=(Relation("close", "abs(a - b) <= 1"),),
)


@given(row=row_strategy(CONTRACT, reference()))
@QUIET
def test_each_row_keeps_the_contract(row: Row) -> None:
    table = table_of_rows([row], CONTRACT)
    assert check_table(table, CONTRACT, target=False).violations == ()
    assert keeps(table, CONTRACT).all()


@given(row=row_strategy(NARROW))
@QUIET
def test_without_data_a_narrow_relation_is_kept_too(row: Row) -> None:
    assert abs(float(str(row["a"])) - float(str(row["b"]))) <= 1


def met(contract: Contract, data: pd.DataFrame | None) -> pd.DataFrame:
    rows: list[Row] = []

    @given(row=row_strategy(contract, data))
    @settings(QUIET, max_examples=300)
    def collect(row: Row) -> None:
        rows.append(row)

    collect()
    return pd.DataFrame(rows)


def test_the_rows_reach_the_ends_all_categories_and_missing_values() -> None:
    table = met(NARROW, None)
    assert (table["n"].min(), table["n"].max()) == (3, 9)
    assert table["a"].min() < 5
    assert table["a"].max() > 95
    assert set(table["kind"].dropna()) == {"x", "y"}
    assert table["kind"].isna().any()
    assert not table["a"].isna().any()


def test_a_row_shrinks_towards_one_of_the_data() -> None:
    data = pd.DataFrame({"a": [50.0], "b": [50.5], "n": [5], "kind": ["y"]})
    row = find(row_strategy(NARROW, data), lambda row: int(str(row["n"])) > 7, settings=QUIET)
    assert row == {"a": 50.0, "b": 50.5, "n": 8, "kind": "y"}


def test_rows_and_tables_are_the_same() -> None:
    table = reference()
    rows = rows_of(table, CONTRACT)
    assert rows[0]["discount"] is None
    assert rows[0]["pieces"] == 3
    pd.testing.assert_frame_equal(table_of_rows(rows, CONTRACT), table)


def test_one_row_has_the_types_that_many_have() -> None:
    one = table_of_rows(rows_of(reference().head(1), CONTRACT), CONTRACT)
    may_differ = {"gift"}  # truth values: objects only where one is missing
    assert {n for n in one if one[n].dtype != reference()[n].dtype} <= may_differ


def test_a_column_without_a_range_needs_data() -> None:
    with pytest.raises(UserError, match="column stock has no range"):
        row_strategy(CONTRACT)


def test_a_boolean_and_a_number_of_any_size() -> None:
    wide = dataclasses.replace(
        NARROW,
        columns={
            "a": Column("number", "", range=(-1e300, 1e300)),
            "flag": Column("boolean", ""),
            "answer": Column("number", ""),
        },
        relations=(),
    )
    table = met(wide, None)
    assert np.isfinite(table["a"]).all()
    assert set(table["flag"]) == {True, False}
    assert isinstance(row_strategy(wide), st.SearchStrategy)
