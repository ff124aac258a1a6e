"""What goes back to the caller: an answer or a refusal, as status, headers and body."""

from __future__ import annotations

from http import HTTPStatus
from typing import NamedTuple

import orjson

from mlops.deployment.serving.answering import Call
from mlops.deployment.serving.refusal import RefusedError
from mlops.deployment.serving.routing import DEPLOYMENT

Header = tuple[bytes, bytes]
JSON = b"application/json"
_CLOSE = (b"connection", b"close")
_LINES = {
    each.value: f"HTTP/1.1 {each.value} {each.phrase}\r\n".encode("ascii") for each in HTTPStatus
}


class Reply(NamedTuple):
    """An answer: its status, its body, of which kind that is, and headers of its own."""

    status: int
    body: bytes
    kind: bytes = JSON
    extra: tuple[Header, ...] = ()

    @property
    def closes(self) -> bool:
        """Whether the connection ends with it."""
        return _CLOSE in self.extra


def refused(call: Call, refusal: RefusedError) -> Reply:
    """The reply to a request that is not answered."""
    extra: list[Header] = [_CLOSE] if refusal.close else []
    if refusal.allow:
        extra.append((b"allow", refusal.allow.encode()))
    if refusal.status == 401:
        extra.append((b"www-authenticate", b"Bearer"))
    return Reply(refusal.status, orjson.dumps(refusal.body(call.request)), JSON, tuple(extra))


def headers(call: Call, reply: Reply) -> list[Header]:
    """All headers of a reply."""
    told = [
        (b"content-type", reply.kind),
        (b"content-length", b"%d" % len(reply.body)),
        (b"x-request-id", call.request.encode()),
        *reply.extra,
    ]
    if call.loaded is not None:
        deployed = call.loaded.deployment
        told.append((DEPLOYMENT[0], deployed.name.encode()))
        told.append((b"x-model-version", deployed.version.encode()))
    return told


def whole(call: Call, reply: Reply) -> bytes:
    """A reply as it goes over the wire in HTTP/1.1."""
    parts = [_LINES[reply.status]]
    for name, value in headers(call, reply):
        parts += (name, b": ", value, b"\r\n")
    parts += (b"\r\n", reply.body)
    return b"".join(parts)
