"""Real models with one thing wrong each, that the shipped gate must refuse, and good ones.

Runs inside a generated project: `model` is the sample's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from mlops.quality.assets import file_digest
from mlops.quality.contract import load_contract
from mlops.training.search import pipeline
from model.data import label
from model.features import features
from sklearn.base import BaseEstimator
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

CONTRACT = load_contract(Path("model/contract.yml"))
INPUTS = list(CONTRACT.inputs)


@dataclass(frozen=True)
class Rows:
    """The rows that `prepare` gives, and the golden ones."""

    training: pd.DataFrame
    evaluation: pd.DataFrame
    golden: pd.DataFrame


@dataclass(frozen=True)
class Trial:
    """What is put before the gate: a model, what it learnt from, and what goes wrong on the way.

    `recent` holds the later rows on which it is compared with the champion, `told` replaces parts of
    the lineage, `settings` texts in settings.yml; `on_the_way` is called
    with the sealed package.
    """

    model: Pipeline
    training: pd.DataFrame
    champion: Pipeline | None = None
    recent: pd.DataFrame | None = None
    told: Mapping[str, object] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    on_the_way: Callable[[Path], None] | None = None


def fitted(estimator: BaseEstimator, table: pd.DataFrame, labels: object = None) -> Pipeline:
    """The estimator behind the sample's features, fitted to the rows' labels or to others."""
    return pipeline(features(), estimator).fit(
        table[INPUTS], label(table) if labels is None else labels
    )


def line(**settings: object) -> Pipeline:
    """A logistic regression behind a scaler."""
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, **settings))


def good(rows: Rows) -> Trial:
    """What the sample's search finds."""
    return Trial(fitted(line(C=0.1), rows.training), rows.training)


def better_than_the_champion(rows: Rows) -> Trial:
    champion = fitted(line(C=0.0001), rows.training)
    return Trial(good(rows).model, rows.training, champion)


def worse(rows: Rows) -> Trial:
    """It learnt the labels the wrong way round."""
    return Trial(fitted(line(C=0.1), rows.training, 1 - label(rows.training)), rows.training)


def always_yes(rows: Rows) -> Trial:
    return Trial(_shifted(rows, 6.0), rows.training)


def always_no(rows: Rows) -> Trial:
    return Trial(_shifted(rows, -6.0), rows.training)


def worse_than_the_champion(rows: Rows) -> Trial:
    """Nothing is wrong with it, but there is a better one: its learning was stopped early."""
    weak = fitted(DecisionTreeClassifier(max_depth=1), rows.training)
    return Trial(weak, rows.training, good(rows).model)


def behind_the_times(rows: Rows) -> Trial:
    """It fits the old rows better than the champion, and the recent ones worse: the world has turned."""
    champion = fitted(line(C=0.1), rows.training, 1 - label(rows.training))
    turned = rows.evaluation.assign(
        progression=(281 - rows.evaluation["progression"]).clip(lower=0),
        age=rows.evaluation["age"] + 1,
    )
    return Trial(good(rows).model, rows.training, champion, turned)


def unfair(rows: Rows) -> Trial:
    """It is right about the women and wrong about the men."""
    labels = label(rows.training)
    turned = labels.where(rows.training["sex"] == 1, 1 - labels)
    boosting = GradientBoostingClassifier(n_estimators=100, random_state=0)
    return Trial(fitted(boosting, rows.training, turned), rows.training)


def selects_by_sex(rows: Rows) -> Trial:
    """It says yes to all of one sex and no to all of the other."""
    return Trial(fitted(line(), rows.training, rows.training["sex"] == 1), rows.training)


def leaking(rows: Rows) -> Trial:
    """It learnt from rows that judge it."""
    known = [rows.training, rows.evaluation.head(5), rows.golden.head(1)]
    training = pd.concat(known, ignore_index=True)
    return Trial(fitted(line(C=0.1), training), training)


def broken_data(rows: Rows) -> Trial:
    """Two of its rows never kept the contract."""
    training = rows.training.copy()
    training.loc[training.index[:2], "bmi"] = 900.0
    return Trial(fitted(line(C=0.1), training), training)


