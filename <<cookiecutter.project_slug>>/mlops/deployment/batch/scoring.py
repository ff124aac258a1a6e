"""The scoring that every executor shares: a batch of rows in, its scores and its broken rows out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlops.deployment.batch.column_check import ColumnCheck, Values
from mlops.deployment.packaging.package import FLAVOUR, ONNX, read_manifest
from mlops.deployment.packaging.predictor import flavour_pipeline
from mlops.quality.checks import Violation, check_table
from mlops.quality.contract import Contract, load_contract
from mlops.quality.errors import UserError
from mlops.quality.strict import did_you_mean
from mlops.quality.values import typed

PREDICTION = "prediction"
PROBABILITY = "probability_"
VERSION = "model_version"
DIGEST = "model_digest"
# Rows for which a model's intermediate results stay in a core's cache.
_BLOCK = 16384

# Of n rows: values, shape (n,), or probabilities, shape (n, labels); and labels, shape (n,).
_Answer = tuple[NDArray[np.floating], NDArray[np.generic] | None]


@dataclass(frozen=True)
class Scored:
    """What became of a batch.

    `batch` holds the rows that keep the contract, in their order, with the scores; `kept` their
    positions in the given batch (None: all of them). A violation's `row` counts the given batch's
    rows from 1.
    """

    batch: pa.RecordBatch
    kept: NDArray[np.int64] | None
    violations: tuple[Violation, ...]


@dataclass(frozen=True)
class _Model:
    """A loaded model: `labels` names its probabilities; None where it gives values.

    `singles` are the inputs that it wants as float32.
    """

    answer: Callable[[pa.RecordBatch, Values], _Answer]
    labels: tuple[str, ...] | None
    types: tuple[pa.DataType, pa.DataType]
    singles: tuple[str, ...] = ()


class Scorer:
    """A packaged model and the contract of its inputs, loaded once for any number of batches.

    `outputs` are the columns that scoring adds. Raises UserError where `folder` is no package.
    """

    def __init__(self, folder: Path, version: str) -> None:
        self.digest = read_manifest(folder)[1]
        self.version = version
        self._contract = load_contract(folder / "contract.yml")
        self._model = _load(folder, self._contract)
        self._check = ColumnCheck(self._contract, self._model.singles)
        self._same: list[pa.Array] | None = None
        label, value = self._model.types
        names = [f"{PROBABILITY}{name}" for name in self._model.labels or ()]
        constant = pa.dictionary(pa.int32(), pa.string())
        self.outputs = pa.schema(
            [
                pa.field(PREDICTION, value if self._model.labels is None else label),
                *(pa.field(name, value) for name in names),
                pa.field(VERSION, constant),
                pa.field(DIGEST, constant),
            ]
        )

    def refuse(self, columns: list[str], where: str) -> None:
        """Raise UserError where rows with these columns cannot be scored; `where` names them."""
        for name in self._contract.inputs:
            if name not in columns:
                hint = did_you_mean(name, columns)
                raise UserError(f"{where}: there is no column '{name}', an input; {hint}")
        added = frozenset(self.outputs.names)
        for name in columns:
            if columns.count(name) > 1:
                raise UserError(f"{where}: there are two columns '{name}'; expected one")
            if name in added:
                raise UserError(f"{where}: column '{name}' is what scoring adds; rename it")

    def score(self, batch: pa.RecordBatch) -> Scored:
        """The scores of the rows that keep the contract, and what the others break.

        The batch must hold the contract's inputs; other columns are carried through as they are.
        """
        self.refuse(batch.schema.names, "the rows")
        read = self._check.read(batch)
        values, kept = {**read.values, **read.singles}, None
        violations: tuple[Violation, ...] = ()
        if read.suspect is not None:
            kept, violations = self._described(batch, np.flatnonzero(read.suspect))
        if kept is not None:
            indices = pa.array(kept)
            batch = batch.take(indices)
            values = {
                name: column.take(indices) if isinstance(column, pa.Array) else column[kept]
                for name, column in values.items()
            }
        return Scored(self._with_scores(batch, values), kept, violations)

    def _described(
        self, batch: pa.RecordBatch, suspects: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64] | None, tuple[Violation, ...]]:
        """The positions that are left (None: all), and what the suspect rows break in words."""
        rows = batch.select(self._contract.inputs).take(pa.array(suspects))
        table = rows.to_pandas(ignore_metadata=True)
        violations = tuple(
            dataclasses.replace(found, row=int(suspects[found.row - 1]) + 1)
            for found in check_table(table, self._contract, target=False).violations
            if found.row is not None
        )
        if not violations:
            return None, ()
        good = np.ones(batch.num_rows, dtype=bool)
        good[[found.row - 1 for found in violations if found.row is not None]] = False
        return np.flatnonzero(good), violations

    def _constants(self, rows: int) -> list[pa.Array]:
        """Version and digest for each row; kept, for most batches are of one size."""
        if self._same is None or len(self._same[0]) < rows:
            zeros = pa.array(np.zeros(rows, dtype=np.int32))
            texts = [pa.array([text]) for text in (self.version, self.digest)]
            self._same = [pa.DictionaryArray.from_arrays(zeros, text) for text in texts]
        return [column.slice(0, rows) for column in self._same]

    def _with_scores(self, batch: pa.RecordBatch, values: Values) -> pa.RecordBatch:
        rows, model = batch.num_rows, self._model
        label, value = model.types
        added: list[pa.Array]
        if not rows:
            added = [pa.array([], field.type) for field in self.outputs]
        else:
            found, labels = model.answer(batch, values)
            if model.labels is None:
                added = [pa.array(found, value)]
            else:
                added = [pa.array(labels, label)]
                added += [pa.array(column, value) for column in np.ascontiguousarray(found.T)]
            added += self._constants(rows)
        for field, column in zip(self.outputs, added, strict=True):
            batch = batch.append_column(field, column)
        # what pandas noted of the source speaks of an index that need not be one here
        return batch.replace_schema_metadata(None)


def _load(folder: Path, contract: Contract) -> _Model:
    if (folder / ONNX).is_file():
        return _compiled((folder / ONNX).read_bytes())
    if (folder / FLAVOUR / "model.skops").is_file():
        return _flavour(folder / FLAVOUR, contract)
    raise UserError(f"{folder}: holds neither {ONNX} nor {FLAVOUR}/model.skops")


def _compiled(content: bytes) -> _Model:
    """A compiled model on one thread: processes use the cores. Its labels go by their position."""
    import onnxruntime  # noqa: PLC0415 - a model that was not compiled does without

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        # onnxruntime's errors have no common base of their own
        raise UserError(f"the ONNX model does not load: {' '.join(str(error).split())}") from error
    feeds = {entry.name: _FEEDS[entry.type] for entry in session.get_inputs()}

    names = [entry.name for entry in session.get_outputs()]

    def answer(batch: pa.RecordBatch, values: Values) -> _Answer:
        rows = batch.num_rows
        found = np.empty((width, rows), dtype=value.dtype)
        labels = np.empty(rows, dtype=label[0].dtype) if label else None
        whole = {name: feed(values[name]).reshape(-1, 1) for name, feed in feeds.items()}
        for start in range(0, rows, _BLOCK):
            block = slice(start, start + _BLOCK)
            fed = {name: column[block] for name, column in whole.items()}
            *said, chances = session.run(names, fed)
            found[:, block] = chances.reshape(len(chances), width).T
            if labels is not None:
                labels[block] = said[0]
        return (found[0] if labels is None else found.T), labels

    # how many labels there are, and of what type: a row tells, the model's signature need not
    *label, value = session.run(
        names, {entry.name: _ONE[entry.type] for entry in session.get_inputs()}
    )
    width = value.size
    types = (pa.array(label[0]).type if label else pa.null(), pa.from_numpy_dtype(value.dtype))
    labels = tuple(str(place) for place in range(width)) if label else None
    singles = tuple(name for name, feed in feeds.items() if feed is _FEEDS["tensor(float)"])
    return _Model(answer, labels, types, singles)


def _flavour(folder: Path, contract: Contract) -> _Model:
    """A model in MLflow's flavour, with the code it came with, in this process."""
    pipeline = flavour_pipeline(folder)

    def table(batch: pa.RecordBatch) -> pd.DataFrame:
        raw = batch.select(contract.inputs).to_pandas(ignore_metadata=True)
        return pd.DataFrame({name: typed(raw[name], contract.columns[name])[0] for name in raw})

    if not hasattr(pipeline, "predict_proba"):
        number = pa.float64()
        return _Model(
            lambda batch, _: (np.asarray(pipeline.predict(table(batch)), dtype=float), None),
            None,
            (pa.null(), number),
        )
    classes = np.asarray(pipeline.classes_)

    def answer(batch: pa.RecordBatch, _: Values) -> _Answer:
        chances = np.asarray(pipeline.predict_proba(table(batch)), dtype=float)
        return chances, classes[chances.argmax(axis=1)]

    labels = tuple(str(label) for label in classes)
    return _Model(answer, labels, (pa.array(classes).type, pa.float64()))


def _texts(values: NDArray[np.generic] | pa.Array) -> NDArray[np.object_]:
    texts: NDArray[np.object_] = pc.fill_null(values, "").to_numpy(zero_copy_only=False)
    return texts


_FEEDS: Mapping[str, Callable[[NDArray[np.generic] | pa.Array], NDArray[np.generic]]] = {
    "tensor(float)": lambda values: values.astype(np.float32, copy=False),
    "tensor(int64)": lambda values: values.astype(np.int64, copy=False),
    "tensor(bool)": lambda values: values.astype(np.bool_, copy=False),
    "tensor(string)": _texts,
}
_ONE: Mapping[str, NDArray[np.generic]] = {
    "tensor(float)": np.zeros((1, 1), dtype=np.float32),
    "tensor(int64)": np.zeros((1, 1), dtype=np.int64),
    "tensor(bool)": np.zeros((1, 1), dtype=np.bool_),
    "tensor(string)": np.array([[""]], dtype=object),
}
