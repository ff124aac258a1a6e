"""What the tests of the model share: a model trained on the training rows, and how it answers.

`nox -s deploy` puts those that need nothing but the answers to the running endpoint as well.
"""

from __future__ import annotations

import os

import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from mlops.deployment.measuring.measure import Predict
from mlops.deployment.serving.remote import KEY, URL, remote_predict
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
def answer(request: pytest.FixtureRequest) -> Predict:
    """The model as a function of inputs: the trained one, or the endpoint that is named."""
    if url := os.environ.get(URL):
        return remote_predict(url, os.environ.get(KEY, ""))
    model: Pipeline = request.getfixturevalue("trained")
    return lambda inputs: predict(model, inputs)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep, for an endpoint, the tests that ask for answers and not for the model itself."""
    if not os.environ.get(URL):
        return
    used = {item: set(getattr(item, "fixturenames", ())) for item in items}
    left = [item for item in items if "answer" not in used[item] or "trained" in used[item]]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in left]