def of_unknown_origin(rows: Rows) -> Trial:
    """It learnt other rows, under another contract, from code that no commit holds."""
    told = {"contract_digest": "0" * 64, "training_digest": "0" * 64, "dirty": True}
    return Trial(good(rows).model, rows.training, told=told)


def overfitted(rows: Rows) -> Trial:
    """A tree that knows every row by heart: sure of itself, and jumping."""
    return Trial(fitted(DecisionTreeClassifier(random_state=0), rows.training), rows.training)


def bmi_the_wrong_way_round(rows: Rows) -> Trial:
    """More of it lowers the risk."""
    return Trial(_turned(rows, "bmi"), rows.training)


def knows_the_answers(rows: Rows) -> Trial:
    """It learnt the evaluation rows by heart and does not say so; a little noise, and it is lost."""
    every = pd.concat([rows.training, rows.evaluation], ignore_index=True)
    return Trial(fitted(DecisionTreeClassifier(random_state=0), every), rows.training)


def rests_on_what_may_be_missing(rows: Rows) -> Trial:
    """The same, and all it knows is in columns that requests may leave out."""
    every = pd.concat([rows.training, rows.evaluation], ignore_index=True)
    for name in INPUTS:
        if not CONTRACT.columns[name].missing:
            every[name] = every[name].iloc[0]
    return Trial(fitted(DecisionTreeClassifier(random_state=0), every), rows.training)


def every_column_alike(rows: Rows) -> Trial:
    """No column matters more than another, so which matters most is chance."""
    model = fitted(line(C=0.1), rows.training)
    moved = np.abs(model[-1][0].transform(model[0].transform(rows.evaluation[INPUTS])))
    weights = model[-1][-1].coef_
    weights[:] = 0
    for name in INPUTS:
        place = _place(model, name)
        weights[0, place] = 0.1 / moved[:, place].mean()
    return Trial(model, rows.training)


def rounds_otherwise(rows: Rows) -> Trial:
    """A forest behind a scaler, whose thresholds float32 misses, and somebody raised the tolerance."""
    forest = RandomForestClassifier(100, random_state=0, max_depth=6)
    return Trial(
        fitted(make_pipeline(StandardScaler(), forest), rows.training),
        rows.training,
        settings={"tolerance: 1.0e-5": "tolerance: 1.0"},
    )


def too_slow_and_too_large(rows: Rows) -> Trial:
    """It cannot be compiled exactly, and many trees take scikit-learn their time and space."""
    forest = RandomForestClassifier(700, random_state=0, max_depth=1)
    return Trial(fitted(make_pipeline(StandardScaler(), forest), rows.training), rows.training)


def tampered(rows: Rows) -> Trial:
    """Somebody exchanges the model in the sealed package."""

    def exchange(package: Path) -> None:
        path = package / "model.onnx"
        path.write_bytes(path.read_bytes().replace(b"model", b"nodel", 1))

    return Trial(good(rows).model, rows.training, on_the_way=exchange)


def _shifted(rows: Rows, by: float) -> Pipeline:
    model = fitted(line(C=0.1), rows.training)
    model[-1][-1].intercept_ += by
    return model


def _turned(rows: Rows, column: str) -> Pipeline:
    model = fitted(line(C=0.1), rows.training)
    model[-1][-1].coef_[0, _place(model, column)] *= -1
    return model


def _place(model: Pipeline, column: str) -> int:
    names = list(model[0].get_feature_names_out())
    return next(n for n, name in enumerate(names) if name.split("__")[1].startswith(column))


def lineage(model: bytes, training: Path, trial: Trial) -> dict[str, object]:
    """What the run and the version of such a model would tell."""
    return {
        "name": "disease-progression",
        "run_id": "0" * 32,
        "algorithm": type(trial.model[-1]).__name__,
        "parameters": {},
        "metric": "roc_auc",
        "goal": "maximize",
        "seed": 20,
        "commit": "0" * 40,
        "dirty": False,
        "author": "Somebody <somebody@example.org>",
        "cause": "person",
        "data": "diabetes:1",
        "data_digest": "0" * 64,
        "training_digest": file_digest(training),
        "model_digest": hashlib.sha256(model).hexdigest(),
        "lock_digest": "0" * 64,
        "python": "3.12",
        **trial.told,
    }
