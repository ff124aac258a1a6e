"""Step 3: search the candidates and fit the best."""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from mlops.quality.contract import load_contract
from mlops.quality.errors import run_main
from mlops.quality.project import load_settings
from mlops.training.model_file import save_model
from mlops.training.search import Problem, Search, search, write_leaderboard
from model.data import label
from model.estimator import candidates
from model.features import features
from model.metrics import metrics


def main(arguments: list[str]) -> int:
    """Write the best model to `--model` (a folder) and all trials to `--leaderboard` (JSON)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--training", type=Path, required=True)
    parser.add_argument("--metric", required=True)
    parser.add_argument("--goal", choices=("maximize", "minimize"), required=True)
    parser.add_argument("--folds", type=int, required=True)
    parser.add_argument("--trials", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--parallel-backend", default="loky", help="a backend of joblib")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--leaderboard", type=Path, required=True)
    options = parser.parse_args(arguments)

    contract = load_contract(Path(load_settings(Path()).contract))
    table = pd.read_parquet(options.training)
    plan = Search(
        metric=options.metric,
        goal=options.goal,
        folds=options.folds,
        trials=options.trials,
        seed=options.seed,
        backend=options.parallel_backend,
    )
    inputs, answers = table[list(contract.inputs)], label(table)
    problem = Problem(features(), candidates(plan.seed), metrics)
    board, model = search(problem, inputs, answers, plan)
    best = board.trials[0]
    digest = save_model(model, options.model, best.algorithm, best.parameters, len(table))
    write_leaderboard(board, options.leaderboard)
    print(f"{best.algorithm} is best: {plan.metric} {best.score:.4f}, sha256 {digest[:12]}")
    return 0


if __name__ == "__main__":
    run_main(main)
