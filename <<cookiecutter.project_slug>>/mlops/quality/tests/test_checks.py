"""The contract's checks: every bad value is named with row, column and rule, and no good one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mlops.quality.checks import check_table, table_schema
from mlops.quality.tests.tables import CONTRACT, GOOD, rows


def told(table: pd.DataFrame, *, target: bool = True) -> list[str]:
    return [str(violation) for violation in check_table(table, CONTRACT, target=target).violations]


def test_a_good_table_has_the_types_of_the_contract() -> None:
    checked = check_table(rows({}, {"stock": None, "discount": None}), CONTRACT)
    assert checked.violations == ()
    kinds = {name: str(dtype) for name, dtype in checked.table.dtypes.items()}
    assert kinds["price"] == "float64"
    assert kinds["pieces"] == "int64"
    assert kinds["stock"] == "float64"  # a missing value has no place among whole numbers
    assert kinds["express"] == "bool"
    assert kinds["sold"].startswith("datetime64")
    assert checked.table["sold"][0] == pd.Timestamp("2026-01-02 03:04:05")
    assert checked.table["colour"].tolist() == ["red", "red"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"price": "dear"}, "row 2, column price: type is number, found 'dear'"),
        ({"price": "inf"}, "row 2, column price: type is number, found 'inf'"),
        ({"price": "1e999"}, "row 2, column price: type is number, found '1e999'"),
        ({"price": "nan"}, "row 2, column price: value is not missing, found nothing"),
        ({"price": None}, "row 2, column price: value is not missing, found nothing"),
        ({"price": "-1"}, "row 2, column price: range is 0 to 1000, found -1"),
        ({"price": "1000.1"}, "row 2, column price: range is 0 to 1000, found 1000.1"),
        ({"pieces": "2.5"}, "row 2, column pieces: type is integer, found '2.5'"),
        ({"pieces": "0"}, "row 2, column pieces: range is 1 to 50, found 0"),
        ({"pieces": "0x3"}, "row 2, column pieces: type is integer, found '0x3'"),
        ({"colour": "green"}, "row 2, column colour: one of red, NA, blue, found 'green'"),
        ({"colour": " red"}, "row 2, column colour: one of red, NA, blue, found ' red'"),
        ({"colour": None}, "row 2, column colour: value is not missing, found nothing"),
        ({"express": "perhaps"}, "row 2, column express: type is boolean, found 'perhaps'"),
        ({"express": None}, "row 2, column express: value is not missing, found nothing"),
        ({"sold": "yesterday"}, "row 2, column sold: type is datetime, found 'yesterday'"),
        ({"sold": "2026-02-30"}, "row 2, column sold: type is datetime, found '2026-02-30'"),
        ({"returned": "2"}, "row 2, column returned: one of 0, 1, found 2"),
        (
            {"discount": "11"},
            "row 2, column discount+price: discount_within_price: discount <= price, "
            "found discount=11, price=10.5",
        ),
        (
            {"stock": "0"},
            "row 2, column pieces+stock: enough_left: pieces <= stock * 2 + abs(-1), "
            "found pieces=3, stock=0",
        ),
    ],
    ids=lambda value: "-".join(map(str, *value.items())) if isinstance(value, dict) else None,
)
def test_a_bad_value_is_named_once(change: dict[str, str | None], expected: str) -> None:
    assert told(rows({}, change, {})) == [expected]


@pytest.mark.parametrize(
    "change",
    [
        {"price": "0"},
        {"price": "1000"},
        {"price": "1e2"},
        {"price": "+5"},
        {"pieces": "3.0"},
        {"discount": None},
        {"stock": None},
        {"colour": "NA"},
        {"express": "FALSE"},
        {"express": "1"},
        {"sold": "2026-01-02"},
        {"sold": "2026-01-02 03:04:05+02:00"},
        {"discount": "10.5"},
    ],
    ids=lambda change: "-".join(map(str, *change.items())),
)
def test_a_value_at_the_edge_is_good(change: dict[str, str | None]) -> None:
    assert told(rows({}, change)) == []


def test_missing_and_unknown_columns_are_named_with_the_nearest() -> None:
    table = rows({}).rename(columns={"price": "pryce"})
    assert told(table) == [
        "table, column price: column is there, found no such column",
        "table, column pryce: column is in the contract, found unknown; did you mean 'price'?",
    ]


def test_a_table_without_rows_is_refused() -> None:
    assert told(rows({}).iloc[:0]) == ["table, column -: at least one row, found none"]


def test_a_request_has_no_target() -> None:
    request = rows({}).drop(columns="returned")
    assert told(request, target=False) == []
    assert told(rows({}), target=False) == [
        "table, column returned: column is in the contract, found unknown; "
        "known are: colour, discount, express, pieces, price, sold, stock"
    ]


def test_rows_are_counted_from_one_whatever_the_index() -> None:
    table = rows({}, {"price": "x"})
    table.index = pd.Index([70, 71])
    assert told(table) == ["row 2, column price: type is number, found 'x'"]


def test_a_table_with_types_of_its_own_is_checked_alike() -> None:
    typed = pd.DataFrame(
        {
            "price": np.array([1.0, 2000.0]),
            "discount": [0.5, np.nan],
            "pieces": np.array([1, 2], dtype="int8"),
            "stock": pd.array([5, None], dtype="Int64"),
            "colour": pd.Categorical(["red", "blue"]),
            "express": [True, False],
            "sold": pd.to_datetime(["2026-01-02", "2026-01-03"]),
            "returned": pd.array([0, 1], dtype="int64[pyarrow]"),
        }
    )
    assert told(typed) == ["row 2, column price: range is 0 to 1000, found 2000"]


def test_truth_values_are_no_numbers() -> None:
    typed = check_table(rows({}), CONTRACT).table.assign(price=[True])
    assert told(typed) == ["row 1, column price: type is number, found True"]


def test_every_bad_cell_of_many_is_found() -> None:
    table = pd.concat([rows({}, {"price": "-1"}, {"colour": "x", "price": "y"})] * 1000)
    found = check_table(table, CONTRACT).violations
    assert len(found) == 3000
    assert {violation.row for violation in found} == {row for row in range(1, 3001) if row % 3 != 1}


def test_tables_that_keep_the_contract_by_construction_break_nothing() -> None:
    random = np.random.default_rng(5)
    size = 2000
    price = random.uniform(0, 1000, size)
    table = pd.DataFrame(
        {
            "price": price,
            "discount": np.where(random.random(size) < 0.3, np.nan, price * random.random(size)),
            "pieces": random.integers(1, 51, size),
            "stock": np.where(random.random(size) < 0.3, np.nan, 25 + random.integers(0, 9, size)),
            "colour": random.choice(["red", "NA", "blue"], size),
            "express": random.random(size) < 0.5,
            "sold": pd.Timestamp("2026-01-01") + pd.to_timedelta(random.integers(0, 99, size), "D"),
            "returned": random.integers(0, 2, size),
        }
    )
    assert told(table) == []


def test_the_schema_serves_notebooks_too() -> None:
    table = check_table(rows({}), CONTRACT).table
    table_schema(CONTRACT, table.columns).validate(table)
    assert set(GOOD) == set(table.columns)
