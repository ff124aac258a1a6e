"""HTTP/1.1 as uvicorn speaks it by httptools, with limits on a request's head and without upgrades."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# What comes before a request's body, in bytes, and how long it may take to come.
HEAD_BYTES = 65_536
HEAD_SECONDS = 10.0
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
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is whole; the next one may begin."""
        super().on_message_complete()
        self._in_head = True

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
