"""Measure how fast the package answers, how large it is, and whether it is as it was sealed."""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from mlops.deployment.measuring.measure import Measure, write_measures
from mlops.deployment.measuring.speed import size, speed
from mlops.deployment.packaging.package import changes
from mlops.deployment.packaging.predictor import load_predict
from mlops.quality.contract import load_contract
from mlops.quality.errors import run_main
from mlops.quality.project import load_settings


def main(arguments: list[str]) -> int:
    """Write the figures to `--speed` (a folder)."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("package", "evaluation", "speed"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--repeats", type=int, required=True)
    options = parser.parse_args(arguments)
    contract = load_contract(Path(load_settings(Path()).contract))
    inputs = pd.read_parquet(options.evaluation)[list(contract.inputs)]
    wrong = changes(options.package)
    taken = [
        Measure("package.changed_files", float(len(wrong)), detail="; ".join(wrong[:3])),
        *size(options.package),
        *speed(load_predict(options.package), inputs, options.repeats),
    ]
    write_measures(taken, options.speed / "measures.json")
    print(", ".join(f"{m.name} {m.value:.4g}" for m in taken if m.value is not None))
    return 0


if __name__ == "__main__":
    run_main(main)
