"""The shapes of requests and answers: MLflow's, Azure ML's, and the Open Inference Protocol v2.

MLflow: https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally. Open Inference Protocol:
https://github.com/kserve/open-inference-protocol. Azure ML sends `input_data` to `/score`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlops.deployment.serving.bodies import by_column, read_csv, read_json, records, split, too_many
from mlops.deployment.serving.model import Answers
from mlops.deployment.serving.refusal import RefusedError
from mlops.deployment.serving.table import Rows
from mlops.quality.contract import ColumnType

Types = dict[str, ColumnType]
_Reader = Callable[[object, str, int], Rows]
_WANTS = ("values", "labels", "both")
_DATATYPES = {
    **dict.fromkeys(("FP16", "FP32", "FP64"), "number"),
    **{f"{sign}INT{bits}": "integer" for sign in ("", "U") for bits in (8, 16, 32, 64)},
    "BOOL": "boolean",
    "BYTES": "string",
}


class Asked(NamedTuple):
    """A request as it was understood. `answer` forms the body of the answer to it."""

    rows: Rows
    answer: Callable[[Answers, str, str], object]


def read_invocations(body: bytes, content_type: str, types: Types, most: int) -> Asked:
    """MLflow's `/invocations`: JSON with one of four keys, or CSV with a header."""
    if content_type == "text/csv":
        return Asked(read_csv(body, types, most), _predictions("values"))
    _expect_json(content_type, " or text/csv")
    values = read_json(body)
    wants = _params(values.pop("params", None))
    if len(values) != 1 or (key := next(iter(values))) not in _INVOCATIONS:
        known = ", ".join(_INVOCATIONS)
        raise RefusedError(
            400, f"expected exactly one of the keys {known}, found {_listed(values)}"
        )
    return Asked(_INVOCATIONS[key](values[key], key, most), _predictions(wants))


def read_score(body: bytes, content_type: str, _: Types, most: int) -> Asked:
    """Azure ML's `/score`: `input_data` split, as records or by column; the answer is a list."""
    _expect_json(content_type, "")
    values = read_json(body)
    wants = _params(values.pop("params", None))
    if set(values) != {"input_data"}:
        raise RefusedError(400, f"expected the key input_data, found {_listed(values)}")
    data = values["input_data"]
    if isinstance(data, list):
        rows = records(data, "input_data", most)
    elif isinstance(data, dict) and {"columns", "data"} & set(data):
        rows = split(data, "input_data", most)
    else:
        rows = by_column(data, "input_data", most)
    if wants == "both":
        return Asked(rows, _predictions(wants))
    return Asked(rows, lambda found, *_: _chosen(found, wants))


def read_infer(body: bytes, content_type: str, types: Types, most: int) -> Asked:
    """The Open Inference Protocol's infer: a tensor of shape [rows] or [rows, 1] for each column."""
    _expect_json(content_type, "")
    values = read_json(body)
    if unknown := sorted(set(values) - {"id", "parameters", "inputs", "outputs"}):
        known = "id, parameters, inputs, outputs"
        raise RefusedError(400, f"unknown key {unknown[0][:40]!r}; known are {known}")
    tensors = values.get("inputs")
    if not isinstance(tensors, list) or not tensors:
        raise RefusedError(400, "inputs: expected a list of tensors, one for each column")
    columns: dict[str, list[object]] = {}
    for number, tensor in enumerate(tensors, start=1):
        name, data = _tensor(tensor, number, types, most)
        if name in columns:
            raise RefusedError(400, f"inputs: the tensor {name[:40]!r} is given twice")
        columns[name] = data
    identity = values.get("id")
    if identity is not None and not isinstance(identity, str):
        raise RefusedError(400, "id: expected text")
    wanted = _outputs(values.get("outputs"))
    rows = by_column(columns, "inputs", most)
    return Asked(
        rows, lambda found, name, version: _inferred(found, name, version, identity, wanted)
    )


def _expect_json(content_type: str, more: str) -> None:
    if content_type != "application/json":
        found = content_type[:60] or "none"
        raise RefusedError(415, f"content-type: expected application/json{more}, found {found}")


def _listed(values: Mapping[str, object]) -> str:
    return ", ".join(repr(key[:40]) for key in list(values)[:5]) or "none"


