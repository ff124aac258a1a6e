"""The embedded server over its whole life: one start shared by most tests, all ended at the end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests

from mlops.quality.errors import UserError
from mlops.training import server

START = """
import sys
from pathlib import Path
from mlops.training import server
print(server.up(Path(sys.argv[1]), wait="wait" in sys.argv).pid)
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder whose server was started by a process that has ended since."""
    # characters that mean something in a URI, an INI file or a shell
    root = tmp_path_factory.mktemp("a project #1 50%?")
    try:
        pid = int(_starter(root, "wait").communicate(timeout=120)[0])
        assert psutil.pid_exists(pid), "the server ended with the process that started it"
        yield root
    finally:
        server.down(root)


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Path]:
    """A second project; whatever the test starts there is ended."""
    yield tmp_path
    server.down(tmp_path)


def _starter(root: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", START, str(root), *words]
    environment = os.environ | {"PYTHONPATH": str(server.ROOT)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def _found(root: Path) -> server.Server:
    found = server.find(root)
    assert found is not None
    return found


def _create_experiment(found: server.Server, name: str) -> int:
    address = f"{found.uri}/api/2.0/mlflow/experiments/create"
    return requests.post(address, json={"name": name}, timeout=30).status_code


def test_a_second_call_finds_it_at_once(project: Path) -> None:
    found = _found(project)
    started = time.monotonic()
    assert server.up(project) == found
    assert time.monotonic() - started < 1
    assert requests.get(f"{found.uri}/health", timeout=5).ok


def test_another_process_finds_the_same(project: Path) -> None:
    assert int(_starter(project, "wait").communicate(timeout=60)[0]) == _found(project).pid


def test_it_listens_on_loopback_alone_and_refuses_foreign_host_names(project: Path) -> None:
    found = _found(project)
    listening = [c.laddr for c in psutil.Process(found.pid).net_connections() if not c.raddr]
    assert {address.ip for address in listening} == {"127.0.0.1"}
    for host in ("evil.example", "10.evil.example", "192.168.1.1.evil.example"):
        address = f"{found.uri}/api/2.0/mlflow/experiments/search?max_results=1"
        assert requests.get(address, timeout=10).status_code == 200
        assert requests.get(address, headers={"Host": host}, timeout=10).status_code == 403


def test_what_it_stores_stays_in_the_projects_folder(project: Path) -> None:
    found = _found(project)
    assert {"mlflow.db", "server.json", "server.log"} <= {p.name for p in found.folder.iterdir()}
    assert not list(project.glob("ml*"))


def test_a_killed_server_comes_back_with_its_data_and_its_port(project: Path) -> None:
    killed = _found(project)
    assert _create_experiment(killed, "kept") == 200
    psutil.Process(killed.pid).kill()
    psutil.wait_procs([psutil.Process(killed.pid)] if psutil.pid_exists(killed.pid) else [], 5)
    assert server.find(project) is None
    again = server.up(project)
    assert (again.pid != killed.pid, again.uri) == (True, killed.uri)
    assert _create_experiment(again, "kept") == 400, "it does not exist any more"


def test_two_starts_at_once_yield_one_server_and_down_leaves_no_process(
    project: Path, other: Path
) -> None:
    starters = [_starter(other) for _ in range(2)]
    pids = {int(starter.communicate(timeout=60)[0]) for starter in starters}
    assert len(pids) == 1
    found = server.up(other)  # still starting: waits until it is ready
    assert {found.pid} == pids
    assert found.port != _found(project).port
    family = [psutil.Process(found.pid), *psutil.Process(found.pid).children(recursive=True)]
    assert server.down(other)
    assert not [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    assert not server.down(other)
    assert _found(project), "the other project's server was touched"


def test_a_server_that_dies_at_start_tells_why_in_one_line(other: Path) -> None:
    folder = other / ".mlops" / "mlflow"
    folder.mkdir(parents=True)
    (folder / "mlflow.db").write_bytes(b"not a database" * 100)
    with pytest.raises(UserError, match="file is not a database") as caught:
        server.up(other)
    assert "\n" not in str(caught.value)
    assert "server.log" in str(caught.value)


def test_a_start_that_is_not_ready_in_time_is_told_and_can_be_ended(other: Path) -> None:
    starting = server.up(other, wait=False)
    with pytest.raises(UserError, match=r"does not answer on http://127.0.0.1:\d+ after 0 s"):
        server.wait_healthy(starting, timeout=0)
    assert server.down(other)


def test_the_tables_of_an_older_mlflow_are_brought_up_to_date_and_kept(other: Path) -> None:
    folder = other / ".mlops" / "mlflow"
    folder.mkdir(parents=True)
    before = _older_database(folder / "mlflow.db")
    assert _create_experiment(server.up(other), "works") == 200
    assert (folder / f"mlflow.db.before-{before}").stat().st_size > 0


def _older_database(path: Path) -> str:
    """Tables as they were one migration ago; the name of that state."""
    from alembic import command
    from alembic.script import ScriptDirectory
    from mlflow.store.db import utils as tables
    from mlflow.store.tracking.dbmodels.initial_models import Base

    engine = tables.create_sqlalchemy_engine(f"sqlite:///{path}")  # type: ignore[no-untyped-call]
    Base.metadata.create_all(engine)
    config = tables._get_alembic_config(str(engine.url))  # type: ignore[no-untyped-call]
    scripts = ScriptDirectory.from_config(config)
    newest = scripts.get_revision(scripts.get_current_head() or "")
    assert newest is not None
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, str(newest.down_revision))
    engine.dispose()
    return str(newest.down_revision)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', '{"pid": "x", "port": 1}', "\0"])
def test_an_unreadable_record_is_no_server(other: Path, text: str) -> None:
    _write_record(other, text)
    assert server.find(other) is None
    assert not server.down(other)


def test_the_pid_of_a_process_that_is_gone_is_no_server(other: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    _write_record(other, json.dumps({"pid": gone.pid, "port": 5000}))
    assert server.find(other) is None


def test_the_pid_of_another_process_is_no_server_and_left_alone(project: Path, other: Path) -> None:
    stranger = _found(project).pid  # even a server, but of another project
    for pid in (os.getpid(), stranger):
        _write_record(other, json.dumps({"pid": pid, "port": 5000}))
        assert server.find(other) is None
        assert not server.down(other)
    assert _found(project).pid == stranger


def test_a_folder_that_cannot_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / ".mlops").write_text("a file where the folder should be")
    with pytest.raises(UserError, match="cannot be written: ") as caught:
        server.up(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
def test_a_read_only_folder_is_told_in_one_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="cannot be written: Permission denied"):
        server.up(tmp_path)


def _write_record(root: Path, text: str) -> None:
    folder = root / ".mlops" / "mlflow"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "server.json").write_text(text)
