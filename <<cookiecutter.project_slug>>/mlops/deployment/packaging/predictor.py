"""A packaged model that answers tables, without scikit-learn where it was compiled."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops.deployment.measuring.measure import Predict
from mlops.deployment.packaging.package import FLAVOUR, ONNX
from mlops.quality.errors import UserError

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

_COLUMNS: Mapping[str, Callable[[pd.Series], NDArray[np.generic]]] = {
    "tensor(float)": lambda values: values.to_numpy(dtype=np.float32, na_value=np.nan),
    "tensor(int64)": lambda values: values.to_numpy(dtype=np.int64),
    "tensor(bool)": lambda values: values.to_numpy(dtype=np.bool_),
    "tensor(string)": lambda values: values.astype(object).where(values.notna(), "").to_numpy(),
}


def load_predict(folder: Path) -> Predict:
    """The model in a package or in what `compile` left; raises UserError where there is none."""
    if (folder / ONNX).is_file():
        return onnx_predict((folder / ONNX).read_bytes())
    if (folder / FLAVOUR / "model.skops").is_file():
        return flavour_predict(folder / FLAVOUR)
    raise UserError(f"{folder}: holds neither {ONNX} nor {FLAVOUR}/model.skops")


def onnx_predict(content: bytes) -> Predict:
    """A function that runs an ONNX model on one thread: many requests, not one, use the others."""
    import onnxruntime  # noqa: PLC0415 - a model that was not compiled does without

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        # onnxruntime's errors have no common base of their own
        raise UserError(f"the ONNX model does not load: {' '.join(str(error).split())}") from error
    inputs = {entry.name: _COLUMNS[entry.type] for entry in session.get_inputs()}
    output = session.get_outputs()[-1].name

    def predict(table: pd.DataFrame) -> NDArray[np.float64]:
        fed = {name: column(table[name]).reshape(-1, 1) for name, column in inputs.items()}
        answers = np.asarray(session.run([output], fed)[0], dtype=float)
        return answers[:, -1] if answers.ndim == 2 and answers.shape[1] <= 2 else answers

    return predict


def flavour_predict(folder: Path) -> Predict:
    """A function that runs a model in MLflow's scikit-learn flavour, with the code it came with."""
    from mlops.training.search import predict  # noqa: PLC0415 - a compiled model does without

    pipeline = flavour_pipeline(folder)
    return lambda table: predict(pipeline, table)


def flavour_pipeline(folder: Path) -> Pipeline:
    """The fitted pipeline of a model in MLflow's scikit-learn flavour.

    Transformers of the user's own come from `code/` beside the model, unless this process has
    imported another `model` package already.
    """
    import skops.io  # noqa: PLC0415 - a compiled model does without scikit-learn

    from mlops.training.model_file import trusted_types  # noqa: PLC0415

    if (folder / "code").is_dir() and "model" not in sys.modules:
        sys.path.insert(0, str(folder / "code"))
    content = (folder / "model.skops").read_bytes()
    return skops.io.loads(content, trusted=trusted_types(content))
