"""Which server is used, and what a person reads when it cannot be."""

from __future__ import annotations

import http.server
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mlops.quality.errors import UserError
from mlops.training import server, tracking

CREDENTIALS = ("USERNAME", "PASSWORD", "TOKEN", "AUTH", "AWS_SIGV4")


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv(tracking.VARIABLE, raising=False)
    for name in CREDENTIALS:
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)


@pytest.fixture
def answering() -> Iterator[Callable[[int, str], str]]:
    """Start a web server that always gives this status and text; its address."""
    servers: list[http.server.HTTPServer] = []

    def start(status: int, text: str) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                known = self.headers.get("Authorization") == "Bearer good"
                self.send_response(200 if known else status)
                self.end_headers()
                self.wfile.write(b"{}" if known else text.encode())

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        servers.append(http.server.HTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, args=(0.02,), daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}"

    yield start
    for started in servers:
        started.shutdown()
        started.server_close()


def _closed_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        return int(probe.getsockname()[1])


def _refusal(uri: str, timeout: float = 5.0) -> str:
    with pytest.raises(UserError) as caught:
        tracking.check_reachable(uri, timeout)
    said = str(caught.value)
    assert "\n" not in said
    assert said.startswith("MLFLOW_TRACKING_URI=http")
    return said


@pytest.mark.parametrize(
    "uri", ["http://host:1/", "databricks", "azureml://a/b", "sqlite:///x.db", "postgresql://h/d"]
)
def test_the_variable_wins_and_is_passed_on_unchanged(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, uri: str
) -> None:
    monkeypatch.setenv(tracking.VARIABLE, uri)
    assert tracking.tracking_uri(tmp_path) == uri
    assert not list(tmp_path.iterdir()), "a server was started all the same"


@pytest.mark.parametrize("value", [None, "", " "])
def test_without_the_variable_the_own_server_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, value: str | None
) -> None:
    own = server.Server(1, 2, "http://127.0.0.1:2", 3.0, tmp_path)
    monkeypatch.setattr(server, "up", lambda _: own)
    if value is not None:
        monkeypatch.setenv(tracking.VARIABLE, value)
    assert tracking.tracking_uri(tmp_path) == own.uri


@pytest.mark.parametrize("uri", ["databricks", "azureml://a/b", "sqlite:///x.db"])
def test_only_web_addresses_are_asked(uri: str) -> None:
    tracking.check_reachable(uri)


def test_a_closed_port_is_told_at_once() -> None:
    started = time.monotonic()
    assert "cannot be reached: Connection refused" in _refusal(f"http://127.0.0.1:{_closed_port()}")
    assert time.monotonic() - started < 2


def test_an_unknown_host_is_told() -> None:
    assert "the server " in _refusal("http://no-such-host.invalid:5000")


def test_a_silent_server_is_told_in_time() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        said = _refusal(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.5)
    assert "does not answer within" in said


def test_passwords_in_the_address_are_not_shown() -> None:
    said = _refusal(f"http://me:geheim@127.0.0.1:{_closed_port()}")
    assert "geheim" not in said


@pytest.mark.parametrize("address", ["http://", "http://[", "http://127.0.0.1:notaport"])
def test_an_address_that_is_none_is_told(address: str) -> None:
    assert "cannot be reached" in _refusal(address)


@pytest.mark.parametrize(
    ("status", "text", "expected"),
    [
        (401, "who are you", "refuses access (HTTP 401: who are you); credentials are MLFLOW_"),
        (403, "Invalid Host header", "refuses access (HTTP 403: Invalid Host header)"),
        (500, "no\ndatabase", "the server fails (HTTP 500: no database)"),
        (404, "nothing here", "what answers is no MLflow server (HTTP 404"),
        (200, "<html>log in</html>", "what answers is no MLflow server (HTTP 200"),
    ],
)
def test_a_server_that_will_not_do_is_told(
    answering: Callable[[int, str], str], status: int, text: str, expected: str
) -> None:
    assert expected in _refusal(answering(status, text))


def test_good_credentials_pass(
    answering: Callable[[int, str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = answering(401, "who are you")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "good")
    tracking.check_reachable(uri)


def test_the_command_fails_within_six_seconds_with_one_line(tmp_path: Path) -> None:
    code = (
        "from mlops.quality.errors import run_main\n"
        "from mlops.training.tracking import main_up\n"
        "run_main(main_up)"
    )
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        environment = os.environ | {tracking.VARIABLE: uri, "PYTHONPATH": str(server.ROOT)}
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", code],
            check=False,
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=30,
        )
    assert time.monotonic() - started < 6
    assert done.returncode == 2
    expected = f"error: MLFLOW_TRACKING_URI={uri}: the server does not answer within 5 s\n"
    assert (done.stdout, done.stderr) == ("", expected)


def test_importing_it_does_not_import_mlflow() -> None:
    code = "import sys, mlops.training.tracking; sys.exit('mlflow' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(server.ROOT)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=30)


def test_up_and_down_print_the_address_and_can_be_repeated(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tracking, "ROOT", tmp_path)
    try:
        assert tracking.main_up([]) == 0
        first = capsys.readouterr().out
        assert tracking.main_up([]) == 0
        assert capsys.readouterr().out == first
        assert first.startswith("MLflow: http://127.0.0.1:")
        _use_the_client(monkeypatch, tracking.tracking_uri(tmp_path))
    finally:
        assert tracking.main_down([]) == 0
    assert capsys.readouterr().out == "the MLflow server has ended\n"
    assert tracking.main_down([]) == 0
    assert capsys.readouterr().out == "no MLflow server of this project runs\n"


def _use_the_client(monkeypatch: pytest.MonkeyPatch, uri: str) -> None:
    """An experiment is made once and comes back when deleted; links lead to pages; errors are lines."""
    tracking.check_reachable(uri)
    monkeypatch.setattr(os, "environ", dict(os.environ))  # MLflow writes its address into it
    client = tracking.client(uri)
    made = tracking.experiment_id(client, "first")
    assert tracking.experiment_id(client, "first") == made
    client.delete_experiment(made)
    assert tracking.experiment_id(client, "first") == made
    assert client.get_experiment(made).lifecycle_stage == "active"
    assert tracking.run_link(uri, made, "r") == f"{uri}/#/experiments/{made}/runs/r"
    with pytest.raises(UserError, match=f"MLflow at {uri}: .*"), tracking.one_line_errors(uri):
        client.get_run("0" * 32)


def test_links_of_servers_without_pages_name_the_thing() -> None:
    assert tracking.model_link("http://h/", "a b", "3") == "http://h/#/models/a%20b/versions/3"
    assert tracking.run_link("databricks", "1", "r") == "databricks: experiments/1/runs/r"
