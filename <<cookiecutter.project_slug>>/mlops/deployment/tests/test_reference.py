"""The reference tells what the rows were, and is the same for the same rows."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from mlops.deployment.packaging.reference import reference
from mlops.deployment.tests.scoring import CONTRACT
from mlops.quality.contract import Column, Contract
from mlops.quality.tests.tables import CONTRACT as SHOP

ONE = dataclasses.replace(
    CONTRACT, columns={"v": Column("number", "a number", missing=True)}, segments={}, protected=()
)


def column(values: object, declared: Column) -> dict[str, object]:
    contract = dataclasses.replace(ONE, columns={"v": declared}, target="t")
    table = pd.DataFrame({"v": values})
    found = reference(table, np.zeros(len(table)), contract)["columns"]
    assert isinstance(found, dict)
    return dict(found["v"])


NUMBER = Column("number", "a number", missing=True)


def test_numbers_by_hand() -> None:
    found = column(np.arange(20.0), NUMBER)
    assert found["missing"] == 0.0
    assert found["mean"] == 9.5
    assert found["deviation"] == pytest.approx(np.std(np.arange(20)))
    assert found["edges"] == pytest.approx(np.quantile(np.arange(20), np.linspace(0, 1, 11)))
    assert found["counts"] == [2] * 10


def test_equal_edges_are_one() -> None:
    found = column([0.0] * 50 + list(range(1, 51)), NUMBER)
    edges, counts = found["edges"], found["counts"]
    assert isinstance(edges, list)
    assert isinstance(counts, list)
    assert len(set(edges)) == len(edges)
    assert len(counts) == len(edges) - 1
    assert sum(counts) == 100


def test_missing_values_are_a_share_and_in_no_bin() -> None:
    found = column([1.0, np.nan, 3.0, np.nan], NUMBER)
    assert found["missing"] == 0.5
    counts = found["counts"]
    assert isinstance(counts, list)
    assert sum(counts) == 2


@pytest.mark.parametrize(
    ("values", "counts"),
    [([5.0] * 3, [3]), ([np.nan, np.nan], []), ([], []), ([7.0], [1])],
    ids=["constant", "all missing", "no rows", "one row"],
)
def test_columns_of_few_values_are_no_crash(values: list[float], counts: list[int]) -> None:
    assert column(np.array(values, dtype=float), NUMBER)["counts"] == counts


def test_rounded_edges_lose_no_row() -> None:
    values = np.random.default_rng(0).normal(size=1000) / 3
    counts = column(values, NUMBER)["counts"]
    assert isinstance(counts, list)
    assert sum(counts) == 1000


def test_categories_are_counted_by_the_contract_s_names() -> None:
    declared = Column("integer", "coded", categories=(1, 2, 3), missing=True)
    found = column([1.0, 2.0, 2.0, np.nan], declared)
    assert found["counts"] == {"1": 1, "2": 2, "3": 0}
    assert found["missing"] == 0.25


def test_truth_values_and_texts_are_counted() -> None:
    assert column([True, True, False], Column("boolean", "b"))["counts"] == {"False": 1, "True": 2}
    gaps = pd.Series([True, None], dtype=object)
    assert column(gaps, Column("boolean", "b", missing=True))["counts"] == {"False": 0, "True": 1}
    texts = column(pd.Series(["b", "a", "b"], dtype=object), Column("string", "s"))
    assert texts["counts"] == {"a": 1, "b": 2}
    assert texts["others"] == 0


def test_rare_texts_are_counted_together() -> None:
    texts = [*["often"] * 5, *[f"t{number:03}" for number in range(80)]]
    found = column(pd.Series(texts, dtype=object), Column("string", "s"))
    counts = found["counts"]
    assert isinstance(counts, dict)
    assert len(counts) == 50
    assert counts["often"] == 5
    assert found["others"] == 31


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_moments_are_microseconds(unit: str) -> None:
    moments = pd.Series(pd.to_datetime(["1970-01-01", "1970-01-02", None])).dt.as_unit(unit)  # type: ignore[arg-type]
    found = column(moments, Column("datetime", "d", missing=True))
    assert found["mean"] == 43_200_000_000
    assert found["missing"] == pytest.approx(1 / 3)


def test_the_answers_have_a_distribution_for_each_label() -> None:
    table = pd.DataFrame({"v": [1.0, 2.0, 3.0]})
    one = reference(table, np.array([0.1, 0.5, 0.9]), ONE)["answers"]
    assert isinstance(one, list)
    assert len(one) == 1
    assert one[0]["mean"] == 0.5
    three = reference(table, np.eye(3), ONE)["answers"]
    assert isinstance(three, list)
    assert len(three) == 3


def shop(rows: int = 60) -> pd.DataFrame:
    random = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "price": random.uniform(0, 1000, rows),
            "discount": np.where(random.random(rows) < 0.3, np.nan, 1.0),
            "pieces": random.integers(1, 50, rows),
            "stock": random.integers(1, 50, rows).astype(float),
            "colour": random.choice(["red", "NA"], rows).astype(object),
            "express": random.random(rows) < 0.5,
            "sold": pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(rows), unit="h"),
        }
    )


def test_every_type_is_ready_for_json_and_the_same_whatever_the_order() -> None:
    contract: Contract = SHOP
    table, answers = shop(), np.random.default_rng(1).random(60)
    found = reference(table, answers, contract)
    text = json.dumps(found, sort_keys=True, allow_nan=False)
    assert json.loads(text) == found
    mixed = np.random.default_rng(2).permutation(60)
    again = reference(table.iloc[mixed], answers[mixed], contract)
    assert json.dumps(again, sort_keys=True) == text
    columns = found["columns"]
    assert isinstance(columns, dict)
    assert set(columns) == set(contract.inputs)


def test_other_rows_give_another_reference() -> None:
    answers = np.zeros(60)
    one = reference(shop(), answers, SHOP)
    for name, changed in (("price", shop()["price"] + 1), ("colour", "blue")):
        assert reference(shop().assign(**{name: changed}), answers, SHOP) != one, name
    assert reference(shop(), answers + 0.1, SHOP) != one
