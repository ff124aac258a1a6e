"""Step 2: split the rows for training from the rows for evaluation, deterministically."""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from mlops.quality.errors import UserError, run_main
from model.data import split


def main(arguments: list[str]) -> int:
    """Write the two parts of `--table` to `--training` and `--evaluation` (Parquet)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--training", type=Path, required=True)
    parser.add_argument("--evaluation", type=Path, required=True)
    options = parser.parse_args(arguments)
    training, evaluation = split(pd.read_parquet(options.table), options.seed)
    if shared := set(training.index) & set(evaluation.index):
        raise UserError(f"model/data.py: split() puts {len(shared)} rows into both parts")
    if training.empty or evaluation.empty:
        raise UserError("model/data.py: split() leaves one of the parts empty")
    training.to_parquet(options.training, index=False)
    evaluation.to_parquet(options.evaluation, index=False)
    print(f"{len(training)} rows to train with, {len(evaluation)} to evaluate with")
    return 0


if __name__ == "__main__":
    run_main(main)
