"""The model that the five functions make: does it learn, and does it only use what it may?"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from mlops.quality.contract import Contract
from model.data import label, split
from model.estimator import candidates
from model.features import features
from model.metrics import metrics


def fitted(name: str, training: pd.DataFrame, contract: Contract) -> Pipeline:
    estimator = clone(candidates(0)[name][0])
    model = Pipeline([("features", features()), ("model", estimator)])
    return model.fit(training[list(contract.inputs)], label(training))


@pytest.mark.parametrize("name", candidates(0))
def test_it_is_better_than_chance_on_rows_it_has_not_seen(
    name: str, table: pd.DataFrame, contract: Contract
) -> None:
    training, evaluation = split(table, seed=0)
    model = fitted(name, training, contract)
    chance = model.predict_proba(evaluation[list(contract.inputs)])[:, 1]
    assert metrics(label(evaluation).to_numpy(), chance)["roc_auc"] > 0.7


@pytest.mark.parametrize("name", candidates(0))
def test_it_does_not_see_the_target(name: str, table: pd.DataFrame, contract: Contract) -> None:
    model = fitted(name, table, contract)
    assert contract.target not in model.feature_names_in_


@pytest.mark.parametrize("name", candidates(0))
def test_the_same_rows_give_the_same_model(
    name: str, table: pd.DataFrame, contract: Contract
) -> None:
    inputs = table[list(contract.inputs)]
    one, two = (fitted(name, table, contract).predict_proba(inputs) for _ in range(2))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("name", candidates(0))
def test_it_answers_a_request_with_missing_values(
    name: str, table: pd.DataFrame, contract: Contract
) -> None:
    request = table[list(contract.inputs)].head(1).astype(float)
    for column, declared in contract.columns.items():
        if declared.missing:
            request[column] = np.nan
    chance = fitted(name, table, contract).predict_proba(request)
    assert np.isfinite(chance).all()
