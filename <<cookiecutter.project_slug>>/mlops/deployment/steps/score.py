"""Let one packaged model answer the rows that judge it, in a process of its own.

The champion and the challenger are scored by this step alike, each with its own code and nothing
of the other's.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from mlops.deployment.packaging.predictor import load_predict
from mlops.quality.checks import load_checked
from mlops.quality.contract import Contract, load_contract
from mlops.quality.errors import run_main
from mlops.quality.project import load_settings


def main(arguments: list[str]) -> int:
    """Write the answers to `evaluation.parquet` and `golden.parquet` in `--scores`.

    So to `recent.parquet`, where the folder `--recent` holds a table. Nothing is written where the
    folder `--model` is empty: there is no such model yet.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("model", "evaluation", "recent", "tests", "scores"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args(arguments)
    if not any(options.model.iterdir()):
        print("there is no such model yet")
        return 0
    contract = load_contract(Path(load_settings(Path()).contract))
    predict = load_predict(options.model)
    tables = {
        "evaluation": pd.read_parquet(options.evaluation),
        "golden": load_checked(options.tests / "golden.csv", contract),
        **recent_rows(options.recent, contract),
    }
    for name, table in tables.items():
        answers = np.asarray(predict(table[list(contract.inputs)]))
        columns = answers.reshape(len(table), -1)
        frame = pd.DataFrame(columns, columns=[str(n) for n in range(columns.shape[1])])
        frame.to_parquet(options.scores / f"{name}.parquet", index=False)
    print(", ".join(f"{len(table)} {name} rows" for name, table in tables.items()))
    return 0


def recent_rows(folder: Path, contract: Contract) -> dict[str, pd.DataFrame]:
    """The table that a folder holds, as `recent`; nothing where the folder is empty."""
    files = sorted(folder.iterdir())
    return {"recent": load_checked(files[0], contract)} if files else {}


if __name__ == "__main__":
    run_main(main)
