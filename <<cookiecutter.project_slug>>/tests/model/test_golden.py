"""Golden rows: invented patients whose outcome is not in doubt. Put reviewed cases of your own here."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from mlops.deployment.measuring.leakage import leakage
from mlops.deployment.measuring.measure import Predict
from mlops.quality.checks import load_checked
from mlops.quality.contract import Contract
from model.data import label
from model.metrics import metrics


@pytest.fixture(scope="module")
def golden(contract: Contract) -> pd.DataFrame:
    return load_checked(Path(__file__).parent / "golden.csv", contract)


def test_the_clear_cases_are_clear(
    golden: pd.DataFrame, answer: Predict, contract: Contract
) -> None:
    found = metrics(label(golden).to_numpy(), answer(golden[list(contract.inputs)]))
    assert found["accuracy"] >= 0.85


def test_no_row_that_judges_was_learnt_from(
    golden: pd.DataFrame, rows: tuple[pd.DataFrame, pd.DataFrame], contract: Contract
) -> None:
    training, evaluation = rows
    parts = {"training": training, "evaluation": evaluation, "golden": golden}
    for figure in leakage(parts, contract):
        assert figure.value == 0, f"{figure.name}: {figure.detail}"


def test_every_protected_group_has_golden_rows(golden: pd.DataFrame, contract: Contract) -> None:
    for column in contract.protected:
        for group in contract.columns[column].categories or ():
            assert (golden[column] == group).sum() >= 10
