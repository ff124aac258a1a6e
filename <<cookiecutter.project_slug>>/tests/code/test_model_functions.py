"""The five functions of model/, each on its own."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from mlops.quality.contract import Contract
from model.data import MEDIAN_PROGRESSION, label, split
from model.estimator import candidates
from model.features import CATEGORICAL, NUMERIC, features
from model.metrics import metrics


def test_the_label_says_who_progressed_faster_than_the_median() -> None:
    table = pd.DataFrame({"progression": [25, 140, 141, 346]}, index=[3, 1, 4, 5])
    assert label(table).to_dict() == {3: 0, 1: 0, 4: 1, 5: 1}


def test_the_median_is_that_of_the_study(table: pd.DataFrame) -> None:
    assert table["progression"].median() == MEDIAN_PROGRESSION


def test_the_split_shares_out_every_row_once(table: pd.DataFrame) -> None:
    training, evaluation = split(table, seed=1)
    assert sorted([*training.index, *evaluation.index]) == list(table.index)
    assert len(evaluation) == pytest.approx(len(table) / 4, abs=1)


def test_the_split_depends_on_the_seed_alone(table: pd.DataFrame) -> None:
    first, again, other = (split(table, seed)[1].index.tolist() for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_both_parts_hold_the_answers_and_the_sexes_of_the_whole(table: pd.DataFrame) -> None:
    for part in split(table, seed=1):
        assert label(part).mean() == pytest.approx(label(table).mean(), abs=0.02)
        assert (part["sex"] == 1).mean() == pytest.approx((table["sex"] == 1).mean(), abs=0.02)


def test_features_take_every_input_of_the_contract(contract: Contract) -> None:
    assert sorted(CATEGORICAL + NUMERIC) == sorted(contract.inputs)


def test_features_cope_with_what_the_contract_lets_be_missing(
    table: pd.DataFrame, contract: Contract
) -> None:
    holes = table.astype(float)
    for name, column in contract.columns.items():
        if column.missing:
            holes.loc[holes.index[::3], name] = np.nan
    made = features().fit_transform(holes[list(contract.inputs)])
    assert np.isfinite(made).all()


@pytest.mark.parametrize("name", candidates(0))
def test_a_candidate_knows_the_parameters_it_is_searched_with(name: str) -> None:
    estimator, grid = candidates(0)[name]
    for parameter, values in grid.items():
        assert parameter in estimator.get_params()
        clone(estimator).set_params(**{parameter: values[0]})


def test_metrics_of_a_perfect_and_of_a_wrong_prediction() -> None:
    truth = np.array([0, 0, 1, 1])
    perfect = metrics(truth, np.array([0.0, 0.1, 0.9, 1.0]))
    wrong = metrics(truth, np.array([1.0, 0.9, 0.1, 0.0]))
    assert perfect["roc_auc"] == perfect["accuracy"] == perfect["f1"] == 1.0
    assert wrong["roc_auc"] == wrong["accuracy"] == wrong["recall"] == 0.0
    assert perfect["brier"] < wrong["brier"]


def test_a_metric_that_is_not_defined_is_nan() -> None:
    values = metrics(np.array([1, 1]), np.array([0.2, 0.9]))
    assert np.isnan(values["roc_auc"])
    assert values["recall"] == 0.5
