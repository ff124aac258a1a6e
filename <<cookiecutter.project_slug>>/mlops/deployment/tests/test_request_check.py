"""The checks of requests say of every row what the checks of tables say."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from mlops.deployment.serving.request_check import RequestCheck
from mlops.deployment.serving.table import Rows
from mlops.quality.checks import check_table
from mlops.quality.contract import Column, Contract, Relation

CONTRACT = Contract(
    name="every type",
    description="",
    task="regression",
    target="y",
    columns={
        "n": Column("number", "", range=(-5.0, 5.0)),
        "m": Column("number", "", missing=True),
        "i": Column("integer", "", range=(0, 10)),
        "c": Column("integer", "", categories=(1, 2), missing=True),
        "s": Column("string", "", categories=("a", "b")),
        "t": Column("string", "", missing=True),
        "b": Column("boolean", ""),
        "d": Column("datetime", "", missing=True),
        "y": Column("number", ""),
    },
    relations=(
        Relation("half", "n / m <= 2"),
        Relation("chain", "-6 < n <= i + abs(m)"),
    ),
)
CHECK = RequestCheck(CONTRACT)
NUMBERS = st.one_of(
    st.integers(-12, 12),
    st.floats(allow_nan=False),
    st.sampled_from([0, 1.5, -0.0, 5, 5.000001, 2**53, 10.0, None]),
)
# as whole numbers, tables show minus zero without its sign
NUMBERS = NUMBERS.map(lambda value: value + 0.0 if isinstance(value, float) else value)
VALUES = {
    "n": NUMBERS,
    "m": NUMBERS,
    "i": NUMBERS,
    "c": st.one_of(NUMBERS, st.sampled_from([1, 2, 1.0, 3])),
    "s": st.sampled_from(["a", "b", "", "c", "a long text " * 9, "it's", None, 3]),
    "t": st.one_of(st.none(), st.text(max_size=50)),
    "b": st.sampled_from([True, False, 0, 1, 2, 0.0, None]),
    "d": st.sampled_from(["2026-01-31", "2026-01-31T10:00:00", "2026-02-30", "now", 3, None]),
}


def told(rows: Rows) -> list[tuple[object, ...]]:
    """What the checks of tables say of the same values."""
    table = pd.DataFrame(
        {name: pd.Series(list(values), dtype=object) for name, values in rows.columns.items()},
        index=range(rows.number),
    )
    found = check_table(table, CONTRACT, target=False).violations
    return [(each.row, each.column, each.rule, each.value) for each in found]


def said(rows: Rows) -> list[tuple[object, ...]]:
    found = CHECK.broken(rows, most=10_000)
    return [(each.row, each.column, each.rule, each.value) for each in found]


@settings(max_examples=100, deadline=None, derandomize=True, phases=[Phase.generate])
@given(st.data())
def test_both_find_the_same(data: st.DataObject) -> None:
    count = data.draw(st.sampled_from([1, 2, 20]))
    drawn = {
        name: data.draw(st.lists(values, min_size=count, max_size=count))
        for name, values in VALUES.items()
    }
    rows = Rows(count, drawn)
    assert said(rows) == told(rows)


def good(count: int) -> dict[str, list[object]]:
    one = {"n": 1, "m": 2.0, "i": 3, "c": 1, "s": "a", "t": None, "b": True, "d": "2026-01-31"}
    return {name: [value] * count for name, value in one.items()}


@pytest.mark.parametrize("count", [1, 15, 16, 100])
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("n", 5.1),
        ("n", None),
        ("n", "1"),
        ("n", True),
        ("n", float("inf")),
        ("n", 10**400),
        ("i", 2.5),
        ("i", 2**53),
        ("c", 3),
        ("s", "c"),
        ("t", 1),
        ("b", "true"),
        ("d", "yesterday"),
        ("n", [1]),
        ("s", {"a": 1}),
    ],
)
def test_one_wrong_value_is_found_in_few_rows_and_in_many(
    column: str, value: object, count: int
) -> None:
    columns = good(count)
    assert CHECK.broken(Rows(count, columns)) == []
    columns[column][-1] = value
    found = CHECK.broken(Rows(count, columns))
    assert {each.row for each in found} == {count}
    assert column in {each.column for each in found}


def test_columns_are_all_there_and_no_others() -> None:
    columns: dict[str, list[object]] = {**good(1), "nn": [1]}
    del columns["s"]
    found = {(each.column, each.rule, each.value) for each in CHECK.broken(Rows(1, columns))}
    assert found == {
        ("s", "column is there", "no such column"),
        ("nn", "column is in the contract", "unknown; did you mean 'n'?"),
    }
    assert CHECK.broken(Rows(0, good(0)))[0].rule == "at least one row"


def test_no_more_is_told_than_asked_for() -> None:
    columns = good(300)
    columns["n"] = [99.0] * 300
    assert len(CHECK.broken(Rows(300, columns))) == 100
