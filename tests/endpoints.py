"""Endpoints of small models, of the tests' own: built, started on a free port, asked, and ended.

`python -m tests.endpoints OUT`, inside the project, writes the packages and MLflow's own model.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.template import PROJECT, ROOT

HOST = "127.0.0.1"
MODEL = "small"
START_SECONDS = 60.0
END_SECONDS = 20.0
MLFLOW = "mlflow"
JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class Answer:
    """What came back: headers by their lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read as strict JSON."""
        return json.loads(self.body, parse_constant=_no_json)


@dataclass(frozen=True)
class Server:
    """A server that was started here, and the file that holds all it said."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path
    folder: Path = field(default_factory=Path)

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return f"http://{HOST}:{self.port}"

    def ask(
        self,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        *,
        method: str = "",
    ) -> Answer:
        """One request: a body that is not bytes is sent as JSON, and none is a GET."""
        told = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body, told = json.dumps(body).encode(), {**JSON, **told}
        connection = http.client.HTTPConnection(HOST, self.port, timeout=30)
        try:
            connection.request(method or ("GET" if body is None else "POST"), path, body, told)
            return _answer(connection.getresponse())
        finally:
            connection.close()

    def connect(self) -> socket.socket:
        """A connection on which anything may be sent."""
        return socket.create_connection((HOST, self.port), timeout=30)

    def raw(self, sent: bytes) -> Answer:
        """The first answer to these very bytes."""
        with self.connect() as connection:
            # who answers and hangs up before all was sent is to be heard nevertheless
            with contextlib.suppress(OSError):
                connection.sendall(sent)
            return read_answer(connection)

    def said(self) -> str:
        """Its log until now."""
        return self.log.read_text(errors="replace")


def read_answer(connection: socket.socket, *, exact: bool = False) -> Answer:
    """The answer that comes on a connection; `exact` where another one may follow it."""
    if not exact:
        response = http.client.HTTPResponse(connection)
        try:
            response.begin()
            return _answer(response)
        finally:
            response.close()
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += _received(connection, 1)
    status, *lines = head.decode("latin-1").splitlines()
    headers = dict(line.lower().split(": ", 1) for line in lines if line)
    body = b""
    while len(body) < int(headers["content-length"]):
        body += _received(connection, int(headers["content-length"]) - len(body))
    return Answer(int(status.split()[1]), headers, body)


def wait_for(reached: Callable[[], bool], what: str, seconds: float = 10.0) -> None:
    """Look until it is so; an AssertionError says what never came."""
    end = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < end, f"{what}: not within {seconds:g} s"
        time.sleep(0.02)


