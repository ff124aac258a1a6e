"""The load process: every answer is recorded as it came, failures too, and truth comes later."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pandas as pd
import pytest

from mlops.deployment.desired.environment import Environment
from mlops.deployment.desired.settings import Sections
from mlops.operations.loop import record, traffic
from mlops.operations.loop.calls import Caller
from mlops.operations.loop.record import ANSWERS, Answer, read, seconds
from mlops.operations.loop.rows import Row, Shift, parted
from mlops.operations.loop.traffic import Load, read_shift, write_shift
from mlops.operations.tests.test_loop_rows import CONTRACT, table
from mlops.quality.errors import UserError

ROW = Row('{"dataframe_records": [{}]}', 1, False)
DOSE = Shift("dose", 3.0, 1.0)


class Endpoint:
    """A small endpoint: `says` gives the status of the request of a number, 0 hangs up."""

    def __init__(self, says: Callable[[int], int]) -> None:
        self.seen: list[str] = []
        self.connections: set[object] = set()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                endpoint.connections.add(self.client_address)
                endpoint.seen.append(str(self.headers["X-Request-Id"]))
                status = says(len(endpoint.seen))
                if not status:
                    self.close_connection = True
                    return
                body = b'{"message": "so it is"}'
                self.send_response(status)
                self.send_header("x-model-version", "3")
                self.send_header("azureml-model-deployment", "blue")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def find(self) -> tuple[str, int]:
        return "127.0.0.1", int(self.server.server_address[1])


@pytest.fixture
def endpoint() -> Iterator[Callable[[Callable[[int], int]], Endpoint]]:
    made: list[Endpoint] = []

    def make(says: Callable[[int], int]) -> Endpoint:
        made.append(Endpoint(says))
        return made[-1]

    yield make
    for each in made:
        each.server.shutdown()
        each.server.server_close()


def test_an_answer_tells_who_gave_it_and_the_connection_is_kept(
    endpoint: Callable[..., Endpoint],
) -> None:
    there = endpoint(lambda _: 200)
    caller = Caller(there.find)
    found = [caller.ask(ROW, f"r{n}", labelled=n == 1) for n in range(3)]
    caller.close()
    assert [(each.status, each.version, each.deployment) for each in found] == [
        (200, "3", "blue")
    ] * 3
    assert [each.labelled for each in found] == [False, True, False]
    assert all(each.latency_ms > 0 and not each.failed for each in found)
    assert len(there.connections) == 1


def test_a_refusal_and_a_broken_connection_count_as_failed_and_are_not_asked_again(
    endpoint: Callable[..., Endpoint],
) -> None:
    there = endpoint(lambda number: {2: 500, 3: 0, 4: 400}.get(number, 200))
    caller = Caller(there.find)
    found = [caller.ask(ROW, f"r{n}", labelled=True) for n in range(1, 6)]
    caller.close()
    assert [each.status for each in found] == [200, 500, 0, 400, 200]
    assert [each.failed for each in found] == [False, True, True, True, False]
    assert [each.labelled for each in found] == [True, False, False, False, True]
    assert "so it is" in found[1].error
    assert found[2].error
    assert there.seen == ["r1", "r2", "r3", "r4", "r5"]


def test_where_nobody_listens_a_request_fails() -> None:
    assert Caller(lambda: None).ask(ROW, "r").failed
    refused = Caller(lambda: ("127.0.0.1", 1), timeout=2).ask(ROW, "r")
    assert refused.status == 0
    assert refused.error


def load(folder: Path, there: Endpoint, monkeypatch: pytest.MonkeyPatch) -> Load:
    monkeypatch.setattr(traffic, "address", lambda _: there.find())
    for name, value in (("FLUSH", 0.02), ("GIVE", 0.05), ("LATE", 0.05)):
        monkeypatch.setattr(traffic, name, value)
    prod = Environment("prod", folder / "project", Sections())
    return Load(folder / "load", prod, CONTRACT, traffic.streams(table(60), CONTRACT, 1))


def until(path: Path, number: int) -> Callable[[], bool]:
    return lambda: len(read(path)) >= number


def test_a_load_records_every_answer_and_tells_the_truth_of_a_part_later(
    tmp_path: Path, endpoint: Callable[..., Endpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    there = endpoint(lambda number: 503 if number == 7 else 200)
    path = tmp_path / "load" / ANSWERS
    load(tmp_path, there, monkeypatch).run(400, 0.5, until(path, 60))
    answers = read(path)
    assert [each.request for each in answers] == there.seen
    assert len({each.request for each in answers}) == len(answers)
    assert len(record.failed(answers)) == 1
    labelled = {each.request for each in answers if each.labelled}
    assert len(labelled) == 12
    files = list((tmp_path / "project/.mlops/endpoints/prod/labels").glob("*.csv"))
    told = pd.concat([pd.read_csv(each) for each in files])
    assert set(told["request_id"]) == labelled
    assert set(told.columns) == {"request_id", "answer"}
    assert json.loads((tmp_path / "load/given.json").read_text()) == {"labels": len(labelled)}


def test_the_control_file_switches_the_shift_on_while_the_load_goes_on(
    tmp_path: Path, endpoint: Callable[..., Endpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    there, path = endpoint(lambda _: 200), tmp_path / "load" / ANSWERS
    found = load(tmp_path, there, monkeypatch)

    def over() -> bool:
        answers = read(path)
        if len(answers) >= 20 and not (tmp_path / "load/shift.json").exists():
            write_shift(tmp_path / "load", DOSE)
        return sum(each.shifted for each in answers) >= 20

    found.run(400, 0.5, over)
    answers = read(path)
    first = next(n for n, each in enumerate(answers) if each.shifted)
    assert first >= 20
    assert all(each.shifted for each in answers[first:])


def test_the_truth_is_told_of_each_record_once_after_the_shift(
    tmp_path: Path, endpoint: Callable[..., Endpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    there, path = endpoint(lambda _: 200), tmp_path / "load" / ANSWERS
    found = load(tmp_path, there, monkeypatch)

    def over() -> bool:
        answers = read(path)
        if len(answers) >= 40 and not (tmp_path / "load/shift.json").exists():
            write_shift(tmp_path / "load", DOSE)
        return sum(each.shifted for each in answers) >= 150

    found.run(800, 0.8, over)
    answers = read(path)
    first = next(n for n, each in enumerate(answers) if each.shifted)
    assert sum(each.labelled for each in answers[:first]) == 12
    assert sum(each.labelled for each in answers[first:]) == 48


def test_no_record_has_its_truth_told_both_before_the_shift_and_after_it() -> None:
    one, other = parted(table(60), 1)
    assert (len(one), len(other)) == (12, 48)
    both = pd.concat([one, other])
    assert sorted(both["dose"]) == sorted(table(60)["dose"])
    assert [len(each) for each in parted(table(3_000), 1)] == [150, 2_850]


def test_the_rate_is_steady(
    tmp_path: Path, endpoint: Callable[..., Endpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "load" / ANSWERS
    load(tmp_path, endpoint(lambda _: 200), monkeypatch).run(50, 0.0, until(path, 25))
    times = [each.time for each in read(path)]
    # a busy machine may be late, never early
    assert times[-1] - times[0] >= (len(times) - 1) / 50 - 0.02


def test_a_control_file_is_read_strictly(tmp_path: Path) -> None:
    path = tmp_path / "shift.json"
    assert read_shift(path) is None
    write_shift(tmp_path, DOSE)
    assert read_shift(path) == DOSE
    write_shift(tmp_path, None)
    assert read_shift(path) is None
    path.write_text('{"colum": "dose", "deviations": 1, "share": 1}')
    with pytest.raises(UserError, match="did you mean 'column'"):
        read_shift(path)
    path.write_text("{")
    with pytest.raises(UserError, match="not valid JSON"):
        read_shift(path)


def test_sigterm_asks_the_load_to_end_and_does_not_kill_it() -> None:
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        ended = traffic._asked_to_end()
        assert not ended
        os.kill(os.getpid(), signal.SIGTERM)
        assert ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def answer(time: float, version: str = "1", status: int = 200, took: float = 2.0) -> Answer:
    return Answer(time, f"r{time}", status, took, version)


def test_the_record_passes_over_what_a_killed_process_left(tmp_path: Path) -> None:
    path = tmp_path / ANSWERS
    with path.open("w") as file:
        record.write(file, [answer(1.0), answer(2.0)])
        file.write('{"time": 3.0, "requ')
    assert [each.time for each in read(path)] == [1.0, 2.0]
    assert read(tmp_path / "none") == ()


def test_seconds_count_by_version_and_leave_no_gap_out() -> None:
    found = seconds([answer(10.0), answer(10.5, "2"), answer(10.6, status=0), answer(12.1, took=9)])
    assert [each.by_version for each in found] == [{"1": 1, "2": 1}, {}, {"1": 1}]
    assert [each.failed for each in found] == [1, 0, 0]
    assert found[1].p99 is None
    assert found[2].p99 == 9
    assert seconds([]) == ()
