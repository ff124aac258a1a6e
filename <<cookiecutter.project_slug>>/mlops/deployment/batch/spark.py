"""Batch scoring on Spark: the very same scoring, in the executors' Python processes.

pyspark is no part of the lock: who has a cluster has its version of it.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from mlops.deployment.batch.scoring import Scored, Scorer
from mlops.deployment.packaging.package import FLAVOUR, MANIFEST, ONNX
from mlops.quality.errors import UserError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame  # type: ignore[import-not-found,unused-ignore]

REJECTED = "rejected"

_Batches = Iterable[pa.RecordBatch]


def score_frame(frame: DataFrame, package: Path, version: str) -> DataFrame:
    """The rows of a Spark table with their scores, none left out.

    Column `rejected` is null where a row keeps the contract, else the reasons; such a row's scores
    are null. The package travels with the plan: only this process needs its folder. The project
    itself (`mlops`) must be importable by the executors, for instance through `--py-files`. Raises
    UserError where pyspark is missing or the columns are not those of the contract.
    """
    try:
        from pyspark.sql import types  # noqa: PLC0415
    except ImportError:
        raise UserError("pyspark is not installed; `pip install pyspark` adds it") from None
    scorer = Scorer(package, version)
    scorer.refuse(frame.columns, "the Spark table")
    if REJECTED in frame.columns:
        raise UserError(f"the Spark table: column '{REJECTED}' is what scoring adds; rename it")
    added = [types.StructField(field.name, _spark_type(field.type)) for field in scorer.outputs]
    schema = types.StructType(
        [*frame.schema.fields, *added, types.StructField(REJECTED, types.StringType())]
    )
    return frame.mapInArrow(_scoring(_content(package), scorer.digest, version), schema)


def with_rejected(batch: pa.RecordBatch, scored: Scored) -> pa.RecordBatch:
    """All rows of a batch in their order: scores, or null and why there are none."""
    rows = batch.num_rows
    names = scored.batch.schema.names[batch.num_columns :]
    columns = [_flat(scored.batch.column(name)) for name in names]
    if scored.kept is not None:
        places = np.full(rows, -1)
        places[scored.kept] = np.arange(len(scored.kept))
        indices = pa.array(places, mask=places < 0)
        columns = [column.take(indices) for column in columns]
    reasons: defaultdict[int, list[str]] = defaultdict(list)
    for found in scored.violations:
        said = f"column {found.column}: {found.rule}, found {found.value}"
        reasons[(found.row or 1) - 1].append(said)
    told = [None] * rows if not reasons else ["; ".join(reasons[n]) or None for n in range(rows)]
    return pa.RecordBatch.from_arrays(
        [*batch.columns, *columns, pa.array(told, pa.string())],
        names=[*batch.schema.names, *names, REJECTED],
    )


def _flat(array: pa.Array) -> pa.Array:
    """Spark takes no dictionaries."""
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _spark_type(kind: pa.DataType) -> object:
    from pyspark.sql import types  # noqa: PLC0415

    if pa.types.is_dictionary(kind):
        return _spark_type(kind.value_type)
    known = {
        pa.int32(): types.IntegerType,
        pa.int64(): types.LongType,
        pa.float32(): types.FloatType,
        pa.float64(): types.DoubleType,
        pa.bool_(): types.BooleanType,
        pa.string(): types.StringType,
        pa.large_string(): types.StringType,
    }
    if kind not in known:
        raise UserError(f"the model's answers are of type {kind}, which Spark has no column for")
    return known[kind]()


def _content(package: Path) -> Mapping[str, bytes]:
    """The files that scoring needs, by their path in the package."""
    files = [package / MANIFEST, package / "contract.yml", package / ONNX]
    files += (package / FLAVOUR).rglob("*")
    return {
        file.relative_to(package).as_posix(): file.read_bytes()
        for file in files
        if file.is_file() and "__pycache__" not in file.parts
    }


def _scoring(
    content: Mapping[str, bytes], digest: str, version: str
) -> Callable[[_Batches], Iterator[pa.RecordBatch]]:
    def score(batches: _Batches) -> Iterator[pa.RecordBatch]:
        scorer = _scorer(content, digest, version)
        for batch in batches:
            yield with_rejected(batch, scorer.score(batch))

    return score


# Executors keep their Python processes: a model is loaded once in each.
_loaded: dict[tuple[str, str], Scorer] = {}


def _scorer(content: Mapping[str, bytes], digest: str, version: str) -> Scorer:
    if (digest, version) not in _loaded:
        # not deleted at once: what the model imports from its code may come later
        folder = Path(tempfile.mkdtemp(prefix="package-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        for path, data in content.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        _loaded[digest, version] = Scorer(folder, version)
    return _loaded[digest, version]
