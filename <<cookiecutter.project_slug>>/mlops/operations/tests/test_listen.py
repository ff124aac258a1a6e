"""The listener: what MLflow's own code sends over HTTP is told once, deployed where allowed, and no more."""

from __future__ import annotations

import argparse
import http.client
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import filelock
import psutil
import pytest
import yaml

from mlops.deployment.tests.environments import SLUG, make_project
from mlops.operations import listen, retrain
from mlops.operations.events import log
from mlops.operations.events.event import Event, source_of, stable_id
from mlops.operations.events.mlflow_webhook import LONGEST_BODY
from mlops.operations.listen_deployments import Ask, Deployments, deployment, weigh
from mlops.operations.listen_registration import lacks_key, name_of, register
from mlops.operations.listen_requests import PATH, Answer, Server
from mlops.operations.listen_webhook import Mailbox, take
from mlops.operations.tests.test_delivery import SECRET, Receiver, serving
from mlops.operations.tests.test_webhook import KEY, sent
from mlops.quality.errors import UserError
from mlops.quality.project import Project
from mlops.training import server, tracking

HOST = "127.0.0.1"
EVERYWHERE = "::"
Request = tuple[bytes, dict[str, str]]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project")


def wait(until: Callable[[], object], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


# What a request means ---------------------------------------------------------------------------


def version(number: int = 7, model: str = SLUG, run: str = "ab12") -> dict[str, object]:
    return {"name": model, "version": str(number), "source": "models:/1", "run_id": run, "tags": {}}


def alias(name: str, number: int = 7) -> dict[str, object]:
    return {"name": SLUG, "alias": name, "version": str(number)}


def signed(
    payload: dict[str, object] | None = None,
    entity: str = "model_version",
    secret: str = KEY,
    old: float = 0.0,
) -> Request:
    """What MLflow's own code sends now, or sent so many seconds ago."""
    now = datetime.now(UTC) - timedelta(seconds=old)
    return sent(pytest.MonkeyPatch(), entity, payload or version(), secret, now)


class Box:
    """Hears what is told and what is to be deployed."""

    def __init__(self, state: Path, *, deploys: bool = True) -> None:
        self.told: list[Event] = []
        self.asked: list[Ask] = []
        act = self.asked.append if deploys else None
        self.mailbox = Mailbox(state, SLUG, source_of("me", SLUG), KEY, self.told.append, act)

    def take(self, request: Request) -> Answer:
        return take(self.mailbox, *request, datetime.now(UTC))


def test_a_new_version_is_told_and_deployed_once(tmp_path: Path) -> None:
    box, request = Box(tmp_path), signed()
    assert box.take(request) == Answer(204, "model_version created: version 7 was told")
    assert [each.version for each in box.asked] == [7]
    assert box.take(request).status == 409, "a replay"
    assert (len(box.told), len(box.asked)) == (1, 1)


def test_it_is_the_same_event_as_the_one_that_the_training_tells(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.take(signed(version(run="r1")))
    expected = stable_id("model_registered", source_of("me", SLUG), SLUG, "7", "r1")
    assert box.told[0].id == expected


def test_without_leave_to_deploy_it_is_told_alone(tmp_path: Path) -> None:
    box = Box(tmp_path, deploys=False)
    answer = box.take(signed())
    assert answer.status == 204
    assert "nothing is deployed without --deploy" in answer.said
    assert (len(box.told), box.asked) == (1, [])


def test_a_candidate_is_told_as_one_and_deployed(tmp_path: Path) -> None:
    box = Box(tmp_path)
    assert box.take(signed(alias("candidate", 5), "model_version_alias")).status == 204
    assert box.told[0].data["reasons"] == [f"version 5 of {SLUG} got the alias candidate"]
    assert [each.version for each in box.asked] == [5]


@pytest.mark.parametrize(
    ("entity", "payload", "said"),
    [
        ("model_version_alias", alias("champion"), "nothing follows"),
        ("registered_model", {"name": SLUG, "tags": {}}, "nothing follows"),
        ("model_version", version(model="other"), "another model"),
        ("model_version_alias", {**alias("candidate"), "name": "other"}, "another model"),
    ],
    ids=["champion", "unknown", "another model", "candidate of another model"],
)
def test_what_a_deployment_does_itself_and_what_is_not_ours_starts_nothing(
    tmp_path: Path, entity: str, payload: dict[str, object], said: str
) -> None:
    box = Box(tmp_path)
    answer = box.take(signed(payload, entity))
    assert (answer.status, box.told, box.asked) == (204, [], [])
    assert said in answer.said


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (lambda: signed(secret="another"), 401),
        (lambda: signed(old=301), 401),
        (lambda: signed(old=290), 204),
        (lambda: (signed()[0], {}), 401),
        (lambda: (b"[]", signed()[1]), 400),
        (lambda: (b"{" * 100_000, {}), 400),
        (lambda: signed({"name": SLUG}), 400),
        (lambda: signed({"name": SLUG, "version": "--to"}), 400),
    ],
    ids=["secret", "old", "late", "unsigned", "list", "deep", "no version", "no number"],
)
def test_what_mlflow_did_not_send_now_is_refused(
    tmp_path: Path, request_: Callable[[], Request], status: int
) -> None:
    box = Box(tmp_path)
    assert box.take(request_()).status == status
    assert len(box.asked) == len(box.told) == int(status == 204)


