"""Batch scoring beside raw onnxruntime on the same values: rows a second on one core.

The sample's rows that keep the contract, tiled. By turns in one process: the session alone on arrays
that are ready for it and on arrays that are made from the table's columns, the scoring function (contract check, conversion, labels and lineage included),
and a whole run from Parquet file to Parquet parts. Then whole runs in processes, and from CSV.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pyarrow as pa
from sklearn.base import BaseEstimator
from sklearn.ensemble import RandomForestClassifier

ROOT = Path(__file__).resolve().parents[1]
PROJECT = ROOT / "<<cookiecutter.project_slug>>"


def main() -> int:
    """Print a table of medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--package", type=Path, help="a packaged ONNX model to measure as well")
    parser.add_argument("--rows", type=int, default=1_000_000, help="default: 1,000,000")
    parser.add_argument("--chunk", type=int, default=65_536, help="rows at once (default: 65,536)")
    parser.add_argument(
        "--only", metavar="TEXT", default="", help="models whose name holds this text"
    )
    parser.add_argument("--turns", type=int, default=5, help="of each (default: 5)")
    options = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROJECT)}
    os.chdir(PROJECT)
    sys.path.insert(0, str(PROJECT))
    print("| model | what | rows a second | of arrays made beforehand | of fed from the table |")
    print("| --- | --- | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        table = valid_rows(folder)
        for name, package in packages(table, folder, options.package).items():
            if options.only not in name:
                continue
            for line in compared(name, package, table, folder, options):
                print(line, flush=True)
    return 0


def valid_rows(folder: Path) -> pd.DataFrame:
    """The sample's rows that keep the contract, the target among the columns."""
    from mlops.quality.checks import check_table
    from mlops.quality.contract import load_contract

    subprocess.run([sys.executable, "data/diabetes.py", str(folder / "sample.csv")], check=True)
    table = pd.read_csv(folder / "sample.csv")
    broken = check_table(table, load_contract(Path("model/contract.yml"))).violations
    return table.drop(index=[found.row - 1 for found in broken if found.row is not None])


def packages(table: pd.DataFrame, folder: Path, given: Path | None) -> dict[str, Path]:
    """The given package, the sample's logistic regression and a forest of a hundred trees."""
    from model.estimator import candidates

    logistic = next(found for name, (found, _) in candidates(0).items() if "logistic" in name)
    forest = RandomForestClassifier(100, max_depth=6, random_state=0)
    made = {
        "logistic regression": packed(logistic, table, folder / "logistic"),
        "forest, 100 of depth 6": packed(forest, table, folder / "forest"),
    }
    return ({"given package": given.resolve()} if given else {}) | made


def packed(estimator: BaseEstimator, table: pd.DataFrame, folder: Path) -> Path:
    """A package of the fitted estimator, compiled."""
    from mlops.deployment.packaging.compilation import compile_model
    from mlops.deployment.packaging.package import seal
    from mlops.quality.contract import load_contract
    from mlops.training.search import pipeline
    from model.data import label
    from model.features import features

    contract = load_contract(Path("model/contract.yml"))
    inputs = table[list(contract.inputs)]
    fitted = pipeline(features(), estimator).fit(inputs, label(table))
    folder.mkdir()
    (folder / "model.onnx").write_bytes(compile_model(fitted, contract))
    shutil.copyfile("model/contract.yml", folder / "contract.yml")
    seal(folder, "sample")
    return folder


def compared(
    name: str, package: Path, table: pd.DataFrame, folder: Path, options: argparse.Namespace
) -> list[str]:
    """The lines of the table for one model."""
    from mlops.deployment.batch.scoring import Scorer

    rows = options.rows
    many = pd.concat([table] * (rows // len(table) + 1)).head(rows).reset_index(drop=True)
    starts = range(0, rows, options.chunk)
    chunks = [many.iloc[start : start + options.chunk] for start in starts]
    # as the scoring function calls it: which is faster depends on the model
    blocks = [many.iloc[start : start + 16_384] for start in range(0, rows, 16_384)]
    scorer = Scorer(package, "1")
    batches = [pa.RecordBatch.from_pandas(chunk, preserve_index=False) for chunk in chunks]
    if any(scorer.score(batch).violations for batch in batches):
        raise SystemExit("the rows break the contract: what is measured would be another thing")
    many.to_parquet(folder / "many.parquet", index=False)
    many.to_csv(folder / "many.csv", index=False)

    def whole(kind: str, workers: int) -> Callable[[], object]:
        return lambda: score_all(package, folder / f"many.{kind}", options.chunk, workers)

    measured: dict[str, Callable[[], object]] = {
        "onnxruntime alone, arrays made beforehand, whole chunks": raw(package, chunks),
        "onnxruntime alone, arrays made beforehand, 16,384 rows": raw(package, blocks),
        "onnxruntime fed from the table": fed(package, batches),
        "scoring function": lambda: [scorer.score(batch) for batch in batches],
        "run, Parquet, 1 process": whole("parquet", 1),
        "run, CSV, 1 process": whole("csv", 1),
        f"run, Parquet, {os.cpu_count()} processes, with their start": whole(
            "parquet", os.cpu_count() or 1
        ),
    }
    taken: dict[str, list[float]] = {what: [] for what in measured}
    for _ in range(options.turns):
        for what, action in measured.items():
            taken[what].append(timed(action))
    speeds = {what: rows / statistics.median(seconds) for what, seconds in taken.items()}
    ready = max(speed for what, speed in speeds.items() if "beforehand" in what)
    table_fed = speeds["onnxruntime fed from the table"]
    return [
        f"| {name} | {what} | {speed:,.0f} | {speed / ready:.0%} | {speed / table_fed:.0%} |"
        for what, speed in speeds.items()
    ]


def raw(package: Path, chunks: list[pd.DataFrame]) -> Callable[[], object]:
    """The session on arrays of shape (n, 1) of the types it wants, made beforehand."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(package / "model.onnx", options)
    kinds = {"tensor(float)": np.float32, "tensor(int64)": np.int64}
    inputs = {entry.name: kinds[entry.type] for entry in session.get_inputs()}
    fed = [
        {name: chunk[name].to_numpy(kind).reshape(-1, 1) for name, kind in inputs.items()}
        for chunk in chunks
    ]
    return lambda: [session.run(None, arrays) for arrays in fed]


def fed(package: Path, batches: list[pa.RecordBatch]) -> Callable[[], object]:
    """The session on arrays that are made from the table's columns: the least that scoring takes."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(package / "model.onnx", options)
    kinds = {"tensor(int64)": np.int64, "tensor(float)": np.float32}
    inputs = {entry.name: kinds[entry.type] for entry in session.get_inputs()}

    def run() -> None:
        for batch in batches:
            columns = {name: batch.column(name).to_numpy() for name in inputs}
            for start in range(0, batch.num_rows, 16_384):
                block = slice(start, start + 16_384)
                session.run(
                    None,
                    {
                        name: columns[name][block].astype(kind, copy=False).reshape(-1, 1)
                        for name, kind in inputs.items()
                    },
                )

    return run


def score_all(package: Path, source: Path, chunk: int, workers: int) -> None:
    """A whole run into a folder that is deleted again."""
    from mlops.deployment.batch import processes
    from mlops.deployment.batch.run import Options, score_files
    from rich.console import Console

    # measured is what they cost and give from the start on, not what a short run does alone
    processes.ALONE_SECONDS = 0.0
    with tempfile.TemporaryDirectory() as target:
        options = Options(rows=chunk, workers=workers)
        score_files(package, "1", str(source), Path(target), options, Console(quiet=True))


def timed(action: Callable[[], object]) -> float:
    """Seconds that one call takes."""
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


if __name__ == "__main__":
    sys.exit(main())