def _params(values: object) -> str:
    """Which answer is asked for: `params: {"answer": "labels"}`."""
    if values is None:
        return "values"
    if not isinstance(values, dict):
        raise RefusedError(400, "params: expected an object")
    wants = values.get("answer", "values")
    if wants not in _WANTS or set(values) - {"answer"}:
        raise RefusedError(400, f"params: expected {{answer: {' or '.join(_WANTS)}}}")
    return str(wants)


def _chosen(found: Answers, wants: str) -> object:
    return found.values if wants == "values" or found.labels is None else found.labels


def _predictions(wants: str) -> Callable[[Answers, str, str], object]:
    if wants == "both":
        return lambda found, *_: {
            "predictions": found.values,
            "labels": found.values if found.labels is None else found.labels,
        }
    return lambda found, *_: {"predictions": _chosen(found, wants)}


def _tensor(tensor: object, number: int, types: Types, most: int) -> tuple[str, list[object]]:
    where = f"inputs: number {number}"
    if not isinstance(tensor, dict):
        raise RefusedError(400, f"{where}: expected an object with name, shape, datatype and data")
    name, shape, datatype = tensor.get("name"), tensor.get("shape"), tensor.get("datatype")
    data = tensor.get("data")
    if not isinstance(name, str):
        raise RefusedError(400, f"{where}: name: expected text")
    if not isinstance(datatype, str) or datatype not in _DATATYPES:
        raise RefusedError(
            400, f"{where}: datatype: expected one of {', '.join(sorted(_DATATYPES))}"
        )
    if (
        not isinstance(shape, list)
        or not all(type(size) is int and size >= 0 for size in shape)
        or not (len(shape) == 1 or (len(shape) == 2 and shape[1] == 1))
    ):
        raise RefusedError(400, f"{where}: shape: expected [rows] or [rows, 1]")
    if shape[0] > most:
        raise too_many(most)
    if not isinstance(data, list):
        raise RefusedError(400, f"{where}: data: expected a list")
    flat = [v[0] if isinstance(v, list) and len(v) == 1 else v for v in data]
    if len(flat) != shape[0]:
        raise RefusedError(400, f"{where}: data: expected {shape[0]} values, found {len(flat)}")
    kind = _DATATYPES[datatype]
    if not all(value is None or type(value) in _PYTHON[kind] for value in flat):
        raise RefusedError(400, f"{where}: data: a value is no {datatype}")
    if name in types and kind not in _TAKEN[types[name]]:
        raise RefusedError(400, f"{where}: datatype: column {name[:40]!r} is a {types[name]}")
    return name, flat


def _outputs(values: object) -> set[str] | None:
    if values is None:
        return None
    if not isinstance(values, list) or not all(isinstance(each, dict) for each in values):
        raise RefusedError(400, "outputs: expected a list of objects with a name")
    return {str(each.get("name"))[:40] for each in values}


def _inferred(
    found: Answers, name: str, version: str, identity: str | None, wanted: set[str] | None
) -> object:
    outputs = []
    if found.labels is None:
        outputs.append(_output("value", found.values))
    else:
        outputs.append(_output("label", found.labels))
        outputs.append(_output("probabilities", found.values))
    there = [str(each["name"]) for each in outputs]
    if unknown := sorted((wanted or set()) - set(there)):
        known = ", ".join(there)
        raise RefusedError(400, f"outputs: the model has no {unknown[0]!r}; it has {known}")
    kept = [each for each in outputs if not wanted or each["name"] in wanted]
    answer: dict[str, object] = {"model_name": name, "model_version": version, "outputs": kept}
    return answer if identity is None else {"id": identity, **answer}


def _output(name: str, values: NDArray[np.generic]) -> dict[str, object]:
    kinds = {"f": "FP64", "i": "INT64", "u": "INT64", "b": "BOOL"}
    return {
        "name": name,
        "datatype": kinds.get(values.dtype.kind, "BYTES"),
        "shape": list(values.shape),
        "data": values.ravel().tolist(),
    }


# Which Python types a datatype's values have, and which datatypes a column takes.
_PYTHON: Mapping[str, tuple[type, ...]] = {
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "string": (str,),
}
_TAKEN: Mapping[ColumnType, tuple[str, ...]] = {
    "number": ("number", "integer"),
    "integer": ("number", "integer"),
    "boolean": ("boolean", "integer"),
    "string": ("string",),
    "datetime": ("string",),
}
_INVOCATIONS: Mapping[str, _Reader] = {
    "dataframe_split": split,
    "dataframe_records": records,
    "instances": records,
    "inputs": lambda values, where, most: (
        records(values, where, most) if isinstance(values, list) else by_column(values, where, most)
    ),
}