def test_what_could_not_be_told_is_taken_when_mlflow_tries_again(tmp_path: Path) -> None:
    box, request = Box(tmp_path), signed()

    def full(_: Event) -> None:
        raise OSError("the disk is full")

    refused = take(replace(box.mailbox, tell=full), *request, datetime.now(UTC))
    assert (refused.status, box.asked) == (503, [])
    assert box.take(request).status == 204
    assert len(box.asked) == 1


def turned(made: Deployments, until: Callable[[], object]) -> None:
    def turn() -> object:
        made.turn()
        return until()

    wait(turn)


# Which version is next --------------------------------------------------------------------------

# What stands: running, waiting, the newest that was taken.
OLD, ONE, TWO = Ask(1.0, 6), Ask(2.0, 7), Ask(3.0, 8)


@pytest.mark.parametrize(
    ("ask", "standing", "action", "said"),
    [
        (ONE, (None, None, None), "take", "nothing else"),
        (ONE, (OLD, None, OLD), "take", "after version 6"),
        (TWO, (OLD, ONE, ONE), "take", "instead of version 7"),
        (ONE, (ONE, None, ONE), "drop", "under way"),
        (Ask(2.5, 7), (OLD, ONE, ONE), "drop", "waits already"),
        (OLD, (ONE, None, ONE), "drop", "asked for later"),
        (OLD, (None, None, ONE), "drop", "asked for later"),
        (Ask(4.0, 6), (None, None, ONE), "take", "nothing else"),
        (Ask(2.0, 6), (None, None, ONE), "drop", "asked for later"),
    ],
)
def test_one_at_a_time_and_the_newest_waits(
    ask: Ask, standing: tuple[Ask | None, Ask | None, Ask | None], action: str, said: str
) -> None:
    found = weigh(ask, *standing)
    assert found.action == action
    assert said in found.reason


def test_what_is_started_goes_to_stage_and_no_further() -> None:
    words = ["mlops.operations", "deploy", "--version", "7", "--to", "stage"]
    assert deployment(7) == [sys.executable, "-m", *words]


# Waits for the file `go`, then writes down which version ran; exits with the version.
TINY = """
import os, sys, time
from pathlib import Path
number = sys.argv[1]
Path(f"began-{number}").touch()
while not Path("go").exists():
    time.sleep(0.02)
with open("ran", "a") as file:
    file.write(number + (" secret" if "HOOK" in os.environ else "") + "\\n")
sys.exit(int(number))
"""


@contextmanager
def deployments(
    root: Path, command: Callable[[int], Sequence[str]] | None = None
) -> Iterator[tuple[Deployments, list[str]]]:
    said: list[str] = []

    def tiny(number: int) -> list[str]:
        return [sys.executable, "-c", TINY, str(number)]

    made = Deployments(
        root, root, root / "lock", said.append, hidden=("HOOK",), command=command or tiny
    )
    try:
        yield made, said
    finally:
        made.end()


def test_of_those_that_come_meanwhile_the_newest_alone_is_deployed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK", "s3cret")

    with deployments(tmp_path) as (made, said):
        made.ask(Ask(1.0, 1))
        turned(made, (tmp_path / "began-1").exists)
        for number in (2, 4, 3):
            made.ask(Ask(float(number), number))
        made.turn()
        assert not list(tmp_path.glob("began-[234]")), "one at a time"
        (tmp_path / "go").touch()
        turned(made, lambda: any("version 4: exit 4" in each for each in said))
        made.ask(Ask(3.5, 3))  # a late attempt
        made.turn()
    assert (tmp_path / "ran").read_text().split("\n") == ["1", "4", ""], "without the secret"
    assert any(each.startswith("version 1: exit 1, see ") for each in said)
    assert said[-1] == "version 3 is passed over: version 4 was asked for later"
    assert (tmp_path / "listen" / "version-4.log").read_text().startswith("20")


