"""How fast a model answers, and how large its package is."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd

from mlops.deployment.measuring.measure import Measure, Predict

_WARM_UP = 5
_BATCH = 2000
# Cut beforehand, for what is timed is the answer.
_DIFFERENT = 32


def speed(predict: Predict, table: pd.DataFrame, repeats: int) -> tuple[Measure, ...]:
    """How long one row takes, and how many are answered in a batch.

    `speed.single_row_p50_ms` and `speed.single_row_p99_ms` are percentiles of `repeats` calls, of
    different rows, `speed.batch_rows_per_second` the median of five batches of 2,000 rows.
    """
    names = ("single_row_p50_ms", "single_row_p99_ms", "batch_rows_per_second")
    if not len(table) or repeats < 1:
        why = "there are no rows to ask about" if repeats else "it was asked no time"
        return tuple(Measure(f"speed.{name}", None, detail=why) for name in names)
    ones = [table.iloc[[row]].reset_index(drop=True) for row in range(min(_DIFFERENT, len(table)))]
    many = table.iloc[np.arange(_BATCH) % len(table)].reset_index(drop=True)
    for turn in range(_WARM_UP):
        predict(ones[turn % len(ones)])
    taken = [1000 * _seconds(predict, ones[turn % len(ones)]) for turn in range(repeats)]
    predict(many)
    batch = float(np.median([_seconds(predict, many) for _ in range(5)]))
    half, most = (float(value) for value in np.percentile(taken, [50, 99]))
    return (
        Measure(f"speed.{names[0]}", half, rows=repeats),
        Measure(f"speed.{names[1]}", most, rows=repeats),
        Measure(f"speed.{names[2]}", len(many) / batch, rows=len(many)),
    )


def size(folder: Path) -> tuple[Measure, ...]:
    """`package.bytes`: all files of a folder together; not defined where there are none."""
    sizes = {path: path.stat().st_size for path in sorted(folder.rglob("*")) if path.is_file()}
    if not sizes:
        return (Measure("package.bytes", None, detail="there are no files"),)
    largest = max(sizes, key=lambda path: sizes[path]).relative_to(folder).as_posix()
    detail = f"{len(sizes)} files, the largest is {largest}"
    return (Measure("package.bytes", float(sum(sizes.values())), detail=detail),)


def _seconds(predict: Predict, table: pd.DataFrame) -> float:
    started = time.perf_counter()
    predict(table)
    return max(time.perf_counter() - started, 1e-9)
