"""Batch scoring beside raw onnxruntime on the same values: rows a second on one core.

The sample's rows that keep the contract, tiled. By turns in one process: the session alone on arrays
that are ready for it and on arrays that are made from the table's columns, and the scoring function
(contract check, conversion, labels and lineage included). Then, by turns, what somebody would write
with onnxruntime and pyarrow to get from a Parquet file to one of scores, and whole runs. Each side
lets go of an answer before it makes the next. In memory, the turns are of one chunk each (never two
in a row of the same one: it would be in the cache) and each chunk's best turn counts: whatever else
the machine does only ever makes one slower.
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
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.base import BaseEstimator
from sklearn.ensemble import RandomForestClassifier

ROOT = Path(__file__).resolve().parents[1]
PROJECT = ROOT / "<<cookiecutter.project_slug>>"
FED = "onnxruntime fed from the table"
BY_HAND = "onnxruntime by hand, Parquet to Parquet"


def main() -> int:
    """Print a table of the best turns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--package", type=Path, help="a packaged ONNX model to measure as well")
    parser.add_argument("--rows", type=int, default=1_000_000, help="default: 1,000,000")
    parser.add_argument("--chunk", type=int, default=65_536, help="rows at once (default: 65,536)")
    parser.add_argument(
        "--only", metavar="TEXT", default="", help="models whose name holds this text"
    )
    parser.add_argument("--turns", type=int, default=15, help="in memory (default: 15)")
    parser.add_argument(
        "--runs", type=int, default=3, help="from file to file (default: 3; 0: none)"
    )
    options = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROJECT)}
    os.chdir(PROJECT)
    sys.path.insert(0, str(PROJECT))
    print(
        "| model | what | rows a second, best | median | of the best onnxruntime alone | of fed |"
    )
    print("| --- | --- | ---: | ---: | ---: | ---: |")
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
    scorer = Scorer(package, "1")
    batches = [pa.RecordBatch.from_pandas(chunk, preserve_index=False) for chunk in chunks]
    if any(scorer.score(batch).violations for batch in batches):
        raise SystemExit("the rows break the contract: what is measured would be another thing")
    many.to_parquet(folder / "many.parquet", index=False)
    many.to_csv(folder / "many.csv", index=False)

    def whole(kind: str, workers: int) -> Callable[[], object]:
        return lambda: score_all(package, folder / f"many.{kind}", options.chunk, workers)

    in_memory: dict[str, Callable[[int], object]] = {
        "onnxruntime alone, arrays made beforehand, whole chunks": raw(package, chunks, rows),
        # as the scoring function calls it: which is faster depends on the model
        "onnxruntime alone, arrays made beforehand, 16,384 rows": raw(package, chunks, 16_384),
        FED: fed(package, batches),
        "scoring function": lambda number: scorer.score(batches[number]),
    }
    from_file: dict[str, Callable[[], object]] = {
        BY_HAND: by_hand(package, folder / "many.parquet", options.chunk),
        "run, Parquet, 1 process": whole("parquet", 1),
        "run, CSV, 1 process": whole("csv", 1),
        f"run, Parquet, {os.cpu_count()} processes, with their start": whole(
            "parquet", os.cpu_count() or 1
        ),
    }
    found = lines(name, rows, by_chunks(in_memory, len(chunks), options.turns), FED)
    if options.runs:
        found += lines(name, rows, by_turns(from_file, options.runs), BY_HAND)
    return found


def by_turns(actions: dict[str, Callable[[], object]], turns: int) -> dict[str, list[float]]:
    """The seconds that each action took, once in each turn."""
    taken: dict[str, list[float]] = {what: [] for what in actions}
    for _ in range(turns):
        for what, action in actions.items():
            taken[what].append(timed(action))
    return taken


