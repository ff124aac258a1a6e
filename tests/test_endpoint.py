"""An endpoint answers as MLflow's server does, keeps the protocols it names, and bears any input."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import http.client
import json
import math
import secrets
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests import endpoints
from tests.endpoints import JSON, Answer, Server, deployment, endpoint, lay_out, wait_for
from tests.template import PROJECT

CSV = {"content-type": "text/csv"}
PATH = f"/v2/models/{endpoints.MODEL}"
COLUMNS = ("a", "n", "m", "g")
ROWS = ((1.5, 3, 0.25, "x"), (9.0, 6, None, "y"), (0.0, 0, -1.0, "x"), (3.25, 2, None, "y"))
OPTIONS = {"body_bytes": 1_000_000, "rows": 1000, "body_seconds": 1.0, "collect_seconds": 0.2}
BOMB_BYTES = 100_000_000
DEEP = 100_000


def records(
    rows: Sequence[Sequence[object]] = ROWS[:1], **other: object
) -> list[dict[str, object]]:
    """Rows as records; `other` are values in place of theirs."""
    return [{**dict(zip(COLUMNS, row, strict=True)), **other} for row in rows]


def columns(rows: Sequence[Sequence[object]] = ROWS) -> dict[str, list[object]]:
    """Rows by column."""
    return {name: [row[place] for row in rows] for place, name in enumerate(COLUMNS)}


def csv(rows: Sequence[Sequence[object]] = ROWS) -> bytes:
    """Rows as CSV."""
    lines = [COLUMNS, *(["" if value is None else value for value in row] for row in rows)]
    return "".join(",".join(map(str, line)) + "\n" for line in lines).encode()


GOOD = json.dumps({"dataframe_records": records()}).encode()


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the packages and the endpoints."""
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def digests(out: Path) -> dict[str, str]:
    """The packages by their short names."""
    return endpoints.build(out)


@pytest.fixture(scope="module")
def served(out: Path, digests: dict[str, str]) -> Iterator[Server]:
    """A model that was compiled, and the same as it was trained, to be asked for by its name."""
    deployments = [
        deployment("compiled", digests["plain"], 1.0),
        deployment("flavour", digests["flavour"], 0.0, version="2"),
    ]
    with endpoint(lay_out(out, "served", deployments, OPTIONS)) as server:
        yield server


@pytest.fixture(scope="module")
def values(out: Path, digests: dict[str, str]) -> Iterator[Server]:
    """A regression whose column `a` has no range."""
    with endpoint(lay_out(out, "values", [deployment("one", digests["values"], 1.0)])) as server:
        yield server


@pytest.fixture(scope="module")
def theirs(out: Path, digests: dict[str, str]) -> Iterator[Server]:
    """MLflow's own server of the same model."""
    with endpoints.mlflow_server(out) as server:
        yield server


# MLflow's protocol

SHAPES: Mapping[str, Callable[[Sequence[Sequence[object]]], object]] = {
    "split": lambda rows: {"dataframe_split": {"columns": COLUMNS, "data": rows}},
    "split with an index": lambda rows: {
        "dataframe_split": {"columns": COLUMNS, "data": rows, "index": [*range(len(rows))]}
    },
    "split in another order": lambda rows: {
        "dataframe_split": {"columns": COLUMNS[::-1], "data": [[*row][::-1] for row in rows]}
    },
    "records": lambda rows: {"dataframe_records": records(rows)},
    "instances": lambda rows: {"instances": records(rows)},
    "inputs by column": lambda rows: {"inputs": columns(rows)},
    "inputs by row": lambda rows: {"inputs": records(rows)},
    "csv": csv,
}


@pytest.mark.parametrize("number", [1, 4, 40])
@pytest.mark.parametrize("shape", SHAPES)
def test_answers_are_those_of_mlflow(
    shape: str, number: int, served: Server, theirs: Server
) -> None:
    rows = (ROWS * 10)[:number]
    body = SHAPES[shape](rows)
    headers = CSV if shape == "csv" else JSON
    expected = theirs.ask("/invocations", body, headers)
    assert expected.status == 200, expected.body
    for name in ("compiled", "flavour"):
        found = served.ask("/invocations", body, {**headers, "x-deployment": name})
        assert (found.status, found.headers["content-type"]) == (200, "application/json")
        assert found.json.keys() == expected.json.keys() == {"predictions"}
        same_numbers(found.json["predictions"], expected.json["predictions"], 1e-5)
        assert len(found.json["predictions"]) == number


def same_numbers(found: Any, expected: Any, tolerance: float) -> None:
    """Assert that two nested lists have one shape and the same numbers."""
    if isinstance(expected, list):
        assert isinstance(found, list)
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            same_numbers(one, other, tolerance)
    else:
        assert math.isclose(found, expected, rel_tol=0, abs_tol=tolerance)


