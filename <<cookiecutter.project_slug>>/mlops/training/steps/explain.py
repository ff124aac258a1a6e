"""Step 5: which columns the model relies on, by permutation importance.

Each column is shuffled in turn, on rows the model has not seen; what the deciding metric loses is
the column's importance (Breiman, "Random Forests", Machine Learning 45, 2001). It asks nothing of
the model but predictions, so that any pipeline can be explained, in the contract's own columns.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pandas as pd
from sklearn.inspection import permutation_importance
from sklearn.pipeline import Pipeline

from mlops.quality.contract import load_contract
from mlops.quality.errors import run_main
from mlops.quality.project import load_settings
from mlops.training.model_file import load_model
from mlops.training.plots import draw_importance
from mlops.training.search import predict
from model.data import label
from model.metrics import metrics


def main(arguments: list[str]) -> int:
    """Write `importance.json` (column: mean, spread) and its plot to `--explanation`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--evaluation", type=Path, required=True)
    parser.add_argument("--metric", required=True)
    parser.add_argument("--goal", choices=("maximize", "minimize"), required=True)
    parser.add_argument("--repeats", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--explanation", type=Path, required=True)
    options = parser.parse_args(arguments)

    contract = load_contract(Path(load_settings(Path()).contract))
    model, _ = load_model(options.model)
    table = pd.read_parquet(options.evaluation)
    sign = 1 if options.goal == "maximize" else -1

    def score(fitted: Pipeline, inputs: pd.DataFrame, truth: pd.Series) -> float:
        return sign * metrics(truth.to_numpy(), predict(fitted, inputs))[options.metric]

    found = permutation_importance(
        model,
        table[list(contract.inputs)],
        label(table),
        scoring=score,
        n_repeats=options.repeats,
        random_state=options.seed,
    )
    importance = {
        name: (float(mean), float(spread))
        for name, mean, spread in zip(
            contract.inputs, found.importances_mean, found.importances_std, strict=True
        )
    }
    (options.explanation / "importance.json").write_text(json.dumps(importance, indent=1))
    draw_importance(importance, options.metric, options.explanation / "importance.png")
    first = max(importance, key=lambda name: importance[name][0])
    print(
        f"{first} matters most: {options.metric} is worse by {importance[first][0]:.4f} without it"
    )
    return 0


if __name__ == "__main__":
    run_main(main)