def by_chunks(
    actions: dict[str, Callable[[int], object]], chunks: int, turns: int
) -> dict[str, list[float]]:
    """The seconds that each action takes for all chunks: least of each, then median of each."""
    taken: dict[str, list[list[float]]] = {what: [[] for _ in range(chunks)] for what in actions}
    for _ in range(turns):
        for first in range(chunks):
            for place, (what, action) in enumerate(actions.items()):
                number = (first + place * chunks // len(actions)) % chunks
                taken[what][number].append(timed(partial(action, number)))
    return {
        what: [sum(map(min, each)), *[sum(map(statistics.median, each))] * 2]
        for what, each in taken.items()
    }


def lines(name: str, rows: int, taken: dict[str, list[float]], fed_by: str) -> list[str]:
    """The lines of actions that took so many seconds; `fed_by` is the one that is beside them."""
    best = {what: rows / min(seconds) for what, seconds in taken.items()}
    alone = max(speed for what, speed in best.items() if what.startswith("onnxruntime"))
    return [
        f"| {name} | {what} | {speed:,.0f} | {rows / statistics.median(taken[what]):,.0f} |"
        f" {speed / alone:.0%} | {speed / best[fed_by]:.0%} |"
        for what, speed in best.items()
    ]


def loaded(package: Path) -> tuple[onnxruntime.InferenceSession, dict[str, type]]:
    """A session with the options that scoring has, and its inputs with the types they want."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(package / "model.onnx", options)
    kinds = {"tensor(float)": np.float32, "tensor(int64)": np.int64}
    return session, {entry.name: kinds[entry.type] for entry in session.get_inputs()}


def raw(package: Path, chunks: list[pd.DataFrame], rows: int) -> Callable[[int], object]:
    """The session on arrays of shape (rows, 1) of the types it wants, made beforehand."""
    session, inputs = loaded(package)
    ready = [
        [
            {name: part[name].to_numpy(kind).reshape(-1, 1) for name, kind in inputs.items()}
            for part in (chunk.iloc[at : at + rows] for at in range(0, len(chunk), rows))
        ]
        for chunk in chunks
    ]

    def run(number: int) -> None:
        for arrays in ready[number]:
            session.run(None, arrays)

    return run


def answers(
    session: onnxruntime.InferenceSession, inputs: dict[str, type], batch: pa.RecordBatch
) -> Iterator[list[np.ndarray]]:
    """What the session says of arrays that are made from the columns of a batch."""
    columns = {name: batch.column(name).to_numpy() for name in inputs}
    for start in range(0, batch.num_rows, 16_384):
        block = slice(start, start + 16_384)
        arrays = {
            name: columns[name][block].astype(kind, copy=False).reshape(-1, 1)
            for name, kind in inputs.items()
        }
        yield session.run(None, arrays)


def fed(package: Path, batches: list[pa.RecordBatch]) -> Callable[[int], object]:
    """The session on arrays that are made from the table's columns: the least that scoring takes."""
    session, inputs = loaded(package)

    def run(number: int) -> None:
        for _ in answers(session, inputs, batches[number]):
            pass

    return run


def by_hand(package: Path, source: Path, rows: int) -> Callable[[], object]:
    """From a Parquet file to one with labels and probabilities beside its rows, and no more."""
    session, inputs = loaded(package)
    target = source.with_name("by-hand.parquet")

    def run() -> None:
        writer = None
        for batch in pq.ParquetFile(source).iter_batches(batch_size=rows):
            said = list(answers(session, inputs, batch))
            labels = np.concatenate([label for label, _ in said])
            chances = np.concatenate([found for _, found in said])
            columns = [*batch.columns, labels, *np.ascontiguousarray(chances.T)]
            names = [*batch.schema.names, "label", *map(str, range(chances.shape[1]))]
            table = pa.table([pa.array(column) for column in columns], names=names)
            writer = writer or pq.ParquetWriter(target, table.schema)
            writer.write_table(table)
        if writer is not None:
            writer.close()

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
