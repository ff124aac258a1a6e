"""What the tests of the model share: a model trained on the training rows, and how it answers."""

from __future__ import annotations

import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from mlops.deployment.measuring.measure import Predict
from mlops.quality.contract import Contract
from mlops.training.search import pipeline, predict
from model.data import label, split
from model.estimator import candidates
from model.features import features


@pytest.fixture(scope="session")
def rows(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows to train with and the rows to evaluate with."""
    return split(table, seed=0)


@pytest.fixture(scope="session")
def trained(rows: tuple[pd.DataFrame, pd.DataFrame], contract: Contract) -> Pipeline:
    """The first candidate: `nox -s qualify` puts the one that won to the same tests."""
    estimator, _ = next(iter(candidates(0).values()))
    model = pipeline(features(), clone(estimator))
    return model.fit(rows[0][list(contract.inputs)], label(rows[0]))


@pytest.fixture(scope="session")
def answer(trained: Pipeline) -> Predict:
    """The model as a function of inputs."""
    return lambda inputs: predict(trained, inputs)
