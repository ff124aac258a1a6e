"""Recent rows: which labelled rows are learnt from, which judge, and how they are declared."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
import yaml

from mlops.deployment.measuring.leakage import row_digests
from mlops.deployment.tests.small import CONTRACT, INPUTS, rows
from mlops.operations.monitoring.labelled import Joined
from mlops.operations.retraining.assets import (
    FOLDER,
    declare_again,
    declare_table,
    judged_by,
    next_version,
)
from mlops.operations.retraining.cause import Data
from mlops.operations.retraining.recent import Parts, Recent, parted, recent_rows
from mlops.operations.tests.collected_cases import NOON, make_project
from mlops.quality.assets import fetch, find_asset
from mlops.quality.checks import load_checked
from mlops.quality.errors import UserError

NONE = rows(0, 1)


def joined(table: pd.DataFrame, *, targets: object = None, labels: object = None) -> Joined:
    """Rows as `joined` gives them, each a request of its own, a minute apart."""
    number = len(table)
    found = table[INPUTS].add_prefix("input.").reset_index(drop=True)
    found["request_id"] = [f"r{place:04}" for place in range(number)]
    found["row"] = 1
    found["model_digest"], found["given"] = "d", pd.Timestamp(NOON)
    found["time"] = [NOON + timedelta(minutes=place) for place in range(number)]
    found["target"] = pd.Series(targets, index=found.index, dtype=object)
    found["label"] = pd.Series(labels, index=found.index, dtype=object)
    return Joined({"d": found})


def recent(number: int, seed: int = 7) -> Recent:
    return Recent(rows(number, seed), tuple(f"r{place}" for place in range(number)))


def split(
    found: Recent, old: pd.DataFrame, golden: pd.DataFrame = NONE, data: Data = "both"
) -> Parts:
    return parted(found, old, golden, CONTRACT, judging=0.25, data=data)


def test_rows_with_their_target_are_rows_of_the_contract() -> None:
    table = rows(20, 3)
    found = recent_rows(
        joined(table, targets=table["answer"].tolist()), CONTRACT, label_is_target=False
    )
    pd.testing.assert_frame_equal(found.table, table.reset_index(drop=True), check_dtype=False)
    assert found.left_out == ()


def test_a_label_stands_for_the_target_only_where_it_is_the_target() -> None:
    table = rows(20, 3)
    given = joined(table, labels=table["answer"].tolist())
    assert len(recent_rows(given, CONTRACT, label_is_target=True).table) == 20
    none = recent_rows(given, CONTRACT, label_is_target=False)
    assert len(none.table) == 0
    assert none.left_out == (
        "20 rows are left out: the label does not tell answer, from which it is made",
    )


def test_a_row_that_breaks_the_contract_is_left_out_and_told() -> None:
    table = rows(20, 3)
    given = joined(table, targets=table["answer"].tolist())
    given.parts["d"].loc[4, "input.a"] = 900.0
    found = recent_rows(given, CONTRACT, label_is_target=False)
    assert len(found.table) == 19
    assert "r0004" not in found.requests
    assert (
        "1 rows are left out: they break the contract; the first: row 5, column a:"
        in found.left_out[0]
    )


def test_rows_stand_in_the_order_of_their_requests() -> None:
    table = rows(6, 3)
    given = joined(table, targets=table["answer"].tolist())
    turned = given.parts["d"].iloc[::-1]
    apart = Joined({"d": turned.iloc[:2], "e": turned.iloc[2:]})
    assert recent_rows(apart, CONTRACT, label_is_target=False).requests == tuple(
        f"r{place:04}" for place in range(6)
    )


def test_what_is_not_collected_as_it_is_cannot_be_learnt_from() -> None:
    hashed = replace(CONTRACT.columns["a"], collect="hashed")
    contract = replace(CONTRACT, columns={**CONTRACT.columns, "a": hashed})
    with pytest.raises(UserError, match=r"a: not collected as it is.*data: old"):
        recent_rows(joined(rows(3, 1)), contract, label_is_target=True)


def test_no_labelled_row_is_told() -> None:
    empty = recent_rows(Joined({}), CONTRACT, label_is_target=True)
    with pytest.raises(UserError, match="0 recent rows with a label: too few"):
        split(empty, rows(50, 1))


@pytest.mark.parametrize(("data", "learnt"), [("both", 150), ("recent", 75), ("old", 75)])
def test_the_latest_rows_judge_whatever_is_learnt_from(data: Data, learnt: int) -> None:
    found, old = recent(100), rows(75, 1)
    parts = split(found, old, data=data)
    judging = found.table.iloc[75:].reset_index(drop=True)
    pd.testing.assert_frame_equal(parts.judging, judging, check_dtype=False)
    assert len(parts.learnt) == learnt
    if data == "old":
        pd.testing.assert_frame_equal(parts.learnt, old)


@pytest.mark.parametrize("data", ["both", "recent", "old"])
def test_no_row_that_judges_is_learnt_from(data: Data) -> None:
    found = recent(40)
    # the last rows are old ones again, and ones of the recent that are learnt
    table = found.table.copy()
    old = rows(30, 1)
    table.iloc[35:38] = old.iloc[:3].to_numpy()
    table.iloc[38:] = table.iloc[:2].to_numpy()
    parts = split(replace(found, table=table.astype(found.table.dtypes)), old, data=data)
    learnt, judge = (
        set(row_digests(part, CONTRACT.inputs)) for part in (parts.learnt, parts.judging)
    )
    assert not learnt & judge
    assert judge


def test_golden_rows_are_neither_learnt_nor_judge_again() -> None:
    found = recent(40)
    golden = found.table.iloc[[0, 39]]
    parts = split(found, rows(30, 1), golden)
    assert (len(parts.learnt), len(parts.judging)) == (59, 9)


def test_a_request_is_wholly_in_one_part() -> None:
    found = recent(40)
    requests = (*found.requests[:25], *["same"] * 10, *found.requests[35:])
    parts = split(replace(found, requests=requests), rows(30, 1))
    assert len(parts.judging) == 15


def test_a_declared_table_is_an_asset_that_can_be_fetched(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    data, table = project.root / "data", rows(12, 2)
    said = 'Rows with "quotes": and colons'
    judge, learnt = (
        declare_table(data, name, table, place="", description=said, source="prod")
        for name in ("data-recent", "data")
    )
    learnt = judged_by(learnt, judge)
    assert (judge.path, learnt.path) == ("azureml:data-recent:1", "azureml:data:2")
    asset = find_asset(data, "data", "2")
    assert asset.tags.judged_by == "data-recent:1"
    assert asset.description == said
    path = fetch(asset, tmp_path / "cache")
    assert path == data / FOLDER / "data-2.parquet"
    pd.testing.assert_frame_equal(load_checked(path, CONTRACT), table, check_dtype=False)
    assert yaml.safe_load(asset.definition.read_text())["type"] == "uri_file"


def test_a_url_takes_the_rows_where_others_can_read_them(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    (tmp_path / "bucket").mkdir()
    place = f"file://{tmp_path / 'bucket'}"
    data = project.root / "data"
    made = declare_table(data, "data", rows(5, 2), place=place, description="d", source="s")
    assert made.asset.path == f"{place}/data-2.parquet"
    assert len(load_checked(fetch(made.asset, tmp_path / "cache"), CONTRACT)) == 5
    with pytest.raises(UserError, match="cannot be written"):
        declare_table(
            data, "data", rows(5, 2), place=f"{place}/data-2.parquet/x", description="", source="s"
        )


def test_the_same_bytes_take_another_version_to_be_judged_by_others(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    data = project.root / "data"
    again = declare_again(data, project.asset, description="again")
    assert next_version(data, "data") == "3"
    assert fetch(again.asset, tmp_path) == fetch(project.asset, tmp_path)
    assert project.asset.tags.judged_by == ""
