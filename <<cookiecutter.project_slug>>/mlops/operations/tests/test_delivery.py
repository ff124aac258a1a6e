"""Delivery over real connections: receivers that are down, slow, wrong or back, and processes that die."""

from __future__ import annotations

import base64
import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mlops.operations.events import log, outbox
from mlops.operations.events.delivery import (
    FIRST,
    LONGEST,
    Report,
    deliver_due,
    is_due,
    postponed,
)
from mlops.operations.events.event import KINDS, Event, from_json, new_event, to_json
from mlops.operations.events.github import dispatch
from mlops.operations.events.outbox import Backoff, emit
from mlops.operations.events.sending import is_local, judged
from mlops.operations.events.settings import GitHub, Target, Webhook
from mlops.operations.events.webhook import key_of, signature
from mlops.quality.errors import UserError

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()  # pragma: allowlist secret
VARIABLES = {"TEAM_SECRET": SECRET, "GITHUB_TOKEN": "ghp_abc"}
Answer = tuple[int, dict[str, str]]


@dataclass
class Receiver:
    """A receiver on a free port; `answer` says what it answers, or waits."""

    port: int = 0
    answer: Callable[[], Answer] = lambda: (204, {})
    seen: list[tuple[str, Message, bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/in"

    def ids(self) -> list[str | None]:
        return [headers["webhook-id"] for _, headers, _ in self.seen]


@contextmanager
def serving(receiver: Receiver, certified: Path | None = None) -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            receiver.seen.append((self.path, self.headers, body))
            status, headers = receiver.answer()
            with suppress(OSError):  # a sender that did not wait
                self.send_response(status)
                for name, value in {"content-length": "0", **headers}.items():
                    self.send_header(name, value)
                self.end_headers()

        do_GET = do_POST  # noqa: N815 - a redirect that is followed would come as one

        def log_message(self, *args: object) -> None:
            pass

    with listening(Handler, receiver.port, certified) as port:
        receiver.port = port
        yield receiver


@contextmanager
def listening(
    handler: type[BaseHTTPRequestHandler], port: int = 0, certified: Path | None = None
) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    if certified:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certified)
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with serving(Receiver()) as found:
        yield found


def team(receiver: Receiver, seconds: float = 10.0, name: str = "team") -> Webhook:
    return Webhook(name, receiver.url, "TEAM_SECRET", KINDS, seconds)


def happened(number: int = 0, kind: str = "data_drift") -> Event:
    now = datetime(2026, 5, 3, 14, tzinfo=UTC) + timedelta(seconds=number)
    return new_event(kind, "prod", {"n": number}, source="x", now=now)  # type: ignore[arg-type]


def deliver(
    state: Path,
    *targets: Target,
    later: float = 0.0,
    give_up_days: float = 3.0,
    seconds: float = 60.0,
    at_once: bool = False,
) -> Report:
    return deliver_due(
        state,
        targets,
        datetime.now(UTC) + timedelta(seconds=later),
        give_up_days=give_up_days,
        seconds=seconds,
        environment=VARIABLES,
        chance=lambda: 1.0,
        at_once=at_once,
    )


def test_an_event_arrives_signed_and_whole(tmp_path: Path, receiver: Receiver) -> None:
    event = happened()
    emit(tmp_path, event, [team(receiver)])
    before = time.time()
    report = deliver(tmp_path, team(receiver))
    assert [attempt.event for attempt in report.of("delivered")] == [event.id]
    assert report.waiting == {}
    path, headers, body = receiver.seen[0]
    assert path == "/in"
    assert from_json(body, "body") == event
    assert headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    stamp = int(headers["webhook-timestamp"])
    assert before - 2 < stamp < time.time() + 2
    expected = signature(key_of(SECRET, "S"), event.id, stamp, body)
    assert headers["webhook-signature"] == expected
    assert deliver(tmp_path, team(receiver)).attempts == ()
    assert len(receiver.seen) == 1


def test_a_target_hears_of_its_types_alone(tmp_path: Path, receiver: Receiver) -> None:
    some = replace(team(receiver), types=("rolled_back",))
    for kind in KINDS:
        emit(tmp_path, happened(kind=kind), [some])
    deliver(tmp_path, some)
    assert [json.loads(body)["type"] for _, _, body in receiver.seen] == [
        "internal.mlops.rolled_back"
    ]
    assert len(list(log.events(tmp_path))) == len(KINDS)


def test_who_emits_asks_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was asked for")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    emit(tmp_path, happened(), [team(Receiver(port=9))])
    assert outbox.counted(tmp_path) == {"team": (1, 0)}


def test_a_receiver_that_is_down_loses_nothing(tmp_path: Path) -> None:
    with serving(Receiver()) as away:
        pass  # from now on nobody listens at its port
    events = [happened(number) for number in range(5)]
    for event in events:
        emit(tmp_path, event, [team(away)])
    later = 0.0
    for _ in range(4):
        report = deliver(tmp_path, team(away), later=later)
        assert [attempt.outcome for attempt in report.attempts] == ["postponed"], "one asks for all"
        assert report.attempts[0].reason == "no connection (ConnectionError)"
        assert report.waiting == {"team": 5}
        assert deliver(tmp_path, team(away), later=later).attempts == (), "not before its time"
        later += LONGEST
    with serving(away):
        report = deliver(tmp_path, team(away), later=later)
    assert len(report.of("delivered")) == 5
    assert sorted(map(str, away.ids())) == sorted(event.id for event in events)
    assert report.waiting == {}
    assert [event.id for event in log.events(tmp_path)] == [event.id for event in events]


@pytest.mark.parametrize(
    ("answer", "reason", "asked"),
    [
        ((500, {}), "answered 500", 1),
        ((503, {"Retry-After": "40"}), "answered 503", 1),
        ((429, {}), "answered 429", 1),
        ((404, {}), "answered 404", 1),
        ((410, {}), "answered 410", 1),
        ((302, {"Location": "/elsewhere"}), "answered 302, a redirect, which is not followed", 1),
        ((307, {"Location": "/elsewhere"}), "answered 307, a redirect, which is not followed", 1),
        ((400, {}), "answered 400", 2),
        ((422, {}), "answered 422", 2),
    ],
)
def test_everything_but_success_is_tried_again(
    tmp_path: Path, receiver: Receiver, answer: Answer, reason: str, asked: int
) -> None:
    receiver.answer = lambda: answer
    for number in range(2):
        emit(tmp_path, happened(number), [team(receiver)])
    report = deliver(tmp_path, team(receiver))
    assert {attempt.reason for attempt in report.of("postponed")} == {reason}
    # what speaks of the receiver ends the pass; what speaks of one event does not hold up the others
    assert len(report.attempts) == len(receiver.seen) == asked
    assert {path for path, _, _ in receiver.seen} == {"/in"}
    assert report.waiting == {"team": 2}
    receiver.answer = lambda: (200, {})
    assert len(deliver(tmp_path, team(receiver), later=LONGEST).of("delivered")) == 2


def test_one_event_that_a_receiver_cannot_stand_does_not_hold_up_the_others(
    tmp_path: Path, receiver: Receiver
) -> None:
    receiver.answer = lambda: (500 if b'"n":0' in receiver.seen[-1][2] else 204, {})
    for number in range(4):
        emit(tmp_path, happened(number), [team(receiver)])
    assert deliver(tmp_path, team(receiver)).of("delivered") == ()
    assert len(deliver(tmp_path, team(receiver), later=FIRST + 1).of("delivered")) == 3
    assert outbox.counted(tmp_path) == {"team": (1, 0)}


def test_a_receiver_that_asks_for_time_gets_it(tmp_path: Path, receiver: Receiver) -> None:
    receiver.answer = lambda: (503, {"Retry-After": "600"})
    emit(tmp_path, happened(), [team(receiver)])
    deliver(tmp_path, team(receiver))
    receiver.answer = lambda: (204, {})
    assert deliver(tmp_path, team(receiver), later=590).attempts == ()
    assert len(deliver(tmp_path, team(receiver), later=605).of("delivered")) == 1


def test_a_receiver_that_hangs_holds_up_no_other(tmp_path: Path, receiver: Receiver) -> None:
    ends = threading.Event()

    def hang() -> Answer:
        ends.wait(20)
        return 204, {}

    with serving(Receiver(answer=hang)) as other:
        slow, quick = team(other, 0.3, "slow"), team(receiver)
        for number in range(3):
            emit(tmp_path, happened(number), [slow, quick])
        began = time.monotonic()
        report = deliver(tmp_path, slow, quick)
        took = time.monotonic() - began
        ends.set()
    assert took < 5
    assert len(report.of("delivered")) == 3
    assert [attempt.reason for attempt in report.of("postponed")] == ["no answer in 0.3 s"]
    assert report.waiting == {"slow": 3}


def test_an_answer_that_comes_byte_by_byte_ends_in_time(tmp_path: Path, receiver: Receiver) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.rfile.read(int(handler.headers["content-length"]))
        with suppress(OSError):
            for letter in "HTTP/1.1 204 " + "x" * 200:
                handler.wfile.write(letter.encode())
                handler.wfile.flush()
                time.sleep(0.02)

    kind = type("Drips", (BaseHTTPRequestHandler,), {"do_POST": drip, "timeout": 5})
    with listening(kind) as port:
        target = Webhook("team", f"http://127.0.0.1:{port}/", "TEAM_SECRET", KINDS, 0.5)
        emit(tmp_path, happened(), [target])
        began = time.monotonic()
        report = deliver(tmp_path, target)
        took = time.monotonic() - began
    assert took < 3
    assert report.of("postponed")[0].reason == "no answer in 0.5 s"


def test_a_pass_begins_nothing_after_its_time(tmp_path: Path, receiver: Receiver) -> None:
    def slow() -> Answer:
        time.sleep(0.1)
        return 204, {}

    receiver.answer = slow
    for number in range(20):
        emit(tmp_path, happened(number), [team(receiver)])
    report = deliver(tmp_path, team(receiver), seconds=0.25)
    assert 1 <= len(report.of("delivered")) < 20
    assert report.waiting["team"] == 20 - len(report.attempts)
    assert report.of("postponed") == ()


def certificate(folder: Path) -> Path:
    """A self-signed certificate of this machine with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "receiver")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    path = folder / "receiver.pem"
    path.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + made.public_bytes(pem)
    )
    return path


def test_a_certificate_that_nobody_vouches_for_is_not_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = certificate(tmp_path)
    with serving(Receiver(), path) as receiver:
        target = replace(team(receiver), url=receiver.url.replace("http:", "https:"))
        emit(tmp_path, happened(), [target])
        report = deliver(tmp_path, target)
        assert report.of("postponed")[0].reason == "its certificate is not accepted"
        assert receiver.seen == []
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
        assert len(deliver(tmp_path, target, later=LONGEST).of("delivered")) == 1


def test_without_its_secret_nothing_is_sent_and_nothing_lost(
    tmp_path: Path, receiver: Receiver
) -> None:
    emit(tmp_path, happened(), [team(receiver)])
    target = team(receiver)
    report = deliver_due(tmp_path, [target], datetime.now(UTC), environment={})
    assert report.of("postponed")[0].reason == "TEAM_SECRET: the variable is not set"
    assert receiver.seen == []
    assert len(deliver(tmp_path, target, later=LONGEST).of("delivered")) == 1


def test_no_secret_reaches_a_file_or_a_report(tmp_path: Path, receiver: Receiver) -> None:
    receiver.answer = lambda: (500, {})
    targets = (replace(team(receiver), url=receiver.url + "?key=hidden"), GitHub("acme/churn"))
    emit(tmp_path, happened(), targets)
    variables = {**VARIABLES, "GITHUB_API_URL": f"http://127.0.0.1:{receiver.port}"}
    report = deliver_due(tmp_path, targets, datetime.now(UTC), environment=variables)
    told = str(report) + "".join(
        path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file()
    )
    assert len(report.of("postponed")) == 2
    for hidden in (SECRET, SECRET.removeprefix("whsec_"), "ghp_abc", "hidden"):
        assert hidden not in told


def test_what_is_too_old_is_set_aside_and_can_be_tried_again(
    tmp_path: Path, receiver: Receiver
) -> None:
    receiver.answer = lambda: (500, {})
    emit(tmp_path, happened(), [team(receiver)])
    assert deliver(tmp_path, team(receiver), give_up_days=1.0).of("given_up") == ()
    almost = deliver(tmp_path, team(receiver), later=86_000, give_up_days=1.0)
    assert almost.of("given_up") == ()
    report = deliver(tmp_path, team(receiver), later=2 * 86_400, give_up_days=1.0)
    assert [attempt.reason for attempt in report.of("given_up")] == [
        "answered 500; 3 attempts, given up"
    ]
    assert outbox.counted(tmp_path) == {"team": (0, 1)}
    assert "given up" in outbox.failed(tmp_path, "team")[0].read_text()
    receiver.answer = lambda: (204, {})
    assert deliver(tmp_path, team(receiver), later=3 * 86_400).attempts == ()
    assert outbox.retry_failed(tmp_path, "team") == 1
    assert len(deliver(tmp_path, team(receiver), later=3 * 86_400).of("delivered")) == 1


def test_a_clock_that_jumps_ahead_gives_up_nothing_untried(
    tmp_path: Path, receiver: Receiver
) -> None:
    emit(tmp_path, happened(), [team(receiver)])
    report = deliver(tmp_path, team(receiver), later=10 * 365 * 86_400.0)
    assert len(report.of("delivered")) == 1


def test_a_clock_that_is_set_back_blocks_nothing(tmp_path: Path, receiver: Receiver) -> None:
    receiver.answer = lambda: (500, {})
    emit(tmp_path, happened(), [team(receiver)])
    year = 365 * 86_400.0
    assert len(deliver(tmp_path, team(receiver), later=year, give_up_days=999).attempts) == 1
    receiver.answer = lambda: (204, {})
    assert len(deliver(tmp_path, team(receiver)).of("delivered")) == 1


def test_the_wait_doubles_to_an_hour() -> None:
    backoff, waits = Backoff(), []
    for _ in range(14):
        backoff = postponed(backoff, 0.0, 0.0, 1.0)
        waits.append(backoff.until)
    assert waits[:4] == [5, 10, 20, 40]
    assert waits[8:12] == [1280, 2560, 3600, 3600]
    assert postponed(Backoff(), 100.0, 0.0, 0.0).until == 102.5, "half of it is left to chance"
    assert postponed(Backoff(), 100.0, 60.0, 0.0).until == 160, "never less than asked for"
    assert postponed(Backoff(), 100.0, 1e9, 0.0).until == 100 + LONGEST, "but not for ever"
    assert postponed(Backoff(10**9), 0.0, 0.0, 1.0).until == LONGEST


def test_due_on_both_sides() -> None:
    assert is_due(Backoff(), 0.0)
    assert is_due(Backoff(1, 100.0), 100.0)
    assert not is_due(Backoff(1, 100.0), 99.0)
    assert not is_due(Backoff(1, LONGEST), 0.0)
    assert is_due(Backoff(1, LONGEST * 2), 0.0), "no wait is that long: the clock was set back"


def test_an_event_told_twice_waits_once(tmp_path: Path, receiver: Receiver) -> None:
    event = happened()
    for _ in range(2):
        emit(tmp_path, event, [team(receiver)])
    deliver(tmp_path, team(receiver))
    assert receiver.ids() == [event.id]


def test_an_event_told_again_keeps_its_place_and_its_wait(
    tmp_path: Path, receiver: Receiver
) -> None:
    receiver.answer = lambda: (500, {})
    event = happened()
    emit(tmp_path, event, [team(receiver)])
    deliver(tmp_path, team(receiver))
    (before,) = outbox.waiting(tmp_path, "team")
    assert before.backoff.failures == 1
    emit(tmp_path, event, [team(receiver)])
    assert list(outbox.waiting(tmp_path, "team")) == [before]


def test_a_broken_file_is_set_aside_and_harms_no_other(tmp_path: Path, receiver: Receiver) -> None:
    emit(tmp_path, happened(), [team(receiver)])
    folder = tmp_path / outbox.FOLDER / "team"
    (folder / "0-torn.json").write_bytes(b'{"event": "\xff')
    (folder / ".backoff.json").write_text("{")
    report = deliver(tmp_path, team(receiver))
    assert len(report.of("delivered")) == 1
    assert [path.name for path in outbox.failed(tmp_path, "team")] == ["0-torn.json"]
    assert outbox.retry_failed(tmp_path, "team") == 0


def test_a_target_that_is_no_longer_declared_is_still_counted(
    tmp_path: Path, receiver: Receiver
) -> None:
    emit(tmp_path, happened(), [team(receiver, name="old")])
    report = deliver(tmp_path, team(receiver))
    assert report.attempts == ()
    assert report.waiting == {"old": 1}


def test_an_outbox_that_cannot_be_written_is_told(tmp_path: Path, receiver: Receiver) -> None:
    receiver.answer = lambda: (500, {})
    emit(tmp_path, happened(), [team(receiver)])
    (tmp_path / outbox.FOLDER / "team" / ".backoff.json").mkdir()
    report = deliver(tmp_path, team(receiver))
    assert report.problems == ("team: Is a directory",)
    assert report.waiting == {"team": 1}


DELIVERS = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from mlops.operations.events.delivery import deliver_due
from mlops.operations.events.settings import Webhook
target = Webhook("team", sys.argv[2], "TEAM_SECRET", seconds=30)
while deliver_due(Path(sys.argv[1]), [target], datetime.now(UTC)).waiting:
    pass
"""


def start(code: str, *arguments: str) -> subprocess.Popen[bytes]:
    variables = {**os.environ, **VARIABLES}
    return subprocess.Popen([sys.executable, "-c", code, *arguments], env=variables)


def until(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_processes_that_deliver_at_once_send_each_event_once(
    tmp_path: Path, receiver: Receiver
) -> None:
    events = [happened(number) for number in range(60)]
    for event in events:
        emit(tmp_path, event, [team(receiver)])
    started = [start(DELIVERS, str(tmp_path), receiver.url) for _ in range(2)]
    assert [process.wait(60) for process in started] == [0, 0]
    assert Counter(receiver.ids()) == Counter(event.id for event in events)


def test_a_process_that_is_killed_while_it_delivers_loses_nothing(
    tmp_path: Path, receiver: Receiver
) -> None:
    ends = threading.Event()

    def hang() -> Answer:
        ends.wait(20)
        return 204, {}

    receiver.answer = hang
    emit(tmp_path, happened(), [team(receiver)])
    process = start(DELIVERS, str(tmp_path), receiver.url)
    until(lambda: bool(receiver.seen))
    assert deliver(tmp_path, team(receiver)).busy == ("team",)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    ends.set()
    receiver.answer = lambda: (204, {})
    assert len(deliver(tmp_path, team(receiver)).of("delivered")) == 1
    assert len(set(receiver.ids())) == 1, "twice perhaps, but under the same id"


EMITS = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from mlops.operations.events import outbox
from mlops.operations.events.event import new_event
from mlops.operations.events.settings import Webhook
target = Webhook("team", "http://127.0.0.1:9/", "TEAM_SECRET")
number = 0
while True:
    now = datetime.now(UTC)
    event = new_event("staleness", "prod", {"n": number}, source="x", now=now, event_id=f"e{number}")
    outbox.emit(Path(sys.argv[1]), event, [target])
    number += 1
"""


def test_an_emitter_that_is_killed_leaves_nothing_in_the_log_that_does_not_wait(
    tmp_path: Path,
) -> None:
    process = start(EMITS, str(tmp_path))
    path = tmp_path / log.FILE
    until(lambda: path.is_file() and path.stat().st_size > 5000)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    logged = [event.id for event in log.events(tmp_path)]
    waiting = [entry.event.id for entry in outbox.waiting(tmp_path, "team")]
    assert logged == [f"e{number}" for number in range(len(logged))]
    assert set(logged) <= set(waiting)
    assert len(waiting) - len(logged) in (0, 1)


def test_github_hears_of_an_event(tmp_path: Path, receiver: Receiver) -> None:
    event = happened()
    github = GitHub("acme/churn")
    emit(tmp_path, event, [github])
    variables = {**VARIABLES, "GITHUB_API_URL": f"http://127.0.0.1:{receiver.port}/api/v3/"}
    report = deliver_due(tmp_path, [github], datetime.now(UTC), environment=variables)
    assert len(report.of("delivered")) == 1
    path, headers, body = receiver.seen[0]
    assert path == "/api/v3/repos/acme/churn/dispatches"
    assert headers["authorization"] == "Bearer ghp_abc"
    assert headers["x-github-api-version"] == "2022-11-28"
    assert headers["user-agent"]
    values = json.loads(body)
    assert values == {"event_type": "data_drift", "client_payload": json.loads(to_json(event))}
    assert len(values["client_payload"]) <= 10


def test_a_large_event_fits_what_github_takes() -> None:
    data: dict[str, object] = {f"column {n}": "é" * 300 for n in range(5000)}
    event = new_event("data_drift", "prod", data, source="x", now=datetime.now(UTC))
    request = dispatch(GitHub("acme/churn"), event, VARIABLES)
    assert len(request.body) < 64_000
    assert len(json.loads(request.body)["client_payload"]) <= 10
    assert request.url == "https://api.github.com/repos/acme/churn/dispatches"


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "GITHUB_TOKEN: the variable is not set"),
        ({"GITHUB_TOKEN": "a\nb"}, "GITHUB_TOKEN: expected a token"),
        ({**VARIABLES, "GITHUB_API_URL": "http://example.org"}, "expected an https address"),
        ({**VARIABLES, "GITHUB_API_URL": "ftp://localhost"}, "expected an https address"),
    ],
)
def test_a_token_goes_only_where_it_may(variables: dict[str, str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        dispatch(GitHub("acme/churn"), happened(), variables)


def test_githubs_limits_are_waited_for() -> None:
    now = datetime(2026, 5, 3, 14, tzinfo=UTC)
    reset = str(int(now.timestamp()) + 1200)
    spent = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": reset}
    assert judged(403, spent, now).retry_after == 1200
    assert judged(403, {**spent, "retry-after": "30"}, now).retry_after == 30
    assert judged(403, {**spent, "x-ratelimit-remaining": "1"}, now).retry_after == 0
    assert judged(403, spent, now).fault == "receiver"
    assert judged(422, {}, now).fault == "event"
    assert judged(204, {}, now).fault == "none"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("120", 120), ("Sun, 03 May 2026 14:01:00 GMT", 60), ("soon", 0), ("-5", 0), ("", 0)],
)
def test_retry_after_is_read_in_both_forms(value: str, seconds: float) -> None:
    now = datetime(2026, 5, 3, 14, tzinfo=UTC)
    assert judged(503, {"retry-after": value}, now).retry_after == seconds


def test_this_machine_is_known_and_asked_without_a_proxy(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    emit(tmp_path, happened(), [team(receiver)])
    assert len(deliver(tmp_path, team(receiver)).of("delivered")) == 1
    assert all(map(is_local, ("http://localhost:1", "http://127.0.0.2/", "http://[::1]/")))
    assert not any(map(is_local, ("http://localhost.example.org", "http://10.0.0.1", "http:")))


def test_a_proxy_of_the_environment_is_used_for_others(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{receiver.port}")
    monkeypatch.delenv("no_proxy", raising=False)
    target = replace(team(receiver), url="http://receiver.invalid/in")
    emit(tmp_path, happened(), [target])
    assert len(deliver(tmp_path, target).of("delivered")) == 1
    assert receiver.seen[0][0] == "http://receiver.invalid/in"