def test_the_rows_of_one_request_are_told_apart(served: Server) -> None:
    found = served.ask("/invocations", {"instances": records(ROWS)}).json["predictions"]
    assert len({tuple(row) for row in found}) == len(ROWS)
    for row, expected in zip(ROWS, found, strict=True):
        alone = served.ask("/invocations", {"instances": records([row])}).json["predictions"]
        same_numbers(alone, [expected], 1e-6)


# What both refuse, with the status on which they agree.
BOTH_REFUSE: Mapping[str, tuple[int, object, Mapping[str, str]]] = {
    "another content type": (415, b"<a/>", {"content-type": "application/xml"}),
    "a form": (415, b"a=1", {"content-type": "application/x-www-form-urlencoded"}),
    "not JSON": (400, b"{", JSON),
    "nothing": (400, b"", JSON),
    "a list": (400, [], {}),
    "null": (400, b"null", JSON),
    "no key": (400, {}, {}),
    "two keys": (400, {"instances": records(), "dataframe_records": records()}, {}),
    "an unknown key": (400, {"rows": records()}, {}),
    "a missing column": (400, {"inputs": {"n": [1], "m": [0.0], "g": ["x"]}}, {}),
    "a missing column that may be null": (400, {"inputs": {"a": [1.0], "n": [1], "g": ["x"]}}, {}),
    "text for a number": (400, {"instances": records(a="much")}, {}),
    "null for an integer": (400, {"dataframe_records": records(n=None)}, {}),
    "infinity": (400, GOOD.replace(b"1.5", b"Infinity"), JSON),
    "no rows": (400, {"dataframe_records": []}, {}),
    "columns of unequal length": (400, {"inputs": {**columns(ROWS[:1]), "a": [1.0, 2.0]}}, {}),
    "a row that is too short": (
        400,
        {"dataframe_split": {"columns": COLUMNS, "data": [[1.0]]}},
        {},
    ),
    "rows without names": (400, {"instances": ROWS[:1]}, {}),
    "an empty CSV": (400, b"", CSV),
    "a CSV without a column": (400, b"a,n,g\n1,3,x\n", CSV),
    "a CSV with text for a number": (400, b"a,n,m,g\nmuch,3,0,x\n", CSV),
    "a CSV that is not UTF-8": (400, b"a,n,m,g\n1,3,0,\xe9\n", CSV),
}


@pytest.mark.parametrize("case", BOTH_REFUSE)
def test_what_mlflow_refuses_is_refused_with_the_same_status(
    case: str, served: Server, theirs: Server
) -> None:
    status, body, headers = BOTH_REFUSE[case]
    assert theirs.ask("/invocations", body, headers).status == status
    refused(served.ask("/invocations", body, headers), status)


def test_no_content_type_is_refused_where_mlflow_fails(served: Server, theirs: Server) -> None:
    # MLflow splits the header without looking whether there is one
    assert theirs.ask("/invocations", GOOD).status == 500
    refused(served.ask("/invocations", GOOD), 415)


# MLflow answers these with 200, as its signature knows types and no contract: it reads digits in a
# text as a number, takes null for NaN and numbers for text, and drops what it does not know.
WE_REFUSE: Mapping[str, tuple[object, Mapping[str, str], str]] = {
    "another key beside": ({"instances": records(), "rows": 1}, {}, "exactly one of the keys"),
    "an unknown column": ({"instances": records(z=1)}, {}, "column z"),
    "digits in a text": ({"instances": records(a="1.5")}, {}, "type is number"),
    "null where nothing may be missing": ({"instances": records(a=None)}, {}, "not missing"),
    "null for a text": ({"instances": records(g=None)}, {}, "not missing"),
    "a number out of its range": ({"instances": records(a=11.0)}, {}, "range is 0 to 10"),
    "an unknown category": ({"instances": records(g="z")}, {}, "one of x, y"),
    "a number for a text": ({"instances": records(g=3)}, {}, "type is string"),
    "a fraction for an integer": ({"instances": records(n=2.5)}, {}, "type is integer"),
    "a truth for a number": ({"instances": records(a=True)}, {}, "type is number"),
    "NaN": (GOOD.replace(b"0.25", b"NaN"), JSON, "NaN and infinities are not JSON"),
    "values instead of lists": ({"inputs": records()[0]}, {}, "a list of values"),
    "unknown parameters": ({"instances": records(), "params": {"x": 1}}, {}, "params"),
    "a CSV line that is too short": (b"a,n,m,g\n1,3\n", CSV, "2 values, its header 4"),
}


