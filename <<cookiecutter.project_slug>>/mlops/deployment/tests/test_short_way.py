"""The short way of a request, which leaves ASGI out: the same answers in the same order as the long one."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytest
from mlflow import MlflowClient

from mlops.deployment.serving import endpoint
from mlops.deployment.serving.http_protocol import SHORT_BYTES, SHORT_SECONDS
from mlops.deployment.serving.keys import FILE as KEYS
from mlops.deployment.serving.keys import keys_text, new_key
from mlops.deployment.serving.told import all_counts, all_others, read_told
from mlops.deployment.serving.traffic import Deployment, Options, Traffic, traffic_text
from mlops.deployment.tests.environments import (
    Place,
    fitted_model,
    make_package,
    make_project,
    valid_row,
)
from mlops.quality.tables import replace_text

KEY, KEYED = new_key((), "primary")
JSON = "Content-Type: application/json"
ALLOWED = f"Authorization: Bearer {KEY}"


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: Any


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[endpoint.Endpoint]:
    with serving(tmp_path_factory.mktemp("short")) as found:
        yield found


@contextmanager
def serving(folder: Path) -> Iterator[endpoint.Endpoint]:
    """An endpoint of two deployments that asks for a key."""
    project = make_project(folder / "project")
    packages = project.root / ".mlops" / "packages"
    digests = [make_package(packages, fitted_model(number)) for number in (1, 2)]
    place = Place(project, cast(MlflowClient, None))  # no registry is asked
    chosen = place.environment()
    chosen.folder.mkdir(parents=True)
    (chosen.folder / KEYS).write_text(keys_text(KEYED))
    deployments = (Deployment("blue", "1", digests[0], 1.0), Deployment("green", "2", digests[1]))
    traffic = Traffic(1, "prod", "small", deployments, options=Options(collect_seconds=0.2))
    replace_text(chosen.folder / "traffic.json", traffic_text(traffic))
    found = endpoint.start(chosen)
    try:
        endpoint.wait_followed(found, 1)
        yield found
    finally:
        place.down()


def request(
    *headers: str, body: bytes = b"", path: str = "/invocations", long: bool = False
) -> bytes:
    """A POST; chunks are what only the long way takes."""
    how = "Transfer-Encoding: chunked" if long else f"Content-Length: {len(body)}"
    chunk = f"{len(body):x}\r\n".encode() + body + b"\r\n" if body else b""
    sent = chunk + b"0\r\n\r\n" if long else body
    head = "\r\n".join([f"POST {path} HTTP/1.1", "Host: here", how, *headers])
    return head.encode() + b"\r\n\r\n" + sent


def rows(*records: object) -> bytes:
    return json.dumps({"dataframe_records": records or [valid_row()]}).encode()


def connect(found: endpoint.Endpoint) -> socket.socket:
    return socket.create_connection((found.host, found.running.port), timeout=10)


def answers(connection: socket.socket, count: int) -> list[Answer]:
    """So many answers, in the order in which they come; fewer where the connection ends."""
    stream = connection.makefile("rb")
    found: list[Answer] = []
    while len(found) < count:
        line = stream.readline()
        if not line:
            break
        headers = {}
        while (told := stream.readline().decode().strip()) != "":
            name, _, value = told.partition(": ")
            headers[name.lower()] = value
        body = json.loads(stream.read(int(headers["content-length"])))
        found.append(Answer(int(line.split()[1]), headers, body))
    return found


def exchanged(
    found: endpoint.Endpoint, *parts: bytes, count: int = 1, pause: float = 0.02
) -> list[Answer]:
    with connect(found) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts:
            connection.sendall(part)
            time.sleep(pause)
        return answers(connection, count)


CASES: dict[str, tuple[Sequence[str], bytes, str]] = {
    "a row": ((JSON, ALLOWED), rows(), "/invocations"),
    "three rows": ((JSON, ALLOWED), rows(*[valid_row(n) for n in range(3)]), "/invocations"),
    "azure ml": ((JSON, ALLOWED), json.dumps({"input_data": [valid_row()]}).encode(), "/score"),
    "labels": (
        (JSON, ALLOWED),
        json.dumps({"instances": [valid_row()], "params": {"answer": "both"}}).encode(),
        "/invocations",
    ),
    "the other deployment": ((JSON, ALLOWED, "X-Deployment: green"), rows(), "/invocations"),
    "no such deployment": ((JSON, ALLOWED, "X-Deployment: red"), rows(), "/invocations"),
    "no key": ((JSON,), rows(), "/invocations"),
    "a wrong key": ((JSON, "X-API-Key: wrong"), rows(), "/invocations"),
    "a row that breaks the contract": (
        (JSON, ALLOWED),
        rows({**valid_row(), "a": 1e9}),
        "/invocations",
    ),
    "no JSON": ((JSON, ALLOWED), b"{", "/invocations"),
    "an empty body": ((JSON, ALLOWED), b"", "/invocations"),
    "no content type": ((ALLOWED,), rows(), "/invocations"),
    "a request id": ((JSON, ALLOWED, "X-Request-Id: mine"), rows(), "/invocations"),
    "a bad request id": ((JSON, ALLOWED, "X-Request-Id: a b"), rows(), "/invocations"),
}


@pytest.mark.parametrize("case", CASES)
def test_both_ways_give_the_same_answer(case: str, served: endpoint.Endpoint) -> None:
    headers, body, path = CASES[case]
    short, long = (
        exchanged(served, request(*headers, body=body, path=path, long=way))[0]
        for way in (False, True)
    )
    assert short.status == long.status
    ours = {"x-request-id", "content-length"}
    assert short.headers.keys() == long.headers.keys()
    for name in short.headers.keys() - ours:
        assert short.headers[name] == long.headers[name], name
    assert short.headers["x-request-id"] == long.headers["x-request-id"] or case != "a request id"
    for answer in (short, long):
        if isinstance(answer.body, dict):
            answer.body.pop("request_id", None)
    assert short.body == long.body


def test_both_ways_count_the_same(
    served: endpoint.Endpoint,
) -> None:
    def counted() -> tuple[int, int, int, int]:
        time.sleep(0.5)  # workers tell what they counted five times a second
        told = read_told(served.running.folder)
        counts = all_counts(told)
        return (
            sum(each.requests for each in counts.values()),
            sum(each.refused for each in counts.values()),
            sum(sum(each.latency) for each in counts.values()),
            all_others(told)["refused_unrouted"],
        )

    cases = [
        ((JSON, ALLOWED), rows()),
        ((JSON, ALLOWED), rows({**valid_row(), "a": 1e9})),
        ((JSON,), rows()),
    ]
    begin = counted()
    for headers, body in cases:
        exchanged(served, request(*headers, body=body))
    middle = counted()
    for headers, body in cases:
        exchanged(served, request(*headers, body=body, long=True))
    end = counted()
    short = [after - before for before, after in zip(begin, middle, strict=True)]
    assert short == [2, 1, 1, 1]
    assert short == [after - before for before, after in zip(middle, end, strict=True)]


@pytest.mark.parametrize("pause", [0.0, 0.02, SHORT_SECONDS * 1.5])
def test_a_request_may_come_in_pieces(pause: float, served: endpoint.Endpoint) -> None:
    whole = request(JSON, ALLOWED, body=rows())
    cuts = (0, 10, whole.index(b"\r\n\r\n") + 4, len(whole) - 20, len(whole))
    pieces = [whole[one:other] for one, other in pairwise(cuts)]
    assert exchanged(served, *pieces, pause=pause)[0].status == 200


def test_requests_in_one_packet_are_answered_in_their_order(served: endpoint.Endpoint) -> None:
    def numbered(number: int, *, long: bool) -> bytes:
        return request(JSON, ALLOWED, f"X-Request-Id: n-{number}", body=rows(), long=long)

    ways = [False, False, True, False, True, True, False]
    sent = b"".join(numbered(number, long=way) for number, way in enumerate(ways))
    found = exchanged(served, sent, count=len(ways))
    assert [each.headers["x-request-id"] for each in found] == [f"n-{n}" for n in range(len(ways))]
    assert {each.status for each in found} == {200}


def test_nothing_is_answered_after_a_refusal_that_ends_the_connection(
    served: endpoint.Endpoint,
) -> None:
    right = request(JSON, ALLOWED, body=rows())
    found = exchanged(served, right + request(JSON, body=rows()) + right, count=3)
    assert [each.status for each in found] == [200, 401]
    assert found[1].headers["connection"] == "close"


def test_a_large_body_goes_the_long_way(served: endpoint.Endpoint) -> None:
    body = rows(*[valid_row(0)] * 400)
    assert len(body) > SHORT_BYTES
    (found,) = exchanged(served, request(JSON, ALLOWED, body=body))
    assert found.status == 200
    assert len(found.body["predictions"]) == 400


def test_who_does_not_read_is_not_written_to_for_ever(served: endpoint.Endpoint) -> None:
    many = request(JSON, ALLOWED, body=rows()) * 50
    with connect(served) as connection:
        connection.settimeout(2)  # once the buffers of both sides are full, it does not read on
        with pytest.raises(TimeoutError):
            sent_for_ever(connection, many)
    assert exchanged(served, request(JSON, ALLOWED, body=rows()))[0].status == 200


def sent_for_ever(connection: socket.socket, sent: bytes) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        connection.sendall(sent)


def test_a_worker_that_ends_answers_the_request_that_it_reads(tmp_path: Path) -> None:
    with serving(tmp_path) as found:
        (worker,) = endpoint.workers(found)
        whole = request(JSON, ALLOWED, body=rows())
        with connect(found) as connection:
            connection.sendall(whole)
            assert answers(connection, 1)[0].status == 200
            # uvicorn looks ten times a second whether it shall end
            os.kill(worker, signal.SIGTERM)
            connection.sendall(whole[:-5])
            time.sleep(SHORT_SECONDS * 0.75)
            connection.sendall(whole[-5:])
            (answer,) = answers(connection, 1)
            assert (answer.status, answer.headers["connection"]) == (200, "close")
