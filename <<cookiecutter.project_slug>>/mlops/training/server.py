"""The embedded MLflow server: one process, SQLite and a local folder, one per project.

Its state lies in `.mlops/mlflow/`: `mlflow.db`, `artifacts/`, `server.log` and `server.json`, which
names the process and the port. The port is kept for the next start, so that links stay valid.
"""

from __future__ import annotations

import http.client
import os
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from mlops.quality.errors import UserError
from mlops.training import detached
from mlops.training.detached import ROOT, Kind, Running

__all__ = ["ROOT", "Server", "down", "find", "up", "wait_healthy"]

KIND = Kind("mlops.training.server_process", "the MLflow server")
START_TIMEOUT = 120.0


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
    with detached.locked(KIND, folder):
        server = find(root) or _start(folder)
    if wait:
        wait_healthy(server)
    return server


def down(root: Path) -> bool:
    """End the project's server and whatever it started; False where none runs."""
    folder = _folder(root)
    if not folder.is_dir():
        return False
    with detached.locked(KIND, folder):
        running = detached.find(KIND, folder)
        if running is None:
            return False
        detached.end(KIND, running)
    return True


def find(root: Path) -> Server | None:
    """The project's server where its process lives, be it ready or still starting."""
    running = detached.find(KIND, _folder(root))
    return _server(running) if running else None


def wait_healthy(
    server: Server, timeout: float = START_TIMEOUT, *, has_spinner: bool = True
) -> None:
    """Return when the server answers; show that we wait.

    Without the spinner, a terminal that shows other progress stays as it is.

    Raises UserError, with the end of its log, where it ended or is not ready in `timeout` seconds.
    """
    if _is_healthy(server, timeout=0.5):
        return
    console = Console(stderr=True)
    if not console.is_terminal:
        console.print("starting the MLflow server")
    with console.status("starting the MLflow server") if has_spinner else nullcontext():
        end = time.monotonic() + timeout
        while not _is_healthy(server, timeout=1.0):
            if detached.own_process(KIND, server.pid, server.folder) is None:
                said = detached.last_words(KIND, server.folder)
                raise UserError(f"the MLflow server has ended: {said}")
            if time.monotonic() > end:
                raise UserError(
                    f"the MLflow server does not answer on {server.uri} after {timeout:.0f} s; "
                    f"its log is {server.folder / KIND.log}; `nox -s down` ends it"
                )
            time.sleep(0.05)


def _folder(root: Path) -> Path:
    return root.resolve() / ".mlops" / "mlflow"


def _server(running: Running) -> Server:
    uri = f"http://127.0.0.1:{running.port}"
    return Server(running.pid, running.port, uri, running.created, running.folder)


def _start(folder: Path) -> Server:
    """Start the server on its remembered port where that is free, else on a new one."""
    port = detached.free_port(KIND, folder)
    return _server(detached.start(KIND, folder, port, [str(port)], _environment()))


def _environment() -> dict[str, str]:
    """The same server whoever starts it: no MLflow setting is inherited."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MLFLOW_", "_MLFLOW_")) and name != "prometheus_multiproc_dir"
    }
    return kept | {
        # MLflow's own list takes any host name that begins with "10." for a private address
        "MLFLOW_SERVER_ALLOWED_HOSTS": "localhost,localhost:*,127.0.0.1,127.0.0.1:*",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
    }


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
    return healthy and detached.own_process(KIND, server.pid, server.folder) is not None