@pytest.mark.parametrize("case", WE_REFUSE)
def test_what_the_contract_does_not_allow_is_refused_where_mlflow_answers(
    case: str, served: Server, theirs: Server
) -> None:
    body, headers, said = WE_REFUSE[case]
    assert theirs.ask("/invocations", body, headers).status == 200
    assert said in refused(served.ask("/invocations", body, headers), 400)["message"]


def test_labels_are_answered_where_they_are_asked_for(served: Server) -> None:
    def asked(answer: str) -> Any:
        body = {"instances": records(ROWS), "params": {"answer": answer}}
        return served.ask("/invocations", body).json

    chances = asked("values")["predictions"]
    labels = [row.index(max(row)) for row in chances]
    assert asked("labels") == {"predictions": labels}
    assert asked("both") == {"predictions": chances, "labels": labels}
    assert len(set(labels)) == 2


def refused(answer: Answer, status: int) -> dict[str, Any]:
    """Assert that a request was refused in our form; returns the body."""
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/json"
    body: dict[str, Any] = answer.json
    assert body["error_code"]
    assert body["message"]
    assert body["request_id"] == answer.headers["x-request-id"]
    return body


# The description

EXAMPLES = 40
PATHS = {
    "POST /invocations",
    "POST /score",
    f"POST {PATH}/infer",
    f"GET {PATH}",
    "GET /v2",
    "GET /v2/health/live",
    "GET /v2/health/ready",
    "GET /metrics",
}