def test_a_deployment_and_a_retraining_are_never_under_way_together(tmp_path: Path) -> None:
    assert listen.LOCK == retrain.LOCK
    (tmp_path / "go").touch()
    with deployments(tmp_path) as (made, said):
        made.ask(Ask(1.0, 9))
        with filelock.FileLock(tmp_path / "lock"):
            made.turn()
            made.turn()
            assert sum("a retraining is under way" in each for each in said) == 1
            assert not (tmp_path / "began-9").exists()
        made.turn()
        with pytest.raises(filelock.Timeout):
            filelock.FileLock(tmp_path / "lock").acquire(timeout=0)
        turned(made, lambda: any("exit 9" in each for each in said))
        filelock.FileLock(tmp_path / "lock").acquire(timeout=0).lock.release()  # it was let go


def test_a_command_that_cannot_be_started_is_said_and_the_next_one_runs(tmp_path: Path) -> None:
    commands = {1: [str(tmp_path / "none")], 2: [sys.executable, "-c", ""]}
    with deployments(tmp_path, lambda number: commands[number]) as (made, said):
        made.ask(Ask(1.0, 1))
        made.turn()
        assert "version 1: not begun" in said[-1]
        made.ask(Ask(2.0, 2))
        turned(made, lambda: any("version 2: exit 0" in each for each in said))


def test_the_end_says_what_was_not_begun(tmp_path: Path) -> None:
    with deployments(tmp_path) as (made, said):
        made.ask(Ask(1.0, 1))
        made.turn()
        made.ask(Ask(2.0, 2))
        made.turn()
    assert "version 1: signal 15" in said[-2]
    assert said[-1] == "version 2 was not begun: nox -s deploy -- --version 2 --to stage"


# HTTP -------------------------------------------------------------------------------------------


@contextmanager
def listening(
    answer: Callable[..., Answer], seconds: float = 10.0
) -> Iterator[tuple[Server, list[str]]]:
    said: list[str] = []
    found = Server(HOST, 0, answer, said.append, seconds=seconds)
    ending = threading.Event()

    def run() -> None:
        while not ending.is_set():
            found.handle_request()
            found.cut_off()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield found, said
    finally:
        ending.set()
        thread.join()
        found.server_close()
        assert not [each for each in threading.enumerate() if each.name.startswith("listen")]


def post(port: int, request: Request, path: str = PATH) -> tuple[int, str]:
    connection = http.client.HTTPConnection(HOST, port, timeout=30)
    try:
        connection.request("POST", path, *request)
        found = connection.getresponse()
        return found.status, found.read().decode()
    finally:
        connection.close()


def test_a_webhook_over_http_is_answered_with_its_status(tmp_path: Path) -> None:
    box = Box(tmp_path)
    with listening(lambda body, headers: box.take((body, headers))) as (found, said):
        request = signed()
        assert post(found.port, request) == (204, "")
        assert post(found.port, request)[0] == 409
        assert post(found.port, signed(secret="x")) == (401, "the signature is wrong\n")
        assert post(found.port, (b"{}", {}))[0] == 400
        assert post(found.port, request, "/other")[0] == 404
        assert post(found.port, (b"x" * (LONGEST_BODY + 1), {}))[0] == 413
        assert post(found.port, (b"x" * LONGEST_BODY, {}))[0] == 400, "long, but not too long"
        chunked = (request[0], {**request[1], "Transfer-Encoding": "chunked"})
        assert post(found.port, chunked)[0] == 400
    assert len(box.told) == 1
    assert said[0].startswith("204 model_version created")


def test_who_is_too_slow_is_cut_off_and_holds_nobody_up() -> None:
    with listening(lambda *_: Answer(204, "taken"), seconds=0.5) as (found, _):
        slow = [socket.create_connection((HOST, found.port), timeout=20) for _ in range(8)]
        for each in slow:
            each.sendall(b"POST /mlflow HTTP/1.1\r\nContent-Length: 10\r\n\r\n123")
        assert post(found.port, (b"{}", {}))[0] == 204, "after those that hold the threads"
        for each in slow:
            while each.recv(1000):
                pass
            each.close()


