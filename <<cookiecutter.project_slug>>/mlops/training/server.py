"""The embedded MLflow server: one process, SQLite and a local folder, one per project.

Its state lies in `.mlops/mlflow/`: `mlflow.db`, `artifacts/`, `server.log` and `server.json`, which
names the process and the port. The port is kept for the next start, so that links stay valid.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import filelock
import psutil
from rich.console import Console

from mlops.quality.errors import UserError

# The project that this machinery lies in; quality.project has it too, but takes pandas along.
ROOT = Path(__file__).resolve().parents[2]
MODULE = "mlops.training.server_process"
LOG = "server.log"
START_TIMEOUT = 120.0
STOP_TIMEOUT = 10.0


@dataclass(frozen=True)
class Server:
    """A running server; `folder` holds its state, `created` is its start in seconds since 1970."""

    pid: int
    port: int
    uri: str
    created: float
    folder: Path


def up(root: Path, *, wait: bool = True) -> Server:
    """The project's server, started unless it runs already.

    With `wait=False` it may still be starting: whoever connects meanwhile waits in line, and
    `wait_healthy` says when it is ready. Raises UserError where it cannot start or does not answer.
    """
    folder = _folder(root)
    with _locked(folder):
        server = find(root) or _start(folder)
    if wait:
        wait_healthy(server)
    return server


def down(root: Path) -> bool:
    """End the project's server and whatever it started; False where none runs."""
    folder = _folder(root)
    if not folder.is_dir():
        return False
    with _locked(folder):
        server = find(root)
        if server is None:
            return False
        _end(server)
    return True


def find(root: Path) -> Server | None:
    """The project's server where its process lives, be it ready or still starting."""
    folder = _folder(root)
    pid, port = _record(folder)
    process = _own_process(pid, folder)
    if process is None:
        return None
    with suppress(psutil.Error):
        return Server(pid, port, _uri(port), process.create_time(), folder)
    return None


def wait_healthy(server: Server, timeout: float = START_TIMEOUT) -> None:
    """Return when the server answers; show that we wait.

    Raises UserError, with the end of its log, where it ended or is not ready in `timeout` seconds.
    """
    if _is_healthy(server, timeout=0.5):
        return
    console = Console(stderr=True)
    if not console.is_terminal:
        console.print("starting the MLflow server")
    with console.status("starting the MLflow server"):
        end = time.monotonic() + timeout
        while not _is_healthy(server, timeout=1.0):
            if _own_process(server.pid, server.folder) is None:
                raise UserError(f"the MLflow server has ended: {_last_words(server.folder)}")
            if time.monotonic() > end:
                raise UserError(
                    f"the MLflow server does not answer on {server.uri} after {timeout:.0f} s; "
                    f"its log is {server.folder / LOG}; `nox -s down` ends it"
                )
            time.sleep(0.05)


def _folder(root: Path) -> Path:
    return root.resolve() / ".mlops" / "mlflow"


def _record(folder: Path) -> tuple[int, int]:
    """The pid and the port that were written down last; zeros where nothing readable is there."""
    try:
        record = json.loads((folder / "server.json").read_text(encoding="utf-8"))
        return int(record["pid"]), int(record["port"])
    except (OSError, ValueError, TypeError, KeyError):
        return 0, 0


def _uri(port: int) -> str:
    return f"http://127.0.0.1:{port}"


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One start or stop at a time, over all processes; the lock dies with its holder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder / "server.lock", timeout=60):
            yield
    except filelock.Timeout:
        raise UserError(f"{folder}: another process starts or stops the server") from None
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror or error}") from None


def _start(folder: Path) -> Server:
    """Start the server on its remembered port where that is free, else on a new one."""
    port = _free_port(folder)
    with (folder / LOG).open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", MODULE, str(folder), str(port)],
            cwd=folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
    # It outlives this process on purpose: Popen shall neither wait for it nor warn.
    process.returncode = 0
    created = psutil.Process(process.pid).create_time()
    server = Server(process.pid, port, _uri(port), created, folder)
    try:
        draft = folder / "server.json.new"
        draft.write_text(json.dumps({"pid": server.pid, "port": port}) + "\n", encoding="utf-8")
        draft.replace(folder / "server.json")
    except OSError:
        _end(server)
        raise
    return server


def _free_port(folder: Path) -> int:
    """The port in the last record where it is free, else one that the system chooses."""
    for port in (_record(folder)[1], 0):
        with suppress(OSError, OverflowError), socket.create_server(("127.0.0.1", port)) as probe:
            return int(probe.getsockname()[1])
    raise UserError("no free port on 127.0.0.1 for the MLflow server")


def _environment() -> dict[str, str]:
    """The same server whoever starts it: no MLflow setting is inherited."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MLFLOW_", "_MLFLOW_")) and name != "prometheus_multiproc_dir"
    }
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return kept | {
        "PYTHONPATH": os.pathsep.join(paths),
        # MLflow's own list takes any host name that begins with "10." for a private address
        "MLFLOW_SERVER_ALLOWED_HOSTS": "localhost,localhost:*,127.0.0.1,127.0.0.1:*",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
    }


def _own_process(pid: int, folder: Path) -> psutil.Process | None:
    """The process where it lives and serves this very folder.

    Its command line decides and not its start: that shifts when the clock is set, and a copy of the
    project brings the record of the original's server along.
    """
    with suppress(psutil.Error, ValueError, OverflowError):
        process = psutil.Process(pid)
        command = process.cmdline()
        patience = time.monotonic() + 0.5
        # empty for an instant after the start: Popen returns before the kernel has filled it in
        while not command and time.monotonic() < patience:
            time.sleep(0.005)
            command = process.cmdline()
        if process.status() != psutil.STATUS_ZOMBIE and {MODULE, str(folder)} <= set(command):
            return process
    return None


def _is_healthy(server: Server, timeout: float) -> bool:
    # http.client knows no proxies: an address of this machine must not go through one.
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=timeout)
    try:
        connection.request("GET", "/health")
        healthy = connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return healthy and _own_process(server.pid, server.folder) is not None


def _end(server: Server) -> None:
    """End the process by its own id, children included: asked first, then killed."""
    process = _own_process(server.pid, server.folder)
    if process is None:
        return
    with suppress(psutil.Error):
        family = [process, *process.children(recursive=True)]
        for signalled in (psutil.Process.terminate, psutil.Process.kill):
            for member in family:
                with suppress(psutil.NoSuchProcess):
                    signalled(member)
            end = time.monotonic() + STOP_TIMEOUT
            while (family := [m for m in family if not _is_gone(m)]) and time.monotonic() < end:
                time.sleep(0.02)


def _is_gone(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            return False
        with suppress(psutil.TimeoutExpired):
            process.wait(0)  # a child of ours stays a zombie until somebody asks for its end
    return True


def _last_words(folder: Path) -> str:
    """The line of the log that names the error, and where the rest is."""
    try:
        lines = (folder / LOG).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    said = [line.strip() for line in lines if line.strip()] or ["it said nothing"]
    errors = [line for line in said if re.match(r"[\w.]+(Error|Exception)\b", line)]
    return f"{(errors or said)[-1]} (log: {folder / LOG})"
