"""The rows of the loop: they keep the contract, no record comes twice in a pass, the shift is what it says."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mlops.operations.loop.rows import (
    Shift,
    Stream,
    bodies,
    drawn,
    fine,
    keeps,
    records,
    shift_column,
)
from mlops.quality.checks import check_table
from mlops.quality.contract import Column, Contract, Relation
from mlops.quality.errors import UserError

CONTRACT = Contract(
    name="made up",
    description="",
    task="classification",
    target="answer",
    columns={
        "part": Column("number", "", range=(0, 60), missing=True),
        "whole": Column("number", "", range=(0, 100)),
        "visits": Column("integer", "", range=(0, 10)),
        "sex": Column("integer", "", categories=(1, 2)),
        "place": Column("string", "", categories=("here", "there")),
        "dose": Column("number", "", range=(0, 50)),
        "answer": Column("integer", "", range=(0, 1)),
    },
    relations=(Relation("within", "part <= whole"),),
)
DOSE = Shift("dose", 3.0, 0.5)


def table(number: int = 300) -> pd.DataFrame:
    random = np.random.default_rng(3)
    part = random.uniform(0, 50, number)
    dose = random.uniform(0, 20, number)
    part[:3] = np.nan
    return pd.DataFrame(
        {
            "part": part,
            # so near to the part that moving either may break the relation
            "whole": np.where(np.isnan(part), 5.0, part) + random.uniform(0, 0.3, number),
            "visits": random.integers(0, 11, number),
            "sex": random.integers(1, 3, number),
            "place": random.choice(["here", "there"], number),
            "dose": dose,
            "answer": (dose + random.normal(0, 3, number) > 10).astype(int),
        }
    )


def random() -> np.random.Generator:
    return np.random.default_rng(5)


@pytest.mark.parametrize("shift", [None, DOSE, replace(DOSE, deviations=50.0, share=1.0)])
def test_every_row_keeps_the_contract_shifted_or_not(shift: Shift | None) -> None:
    found = drawn(table(), CONTRACT, shift, random())
    assert check_table(found.table, CONTRACT).violations == ()


def test_a_pass_has_every_record_once_and_moves_numbers_a_little() -> None:
    before = table()
    after = drawn(before, CONTRACT, None, random()).table
    order = np.random.default_rng(5).permutation(len(before))
    same = before.iloc[order].reset_index(drop=True)
    assert sorted(order) == list(range(len(before)))
    for name in ("sex", "place", "answer"):
        assert after[name].tolist() == same[name].tolist()
    moved = (after["dose"] - same["dose"]).abs()
    assert 0 < moved.median() < 0.05 * before["dose"].std()
    assert after["part"].isna().sum() == 3


def test_a_column_of_shared_values_is_not_moved_for_that_would_be_drift() -> None:
    before = table().assign(dose=lambda found: found["dose"].round(-1))
    assert "dose" in fine(table(), CONTRACT)
    assert "dose" not in fine(before, CONTRACT)
    after = drawn(before, CONTRACT, None, random()).table
    assert after["dose"].value_counts().to_dict() == before["dose"].value_counts().to_dict()
    moved = drawn(before, CONTRACT, DOSE, random())
    assert (moved.table["dose"][moved.shifted] > 20).any()


def test_rows_that_would_break_a_relation_are_not_moved() -> None:
    before = table()
    assert keeps(before, CONTRACT).all()
    loose = replace(CONTRACT, relations=())
    assert not keeps(drawn(before, loose, None, random()).table, CONTRACT).all()
    assert keeps(drawn(before, CONTRACT, None, random()).table, CONTRACT).all()


def test_the_shift_moves_its_column_alone_and_its_share_of_the_rows() -> None:
    plain = drawn(table(), CONTRACT, None, random())
    moved = drawn(table(), CONTRACT, DOSE, random())
    assert not plain.shifted.any()
    assert 0.4 < moved.shifted.mean() < 0.6
    by = moved.table["dose"] - plain.table["dose"]
    assert by[~moved.shifted].abs().max() == 0
    assert by[moved.shifted].median() == pytest.approx(3 * table()["dose"].std(), rel=1e-6)
    others = [name for name in CONTRACT.columns if name != "dose"]
    pd.testing.assert_frame_equal(moved.table[others], plain.table[others])


def test_the_shift_stops_at_the_range_and_goes_where_there_is_room() -> None:
    far = drawn(table(), CONTRACT, replace(DOSE, deviations=50.0, share=1.0), random())
    assert set(far.table["dose"]) == {50.0}
    crowded = table().assign(dose=lambda found: found["dose"] + 30)
    down = drawn(crowded, CONTRACT, replace(DOSE, deviations=50.0, share=1.0), random())
    assert set(down.table["dose"]) == {0.0}


def test_a_row_whose_relation_the_shift_would_break_is_told_as_not_shifted() -> None:
    found = drawn(table(), CONTRACT, Shift("part", 1.0, 1.0), random())
    assert keeps(found.table, CONTRACT).all()
    assert found.shifted.mean() < 0.1


def test_the_same_seed_means_the_same_rows() -> None:
    one, other = (drawn(table(), CONTRACT, DOSE, random()).table for _ in range(2))
    pd.testing.assert_frame_equal(one, other)


def test_the_column_that_says_most_of_the_label_is_shifted() -> None:
    assert shift_column(table(), CONTRACT, lambda t: t["answer"], 3.0) == "dose"
    texts = shift_column(table(), CONTRACT, lambda t: t["answer"].map({0: "no", 1: "yes"}), 3.0)
    assert texts == "dose"


def test_a_column_that_would_break_relations_is_not_chosen() -> None:
    found = table().assign(answer=lambda t: (t["part"].fillna(0) > 25).astype(int))
    assert shift_column(found, CONTRACT, lambda t: t["answer"], 3.0) != "part"
    free = replace(CONTRACT, relations=())
    assert shift_column(found, free, lambda t: t["answer"], 3.0) in ("part", "whole")


def test_without_a_column_of_numbers_there_is_nothing_to_shift() -> None:
    codes = {name: CONTRACT.columns[name] for name in ("sex", "place", "answer")}
    with pytest.raises(UserError, match="no column of numbers"):
        shift_column(table(), replace(CONTRACT, columns=codes, relations=()), _answer, 3.0)


def _answer(found: pd.DataFrame) -> pd.Series:
    return found["answer"]


def test_a_body_holds_the_inputs_with_the_types_of_the_contract() -> None:
    whole = drawn(table(), CONTRACT, DOSE, random())
    rows = bodies(whole, CONTRACT)
    assert [each.target for each in rows] == whole.table["answer"].tolist()
    assert [each.shifted for each in rows] == whole.shifted.tolist()
    sent = [json.loads(each.body)["dataframe_records"][0] for each in rows]
    assert list(sent[0]) == list(CONTRACT.inputs)
    assert {type(each["visits"]) for each in sent} == {int}
    assert sum(each["part"] is None for each in sent) == 3


def test_a_stream_repeats_no_record_within_a_pass_and_begins_anew_with_a_shift() -> None:
    stream = Stream(table(50), CONTRACT, 1)
    first = [stream.next().body for _ in range(50)]
    assert len(set(first)) == 50
    assert not any(stream.next().shifted for _ in range(20))
    stream.shift(replace(DOSE, share=1.0))
    later = [stream.next() for _ in range(50)]
    assert all(each.shifted for each in later)
    targets = [each.target for each in later]
    assert sorted(map(str, targets)) == sorted(map(str, table(50)["answer"]))


def test_a_large_table_is_cut_to_what_a_short_run_can_use() -> None:
    large = table(6_000)
    assert len(records(large, 1)) == 5_000
    assert len(records(table(20), 1)) == 20
