"""A packaged model as the endpoint runs it: ONNX in this process, a flavour in one of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from mlops.deployment.packaging.package import FLAVOUR, ONNX
from mlops.deployment.serving.flavour import FlavourProcess
from mlops.deployment.serving.table import Rows
from mlops.quality.errors import UserError

_Feed = Callable[[Sequence[object]], NDArray[np.generic]]


class Answers(NamedTuple):
    """What a model says of each row.

    `values`: probabilities, shape (n, labels), or values, shape (n,). `labels`: the most probable
    label of each row, shape (n,); None where the model gives values.
    """

    values: NDArray[np.floating]
    labels: NDArray[np.generic] | None


class Model(Protocol):
    """A loaded model."""

    def answer(self, rows: Rows) -> Answers:
        """The answers for rows that keep the contract."""

    def close(self) -> None:
        """End what belongs to the model."""


def load_model(folder: Path) -> Model:
    """The model of a package; raises UserError where there is none that loads."""
    if (folder / ONNX).is_file():
        return OnnxModel((folder / ONNX).read_bytes())
    if (folder / FLAVOUR / "model.skops").is_file():
        return FlavourModel(folder)
    raise UserError(f"{folder}: holds neither {ONNX} nor {FLAVOUR}/model.skops")


class OnnxModel:
    """A compiled model: one session of one thread, which may be run from several at once."""

    def __init__(self, content: bytes) -> None:
        import onnxruntime  # noqa: PLC0415 - a model that was not compiled does without

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            # onnxruntime's errors have no common base of their own
            said = " ".join(str(error).split())
            raise UserError(f"the ONNX model does not load: {said}") from error
        self._inputs = [(entry.name, _FEEDS[entry.type]) for entry in self._session.get_inputs()]
        self._outputs = [entry.name for entry in self._session.get_outputs()]
        self._threads = threading.local()

    def answer(self, rows: Rows) -> Answers:
        """The answers for rows that keep the contract."""
        if rows.number == 1:
            fed = self._one().filled(rows.columns)
        else:
            fed = {name: feed(rows.columns[name]) for name, feed in self._inputs}
        found = self._session.run(self._outputs, fed)
        values = found[-1]
        if len(found) == 1:
            return Answers(values.reshape(len(values)), None)
        return Answers(values, found[0])

    def _one(self) -> _OneRow:
        """This thread's arrays: while one computes, another must not change what it reads."""
        try:
            found: _OneRow = self._threads.one
        except AttributeError:
            found = self._threads.one = _OneRow(self._inputs)
        return found

    def close(self) -> None:
        """Nothing to end: the session goes with the object."""


class _OneRow:
    """The inputs of a single row, in arrays that are filled anew: making them takes longer."""

    def __init__(self, inputs: Sequence[tuple[str, _Feed]]) -> None:
        self._floats = [name for name, feed in inputs if feed is _floats]
        self._others = [(name, feed) for name, feed in inputs if feed is not _floats]
        self._numbers = np.empty((len(self._floats), 1), dtype=np.float32)
        self._fed: dict[str, NDArray[np.generic]] = {
            name: self._numbers[place : place + 1] for place, name in enumerate(self._floats)
        }

    def filled(self, columns: Mapping[str, Sequence[object]]) -> dict[str, NDArray[np.generic]]:
        """The arrays with the row's values; they hold until the next call."""
        self._numbers[:] = cast(Any, [columns[name] for name in self._floats])
        for name, feed in self._others:
            self._fed[name] = feed(columns[name])
        return self._fed


class FlavourModel:
    """A model in MLflow's flavour: a process of its own answers, with the code it came with."""

    def __init__(self, folder: Path) -> None:
        self._process = FlavourProcess(folder)

    def answer(self, rows: Rows) -> Answers:
        """The answers for rows that keep the contract; a dead process is started again once."""
        found = self._process.ask(rows)
        labels = found.get("labels")
        values = np.asarray(found["values"], dtype=float)
        return Answers(values, None if labels is None else np.asarray(labels))

    def close(self) -> None:
        """End the process."""
        self._process.close()


def _floats(values: Sequence[object]) -> NDArray[np.float32]:
    return np.array(values, dtype=np.float32).reshape(-1, 1)


def _integers(values: Sequence[object]) -> NDArray[np.int64]:
    return np.array(values, dtype=np.int64).reshape(-1, 1)


def _truths(values: Sequence[object]) -> NDArray[np.bool_]:
    return np.array(values, dtype=np.bool_).reshape(-1, 1)


def _texts(values: Sequence[object]) -> NDArray[np.object_]:
    return np.array(["" if value is None else value for value in values], dtype=object).reshape(
        -1, 1
    )


_FEEDS: Mapping[str, _Feed] = {
    "tensor(float)": _floats,
    "tensor(int64)": _integers,
    "tensor(bool)": _truths,
    "tensor(string)": _texts,
}
