"""The contract's checks: every bad value is named with row, column and rule, and no good one."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pytest

from mlops.quality.checks import check_table, load_checked, table_schema
from mlops.quality.errors import UserError
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
        ({"price": "1,5"}, "row 2, column price: type is number, found '1,5'"),
        ({"price": "1_000"}, "row 2, column price: type is number, found '1_000'"),
        ({"price": " "}, "row 2, column price: type is number, found ' '"),
        ({"price": "true"}, "row 2, column price: type is number, found 'true'"),
        ({"price": "2026-01-02"}, "row 2, column price: type is number, found '2026-01-02'"),
        ({"price": "-inf"}, "row 2, column price: type is number, found '-inf'"),
        ({"price": "1000.0000001"}, "row 2, column price: range is 0 to 1000, found 1000.0000001"),
        ({"discount": "NA"}, "row 2, column discount: type is number, found 'NA'"),
        ({"price": "inf"}, "row 2, column price: type is number, found 'inf'"),
        ({"price": "1e999"}, "row 2, column price: type is number, found '1e999'"),
        ({"price": "nan"}, "row 2, column price: value is not missing, found nothing"),
        ({"price": None}, "row 2, column price: value is not missing, found nothing"),
        ({"price": "-1"}, "row 2, column price: range is 0 to 1000, found -1"),
        ({"price": "1000.1"}, "row 2, column price: range is 0 to 1000, found 1000.1"),
        ({"pieces": "2.5"}, "row 2, column pieces: type is integer, found '2.5'"),
        (
            {"pieces": "9007199254740993"},
            "row 2, column pieces: type is integer, found '9007199254740993'",
        ),
        ({"stock": "1e300"}, "row 2, column stock: type is integer, found '1e300'"),
        ({"stock": "7.5"}, "row 2, column stock: type is integer, found '7.5'"),
        ({"pieces": "0"}, "row 2, column pieces: range is 1 to 50, found 0"),
        ({"pieces": "0x3"}, "row 2, column pieces: type is integer, found '0x3'"),
        ({"colour": "green"}, "row 2, column colour: one of red, NA, blue, found 'green'"),
        ({"colour": " red"}, "row 2, column colour: one of red, NA, blue, found ' red'"),
        ({"colour": None}, "row 2, column colour: value is not missing, found nothing"),
        ({"express": "perhaps"}, "row 2, column express: type is boolean, found 'perhaps'"),
        ({"express": None}, "row 2, column express: value is not missing, found nothing"),
        ({"sold": "yesterday"}, "row 2, column sold: type is datetime, found 'yesterday'"),
        ({"sold": "now"}, "row 2, column sold: type is datetime, found 'now'"),
        ({"sold": "2026"}, "row 2, column sold: type is datetime, found '2026'"),
        ({"sold": "20260102"}, "row 2, column sold: type is datetime, found '20260102'"),
        ({"sold": "02.01.2026"}, "row 2, column sold: type is datetime, found '02.01.2026'"),
        (
            {"sold": "2026-01-02T25:00"},
            "row 2, column sold: type is datetime, found '2026-01-02T25:00'",
        ),
        ({"express": "yes"}, "row 2, column express: type is boolean, found 'yes'"),
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
        {"discount": "nan"},
        {"stock": " NaN "},
        {"sold": "9999-12-31"},
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


def with_column(name: str, values: object) -> pd.DataFrame:
    """Two good rows with types, but for one column."""
    good = check_table(rows({}, {}), CONTRACT).table
    return good.assign(**{name: pd.Series(values)})


DAY = pd.Timestamp("2026-01-02")


@pytest.mark.parametrize(
    ("name", "values", "found"),
    [
        pytest.param("price", [True, False], "type is number, found True", id="truth in number"),
        pytest.param("pieces", [True, 1], "type is integer, found True", id="truth among integers"),
        pytest.param("discount", [True, 1.0], "type is number, found True", id="truth or missing"),
        pytest.param("price", [DAY, DAY], "type is number, found 2026-01-02 00:00:00", id="moment"),
        pytest.param("stock", [DAY, 1], "type is integer, found 2026-01-02 00:00:00", id="moments"),
        pytest.param("price", [DAY - DAY] * 2, "type is number, found 0 days", id="duration"),
        pytest.param("price", [b"1", b"2"], "type is number, found b'1'", id="bytes in number"),
        pytest.param("discount", [[1], 1], "type is number, found [1]", id="list in number"),
        pytest.param("price", [{"a": 1}, 1], "type is number, found {'a': 1}", id="mapping"),
        pytest.param("price", [10**400, 1], "type is number, found 1000", id="endless integer"),
        pytest.param("price", np.array([1j, 1]), "type is number, found 1j", id="complex"),
        pytest.param("stock", np.array([2**63, 7], dtype="uint64"), "type is integer", id="uint64"),
        pytest.param("pieces", [1.5, 2.0], "type is integer, found 1.5", id="fraction"),
        pytest.param("express", [2, 1], "type is boolean, found 2", id="two in boolean"),
        pytest.param("express", [[True], True], "type is boolean, found [True]", id="list"),
        pytest.param("sold", [5, 6], "type is datetime, found 5", id="integer in datetime"),
        pytest.param("sold", [True, False], "type is datetime, found True", id="truth in datetime"),
        pytest.param("sold", [DAY.time()] * 2, "type is datetime, found 00:00:00", id="time"),
        pytest.param("colour", [1, "red"], "type is string, found 1", id="integer in string"),
        pytest.param("colour", [b"red", "red"], "type is string, found b'red'", id="bytes"),
        pytest.param(
            "colour", [["red"], "red"], "type is string, found ['red']", id="text in list"
        ),
        pytest.param("colour", pd.Categorical([1, 2]), "type is string, found 1", id="categories"),
    ],
)
def test_a_value_of_another_type_is_named(name: str, values: object, found: str) -> None:
    assert told(with_column(name, values))[0].startswith(f"row 1, column {name}: {found}")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        pytest.param("price", ["1", "2.5"], id="text"),
        pytest.param("price", [Decimal("1.5"), Decimal("2")], id="decimal"),
        pytest.param("price", pd.array([1.5, 2], dtype="double[pyarrow]"), id="arrow"),
        pytest.param("price", pd.Categorical([1.5, 2.5]), id="categories of numbers"),
        pytest.param("price", pd.arrays.SparseArray([1.0, 2.0]), id="sparse"),
        pytest.param("stock", [None, 7], id="missing integer"),
        pytest.param("stock", pd.array([None, None], dtype="Int64"), id="all missing"),
        pytest.param("colour", pd.Categorical(["red", "NA"]), id="categories"),
        pytest.param("express", [1, 0], id="one and zero"),
        pytest.param("express", [1.0, 0.0], id="one and zero as floats"),
        pytest.param("express", np.array([True, "false"], dtype=object), id="truth and text"),
        pytest.param("sold", [DAY.date(), DAY.date()], id="dates"),
        pytest.param("sold", [DAY.tz_localize("Europe/Berlin")] * 2, id="zone"),
    ],
)
def test_other_ways_to_store_a_type_are_good(name: str, values: object) -> None:
    assert told(with_column(name, values)) == []


def test_a_zone_is_turned_into_utc() -> None:
    table = with_column("sold", [DAY.tz_localize("Europe/Berlin")] * 2)
    assert check_table(table, CONTRACT).table["sold"][0] == DAY - pd.Timedelta(hours=1)


def test_types_are_the_same_for_every_good_table() -> None:
    some = check_table(rows({}, {"stock": None, "sold": "2026-01-02"}), CONTRACT).table
    none = check_table(rows({"sold": "2026-01-02"}), CONTRACT).table
    again = check_table(some, CONTRACT).table
    assert some.dtypes.equals(none.dtypes)
    assert again.equals(some)


def test_a_column_that_comes_twice_is_named() -> None:
    table = rows({})
    assert told(pd.concat([table, table[["price"]]], axis=1)) == [
        "table, column price: column is there once, found 2 of that name"
    ]


@pytest.mark.parametrize(
    "table",
    [pd.DataFrame(), pd.DataFrame({5: [1]}), rows({}).set_axis(range(len(GOOD)), axis=1)],
    ids=["nothing", "a number for a name", "numbers for names"],
)
def test_a_table_without_any_column_of_the_contract_is_refused(table: pd.DataFrame) -> None:
    there = [line for line in told(table) if "column is there, found no such column" in line]
    assert len(there) == len(GOOD)


def test_one_line_tells_the_first_violation_and_how_many_more(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    rows({}, {"price": "x", "pieces": "0"}).to_csv(path, index=False)
    with pytest.raises(UserError, match=r"breaks its contract: row 2, .*\(and 1 more: nox -s data"):
        load_checked(path, CONTRACT)
    rows({}, {}).to_csv(path, index=False)
    assert len(load_checked(path, CONTRACT)) == 2


def test_a_long_value_is_cut() -> None:
    (line,) = told(rows({"colour": "x" * 1000}))
    assert line.endswith("xxx...")
    assert len(line) < 120


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
    schema = table_schema(CONTRACT, table.columns)
    schema.validate(table)
    with pytest.raises(pa.errors.SchemaError, match="discount_within_price"):
        schema.validate(table.assign(discount=[99.0]))
    assert set(GOOD) == set(table.columns)
