from __future__ import annotations

import dataclasses
from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest

from mlops.deployment.inputs.axes import axes_of, keeps, table_of
from mlops.deployment.inputs.generation import Region, generate, unknown_categories
from mlops.deployment.tests.every_type import CONTRACT, reference
from mlops.quality.checks import check_table
from mlops.quality.contract import Column, Contract, Relation
from mlops.quality.errors import UserError


def contract(columns: dict[str, Column], *relations: str) -> Contract:
    return Contract(
        name="toy",
        description="",
        task="regression",
        target="answer",
        columns={**columns, "answer": Column("number", "")},
        relations=tuple(Relation(f"r{n}", check) for n, check in enumerate(relations)),
    )


NUMBER = Column("number", "", range=(0.0, 1.0))
THREE = Column("integer", "", categories=(1, 2, 3))


def test_every_row_keeps_the_contract_and_has_its_types() -> None:
    table = generate(CONTRACT, 2000, 0, reference=reference()).table
    checked = check_table(table, CONTRACT, target=False)
    assert checked.violations == ()
    pd.testing.assert_frame_equal(table, checked.table)
    assert list(table.dtypes) == list(reference().dtypes)
    assert len(table) == 2000


def test_the_same_seed_gives_the_same_rows() -> None:
    one, two, other = (
        generate(CONTRACT, 300, seed, reference=reference()).table for seed in (1, 1, 2)
    )
    pd.testing.assert_frame_equal(one, two)
    assert not one.equals(other)


def test_what_may_be_missing_is_missing_in_some_rows_and_nothing_else_is() -> None:
    table = generate(CONTRACT, 1000, 0, reference=reference()).table
    for name in CONTRACT.inputs:
        assert table[name].isna().any() == CONTRACT.columns[name].missing, name


def test_every_pair_of_corners_is_there() -> None:
    columns = {
        "a": dataclasses.replace(NUMBER, missing=True),
        "b": Column("integer", "", range=(0, 9)),
        "kind": Column("string", "", categories=("x", "y")),
        "flag": Column("boolean", "", missing=True),
    }
    found = generate(contract(columns), 1, 0)
    corners = {
        "a": (0.0, 0.5, 1.0, None),
        "b": (0, 4, 9),
        "kind": ("x", "y"),
        "flag": (True, False, None),
    }
    rows = found.table.astype(object).where(found.table.notna(), None)
    for left, right in combinations(corners, 2):
        seen = set(zip(rows[left], rows[right], strict=True))
        assert seen >= set(product(corners[left], corners[right])), (left, right)
    assert found.coverage.pairs_covered == found.coverage.pairs == 12 + 8 + 12 + 6 + 9 + 6
    assert len(found.table) < 40, "rows should hold many pairs each"


def test_pairs_that_relations_forbid_are_not_there_and_counted_so() -> None:
    found = generate(contract({"a": NUMBER, "b": NUMBER}, "a <= b"), 500, 0)
    assert (found.table["a"] <= found.table["b"]).all()
    assert (found.coverage.pairs, found.coverage.pairs_covered) == (9, 6)
    assert 30 < found.coverage.cells_hit < found.coverage.cells == 64
    assert "6 of 9 pairs" in str(found.coverage)


def test_the_rows_are_spread_more_evenly_than_chance_spreads_them() -> None:
    found = generate(contract({"a": NUMBER, "b": NUMBER}), 256, 0)
    sobol = found.table.to_numpy()
    chance = np.random.default_rng(0).random((256, 2))
    emptied = [len({tuple(cell) for cell in np.floor(points * 12)}) for points in (chance, sobol)]
    assert found.coverage.cells_hit == 64
    assert emptied[1] > emptied[0]


def test_rows_that_break_relations_are_replaced() -> None:
    columns = {"a": NUMBER, "b": NUMBER, "c": NUMBER, "d": NUMBER}
    found = generate(contract(columns, "abs(a - b) <= 0.02", "b <= c / 2"), 2000, 0)
    assert len(found.table) == 2000
    assert found.table["d"].between(0.4, 0.6).mean() == pytest.approx(0.2, abs=0.02)


def test_an_equation_takes_its_columns_from_the_data() -> None:
    summed = contract({"a": NUMBER, "b": NUMBER, "d": NUMBER}, "a == b + b")
    data = pd.DataFrame({"a": [0.2, 0.5, 0.9], "b": [0.1, 0.25, 0.1], "d": [0.0, 0.0, 0.0]})
    table = generate(summed, 100, 0, reference=data).table
    assert set(table["a"].round(3)) == {0.0, 0.2, 0.5, 1.0}, "the corners and the data that fit"
    assert table["d"].nunique() > 50


def test_relations_that_nothing_keeps_are_an_error_that_names_them() -> None:
    with pytest.raises(UserError, match="keeps the relations r0"):
        generate(contract({"a": NUMBER}, "a > 2"), 10, 0)


def test_a_relation_with_the_target_does_not_matter() -> None:
    assert len(generate(contract({"a": NUMBER}, "answer > a + 5"), 10, 0).table) == 10