def largest_memory(server: Server) -> int:
    """How many bytes a worker of the endpoint has held at most, as Linux counts them."""
    (worker,) = (each for each in psutil.Process(server.process.pid).children() if _is_worker(each))
    told = Path(f"/proc/{worker.pid}/status").read_text()
    (line,) = (line for line in told.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def build(out: Path) -> dict[str, str]:
    """Build all packages below `out`/packages, each named by its digest; their digests by name."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.endpoints", str(out)],
        cwd=PROJECT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    digests: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return digests


def environment() -> dict[str, str]:
    """The variables with which the project's modules, and these, are found."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(PROJECT)])}


def deployment(name: str, digest: str, share: float, version: str = "1") -> dict[str, object]:
    """A package behind an endpoint, as its traffic file tells of it."""
    return {"name": name, "version": version, "digest": digest, "share": share, "mirror": 0.0}


def lay_out(
    out: Path,
    name: str,
    deployments: Sequence[Mapping[str, object]],
    options: Mapping[str, object] | None = None,
) -> Path:
    """The folder of a new endpoint with its traffic file."""
    folder = out / "endpoints" / name
    folder.mkdir(parents=True)
    traffic = {
        "revision": 1,
        "environment": name,
        "model": MODEL,
        "deployments": list(deployments),
        "edges": [0.0, 0.5, 1.0],
        "options": dict(options or {}),
    }
    (folder / "traffic.json").write_text(json.dumps(traffic))
    return folder


def command(folder: Path, host: str, port: int) -> list[str]:
    """What starts an endpoint of one worker."""
    module = "mlops.deployment.serving.endpoint_process"
    return [sys.executable, "-m", module, str(folder), host, str(port), "1"]


@contextmanager
def endpoint(folder: Path, key: str = "") -> Iterator[Server]:
    """The endpoint of a folder, once it is ready; `key` is one of its keys, where it has any."""
    port = free_port()
    with _running(command(folder, HOST, port), port, folder, environment()) as server:
        headers = {"x-api-key": key} if key else {}
        _wait(server, lambda: server.ask("/v2/health/ready", headers=headers).status == 200)
        yield server


@contextmanager
def mlflow_server(out: Path) -> Iterator[Server]:
    """MLflow's own server of the model that `build` left, as `mlflow models serve` starts it."""
    port = free_port()
    app = "mlflow.pyfunc.scoring_server.app:app"
    command = [sys.executable, "-m", "uvicorn", "--host", HOST, "--port", str(port), app]
    settings = {**environment(), "__pyfunc_model_path__": str(out / MLFLOW)}
    with _running(command, port, out, settings) as server:
        _wait(server, lambda: server.ask("/ping").status == 200)
        yield server


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def _running(
    command: Sequence[str], port: int, folder: Path, settings: Mapping[str, str]
) -> Iterator[Server]:
    log = folder / f"said-{port}.log"
    with log.open("wb") as said:
        process = subprocess.Popen(command, cwd=PROJECT, env=settings, stdout=said, stderr=said)
    try:
        yield Server(process, port, log, folder)
    finally:
        _end(process)


def _is_worker(process: psutil.Process) -> bool:
    return "resource_tracker" not in " ".join(process.cmdline())


def _wait(server: Server, ready: Callable[[], bool]) -> None:
    def reached() -> bool:
        assert server.process.poll() is None, server.said()
        with contextlib.suppress(OSError, http.client.HTTPException):
            return ready()
        return False

    try:
        wait_for(reached, "the server answers", START_SECONDS)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{server.said()}") from None


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and what it started, whether or not it hears."""
    family: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(END_SECONDS)
    for left in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            left.kill()
    process.kill()
    process.wait()


def _answer(response: http.client.HTTPResponse) -> Answer:
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, headers, response.read())


def _received(connection: socket.socket, most: int) -> bytes:
    found = connection.recv(most)
    if not found:
        raise http.client.RemoteDisconnected("the connection has ended")
    return found


def _no_json(literal: str) -> object:
    raise AssertionError(f"{literal} is not JSON")


def main(out: Path) -> None:
    """Write the packages and MLflow's model; tells the digests."""
    import dataclasses

    import pandas as pd
    from mlops.deployment.tests import small
    from mlops.quality.contract import Column, Relation
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import Pipeline, make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    plain = small.CONTRACT
    related = dataclasses.replace(plain, relations=(Relation("not_too_much", "a + m <= 10"),))
    values = dataclasses.replace(
        plain,
        task="regression",
        columns={
            **plain.columns,
            "a": Column("number", "a"),
            "answer": Column("number", "answer"),
        },
    )
    forest = small.model(RandomForestClassifier(4, max_depth=3), 0)
    known = small.rows(150, 0)[small.INPUTS]

    # every kind of column that a request can hold; two of them the model does not read
    every = dataclasses.replace(
        plain,
        columns={
            "free": Column("number", "free"),
            "some": Column("number", "some", range=(0.0, 1.0), missing=True),
            "whole": Column("integer", "whole"),
            "few": Column("integer", "few", categories=(1, 2)),
            "rare": Column("integer", "rare", categories=(1, 2), missing=True),
            "text": Column("string", "text", categories=("x", "ü"), missing=True),
            "words": Column("string", "words"),
            "truth": Column("boolean", "truth"),
            "maybe": Column("boolean", "maybe", missing=True),
            "when": Column("datetime", "when", missing=True),
            "answer": plain.columns["answer"],
        },
        protected=(),
        segments={},
    )
    number = len(known)
    table = pd.DataFrame(
        {
            "free": known["a"],
            "some": known["m"].abs(),
            "whole": known["n"],
            "few": known["n"] % 2 + 1,
            "rare": (known["n"] % 2 + 1).astype(float).where(known["a"] > 1),
            "text": known["g"].map({"x": "x", "y": "ü"}),
            "words": known["g"],
            "truth": known["a"] > 5,
            "maybe": pd.Series([True, None] * number)[:number].astype(object),
            "when": pd.date_range("2026-01-01", periods=number),
        }
    )
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    texts = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    features = ColumnTransformer(
        [
            ("numbers", numbers, ["free", "some", "whole", "rare"]),
            ("few", "passthrough", ["few"]),
            ("texts", texts, ["text", "words"]),
            ("truth", "passthrough", ["truth"]),
        ]
    )
    fitted = Pipeline([("features", features), ("model", LogisticRegression())])
    fitted.fit(table, small.rows(150, 0)["answer"])

    ridge = small.model(Ridge(), 0)
    digests = {
        "plain": _package(out, forest, plain, known),
        "flavour": _package(out, forest, plain, known, compiled=False),
        "related": _package(out, small.model(LogisticRegression(), 0), related, known),
        "values": _package(out, ridge, values, known),
        "every": _package(out, fitted, every, table),
    }
    _save(out / MLFLOW, forest, known)
    print(json.dumps(digests))


def _package(out: Path, fitted: Any, contract: Any, inputs: Any, *, compiled: bool = True) -> str:
    """A sealed package in the store, as the step `package` makes it; its digest."""
    import dataclasses

    import skops.io
    from mlops.deployment.packaging.compilation import compile_model
    from mlops.deployment.packaging.package import seal
    from mlops.deployment.packaging.reference import reference
    from mlops.deployment.steps.package import signature
    from mlops.training.search import predict

    folder = out / "packages" / "draft"
    folder.mkdir(parents=True)
    told = dataclasses.asdict(contract)
    for column in told["columns"].values():
        for name in [name for name, value in column.items() if value is None]:
            del column[name]
    answers = predict(fitted, inputs)
    # JSON is YAML
    texts = {
        "contract.yml": told,
        "lineage.json": {"name": MODEL, "algorithm": "made up"},
        "signature.json": signature(contract, answers.ndim),
        "reference.json": reference(inputs, answers, contract),
    }
    for name, values in texts.items():
        (folder / name).write_text(json.dumps(values))
    if compiled:
        (folder / "model.onnx").write_bytes(compile_model(fitted, contract))
    else:
        (folder / "model").mkdir()
        (folder / "model" / "model.skops").write_bytes(skops.io.dumps(fitted))
    digest = str(seal(folder, MODEL))
    shutil.move(folder, folder.parent / digest)
    return digest


def _save(folder: Path, fitted: Any, inputs: Any) -> None:
    """The model as the step `register` saves it."""
    import mlflow.sklearn
    import skops.io
    from mlflow.models import infer_signature
    from mlops.training.model_file import trusted_types
    from mlops.training.search import predict

    example = inputs.head(5)
    mlflow.sklearn.save_model(
        fitted,
        str(folder),
        serialization_format="skops",
        skops_trusted_types=list(trusted_types(skops.io.dumps(fitted))),
        signature=infer_signature(example, predict(fitted, example)),
        input_example=example,
        pyfunc_predict_fn="predict_proba",
        pip_requirements=["scikit-learn", "skops"],
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
