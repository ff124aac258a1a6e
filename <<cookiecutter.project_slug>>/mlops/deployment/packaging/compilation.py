"""A fitted scikit-learn pipeline as ONNX, and the proof that both give the same answers.

ONNX is data, not code: it loads without unpickling, needs no scikit-learn, and answers a single row
in microseconds. Numbers enter it as float32, which is what scikit-learn's trees compare as well.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops.deployment.measuring.measure import Measure, Predict
from mlops.quality.contract import Column, Contract
from mlops.quality.strict import parse

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

COMPILATION = "compilation.json"
# What onnxruntime has run since 1.17; newer operators bring nothing for these models.
OPSET = {"": 21, "ai.onnx.ml": 3}


class NotCompilableError(Exception):
    """The pipeline holds something that has no ONNX form; the message says what."""


@dataclass(frozen=True)
class Parity:
    """How far the compiled model's answers lie from the original's on one set of rows.

    `largest` is the largest absolute difference; of values it is divided by the spread (standard
    deviation) of the original's answers, so that a tolerance means the same for every problem.
    `row` is the position of that row in the set.
    """

    rows: int
    largest: float
    row: int


@dataclass(frozen=True)
class Compilation:
    """In which form the model is packaged, and why."""

    format: Literal["onnx", "mlflow"]
    reason: str
    tolerance: float
    parity: Mapping[str, Parity]


def compile_model(model: Pipeline, contract: Contract) -> bytes:
    """The pipeline as an ONNX file's content, the same bytes for the same pipeline.

    One input of shape (n, 1) for each column it reads. Raises NotCompilableError.
    """
    from skl2onnx import to_onnx  # noqa: PLC0415 - imports slowly

    from mlops.deployment.packaging.columns_read import (  # noqa: PLC0415 - needs scikit-learn
        columns_read,
    )

    inputs = [
        (name, _tensor(name, contract.columns[name])) for name in columns_read(model, contract)
    ]
    options = {id(model): {"zipmap": False}} if hasattr(model, "predict_proba") else None
    try:
        graph = to_onnx(model, initial_types=inputs, options=options, target_opset=OPSET)
    except Exception as error:
        # skl2onnx raises whatever its converters run into; onnx tells all attributes of a node
        said = " ".join(str(error).split()).split(" with name=")[0]
        reason = said[:200] or type(error).__name__
        raise NotCompilableError(f"{_name(model)} has no ONNX form: {reason}") from error
    graph.graph.name = "model"
    # skl2onnx lists the operator sets in the order of a Python set, another one in each process
    operators = sorted((entry.domain, entry.version) for entry in graph.opset_import)
    del graph.opset_import[:]
    for domain, version in operators:
        graph.opset_import.add(domain=domain, version=version)
    return bytes(graph.SerializeToString(deterministic=True))


def compare(original: Predict, compiled: Predict, table: pd.DataFrame, scale: float) -> Parity:
    """The largest difference between two models on the rows of `table`, in units of `scale`.

    A row where one of them gives no number counts as infinitely far, unless both do.
    """
    left, right = (np.asarray(predict(table), dtype=float) for predict in (original, compiled))
    if left.shape != right.shape:
        return Parity(len(table), float("inf"), 0)
    apart = np.abs(left - right) / scale
    apart[np.isnan(left) & np.isnan(right)] = 0.0
    by_row = np.nan_to_num(apart, nan=np.inf).reshape(len(table), -1).max(axis=1)
    row = int(by_row.argmax())
    return Parity(len(table), float(by_row[row]), row)


def spread(answers: NDArray[np.float64], task: str) -> float:
    """What a difference is measured in: 1 for probabilities, the standard deviation of values."""
    if task == "classification":
        return 1.0
    return float(np.std(answers)) or 1.0


def measures(result: Compilation) -> tuple[Measure, ...]:
    """`compile.onnx` (1 or 0), and `compile.difference` on each set of rows."""
    compiled = Measure("compile.onnx", float(result.format == "onnx"), detail=result.reason)
    found = [
        Measure(
            f"compile.difference[{name}]",
            parity.largest if np.isfinite(parity.largest) else None,
            rows=parity.rows,
            detail=f"largest at row {parity.row}",
            declared=result.tolerance,
        )
        for name, parity in result.parity.items()
    ]
    if result.format == "mlflow":
        # It is served as it was trained: there is nothing it could differ from.
        found = [Measure("compile.difference", 0.0, detail=result.reason, declared=0.0)]
    return (compiled, *found)


def write_compilation(result: Compilation, folder: Path) -> None:
    """Write the form and why into a folder."""
    (folder / COMPILATION).write_text(json.dumps(dataclasses.asdict(result), indent=1))


def read_compilation(folder: Path) -> Compilation:
    """Read what `write_compilation` wrote."""
    file = folder / COMPILATION
    return parse(Compilation, json.loads(file.read_text()), str(file))


def _tensor(name: str, column: Column) -> object:
    from skl2onnx.common import data_types  # noqa: PLC0415 - imports slowly

    shape = [None, 1]
    if column.type == "string":
        return data_types.StringTensorType(shape)
    if column.type == "boolean" and not column.missing:
        return data_types.BooleanTensorType(shape)
    if column.type == "integer" and column.categories and not column.missing:
        return data_types.Int64TensorType(shape)
    if column.type in ("integer", "number"):
        return data_types.FloatTensorType(shape)
    raise NotCompilableError(f"column {name}: a {column.type} has no ONNX form here")


def _name(model: Pipeline) -> str:
    last = model[-1]
    return type(last[-1] if hasattr(last, "steps") else last).__name__
