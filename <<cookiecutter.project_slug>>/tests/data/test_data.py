"""The data itself: what the contract says, and what this project counts on beyond it."""

from __future__ import annotations

import pandas as pd

from mlops.quality.assets import fetch
from mlops.quality.checks import check_table
from mlops.quality.contract import Contract
from mlops.quality.project import Project
from mlops.quality.tables import read_table
from model.data import label


def test_the_data_keeps_the_contract(project: Project) -> None:
    raw = read_table(fetch(project.asset, project.state / "data"))
    assert check_table(raw, project.contract).violations == ()


def test_no_row_stands_there_twice(table: pd.DataFrame) -> None:
    assert not table.duplicated().any()


def test_both_answers_are_common_enough_to_learn(table: pd.DataFrame) -> None:
    assert 0.2 < label(table).mean() < 0.8


def test_every_protected_group_is_large_enough_to_measure(
    table: pd.DataFrame, contract: Contract
) -> None:
    for column in contract.protected:
        for group in contract.columns[column].categories or ():
            assert (table[column] == group).sum() >= 100