def test_a_mistake_in_an_answer_ends_one_request_and_not_the_listener() -> None:
    wrong = iter([True, False])

    def take_one(*_: object) -> Answer:
        if next(wrong):
            raise KeyError("x")
        return Answer(204, "taken")

    with listening(take_one) as (found, said):
        with pytest.raises((http.client.HTTPException, OSError)):
            post(found.port, (b"{}", {}))
        assert post(found.port, (b"{}", {}))[0] == 204
    assert said[0] == "a request was not answered: KeyError: 'x'"


@pytest.mark.parametrize("port", [None, 70_000], ids=["taken", "none"])
def test_an_address_that_cannot_be_had_is_one_clear_line(port: int | None) -> None:
    with socket.create_server((HOST, 0)) as other:
        number = port or other.getsockname()[1]
        with pytest.raises(UserError, match=rf"--host {HOST} --port {number}: "):
            Server(HOST, number, lambda *_: Answer(204, ""), print)


# The command ------------------------------------------------------------------------------------


def stand_in(project: Project, code: str) -> None:
    """What `python -m mlops.operations` is in the project's folder."""
    folder = project.root / "mlops" / "operations"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()  # or the one on the path would come first
    (folder / "__init__.py").touch()
    (folder / "__main__.py").write_text(code)


def options(**changed: object) -> argparse.Namespace:
    known = {
        "host": HOST,
        "port": 0,
        "deploy": True,
        "register": None,
        "secret_env": "HOOK",  # pragma: allowlist secret
    }
    return argparse.Namespace(**{**known, **changed})


@contextmanager
def running(project: Project, **changed: object) -> Iterator[list[str]]:
    """The listener in a thread; what it says."""
    said: list[str] = []
    ending = threading.Event()
    words = (project, options(**changed), KEY, said.append, ending)
    thread = threading.Thread(target=listen.listen, args=words)
    thread.start()
    try:
        wait(lambda: said or not thread.is_alive())
        yield said
    finally:
        ending.set()
        thread.join(60)
    assert not thread.is_alive()
    assert said[-1] == "ended"


def port_of(said: Sequence[str]) -> int:
    return int(said[0].split(PATH)[0].rsplit(":", 1)[1])


