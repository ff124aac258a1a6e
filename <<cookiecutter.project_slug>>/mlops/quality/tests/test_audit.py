"""The audit's verdicts: clean, found, and what could not be checked is never called clean."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from mlops.quality.audit import Exceptions, Exempt, Verdict, exit_code, judge_answer, main
from mlops.quality.errors import UserError
from mlops.quality.vulnerabilities import Answer, Pin, Vulnerability, read_pins

LOCK = """\
other==2.0 ; python_full_version < '3.12' \\
    --hash=sha256:{0}
other==2.1 ; python_full_version >= '3.12' \\
    --hash=sha256:{0}
winlike[extra]==0.3 ; sys_platform == 'win32' \\
    --hash=sha256:{0}
""".format("0" * 64)
FLAW = Vulnerability(Pin("other", "2.0"), ("GHSA-1", "CVE-1"), ("2.2",))
TODAY = date(2030, 1, 1)

# What a service answers: status and body by name and version.
Answers = dict[tuple[str, str], tuple[int, str]]


def osv_entry(name: str, identifier: str) -> str:
    versions = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "9.9"}]}]
    affected = [{"package": {"name": name, "ecosystem": "PyPI"}, "ranges": versions}]
    entry = {"id": identifier, "aliases": [], "summary": "a flaw", "affected": affected}
    return json.dumps({"vulns": [entry]})


WITNESS: Answers = {("jinja2", "2.4.1"): (200, osv_entry("jinja2", "GHSA-old"))}


@contextmanager
def osv_service(answers: Answers, otherwise: tuple[int, str] = (200, "{}")) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            key = (query["package"]["name"], query["version"])
            status, body = answers.get(key, otherwise)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "quality.lock").write_text(LOCK)
    return tmp_path


def test_clean(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with osv_service(WITNESS) as url:
        assert main(["--osv-url", url], project) == 0
    assert capsys.readouterr().out == "known vulnerabilities: clean\nsecrets: clean\n"


@pytest.mark.parametrize("pin", [("other", "2.0"), ("other", "2.1"), ("winlike", "0.3")])
def test_vulnerable_whatever_the_marker(
    project: Path, pin: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with osv_service({**WITNESS, pin: (200, osv_entry(pin[0], "GHSA-new"))}) as url:
        assert main(["--osv-url", url], project) == 1
    assert f"  {pin[0]} {pin[1]}: GHSA-new; fixed in 9.9\n" in capsys.readouterr().out


def test_declared_exception_ends_with_its_day(project: Path) -> None:
    entry = "ignore: [{id: GHSA-new, reason: not reached, until: %s}]\n"
    with osv_service({**WITNESS, ("other", "2.0"): (200, osv_entry("other", "GHSA-new"))}) as url:
        (project / "audit.yml").write_text(entry % "2999-12-31")
        assert main(["--osv-url", url], project) == 0
        (project / "audit.yml").write_text(entry % "2001-12-31")
        assert main(["--osv-url", url], project) == 1


def test_exception_without_a_reason_is_refused(project: Path) -> None:
    (project / "audit.yml").write_text("ignore: [{id: GHSA-new, until: 2999-12-31}]\n")
    with pytest.raises(UserError, match="'reason' is missing"):
        main([], project)


def unreachable() -> str:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        return f"http://127.0.0.1:{closed.getsockname()[1]}/"


def test_nobody_answers(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--osv-url", unreachable()], project) == 3
    said = capsys.readouterr().out
    assert "known vulnerabilities: not checked\n  osv: 127.0.0.1 cannot be reached: " in said
    assert "Connection refused" in said


@pytest.mark.parametrize(
    ("otherwise", "reason"),
    [
        pytest.param((500, "no"), "500 Server Error", id="the service is broken"),
        pytest.param((200, "<html>log in</html>"), "osv: ", id="something else answers"),
        pytest.param((200, "{}"), "reports nothing on jinja2", id="it knows nothing at all"),
    ],
)
def test_what_cannot_be_believed(
    project: Path,
    otherwise: tuple[int, str],
    reason: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with osv_service({}, otherwise) as url:
        assert main(["--osv-url", url, "--json"], project) == 3
    first = json.loads(capsys.readouterr().out)[0]
    assert first["status"] == "not checked"
    assert reason in first["reasons"][0]


def test_service_that_dies_midway_is_not_clean(project: Path) -> None:
    with osv_service({**WITNESS, ("winlike", "0.3"): (503, "")}) as url:
        assert main(["--osv-url", url], project) == 3


def test_secret_in_the_tree(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = "AKIA" + "IOSFODNN7EXAMPLQ"
    (project / "settings.py").write_text(f"\nkey = '{key}'\n")
    with osv_service(WITNESS) as url:
        assert main(["--osv-url", url], project) == 1
    said = capsys.readouterr().out
    assert "settings.py:2: AWS Access Key" in said
    assert key not in said


def test_no_lock_is_not_clean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], tmp_path) == 3
    assert "nox -s lock" in capsys.readouterr().out


def test_an_unpinned_line_is_refused(tmp_path: Path) -> None:
    lock = tmp_path / "quality.lock"
    lock.write_text("good==1\nbad>=1\n")
    with pytest.raises(UserError, match=r"line 2: expected name==version, found 'bad>=1'"):
        read_pins(lock)


@pytest.mark.parametrize("name", ["GHSA-1", "CVE-1"])
def test_exception_by_any_of_the_names(name: str) -> None:
    exceptions = Exceptions(ignore=(Exempt(name, "not reached", TODAY),))
    assert judge_answer(Answer((FLAW,), ()), exceptions, TODAY)[0].status == "clean"
    tomorrow = judge_answer(Answer((FLAW,), ()), exceptions, date(2030, 1, 2))[0]
    assert tomorrow.status == "found"
    assert "ended on 2030-01-01" in tomorrow.reasons[0]


def test_unknown_packages_unless_private() -> None:
    answer = Answer((), (Pin("ours", "1.0"),))
    assert judge_answer(answer, Exceptions(), TODAY)[0].status == "not checked"
    assert judge_answer(answer, Exceptions(private=("ours",)), TODAY)[0].status == "clean"


def test_a_find_outweighs_what_was_not_checked() -> None:
    clean, found = Verdict("a", "clean"), Verdict("b", "found")
    unchecked = Verdict("c", "not checked")
    assert exit_code([clean]) == 0
    assert exit_code([clean, unchecked]) == 3
    assert exit_code([unchecked, found]) == 1
