"""Spark gives, row for row, what scoring in one process gives."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pytest

from mlops.deployment.batch.scoring import Scorer
from mlops.deployment.batch.spark import score_frame, with_rejected
from mlops.deployment.tests.batch_cases import broken_rows, good_rows, make_package
from mlops.quality.errors import UserError
from mlops.quality.project import ROOT

if TYPE_CHECKING:
    from pyspark.sql import SparkSession  # type: ignore[import-not-found,unused-ignore]


@pytest.fixture(scope="module")
def spark() -> Iterator[SparkSession]:
    pytest.importorskip("pyspark")
    from pyspark.sql import SparkSession

    with pytest.MonkeyPatch.context() as patch:
        # the processes that Spark starts are this Python and import this project
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        patch.setenv("PYTHONDONTWRITEBYTECODE", os.environ.get("PYTHONDONTWRITEBYTECODE", "1"))
        builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
        session = builder.config("spark.driver.bindAddress", "127.0.0.1").getOrCreate()
        session.sparkContext.setLogLevel("ERROR")
        yield session
        session.stop()


def batch_of(table: pd.DataFrame) -> pa.RecordBatch:
    return pa.RecordBatch.from_pandas(table, preserve_index=False)


def test_rejected_rows_stay_in_their_place_with_their_reasons(tmp_path: Path) -> None:
    scorer = Scorer(make_package(tmp_path / "p"), "7")
    batch = batch_of(broken_rows(100))
    scored = scorer.score(batch)
    whole = with_rejected(batch, scored)
    assert whole.column("id").to_pylist() == batch.column("id").to_pylist()
    reasons = whole.column("rejected").to_pylist()
    first = scored.violations[0]
    assert first.row is not None
    told = f"column {first.column}: {first.rule}, found {first.value}"
    assert reasons[first.row - 1].startswith(told)
    for column in scorer.outputs.names:
        values = whole.column(column).to_pylist()
        assert [value is None for value in values] == [reason is not None for reason in reasons]
        assert [value for value in values if value is not None] == scored.batch[column].to_pylist()


def test_without_spark_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "pyspark.sql.types", None)
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(UserError, match="pip install pyspark"):
        score_frame(None, tmp_path, "7")


@pytest.mark.parametrize("form", ["onnx", "mlflow"])
def test_four_partitions_give_what_one_process_gives(
    form: str, spark: SparkSession, tmp_path: Path
) -> None:
    package = make_package(tmp_path / "p", form=form)
    batch = batch_of(broken_rows(2000))
    scorer = Scorer(package, "7")
    wanted = with_rejected(batch, scorer.score(batch)).to_pylist()
    frame = spark.createDataFrame(batch_rows(batch), schema_of(batch)).repartition(4)
    found = score_frame(frame, package, "7")
    assert found.columns == list(wanted[0])
    rows = [row.asDict() for row in found.collect()]
    assert frame.rdd.getNumPartitions() == 4
    assert len(rows) == 2000

    def place(row: dict[str, object]) -> int:
        return int(str(row["id"]).removeprefix("row "))

    rows.sort(key=place)
    assert [told(row) for row in rows] == [told(row) for row in wanted]
    for name in ("probability_0", "probability_1"):
        # onnxruntime's kernels for few rows and for many round the last bit differently
        values = [[row[name] for row in table] for table in (rows, wanted)]
        assert values[0] == pytest.approx(values[1], abs=1e-6)
    assert sum(row["rejected"] is not None for row in rows) > 100


def test_a_table_without_an_input_is_refused_before_it_runs(
    spark: SparkSession, tmp_path: Path
) -> None:
    batch = batch_of(good_rows(5))
    frame = spark.createDataFrame(batch_rows(batch), schema_of(batch))
    package = make_package(tmp_path / "p")
    with pytest.raises(UserError, match="no column 'a', an input"):
        score_frame(frame.drop("a"), package, "7")
    with pytest.raises(UserError, match="column 'rejected' is what scoring adds"):
        score_frame(frame.withColumnRenamed("id", "rejected"), package, "7")


def batch_rows(batch: pa.RecordBatch) -> list[tuple[object, ...]]:
    return list(zip(*(column.to_pylist() for column in batch.columns), strict=True))


def schema_of(batch: pa.RecordBatch) -> str:
    kinds = {pa.float64(): "double", pa.int64(): "long"}
    return ", ".join(f"{f.name} {kinds.get(f.type, 'string')}" for f in batch.schema)


def told(row: dict[str, object]) -> dict[str, str]:
    """All but the probabilities as text: NaN is equal to itself there, and all digits are told."""
    return {name: repr(value) for name, value in row.items() if "probability" not in name}
