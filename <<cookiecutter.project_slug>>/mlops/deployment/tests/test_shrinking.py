from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from mlops.deployment.inputs.generation import generate
from mlops.deployment.metamorphic.relations import (
    MetamorphicRelation,
    check_relation,
    counterexample,
)
from mlops.deployment.metamorphic.shrinking import find_violation, searched, shrink
from mlops.deployment.tests.every_type import CONTRACT, reference

DATA = generate(CONTRACT, 300, 1, reference=reference()).table
DEARER = MetamorphicRelation("dearer", "after >= before", change={"price": "price + 10"})


def weight_matters(table: pd.DataFrame) -> NDArray[np.float64]:
    """Falls with the price, where something is heavy and blue."""
    heavy = (table["weight"] > 70) & (table["colour"] == "blue")
    return np.where(heavy, -table["price"], table["price"]).astype(float)


def rising(table: pd.DataFrame) -> NDArray[np.float64]:
    return table["price"].to_numpy(dtype=float)


def test_the_worst_input_shrinks_to_what_matters() -> None:
    found = check_relation(DEARER, weight_matters, DATA, CONTRACT, 0)
    assert found.broken > 0
    small = shrink(DEARER, weight_matters, CONTRACT, DATA, found)
    assert small is not None
    assert small.source is not None
    assert small.source["weight"] == 80 or float(str(small.source["weight"])) > 70
    assert small.source["colour"] == "blue"
    usual = {
        name: DATA[name].mode().iloc[0] for name in ("size", "grade", "shop", "express", "gift")
    }
    assert {name: small.source[name] for name in usual} == usual
    assert small.source["price"] == pytest.approx(DATA["price"].median())
    assert small.source["stock"] == round(DATA["stock"].median())
    assert (small.used, small.broken) == (found.used, found.broken)
    assert small.after < small.before
    assert "price" in counterexample(small)


def test_shrinking_is_the_same_each_time() -> None:
    found = check_relation(DEARER, weight_matters, DATA, CONTRACT, 0)
    one, two = (shrink(DEARER, weight_matters, CONTRACT, DATA, found) for _ in range(2))
    assert one is not None
    assert two is not None
    assert counterexample(one) == counterexample(two)


def test_an_input_is_searched_for_where_none_was_found() -> None:
    def falling(table: pd.DataFrame) -> NDArray[np.float64]:
        return np.where(table["price"] > 900, -rising(table), rising(table))

    columns = {name: CONTRACT.columns[name] for name in ("price", "pieces", "returned")}
    small = dataclasses.replace(CONTRACT, columns=columns, relations=())
    data = pd.DataFrame({"price": [10.0, 20.0, 30.0], "pieces": [1, 2, 3]})
    assert find_violation(DEARER, rising, small, data) is None
    assert shrink(DEARER, rising, small, data) is None
    found = find_violation(DEARER, falling, small, data)
    assert found is not None
    assert (found.used, found.broken) == (1, 1)
    shrunk = shrink(DEARER, falling, small, data)
    assert shrunk is not None
    assert shrunk.source == {"price": 900.0, "pieces": 2}
    kept = check_relation(DEARER, falling, data, small, 0)
    assert kept.broken == 0
    more = searched(kept, falling, small, data)
    assert (more.used, more.broken) == (kept.used + 1, 1)
    assert searched(check_relation(DEARER, rising, data, small, 0), rising, small, data).broken == 0


def test_noise_shrinks_with_the_move_that_was_found() -> None:
    def stepped(table: pd.DataFrame) -> NDArray[np.float64]:
        return (table["weight"].to_numpy() > 70).astype(float)

    noisy = MetamorphicRelation("noisy", "after == before", noise={"weight": 5.0, "discount": 1.0})
    found = check_relation(noisy, stepped, DATA, CONTRACT, 0)
    assert found.source is not None
    assert found.follow_up is not None
    small = shrink(noisy, stepped, CONTRACT, DATA, found)
    assert small is not None
    assert small.source is not None
    assert small.follow_up is not None
    assert small.relation == noisy
    moves = [
        float(str(outcome.follow_up["weight"])) - float(str(outcome.source["weight"]))
        for outcome in (small, found)
        if outcome.follow_up and outcome.source
    ]
    assert moves[0] == pytest.approx(moves[1])
    assert abs(small.after - small.before) == 1


def test_the_order_of_rows_is_nothing_of_one_row() -> None:
    def by_place(table: pd.DataFrame) -> NDArray[np.float64]:
        return np.arange(len(table), dtype=float)

    order = MetamorphicRelation("order", "after == before", permute=True)
    found = check_relation(order, by_place, DATA, CONTRACT, 0)
    assert found.broken > 0
    assert shrink(order, by_place, CONTRACT, DATA, found) is found
    assert find_violation(order, by_place, CONTRACT, DATA) is None


def test_a_search_asks_for_all_rows_at_once_until_something_breaks() -> None:
    asked: list[int] = []

    def counted(table: pd.DataFrame) -> NDArray[np.float64]:
        asked.append(len(table))
        return rising(table)

    assert find_violation(DEARER, counted, CONTRACT, DATA) is None
    assert len(asked) == 2
    assert min(asked) > 50


def test_asked_at_once_a_row_gets_the_noise_that_it_gets_alone() -> None:
    noisy = MetamorphicRelation(
        "still", "abs(after - before) <= 1000", noise={"price": 3.0, "weight": 2.0}
    )
    seen: list[pd.DataFrame] = []

    def noted(table: pd.DataFrame) -> NDArray[np.float64]:
        seen.append(table)
        return rising(table)

    find_violation(noisy, noted, CONTRACT, DATA)
    before, after = seen
    row = before.iloc[[0]].reset_index(drop=True)
    check_relation(noisy, noted, row, CONTRACT, 0)
    for name in ("price", "weight"):
        assert seen[3][name].iloc[0] == after[name].iloc[0]
    assert not before["price"].equals(after["price"])