def test_what_is_taken_is_delivered_to_who_hears_of_prod(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEAM_SECRET", SECRET)
    with serving(Receiver()) as receiver:
        team = {
            "name": "team",
            "url": receiver.url,
            "secret_env": "TEAM_SECRET",  # pragma: allowlist secret
        }
        path = project.root / "environments" / "prod" / "settings.yml"
        path.write_text(yaml.safe_dump({"events": {"webhooks": [team]}}))
        with running(project, deploy=False) as said:
            assert "tells events alone" in said[0]
            assert post(port_of(said), signed())[0] == 204
            wait(receiver.ids)
        (event,) = log.events(project.state)
        assert receiver.ids() == [event.id]
    assert not (project.state / "listen").exists(), "nothing was deployed"


@pytest.mark.parametrize(
    ("words", "variables", "said"),
    [
        ([], {}, "MLFLOW_WEBHOOK_SECRET: the variable is not set"),
        (["--host", EVERYWHERE], {}, "MLFLOW_WEBHOOK_SECRET: the variable is not set"),
        (["--secret-env", "OTHER"], {"MLFLOW_WEBHOOK_SECRET": "x"}, "OTHER: the variable"),
        (["--secret-env", "s3-cret"], {}, "--secret-env: expected the name of a variable"),
        (["--host", EVERYWHERE, "--register"], {"MLFLOW_WEBHOOK_SECRET": "x"}, "--register: name"),
    ],
)
def test_without_a_secret_or_an_address_it_does_not_begin(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    variables: dict[str, str],
    said: str,
) -> None:
    monkeypatch.delenv("MLFLOW_WEBHOOK_SECRET", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(listen, "load_project", lambda _: project)
    with pytest.raises(UserError) as refused:
        listen.main(words)
    assert said in str(refused.value)
    assert "s3-cret" not in str(refused.value)


SLEEPS = """
import os, time
from pathlib import Path
Path("pid").write_text(str(os.getpid()))
time.sleep(600)
"""
LISTENS = """
import pickle, sys
from pathlib import Path
from mlops.operations import listen
from mlops.quality.errors import run_main
listen.load_project = lambda _: pickle.loads(Path(sys.argv[0]).read_bytes())
run_main(listen.main)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["terminate", "ctrl-c"])
def test_a_signal_ends_the_listener_and_what_it_started(
    project: Project, tmp_path: Path, number: signal.Signals
) -> None:
    stand_in(project, SLEEPS)
    script = f"import sys; sys.argv[:] = sys.argv[1:]\n{LISTENS}"
    pickled = tmp_path / "project.pickle"
    pickled.write_bytes(pickle.dumps(project))
    words = ["--port", "0", "--deploy", "--secret-env", "HOOK"]
    environment = {**os.environ, "HOOK": KEY, "PYTHONPATH": str(server.ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(pickled), *words],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert post(port_of([first]), signed())[0] == 204
        wait(lambda: (project.root / "pid").exists() and (project.root / "pid").read_text())
        child = int((project.root / "pid").read_text())
        process.send_signal(number)
        rest = process.communicate(timeout=40)[0]
    finally:
        process.kill()
    assert process.returncode == 0
    assert not psutil.pid_exists(child)
    assert "version 7: signal 15" in rest
    assert rest.endswith("ended\n")


# MLflow itself ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An MLflow server that delivers to this machine."""
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.create_server((HOST, 0)) as probe:
        port = probe.getsockname()[1]
    environment = {
        **server._environment(),
        "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
        "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
        "PYTHONPATH": str(server.ROOT),
    }
    words = [sys.executable, "-m", "mlops.training.server_process", str(folder), str(port)]
    with (folder / "log").open("wb") as log_file:
        process = subprocess.Popen(words, env=environment, stdout=log_file, stderr=log_file)
    try:
        uri = f"http://{HOST}:{port}"
        wait(lambda: _is_up(port), 120)
        yield uri
    finally:
        process.terminate()
        process.wait(30)


def _is_up(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=60)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def test_mlflow_delivers_what_is_registered_and_a_deployment_starts_no_other(
    project: Project, mlflow_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(tracking.VARIABLE, mlflow_server)
    stand_in(project, 'import sys; open("ran", "a").write(" ".join(sys.argv[1:]) + "\\n")')
    ran = project.root / "ran"
    client = tracking.client(mlflow_server)
    with running(project, register="") as said:
        wait(lambda: any("MLflow reaches" in each for each in said))
        client.create_registered_model(SLUG)
        run = client.create_run("0").info.run_id
        client.create_model_version(SLUG, f"runs:/{run}/model", run)
        wait(lambda: any("version 1: exit 0" in each for each in said))
        # what a deployment does, and then one that is heard of, since the order is kept
        client.set_model_version_tag(SLUG, "1", "mlops.gate", "passed")
        client.set_registered_model_alias(SLUG, "champion", "1")
        wait(lambda: any("alias created: nothing follows" in each for each in said))
        assert ran.read_text() == "deploy --version 1 --to stage\n"
        client.set_registered_model_alias(SLUG, "candidate", "1")
        wait(lambda: sum("version 1: exit 0" in each for each in said) == 2)
    assert [each.data["version"] for each in log.events(project.state)] == ["1", "1"]


def test_registering_twice_makes_one_webhook(
    project: Project, mlflow_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(tracking.VARIABLE, mlflow_server)
    project = replace(project, settings=replace(project.settings, slug="twice"))
    first = register(project, "http://127.0.0.1:1/mlflow", "one")
    second = register(project, "http://127.0.0.1:2/mlflow", "two")
    assert (first.done, second.done, second.id) == ("made", "updated", first.id)
    known = tracking.client(mlflow_server).list_webhooks()
    assert [each.url for each in known if each.name == name_of(project)] == [second.url]


def test_an_address_that_the_server_refuses_tells_what_it_needs(
    project: Project, mlflow_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(tracking.VARIABLE, mlflow_server)
    with pytest.raises(UserError, match="MLFLOW_WEBHOOK_ALLOWED_SCHEMES=http,https"):
        register(replace(project, settings=replace(project.settings, slug="x")), "ftp://x", "s")


@pytest.mark.parametrize("has_key", [True, False])
def test_a_server_that_would_forget_the_secret_gets_no_webhook(
    project: Project, monkeypatch: pytest.MonkeyPatch, has_key: bool
) -> None:
    monkeypatch.delenv(tracking.VARIABLE, raising=False)
    variables = {"MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": "k"} if has_key else {}
    process = subprocess.Popen(
        [sys.executable, "-c", "print(1, flush=True); input()"],
        env=variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        assert lacks_key(process.pid) is not has_key
        own = server.Server(process.pid, 1, f"http://{HOST}:1", 0.0, project.root)
        monkeypatch.setattr(server, "up", lambda _: own)
        # nothing answers at port 1: where it has a key, that is what goes wrong
        said = "cannot be reached" if has_key else "has no MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY"
        with pytest.raises(UserError, match=said):
            register(project, "https://hooks.example.org/mlflow", "s")
    finally:
        process.communicate(b"\n")
