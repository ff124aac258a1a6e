"""The search finds the best, the same best each time, and says what is wrong with a question."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from joblib import ParallelBackendBase, register_parallel_backend
from joblib._parallel_backends import SequentialBackend
from scipy.stats import uniform
from sklearn.linear_model import LogisticRegression

from mlops.quality.errors import UserError
from mlops.training.search import (
    Problem,
    Search,
    predict,
    read_leaderboard,
    search,
    write_leaderboard,
)
from mlops.training.tests.problem import INPUTS, classification, regression, table

PLAN = Search("accuracy", "maximize", folds=3, trials=10, seed=1, backend="sequential", jobs=1)
ROWS = table()


def run(problem: Problem, plan: Search = PLAN):  # type: ignore[no-untyped-def]
    return search(problem, ROWS[INPUTS], ROWS["answer"], plan, progress=lambda _: None)


def test_every_trial_is_on_the_board_and_the_best_comes_first() -> None:
    board, model = run(classification())
    scores = [trial.score for trial in board.trials]
    assert len(scores) == 5
    assert scores == sorted(scores, reverse=True)
    assert board.trials[0].algorithm == "line"
    assert isinstance(model.named_steps["model"], LogisticRegression)
    assert board.trials[0].parameters["C"] == model.named_steps["model"].C


def test_minimizing_puts_the_smallest_first() -> None:
    board, _ = run(classification(), dataclasses.replace(PLAN, metric="loss", goal="minimize"))
    scores = [trial.score for trial in board.trials]
    assert scores == sorted(scores)


def test_the_same_seed_gives_the_same_board_and_another_seed_another_one() -> None:
    def scores(seed: int) -> list[tuple[str, float]]:
        board, _ = run(classification(), dataclasses.replace(PLAN, seed=seed))
        return [(trial.algorithm, trial.score) for trial in board.trials]

    assert scores(1) == scores(1)
    assert scores(1) != scores(2)


def test_trials_bound_each_algorithm() -> None:
    board, _ = run(classification(), dataclasses.replace(PLAN, trials=2))
    assert sorted(trial.algorithm for trial in board.trials) == ["line", "line", "tree", "tree"]


def test_parameters_may_be_drawn_from_a_distribution() -> None:
    candidates = {"line": (LogisticRegression(), {"C": uniform(0.1, 1)})}
    problem = dataclasses.replace(classification(), candidates=candidates)
    board, _ = run(problem, dataclasses.replace(PLAN, trials=4))
    drawn = [trial.parameters["C"] for trial in board.trials]
    assert len(set(map(str, drawn))) == 4
    assert all(type(value) is float for value in drawn)


def test_a_regression_is_judged_by_its_values() -> None:
    board, model = run(regression(), dataclasses.replace(PLAN, metric="loss", goal="minimize"))
    assert {trial.algorithm for trial in board.trials} == {"ridge"}
    predicted = predict(model, ROWS[INPUTS])
    assert predicted.shape == (len(ROWS),)


def test_a_metric_that_is_not_there_is_named_with_the_nearest() -> None:
    with pytest.raises(UserError, match="no metric 'acuracy'; did you mean 'accuracy'"):
        run(classification(), dataclasses.replace(PLAN, metric="acuracy"))


@pytest.mark.filterwarnings("ignore:One or more of the test scores")
def test_nothing_is_chosen_where_every_score_is_nan() -> None:
    problem = dataclasses.replace(classification(), metrics=lambda *_: {"accuracy": np.nan})
    with pytest.raises(UserError, match="NaN for every trial"):
        run(problem)


def test_a_problem_without_candidates_is_refused() -> None:
    with pytest.raises(UserError, match="names no algorithm"):
        run(dataclasses.replace(classification(), candidates={}))


def test_the_configured_backend_does_the_work() -> None:
    used: list[int] = []

    class Cluster(SequentialBackend):  # type: ignore[misc]
        """What Dask, Ray and Spark are to joblib: a backend under a name."""

        def submit(self, *args: object, **more: object) -> object:
            used.append(1)
            return super().submit(*args, **more)

        def apply_async(self, *args: object, **more: object) -> object:
            used.append(1)
            return super().apply_async(*args, **more)

        def effective_n_jobs(self, _: int) -> int:
            used.append(1)
            return 1

    assert issubclass(Cluster, ParallelBackendBase)
    register_parallel_backend("cluster-of-the-test", Cluster)
    board, _ = run(classification(), dataclasses.replace(PLAN, backend="cluster-of-the-test"))
    assert used
    assert board.trials[0].algorithm == "line"


def test_workers_in_processes_give_the_same_board() -> None:
    plan = dataclasses.replace(PLAN, trials=1)
    here, _ = run(classification(), plan)
    there, _ = run(classification(), dataclasses.replace(plan, backend="loky", jobs=2))
    assert [trial.score for trial in here.trials] == [trial.score for trial in there.trials]


def test_a_board_is_read_as_it_was_written(tmp_path: Path) -> None:
    board, _ = run(classification())
    write_leaderboard(board, tmp_path / "board.json")
    assert read_leaderboard(tmp_path / "board.json") == board