def test_a_column_without_a_range_needs_data() -> None:
    with pytest.raises(UserError, match="shop: column stock has no range"):
        generate(CONTRACT, 10, 0)
    table = generate(CONTRACT, 500, 0, reference=reference()).table
    assert (table["weight"].min(), table["weight"].max()) == (0.25, 80.0)
    assert set(table["shop"]) == {"Bonn", "Graz", "Bern"}
    assert table["sold"].min() == pd.Timestamp("2026-01-02T03:04:05")
    assert table["sold"].max() == pd.Timestamp("2026-05-06")


def test_a_region_is_kept_to() -> None:
    region: Region = {"price": (100.0, 2000.0), "size": (38,), "colour": ("red", "blue")}
    table = generate(CONTRACT, 500, 0, region=region, reference=reference()).table
    assert table["price"].between(100, 1000).all()
    assert set(table["size"]) == {38}
    assert set(table["colour"].dropna()) == {"red", "blue"}


@pytest.mark.parametrize(
    ("region", "message"),
    [
        ({"prize": (0.0, 1.0)}, "region: unknown key 'prize'; did you mean 'price'"),
        ({"price": (2000.0, 3000.0)}, "column price has no value from 2000 to 1000"),
        ({"pieces": (1.2, 1.8)}, "column pieces has no value from 1.2 to 1.8"),
        ({"size": (37,)}, "region: size: holds none of"),
    ],
)
def test_a_region_outside_of_the_contract_is_an_error(region: Region, message: str) -> None:
    with pytest.raises(UserError, match=message):
        generate(CONTRACT, 10, 0, region=region, reference=reference())


def test_each_threshold_is_met_and_passed_by_one_ulp() -> None:
    edge = 0.1
    near = {"a": [edge, 0.7, 5.0], "n": [3.5, 7.0], "kind": [0.5]}
    columns = {"a": NUMBER, "n": Column("integer", "", range=(0, 9)), "kind": THREE}
    table = generate(contract(columns), 400, 0, near=near).table
    narrow = np.float32(edge)
    beside = {
        edge,
        float(np.nextafter(edge, 1)),
        float(np.nextafter(edge, 0)),
        float(narrow),
        float(np.nextafter(narrow, np.float32(1))),
        float(np.nextafter(narrow, np.float32(0))),
    }
    assert beside <= set(table["a"])
    assert table["a"].max() <= 1
    assert {3, 4, 7} <= set(table["n"])
    assert table["n"].isin([3, 4, 7]).mean() > 0.4


def test_thresholds_in_related_columns_stay_met() -> None:
    near = {"a": [0.25]}
    table = generate(contract({"a": NUMBER, "b": NUMBER}, "a + b <= 0.5"), 500, 0, near=near).table
    assert np.isclose(table["a"], 0.25, atol=1e-6).mean() > 0.3
    assert (table["a"] + table["b"] <= 0.5).all()


def test_unknown_categories_come_one_column_at_a_time() -> None:
    table = generate(CONTRACT, 300, 0, reference=reference()).table
    found = unknown_categories(CONTRACT, table)
    assert list(found.dtypes) == list(table.dtypes)
    strange = {
        name: ~found[name].isin(CONTRACT.columns[name].categories or ()) & found[name].notna()
        for name in ("size", "grade", "colour")
    }
    assert (pd.DataFrame(strange).sum(axis=1) == 1).all()
    assert all(rows.any() for rows in strange.values())
    assert unknown_categories(contract({"a": NUMBER}), table).empty


def test_keeping_the_contract_means_what_the_data_check_means() -> None:
    axes = axes_of(CONTRACT, reference())
    random = np.random.default_rng(0)
    points = np.column_stack([random.choice(axis.corners, 300) for axis in axes])
    table = table_of(axes, points)
    table.loc[:20, "price"] = np.nextafter(1000.0, 2000)
    table.loc[21:40, "size"] = 37
    table.loc[41:50, "colour"] = "green"
    table.loc[51:60, "weight"] = np.nan
    table["express"] = table["express"].astype(object).where(~table.index.isin(range(61, 71)), None)
    violations = check_table(table, CONTRACT, target=False).violations
    broken = {violation.row - 1 for violation in violations if violation.row}
    kept = keeps(table, CONTRACT)
    assert set(np.flatnonzero(~kept)) == broken
    assert 0 < kept.sum() < 250


def test_an_axis_reads_what_it_writes() -> None:
    axes, table = axes_of(CONTRACT, reference()), reference()
    points = np.column_stack([axis.points(table[axis.name]) for axis in axes])
    pd.testing.assert_frame_equal(table_of(axes, points), table)


def test_a_hundred_thousand_rows_are_all_there_and_keep_the_relation() -> None:
    columns = {f"c{n}": NUMBER for n in range(8)}
    columns |= {"kind": Column("string", "", categories=("x", "y")), "three": THREE}
    found = generate(contract(columns, "c0 <= c1"), 100_000, 0)
    assert len(found.table) == 100_000
    assert (found.table["c0"] <= found.table["c1"]).all()


@pytest.mark.parametrize("column", [NUMBER, THREE, Column("boolean", "", missing=True)])
def test_a_contract_of_one_column(column: Column) -> None:
    found = generate(contract({"a": column}), 16, 0)
    assert len(found.table) == 16
    assert found.coverage.pairs == found.coverage.cells == 0