@pytest.fixture(scope="module")
def _own_examples(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What Hypothesis keeps lies with the tests' other files."""
    from hypothesis.configuration import set_hypothesis_home_dir

    set_hypothesis_home_dir(tmp_path_factory.mktemp("hypothesis"))


@pytest.mark.usefixtures("_own_examples")
@pytest.mark.parametrize("name", ["related", "every"])
def test_the_description_holds_for_whatever_is_sent(
    name: str, out: Path, digests: dict[str, str]
) -> None:
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks

    folder = lay_out(out, name, [deployment("one", digests[name], 1.0)], {"collect_seconds": 0.2})
    always = [
        not_a_server_error,
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_schema_conformance,
    ]
    seen: dict[str, set[int]] = {}
    with endpoint(folder) as server:
        for label, operation in described(server).items():
            seen[label] = tried(operation, True, always)
            if operation.method == "post":
                # the others take nothing that could be wrong
                seen[label] |= tried(operation, False, [*always, checks.negative_data_rejection])
        assert '"level": "error"' not in server.said()
    assert len(seen) == len(PATHS)
    # both kinds were tried, else nothing was
    for path in ("/invocations", "/score"):
        assert {200, 400} <= seen[f"POST {path}"]
    # whatever was answered has been kept
    assert not list((folder / "spool").iterdir())
    assert list((folder / "collected").rglob("*.parquet"))
    assert '"level": "error"' not in server.said()


@pytest.mark.usefixtures("_own_examples")
@pytest.mark.parametrize("name", ["plain", "every"])
def test_rows_that_keep_the_description_are_answered_where_nothing_holds_between_columns(
    name: str, out: Path, digests: dict[str, str]
) -> None:
    seen = set()

    def answered(context: object, response: Any, case: Any) -> None:
        if case.media_type == "application/json":
            # the other shapes hold more than a schema can say: lengths that agree
            shapes = {"dataframe_records", "instances"} & set(case.body)
            seen.update(shapes)
            assert not shapes or response.status_code == 200, (case.body, response.text)

    folder = lay_out(out, f"kept-{name}", [deployment("one", digests[name], 1.0)])
    with endpoint(folder) as server:
        tried(described(server)["POST /invocations"], True, [answered], 3 * EXAMPLES)
    assert seen == {"dataframe_records", "instances"}


def test_the_description_names_every_address(served: Server) -> None:
    told = served.ask("/openapi.json").json["paths"]
    assert {f"{method.upper()} {path}" for path in told for method in told[path]} == PATHS
    # and for who reads it there is a page
    page = served.ask("/docs")
    assert page.headers["content-type"].startswith("text/html")
    for path in told:
        assert path.encode() in page.body


def described(server: Server) -> dict[str, Any]:
    """The operations of an endpoint's description by their method and path."""
    import schemathesis

    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    operations: list[Any] = list(schema.get_all_operations())
    return {found.ok().label: found.ok() for found in operations}


def tried(operation: Any, right: bool, checks: Sequence[Any], examples: int = EXAMPLES) -> set[int]:
    """The statuses of what an operation was asked, right or wrong; raises where a check does."""
    from hypothesis import HealthCheck, Phase, given, settings
    from schemathesis import GenerationMode

    seen = set()
    mode = GenerationMode.POSITIVE if right else GenerationMode.NEGATIVE

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        seen.add(case.call_and_validate(checks=checks).status_code)

    ask()
    return seen


# Hostile input


def post(
    body: bytes,
    *more: str,
    path: str = "/invocations",
    length: str | None = None,
    content_type: str = "application/json",
) -> bytes:
    """A request as it goes over the wire; `more` are headers."""
    lines = [
        f"POST {path} HTTP/1.1",
        "host: here",
        f"content-type: {content_type}",
        f"content-length: {len(body) if length is None else length}",
        *more,
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def chunked(body: bytes, size: int) -> bytes:
    """A request whose body comes in pieces, its length untold."""
    head = post(b"").replace(b"content-length: 0", b"transfer-encoding: chunked")
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return head + b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in [*parts, b""])


def a_is(literal: str) -> bytes:
    """A request in which `a` is what is written."""
    return post(GOOD.replace(b"1.5", literal.encode("utf-8", "surrogateescape")))


def calm(server: Server) -> None:
    """Assert that the endpoint goes on as if nothing had been."""
    assert server.ask("/invocations", GOOD, JSON).status == 200
    assert '"level": "error"' not in server.said()


GZIP = "content-encoding: gzip"
MANY = 1001
HOSTILE: Mapping[str, tuple[int, bytes]] = {
    "an unknown column": (400, post(json.dumps({"instances": records(z=1)}).encode())),
    "a missing column": (400, post(b'{"instances": [{"a": 1.5}]}')),
    "null": (400, a_is("null")),
    "NaN": (400, a_is("NaN")),
    "infinity": (400, a_is("Infinity")),
    "minus infinity": (400, a_is("-Infinity")),
    "1e400": (400, a_is("1e400")),
    "400 digits": (400, a_is("9" * 400)),
    "400 digits for an integer": (400, post(GOOD.replace(b'"n": 3', b'"n": ' + b"9" * 400))),
    "20 digits": (400, a_is("9" * 20)),
    "half a surrogate": (400, a_is('"\\ud800"')),
    "half a surrogate for a name": (400, post(b'{"\\ud800": 1}')),
    "broken UTF-8": (400, a_is('"\udcff"')),
    "UTF-16": (400, post(GOOD.decode().encode("utf-16"))),
    "a zero byte in a text": (400, post(GOOD.replace(b'"x"', b'"\\u0000"'))),
    "a list for a value": (400, a_is("[1.5]")),
    "a mapping for a value": (400, a_is('{"a": 1.5}')),
    "a deep value": (400, a_is("[" * 1000 + "]" * 1000)),
    "deep lists": (400, post(b"[" * DEEP + b"]" * DEEP)),
    "deep lists without an end": (400, post(b"[" * DEEP)),
    "deep mappings": (400, post(b'{"a":' * DEEP + b"1" + b"}" * DEEP)),
    "an empty body": (400, post(b"")),
    "a list": (400, post(b"[]")),
    "nothing": (400, post(b"null")),
    "more after the end": (400, post(GOOD + b"x")),
    "JSON as text": (415, post(GOOD, content_type="text/plain")),
    "a content type of bytes": (415, post(GOOD, content_type="\xff\xfe")),
    "gzip that is none": (400, post(GOOD, GZIP)),
    "gzip that is cut off": (400, post(gzip.compress(GOOD)[:-9], GZIP)),
    "gzip with more after it": (400, post(gzip.compress(GOOD) + b"x", GZIP)),
    "gzip in gzip": (400, post(gzip.compress(gzip.compress(GOOD)), GZIP)),
    "gzip of nothing": (400, post(b"", GZIP)),
    "gzip twice": (415, post(gzip.compress(gzip.compress(GOOD)), "content-encoding: gzip, gzip")),
    "another encoding": (415, post(GOOD, "content-encoding: br")),
    "a body that is told to be too large": (413, post(b"", length="1000001")),
    "a body that is too large": (413, post(GOOD + b" " * 1_000_000)),
    "a body in pieces that is too large": (413, chunked(GOOD + b" " * 3_000_000, 65536)),
    "a length of 18 digits": (413, post(GOOD, length="9" * 18)),
    "too many records": (413, post(json.dumps({"instances": [{}] * MANY}).encode())),
    "too many values": (413, post(json.dumps({"inputs": {"a": [1] * MANY}}).encode())),
    "too many lines": (413, post(b"a\n" + b"1\n" * MANY, content_type="text/csv")),
    "too many rows": (
        413,
        post(json.dumps({"dataframe_split": {"columns": [], "data": [[]] * MANY}}).encode()),
    ),
    "an unknown deployment": (404, post(GOOD, "azureml-model-deployment: red")),
    "a deployment of bytes": (404, post(GOOD, "x-deployment: \xff\xfe")),
    "an unknown path": (404, post(GOOD, path="/nothing")),
    "a path above": (404, post(GOOD, path="/../../etc/passwd")),
    "a path with a zero byte": (404, post(GOOD, path="/%00")),
    "a path that is not UTF-8": (404, post(GOOD, path="/v2/models/%ff/infer")),
    "a very long path": (404, post(GOOD, path="/" + "a" * 60_000)),
    "a method of another address": (405, b"GET /invocations HTTP/1.1\r\nhost: here\r\n\r\n"),
    "another method": (405, b"DELETE /invocations HTTP/1.1\r\nhost: here\r\n\r\n"),
    "a post where there is nothing to post": (405, post(GOOD, path="/v2/health/live")),
    "a web socket": (
        405,
        b"GET /invocations HTTP/1.1\r\nhost: here\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
        b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    ),
    "no body after a wait for leave": (413, post(b"", "expect: 100-continue", length="1000001")),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_input_is_refused_and_the_endpoint_goes_on(case: str, served: Server) -> None:
    status, sent = HOSTILE[case]
    refused(served.raw(sent), status)
    calm(served)


# What is not HTTP at all does not get as far as the application: the server answers with a line.
NO_HTTP = {
    "a negative length": post(GOOD, length="-1"),
    "a length of 23 digits": post(GOOD, length="9" * 23),
    "a length in words": post(GOOD, length="many"),
    "an empty length": post(GOOD, length=""),
    "two lengths": post(GOOD, "content-length: 5"),
    "a length and pieces": post(GOOD, "transfer-encoding: chunked"),
    "a piece without a length": chunked(GOOD, 7).replace(b"\r\n7\r\n", b"\r\nzz\r\n", 1),
    "a header with a zero byte": post(GOOD, "x-a: \0"),
    "a header with a space in its name": post(GOOD, "x a: 1"),
    "bytes for a path": post(GOOD, path="/\xff"),
    "a path of two megabytes": post(GOOD, path="/" + "a" * 2_000_000),
    "an unknown method": b"BLAH / HTTP/1.1\r\nhost: here\r\n\r\n",
    "an unknown version": b"GET /v2 HTTP/9.9\r\nhost: here\r\n\r\n",
    "a greeting of TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
}


@pytest.mark.parametrize("case", NO_HTTP)
def test_what_is_not_http_is_refused_and_the_endpoint_goes_on(case: str, served: Server) -> None:
    assert served.raw(NO_HTTP[case]).status == 400
    calm(served)


def test_a_bomb_is_not_unpacked(served: Server) -> None:
    bomb = gzip.compress(bytes(BOMB_BYTES), 6)
    assert len(bomb) < int(OPTIONS["body_bytes"])
    before = endpoints.largest_memory(served)
    refused(served.raw(post(bomb, GZIP)), 413)
    assert endpoints.largest_memory(served) - before < BOMB_BYTES / 4
    calm(served)


def test_a_large_body_is_refused_before_it_has_come(served: Server) -> None:
    for sent in (post(GOOD + b" " * 30_000_000), chunked(GOOD + b" " * 30_000_000, 65536)):
        refused(served.raw(sent), 413)
    calm(served)


def test_what_is_unusual_but_right_is_answered(served: Server) -> None:
    for sent in (
        post(gzip.compress(GOOD), GZIP),
        post(GOOD, "content-encoding: identity"),
        post(GOOD, content_type="Application/JSON; charset=utf-8"),
        chunked(GOOD, 7),
        post(GOOD, "expect: nothing"),
        post(b" " * 900_000 + GOOD),
        post(GOOD.replace(b"1.5", b"-0.0")),
        post(b"\xef\xbb\xbf" + csv(), content_type="text/csv"),
        post(csv().replace(b"\n", b"\r\n"), content_type="text/csv; charset=utf-8"),
    ):
        answer = served.raw(sent)
        assert answer.status == 200, answer.body
    with served.connect() as connection:
        connection.sendall(post(GOOD) * 3)
        answers = [endpoints.read_answer(connection, exact=True) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 200]


@pytest.mark.parametrize("sent", [post(GOOD, length="999"), chunked(GOOD, 7)[:-9]])
def test_a_body_that_does_not_come_is_not_waited_for(sent: bytes, served: Server) -> None:
    started = time.monotonic()
    with served.connect() as connection:
        connection.sendall(sent[:-9])
        for _ in range(3):
            time.sleep(0.2)
            connection.sendall(sent[-9:-8])
        # meanwhile others are answered
        calm(served)
        refused(endpoints.read_answer(connection), 408)
        # and the rest of it is never taken for a request
        assert connection.recv(1) == b""
    assert 1 <= time.monotonic() - started < 3
    calm(served)


def test_whoever_goes_in_between_is_missed_by_nobody(served: Server) -> None:
    whole = post(GOOD)
    for part in (10, len(whole) - len(GOOD), len(whole) - 1, len(whole)):
        with served.connect() as connection:
            connection.sendall(whole[:part])
        with served.connect() as connection:
            connection.sendall(whole[:part])
            # the connection is reset, not ended
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        calm(served)


def test_the_rest_of_a_refused_body_is_not_taken_for_a_request(served: Server) -> None:
    inner = post(GOOD)
    with served.connect() as connection:
        connection.sendall(post(inner, "x-deployment: red"))
        assert endpoints.read_answer(connection, exact=True).status == 404
        connection.sendall(post(GOOD))
        with contextlib.suppress(OSError, http.client.HTTPException):
            # answered as one request, or not at all
            assert endpoints.read_answer(connection, exact=True).status == 200
            connection.settimeout(0.2)
            assert connection.recv(1) == b""
    calm(served)


def test_an_offer_of_http2_is_passed_over(served: Server) -> None:
    # Java's HttpClient makes it with each request to an address without TLS
    offer = ("connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "http2-settings: AAEAAEAA")
    answer = served.raw(post(GOOD, *offer))
    assert answer.status == 200, answer.body


def test_headers_have_a_limit(served: Server) -> None:
    for sent in (
        post(GOOD, "x-a: " + "a" * 10_000_000),
        post(GOOD, *["x-a: 1"] * 100_000),
    ):
        assert 400 <= served.raw(sent).status < 500
        calm(served)


def test_headers_that_do_not_come_are_not_waited_for(served: Server) -> None:
    with served.connect() as connection:
        connection.sendall(post(GOOD)[:60])
        connection.settimeout(15)
        while connection.recv(4096):
            pass


def test_what_is_not_finite_is_never_answered_as_null(values: Server) -> None:
    for number in (1e38, 1e39, 1e308, -1e308):
        answer = values.ask("/invocations", {"instances": records(a=number)})
        if answer.status == 200:
            assert all(isinstance(value, float) for value in answer.json["predictions"])
        else:
            refused(answer, 400)


# The Open Inference Protocol

DATATYPES = {"a": "FP64", "n": "INT64", "m": "FP64", "g": "BYTES"}


def tensors(
    rows: Sequence[Sequence[object]] = ROWS, /, **change: Mapping[str, object]
) -> list[dict[str, Any]]:
    """A tensor for each column; `change` are keys of single ones in place of theirs."""
    return [
        {"name": name, "shape": [len(data)], "datatype": DATATYPES[name], "data": data}
        | dict(change.get(name, {}))
        for name, data in columns(rows).items()
    ]


def infer(server: Server, inputs: object, **more: object) -> Answer:
    """Ask by the protocol."""
    return server.ask(f"{PATH}/infer", {"inputs": inputs, **more})


def test_the_server_and_the_model_tell_of_themselves(served: Server, values: Server) -> None:
    assert served.ask("/v2").json.keys() >= {"name", "version", "extensions"}
    for path in (
        "/v2/health/live",
        "/v2/health/ready",
        f"{PATH}/ready",
        f"{PATH}/versions/2/ready",
    ):
        assert served.ask(path).status == 200
    told = served.ask(PATH).json
    assert (told["name"], told["versions"]) == (endpoints.MODEL, ["1", "2"])
    assert {each["name"]: each["datatype"] for each in told["inputs"]} == DATATYPES
    assert all(each["shape"] == [-1] for each in told["inputs"])
    assert [each["name"] for each in told["outputs"]] == ["label", "probabilities"]
    assert served.ask(f"{PATH}/versions/2").json["platform"] != told["platform"]
    assert [each["name"] for each in values.ask(PATH).json["outputs"]] == ["value"]
    for path in (f"{PATH}/versions/9", "/v2/models/other", f"{PATH}/versions/9/ready", "/v2/more"):
        refused(served.ask(path), 404)


def test_the_metadata_holds_for_the_answers(served: Server, values: Server) -> None:
    for server in (served, values):
        told = {each["name"]: each for each in server.ask(PATH).json["outputs"]}
        found = infer(server, tensors()).json["outputs"]
        assert [each["name"] for each in found] == list(told)
        for each in found:
            assert each["datatype"] == told[each["name"]]["datatype"]
            assert len(each["shape"]) == len(told[each["name"]]["shape"])
            assert math.prod(each["shape"]) == len(each["data"])


def test_tensors_of_either_shape_are_answered_as_by_invocations(served: Server) -> None:
    body = {"instances": records(ROWS), "params": {"answer": "both"}}
    expected = served.ask("/invocations", body).json
    column = [len(ROWS), 1]
    nested = {name: {"shape": column, "data": [[v] for v in d]} for name, d in columns().items()}
    flat = {name: {"shape": column} for name in COLUMNS}
    for inputs in (tensors(), tensors(**flat), tensors(**nested), tensors()[::-1]):
        found = infer(served, inputs, id="é1").json
        assert (found["id"], found["model_name"], found["model_version"]) == ("é1", "small", "1")
        label, chances = found["outputs"]
        assert (label["name"], label["shape"]) == ("label", [len(ROWS)])
        assert label["data"] == expected["labels"]
        assert (chances["name"], chances["shape"]) == ("probabilities", [len(ROWS), 2])
        flattened = [value for row in expected["predictions"] for value in row]
        same_numbers(chances["data"], flattened, 1e-6)
    assert "id" not in infer(served, tensors()).json


def test_a_version_and_outputs_can_be_chosen(served: Server) -> None:
    for version in ("1", "2"):
        found = served.ask(f"{PATH}/versions/{version}/infer", {"inputs": tensors()})
        assert found.json["model_version"] == found.headers["x-model-version"] == version
    for names in (["label"], ["probabilities"], ["label", "probabilities"]):
        found = infer(served, tensors(), outputs=[{"name": name} for name in names])
        assert [each["name"] for each in found.json["outputs"]] == names
    refused(served.ask(f"{PATH}/versions/9/infer", {"inputs": tensors()}), 404)


WRONG: Mapping[str, tuple[object, Mapping[str, object]]] = {
    "no tensors": ([], {}),
    "no list": ({"a": 1}, {}),
    "a column without a tensor": (tensors()[1:], {}),
    "a tensor without a column": ([*tensors(), {**tensors()[0], "name": "z"}], {}),
    "a tensor twice": ([*tensors(), tensors()[0]], {}),
    "no rows": (tensors(()), {}),
    "a shape of more": (tensors(a={"shape": [5]}), {}),
    "a shape of fewer": (tensors(a={"shape": [3]}), {}),
    "a row for a column": (tensors(a={"shape": [1, 4]}), {}),
    "three dimensions": (tensors(a={"shape": [4, 1, 1]}), {}),
    "no dimension": (tensors(a={"shape": []}), {}),
    "a negative size": (tensors(a={"shape": [-1]}), {}),
    "a size in words": (tensors(a={"shape": "4"}), {}),
    "a truth for a size": (tensors(ROWS[:1], a={"shape": [True]}), {}),
    "an unknown datatype": (tensors(a={"datatype": "FP8"}), {}),
    "no datatype": (tensors(a={"datatype": None}), {}),
    "text for a number": (tensors(a={"data": ["x"] * 4}), {}),
    "a number for text": (tensors(g={"data": [1] * 4}), {}),
    "data elsewhere": (tensors(a={"data": None}), {}),
    "tensors of unequal length": (tensors(a={"shape": [1], "data": [1.5]}), {}),
    "an identity that is no text": (tensors(), {"id": 3}),
    "an unknown output": (tensors(), {"outputs": [{"name": "more"}]}),
    "outputs by name alone": (tensors(), {"outputs": ["label"]}),
    "an unknown key": (tensors(), {"more": 1}),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_the_protocol_does_not_allow_is_refused(case: str, served: Server) -> None:
    inputs, more = WRONG[case]
    body = refused(infer(served, inputs, **more), 400)
    # the protocol's own form of an error
    assert body["error"] == body["message"]


@pytest.mark.parametrize(
    ("column", "datatype"),
    [("a", "INT64"), ("a", "BYTES"), ("n", "BOOL"), ("g", "FP64"), ("m", "UINT8")],
)
def test_data_of_another_datatype_than_told_is_refused(
    column: str, datatype: str, served: Server
) -> None:
    refused(infer(served, tensors(**{column: {"datatype": datatype}})), 400)


def test_an_output_that_the_model_does_not_have_is_refused(served: Server, values: Server) -> None:
    refused(infer(served, tensors(), outputs=[{"name": "value"}]), 400)
    refused(infer(values, tensors(), outputs=[{"name": "label"}]), 400)


# Azure ML's protocol


def test_azure_mls_input_data_is_answered_with_a_list(served: Server) -> None:
    expected = served.ask("/invocations", {"instances": records(ROWS)}).json["predictions"]
    split = {"columns": COLUMNS, "data": ROWS}
    shapes = (split, {**split, "index": [*range(len(ROWS))]}, records(ROWS), columns())
    for data in shapes:
        found = served.ask("/score", {"input_data": data})
        assert found.json == expected
        assert found.headers["azureml-model-deployment"] == "compiled"
    named = {"azureml-model-deployment": "flavour"}
    found = served.ask("/score", {"input_data": split, "params": {}}, named)
    assert found.headers["azureml-model-deployment"] == "flavour"
    same_numbers(found.json, expected, 1e-5)
    labels = served.ask("/score", {"input_data": split, "params": {"answer": "labels"}}).json
    assert labels == [row.index(max(row)) for row in expected]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"data": []},
        {"input_data": None},
        {"input_data": 3},
        {"input_data": [[1.5]]},
        {"input_data": {"columns": COLUMNS}},
        {"input_data": {"columns": [*COLUMNS, "a"], "data": []}},
        {"input_data": {"columns": COLUMNS, "data": [], "index": []}},
        {"input_data": {"columns": COLUMNS, "data": ROWS, "rows": 4}},
        {"input_data": records(), "more": 1},
        {"input_data": records(a=11.0)},
    ],
)
def test_other_input_data_is_refused(body: dict[str, object], served: Server) -> None:
    refused(served.ask("/score", body), 400)


# Keys


def write_keys(folder: Path, keys: Mapping[str, str]) -> None:
    """The digests of an endpoint's keys, in one step, as the endpoint reads them."""
    told = [
        {
            "name": name,
            "sha256": hashlib.sha256(key.encode()).hexdigest(),
            "created": "2026-01-01T00:00:00+00:00",
        }
        for name, key in keys.items()
    ]
    draft = folder / "keys.part"
    draft.write_text(json.dumps({"keys": told}))
    draft.replace(folder / "keys.json")


def test_only_whoever_has_a_key_is_answered(out: Path, digests: dict[str, str]) -> None:
    keys = {"primary": secrets.token_urlsafe(32), "secondary": secrets.token_urlsafe(32)}
    folder = lay_out(out, "keys", [deployment("one", digests["plain"], 1.0)], {"log": "all"})
    write_keys(folder, keys)
    body = {"instances": records()}

    def asked(headers: Mapping[str, str], path: str = "/invocations") -> Answer:
        return server.ask(path, body if path == "/invocations" else None, headers)

    with endpoint(folder, keys["primary"]) as server:
        for key in keys.values():
            for headers in (
                {"authorization": f"Bearer {key}"},
                {"authorization": f"bearer  {key}"},
                {"x-api-key": key},
            ):
                assert asked(headers).status == 200
        digest = hashlib.sha256(keys["primary"].encode()).hexdigest()
        for headers in (
            {},
            {"x-api-key": ""},
            {"x-api-key": keys["primary"][:-1]},
            {"x-api-key": digest},
            {"x-api-key": "\xff\xfe"},
            {"authorization": f"Basic {keys['primary']}"},
            {"authorization": "Bearer"},
            {"authorization": f"Bearer {keys['primary']}{keys['secondary']}"},
        ):
            answer = asked(headers)
            refused(answer, 401)
            assert answer.headers["www-authenticate"] == "Bearer"
        for path in ("/metrics", "/openapi.json", "/docs", "/v2", PATH, "/nothing"):
            refused(asked({}, path), 401)
            assert asked({"x-api-key": keys["secondary"]}, path).status != 401
        # whoever keeps the process alive needs no key, and learns nothing more
        assert asked({}, "/v2/health/live").json == {"live": True}
        assert asked({}, "/v2/health/ready").json == {"ready": True}

        gone = keys.pop("primary")
        write_keys(folder, keys)
        wait_for(lambda: asked({"x-api-key": gone}).status == 401, "the key is withdrawn", 5)
        assert asked({"x-api-key": keys["secondary"]}).status == 200
        # a file that cannot be read opens nothing
        (folder / "keys.json").write_text("{")
        wait_for(lambda: "keys of before" in server.said(), "the file is read", 5)
        refused(asked({}), 401)
        assert asked({"x-api-key": keys["secondary"]}).status == 200
    said = server.said()
    assert '"path": "/invocations"' in said
    for key in (gone, keys["secondary"]):
        assert key not in said
        assert hashlib.sha256(key.encode()).hexdigest() not in said


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])  # noqa: S104 - it is refused
def test_an_address_that_others_reach_is_not_opened_without_keys(
    host: str, out: Path, digests: dict[str, str]
) -> None:
    name = f"open-{len(host)}"
    folder = lay_out(out, name, [deployment("one", digests["plain"], 1.0)])
    port = endpoints.free_port()
    done = subprocess.run(
        endpoints.command(folder, host, port),
        cwd=PROJECT,
        env=endpoints.environment(),
        capture_output=True,
        text=True,
        timeout=15,
        check=False,
    )
    assert done.returncode != 0
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {host}: others can reach this address")
    assert "nox -s keys" in line
