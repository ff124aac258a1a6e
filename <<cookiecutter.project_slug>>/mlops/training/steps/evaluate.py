"""Step 4: metrics on unseen rows, overall and per segment, with their pictures."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from mlops.quality.contract import load_contract
from mlops.quality.errors import run_main
from mlops.quality.project import load_settings
from mlops.training import plots
from mlops.training.evaluation import evaluate, write_evaluation
from mlops.training.model_file import load_model
from mlops.training.search import predict
from model import metrics as user
from model.data import label


def main(arguments: list[str]) -> int:
    """Write `evaluation.json` and the plots to `--report` (a folder)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--evaluation", type=Path, required=True)
    parser.add_argument("--metric", required=True)
    parser.add_argument("--report", type=Path, required=True)
    options = parser.parse_args(arguments)

    contract = load_contract(Path(load_settings(Path()).contract))
    model, _ = load_model(options.model)
    table = pd.read_parquet(options.evaluation)
    truth, predicted = label(table), predict(model, table[list(contract.inputs)])
    result = evaluate(table, truth, predicted, contract, user.metrics)
    write_evaluation(result, options.report / "evaluation.json")

    answers = truth.to_numpy()
    if contract.task == "regression":
        plots.draw_regression(answers, predicted, options.report)
    elif predicted.ndim == 1:
        threshold = float(getattr(user, "THRESHOLD", 0.5))
        plots.draw_classification(answers, predicted, threshold, options.report)
    else:
        plots.draw_labels(answers, predicted, np.asarray(model.classes_), options.report)
    overall = result.metrics.get(options.metric)
    if overall is not None and result.segments:
        path = options.report / "segments.png"
        plots.draw_segments(result.segments, overall, options.metric, path)
    shown = ", ".join(f"{n} {v:.4f}" for n, v in result.metrics.items() if v is not None)
    print(f"{result.rows} rows: {shown}")
    return 0


if __name__ == "__main__":
    run_main(main)
