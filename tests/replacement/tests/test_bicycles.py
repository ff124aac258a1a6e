"""What must hold for the bicycles."""

from __future__ import annotations

import pandas as pd

from model.data import label, split
from model.estimator import candidates
from model.features import features
from model.metrics import metrics


def test_the_future_is_evaluated(table: pd.DataFrame) -> None:
    training, evaluation = split(table, seed=0)
    assert training["day"].max() < evaluation["day"].min()


def test_every_candidate_beats_the_mean(table: pd.DataFrame) -> None:
    training, evaluation = split(table, seed=0)
    encoder = features().fit(training)
    for estimator, _ in candidates(0).values():
        model = estimator.fit(encoder.transform(training), label(training))
        found = model.predict(encoder.transform(evaluation))
        assert metrics(label(evaluation).to_numpy(), found)["r2"] > 0.3
