"""The search for a good model: every candidate with its parameters, as one leaderboard."""

from __future__ import annotations

import dataclasses
import json
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops.quality.errors import UserError
from mlops.quality.strict import did_you_mean, parse

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator
    from sklearn.pipeline import Pipeline

Metrics = Callable[[NDArray[np.generic], NDArray[np.float64]], Mapping[str, float]]
Candidates: TypeAlias = "Mapping[str, tuple[BaseEstimator, Mapping[str, Sequence[object]]]]"
Goal = Literal["maximize", "minimize"]


@dataclass(frozen=True)
class Problem:
    """What the user's functions say: the preprocessing, the competitors, and how they are judged."""

    features: BaseEstimator
    candidates: Candidates
    metrics: Metrics


@dataclass(frozen=True)
class Search:
    """How the search goes: what decides, how often, and on what machine."""

    metric: str
    goal: Goal
    folds: int
    trials: int
    seed: int
    backend: str = "threading"
    jobs: int = -1


@dataclass(frozen=True)
class Trial:
    """One set of parameters of one algorithm, cross-validated.

    `score` is the mean of the deciding metric over the folds and `spread` its standard deviation;
    `started` is in seconds since the epoch, `seconds` the time of all folds together.
    """

    algorithm: str
    parameters: Mapping[str, object]
    score: float
    spread: float
    seconds: float
    started: float


@dataclass(frozen=True)
class Leaderboard:
    """All trials, the best first."""

    metric: str
    goal: Goal
    rows: int
    seconds: float
    trials: tuple[Trial, ...]


def pipeline(features: BaseEstimator, estimator: BaseEstimator) -> Pipeline:
    """The model that is trained, stored and served: preprocessing and estimator in one."""
    from sklearn.pipeline import Pipeline  # noqa: PLC0415 - imports slowly

    return Pipeline([("features", features), ("model", estimator)])


def predict(model: Pipeline, inputs: pd.DataFrame) -> NDArray[np.float64]:
    """What the metrics judge: values, shape (n,), or the probability of label 1, shape (n,).

    With more than two labels: the probability of each, shape (n, labels).
    """
    if not hasattr(model, "predict_proba"):
        return np.asarray(model.predict(inputs), dtype=float)
    chances = np.asarray(model.predict_proba(inputs), dtype=float)
    return chances[:, 1] if chances.shape[1] == 2 else chances


def search(
    problem: Problem,
    inputs: pd.DataFrame,
    answers: pd.Series,
    plan: Search,
    progress: Callable[[str], None] = print,
) -> tuple[Leaderboard, Pipeline]:
    """Cross-validate every trial, and fit the best on all rows.

    joblib runs the folds of an algorithm in parallel; `plan.backend` may name a cluster's. Raises
    UserError for a metric that `metrics` does not give and for a search without a usable result.
    """
    from sklearn.base import clone  # noqa: PLC0415 - imports slowly

    candidates = problem.candidates
    if not candidates:
        raise UserError("model/estimator.py: candidates() names no algorithm")
    started = time.time()
    trials: list[Trial] = []
    for number, name in enumerate(candidates, start=1):
        found = _search_one(problem, name, inputs, answers, plan)
        best = _ranked(found, plan.goal)[0]
        trials += found
        progress(
            f"{number}/{len(candidates)} {name}: {len(found)} trials, "
            f"best {plan.metric} {best.score:.4f} ± {best.spread:.4f}"
        )
    ranked = _ranked(trials, plan.goal)
    if np.isnan(ranked[0].score):
        raise UserError(f"metric '{plan.metric}' is NaN for every trial; nothing can be chosen")
    winner = candidates[ranked[0].algorithm][0]
    model = pipeline(clone(problem.features), clone(winner).set_params(**ranked[0].parameters))
    model.fit(inputs, answers)
    board = Leaderboard(plan.metric, plan.goal, len(inputs), time.time() - started, tuple(ranked))
    return board, model


def write_leaderboard(board: Leaderboard, path: Path) -> None:
    """Write a leaderboard as JSON."""
    path.write_text(json.dumps(dataclasses.asdict(board), indent=1, default=str))


def read_leaderboard(path: Path) -> Leaderboard:
    """Read what `write_leaderboard` wrote."""
    return parse(Leaderboard, json.loads(path.read_text()), str(path))


def _search_one(
    problem: Problem, name: str, inputs: pd.DataFrame, answers: pd.Series, plan: Search
) -> list[Trial]:
    from joblib import parallel_config  # noqa: PLC0415 - imports slowly
    from sklearn.model_selection import (  # noqa: PLC0415 - imports slowly
        KFold,
        ParameterGrid,
        RandomizedSearchCV,
        StratifiedKFold,
    )

    estimator, grid = problem.candidates[name]

    def score(model: Pipeline, rows: pd.DataFrame, truth: pd.Series) -> float:
        values = problem.metrics(truth.to_numpy(), predict(model, rows))
        if plan.metric not in values:
            hint = did_you_mean(plan.metric, values)
            raise UserError(f"model/metrics.py gives no metric '{plan.metric}'; {hint}")
        return values[plan.metric]

    # A grid of lists has a size; distributions (scipy.stats) are drawn from as often as asked.
    listed = all(hasattr(values, "__len__") for values in grid.values())
    draws = min(plan.trials, len(ParameterGrid(dict(grid)))) if listed else plan.trials
    kind = KFold if not hasattr(estimator, "predict_proba") else StratifiedKFold
    search_cv = RandomizedSearchCV(
        pipeline(problem.features, estimator),
        {f"model__{parameter}": values for parameter, values in grid.items()},
        n_iter=draws,
        scoring=score,
        cv=kind(plan.folds, shuffle=True, random_state=plan.seed),
        refit=False,
        n_jobs=plan.jobs,
        random_state=plan.seed,
        error_score="raise",
    )
    started = time.time()
    with parallel_config(backend=plan.backend), warnings.catch_warnings():
        # Windows and threads: scikit-learn warns that its own settings do not reach the workers
        warnings.filterwarnings("ignore", message=".*sklearn.utils.parallel.*")
        search_cv.fit(inputs, answers)
    result = search_cv.cv_results_
    return [
        Trial(
            name,
            {key.removeprefix("model__"): _plain(value) for key, value in parameters.items()},
            float(result["mean_test_score"][number]),
            float(result["std_test_score"][number]),
            float(result["mean_fit_time"][number] * plan.folds),
            started,
        )
        for number, parameters in enumerate(result["params"])
    ]


def _plain(value: object) -> object:
    """A NumPy number as Python's own, so that JSON and the tracking server take it."""
    return value.item() if isinstance(value, np.generic) else value


def _ranked(trials: Sequence[Trial], goal: Goal) -> list[Trial]:
    """The best first; NaN last; equal scores in the order they were tried, simple models first."""
    sign = -1 if goal == "maximize" else 1
    return sorted(trials, key=lambda t: np.inf if np.isnan(t.score) else sign * t.score)
