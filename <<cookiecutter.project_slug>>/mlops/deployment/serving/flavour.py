"""A model in MLflow's flavour behind a pipe: `python -m mlops.deployment.serving.flavour FOLDER`.

Two versions of the user's own code do not live in one process (mlflow#12471), and scikit-learn
need not be imported into the endpoint. A message is a line of JSON each way.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from mlops.deployment.serving.table import Rows
from mlops.quality.errors import UserError
from mlops.training.detached import ROOT

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from mlops.quality.contract import Contract

MODULE = "mlops.deployment.serving.flavour"


class FlavourProcess:
    """The process of one model; one question at a time, in the order they come."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._process = self._start()

    def ask(self, rows: Rows) -> Mapping[str, object]:
        """What the model says of the rows; raises RuntimeError where it fails."""
        question = orjson.dumps(rows.columns) + b"\n"
        with self._lock:
            answer = self._exchange(question)
            if not answer:
                # it has died: whoever asks next shall not suffer for it
                self.close()
                self._process = self._start()
                answer = self._exchange(question)
        if not answer:
            raise RuntimeError("the model's process ends when it is asked")
        found: dict[str, object] = orjson.loads(answer)
        if "error" in found:
            raise RuntimeError(str(found["error"]))
        return found

    def close(self) -> None:
        """End the process: it ends by itself when nothing more can come."""
        for stream in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                if stream is not None:
                    stream.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", MODULE, str(self._folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        said = process.stdout.readline() if process.stdout else b""
        if said.strip() != b"ready":
            process.wait()
            raise UserError(f"{self._folder}: the model's process does not start")
        return process

    def _exchange(self, question: bytes) -> bytes:
        process = self._process
        if process.stdin is None or process.stdout is None or process.poll() is not None:
            return b""
        with suppress(OSError, ValueError):
            process.stdin.write(question)
            process.stdin.flush()
            return process.stdout.readline()
        return b""


def main(folder: Path) -> None:
    """Answer the lines of standard input until it ends."""
    from mlops.quality.contract import load_contract  # noqa: PLC0415 - the endpoint does without

    answers = sys.stdout.buffer
    # what the user's code prints must not be taken for an answer
    sys.stdout = sys.stderr
    contract = load_contract(folder / "contract.yml")
    model = _load(folder)
    answers.write(b"ready\n")
    answers.flush()
    for line in sys.stdin.buffer:
        try:
            said = _answer(model, contract, json.loads(line))
        except Exception as error:  # noqa: BLE001 - whatever the user's code raises is the answer
            said = {"error": f"{type(error).__name__}: {error}"}
        answers.write(orjson.dumps(said, option=orjson.OPT_SERIALIZE_NUMPY) + b"\n")
        answers.flush()


def _load(folder: Path) -> Pipeline:
    from mlops.deployment.packaging.package import FLAVOUR  # noqa: PLC0415
    from mlops.deployment.packaging.predictor import flavour_pipeline  # noqa: PLC0415

    return flavour_pipeline(folder / FLAVOUR)


def _answer(
    model: Pipeline, contract: Contract, columns: Mapping[str, list[object]]
) -> dict[str, object]:
    import numpy as np  # noqa: PLC0415
    import pandas as pd  # noqa: PLC0415

    from mlops.quality.values import typed  # noqa: PLC0415

    table = pd.DataFrame(
        {
            name: typed(pd.Series(values, dtype=object), contract.columns[name])[0]
            for name, values in columns.items()
        }
    )
    if not hasattr(model, "predict_proba"):
        return {"values": np.asarray(model.predict(table), dtype=float)}
    chances = np.asarray(model.predict_proba(table), dtype=float)
    return {"values": chances, "labels": model.classes_[chances.argmax(axis=1)].tolist()}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
