"""HTTP/1.1 as uvicorn speaks it by httptools: limits on a head, no upgrades, and a short way.

The short way: a small request is answered in the callback that reads its end. All else, and all that
is out of the ordinary, goes through ASGI.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mlops.deployment.serving.app import App
from mlops.deployment.serving.routing import READERS

# What comes before a request's body, in bytes, and how long it may take to come.
HEAD_BYTES = 65_536
HEAD_SECONDS = 10.0
# A longer body is read through ASGI, where others get their turn meanwhile.
SHORT_BYTES = 16_384
# One that takes longer to come is waited for there.
SHORT_SECONDS = 0.2
_SHORT = frozenset(path.encode("ascii") for path in READERS)
# A request that says one of these goes the long way.
_UNUSUAL = frozenset((b"expect", b"transfer-encoding", b"content-encoding"))
_OFFER = re.compile(rb"\r\nupgrade:[^\r\n]*", re.IGNORECASE)


class LimitedHttp(HttpToolsProtocol):
    """One connection. An offer to upgrade (HTTP/2 in the clear, WebSocket) is passed over.

    RFC 9110, section 7.8, lets a server do so; httptools would take the body for the new protocol.
    """

    def __init__(self, *words: Any, **named: Any) -> None:
        super().__init__(*words, **named)
        self._in_head = True
        self._head = 0
        self._timer: asyncio.TimerHandle | None = None
        self._at_once = cast(App, self.app).at_once
        # the parts of a body that may go the short way, None on the other one
        self._short: list[bytes] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._wait_no_longer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read what has come."""
        if self._in_head:
            self._head += len(data)
            if b"pgrade:" in data or b"PGRADE:" in data:
                head, end, body = data.partition(b"\r\n\r\n")
                data = _OFFER.sub(b"", head) + end + body
        super().data_received(data)
        if self._short is not None and self._timer is None:
            # who sends the head first sends the body soon
            self._timer = self.loop.call_later(SHORT_SECONDS, self._go_the_long_way)
        if self._in_head and self.transport is not None and not self.transport.is_closing():
            if self._head > HEAD_BYTES:
                self.send_400_response(f"The head of a request has at most {HEAD_BYTES} bytes.")
            elif self._head and self._timer is None:
                self._wait()

    def on_message_begin(self) -> None:
        """A request begins."""
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is there; raising here refuses the request."""
        self._wait_no_longer()
        if sum(len(name) + len(value) for name, value in self.headers) > HEAD_BYTES:
            raise ValueError("too many headers")
        self._in_head, self._head = False, 0
        if self._may_be_short():
            self._short = []
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of the body has come."""
        if self._short is None:
            super().on_body(body)
        else:
            self._short.append(body)

    def on_message_complete(self) -> None:
        """The request is whole; the next one may begin."""
        if self._short is None or not self._answered(self._short):
            super().on_message_complete()
        self._in_head = True

    def shutdown(self) -> None:
        """Close the connection, once the request that is being read has its answer."""
        self._go_the_long_way()
        super().shutdown()

    def _may_be_short(self) -> bool:
        """Whether a request is answered at once, should its body come soon."""
        if self.url not in _SHORT or self.parser.get_method() != b"POST":
            return False
        length = b""
        for name, value in self.headers:
            if name in _UNUSUAL:
                return False
            if name == b"content-length":
                length = value
        return (
            length.isdigit()
            and int(length[:20]) <= SHORT_BYTES
            and self.parser.get_http_version() == "1.1"
            and self.parser.should_keep_alive()
            and not self.parser.should_upgrade()
            # replies go out in the order of the requests, and only to those who read them
            and (self.cycle is None or self.cycle.response_complete)
            and not self.pipeline
            and not self.flow.write_paused
        )

    def _answered(self, body: list[bytes]) -> bool:
        """Answer a request that is whole; False where it went the long way instead."""
        self._wait_no_longer()
        if self.transport.is_closing():
            self._short = None  # what came before it was the last that is answered
            return True
        found = self._at_once(self.url.decode("ascii"), self.headers, b"".join(body))
        if found is None:
            self._go_the_long_way()
            return False
        self._short = None
        reply, ends = found
        self.transport.write(reply)
        self.server_state.total_requests += 1
        self._unset_keepalive_if_required()
        if ends:
            self.transport.close()
        else:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        return True

    def _go_the_long_way(self) -> None:
        """Hand what has come of a request to ASGI, where it was to go the short way."""
        if self._short is None:
            return
        self._wait_no_longer()
        body, self._short = self._short, None
        if self.transport.is_closing():
            return
        super().on_headers_complete()
        for part in body:
            super().on_body(part)

    def _wait(self) -> None:
        self._timer = self.loop.call_later(HEAD_SECONDS, self._too_late)

    def _wait_no_longer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_late(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self.transport.close()
