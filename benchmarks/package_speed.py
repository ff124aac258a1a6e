"""Size and single-row speed of the package beside the pipeline that it was made of.

The sample's candidates and two larger models, fitted to the sample's data. Both forms answer the same
rows by turns in one process; loading is timed in fresh processes. One thread each.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import skops.io
from sklearn.base import BaseEstimator
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier

ROOT = Path(__file__).resolve().parents[1]
PROJECT = ROOT / "<<cookiecutter.project_slug>>"
LOAD = r"""
import json, re, sys, time
from pathlib import Path
start = time.perf_counter()
import pandas as pd
from mlops.deployment.packaging.predictor import load_predict
row = pd.read_parquet(sys.argv[2])
load_predict(Path(sys.argv[1]))(row)
peak = int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024
print(json.dumps([time.perf_counter() - start, peak]))
"""


def main() -> int:
    """Print a table of medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1000, help="single rows each (default: 1000)")
    parser.add_argument("--loads", type=int, default=3, help="fresh processes (default: 3)")
    options = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROJECT)}
    os.chdir(PROJECT)
    sys.path.insert(0, str(PROJECT))
    print(
        "| model | form | bytes | p50, ms | p99, ms | 100 rows, ms | apart | load, s | peak, MiB |"
    )
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        for name, estimator in models().items():
            for line in compared(name, estimator, Path(folder) / name, options):
                print(line, flush=True)
    return 0


def models() -> dict[str, BaseEstimator]:
    """The sample's candidates as they are, and two of a hundred trees."""
    from model.estimator import candidates

    found: dict[str, BaseEstimator] = {
        name.replace("_", " "): estimator for name, (estimator, _) in candidates(0).items()
    }
    found["random forest"].set_params(max_depth=3)
    return {
        **found,
        "forest, 100 of depth 6": RandomForestClassifier(100, max_depth=6, random_state=0),
        "boosting, 100 of depth 3": GradientBoostingClassifier(n_estimators=100, random_state=0),
    }


def compared(
    name: str, estimator: BaseEstimator, folder: Path, options: argparse.Namespace
) -> list[str]:
    """A line of the table for each form of one model."""
    from mlops.deployment.packaging.compilation import compile_model
    from mlops.deployment.packaging.predictor import load_predict
    from mlops.quality.contract import load_contract
    from mlops.training.model_file import canonical
    from mlops.training.search import pipeline
    from model.data import label
    from model.features import features

    contract = load_contract(Path("model/contract.yml"))
    subprocess.run([sys.executable, "data/diabetes.py", str(folder) + ".csv"], check=True)
    table = pd.read_csv(f"{folder}.csv")
    inputs = table[list(contract.inputs)]
    fitted = pipeline(features(), estimator).fit(inputs, label(table))
    (folder / "onnx").mkdir(parents=True)
    (folder / "onnx" / "model.onnx").write_bytes(compile_model(fitted, contract))
    (folder / "scikit-learn" / "model").mkdir(parents=True)
    content = canonical(skops.io.dumps(fitted))
    (folder / "scikit-learn" / "model" / "model.skops").write_bytes(content)
    inputs.head(1).to_parquet(folder / "row.parquet")
    forms = ("scikit-learn", "onnx")
    answers = {form: load_predict(folder / form) for form in forms}
    apart = np.abs(answers["onnx"](inputs) - answers["scikit-learn"](inputs)).max()
    ones = [inputs.iloc[[row]] for row in range(len(inputs))]
    taken: dict[str, list[float]] = {form: [] for form in forms}
    for turn in range(options.rows + 20):
        for form in forms:
            seconds = timed(answers[form], ones[turn % len(ones)])
            if turn >= 20:
                taken[form].append(1000 * seconds)
    lines = []
    for form in forms:
        many = statistics.median(timed(answers[form], inputs.head(100)) for _ in range(50))
        loads = [loaded(folder / form, folder / "row.parquet") for _ in range(options.loads)]
        size = sum(path.stat().st_size for path in (folder / form).rglob("*") if path.is_file())
        p50, p99 = np.percentile(taken[form], [50, 99])
        difference = f"{apart:.1e}" if form == "onnx" else ""
        load, peak = (statistics.median(values) for values in zip(*loads, strict=True))
        lines.append(
            f"| {name} | {form} | {size:,} | {p50:.2f} | {p99:.2f} | {1000 * many:.2f} "
            f"| {difference} | {load:.1f} | {peak:.0f} |"
        )
    return lines


def timed(predict: Callable[[pd.DataFrame], object], rows: pd.DataFrame) -> float:
    """Seconds that one call takes."""
    begin = time.perf_counter()
    predict(rows)
    return time.perf_counter() - begin


def loaded(folder: Path, row: Path) -> list[float]:
    """Seconds until the first answer, imports included, and peak memory in MiB, in a new process."""
    command = [sys.executable, "-c", LOAD, str(folder), str(row)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return list(json.loads(done.stdout))


if __name__ == "__main__":
    sys.exit(main())
