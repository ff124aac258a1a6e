"""A slow model and a large package are told from a fast and a small one."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from mlops.deployment.measuring.speed import size, speed
from mlops.deployment.tests.scoring import logistic, named, table

ROWS = table(50)


def slow(inputs: pd.DataFrame) -> NDArray[np.float64]:
    time.sleep(0.004 if len(inputs) == 1 else 0.04)
    return logistic(inputs)


def test_a_slow_model_is_told_from_a_fast_one() -> None:
    one, other = named(speed(logistic, ROWS, 50)), named(speed(slow, ROWS, 20))
    for name in ("speed.single_row_p50_ms", "speed.single_row_p99_ms"):
        assert (other[name].value or 0) >= 4
    assert (one["speed.single_row_p50_ms"].value or 9) < 4
    assert (other["speed.batch_rows_per_second"].value or 0) <= 2000 / 0.04
    assert (one["speed.batch_rows_per_second"].value or 0) > 2000 / 0.04
    assert one["speed.single_row_p50_ms"].rows == 50


def test_a_pause_now_and_then_shows_in_the_99th_percentile() -> None:
    calls = iter(range(10_000))

    def stutters(inputs: pd.DataFrame) -> NDArray[np.float64]:
        if next(calls) % 20 == 19:
            time.sleep(0.03)
        return logistic(inputs)

    found = named(speed(stutters, ROWS, 60))
    assert (found["speed.single_row_p99_ms"].value or 0) >= 30
    assert (found["speed.single_row_p50_ms"].value or 99) < 30


def test_the_first_calls_do_not_count() -> None:
    asked: list[int] = []

    def waking(inputs: pd.DataFrame) -> NDArray[np.float64]:
        asked.append(len(inputs))
        if len(asked) <= 3:
            time.sleep(0.03)
        return logistic(inputs)

    assert (named(speed(waking, ROWS, 20))["speed.single_row_p99_ms"].value or 99) < 30
    assert asked.count(2000) >= 4
    assert asked.count(1) >= 20


def test_different_rows_are_asked() -> None:
    seen: set[float] = set()

    def remembers(inputs: pd.DataFrame) -> NDArray[np.float64]:
        seen.add(float(inputs["x"].iloc[0]))
        return logistic(inputs)

    speed(remembers, ROWS, 40)
    assert len(seen) > 20


@pytest.mark.parametrize(("rows", "repeats"), [(0, 10), (10, 0)])
def test_nothing_asked_is_undefined(rows: int, repeats: int) -> None:
    found = speed(logistic, ROWS.head(rows), repeats)
    assert [measure.value for measure in found] == [None, None, None]
    assert all(measure.detail for measure in found)


def test_all_files_are_weighed(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"1" * 100)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "b.bin").write_bytes(b"1" * 900)
    (found,) = size(tmp_path)
    assert (found.name, found.value) == ("package.bytes", 1000.0)
    assert found.detail == "2 files, the largest is deep/b.bin"


def test_no_files_weigh_nothing_that_can_be_judged(tmp_path: Path) -> None:
    (found,) = size(tmp_path)
    assert found.value is None
    assert found.detail == "there are no files"
