"""The listener's HTTP: few threads, short bodies, short waits; what a request says is for others."""

from __future__ import annotations

import math
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import cast

from mlops.operations.events.mlflow_webhook import LONGEST_BODY
from mlops.quality.errors import UserError

PATH = "/mlflow"
# A request must have arrived so many seconds after a thread has time for it; so many may be
# arriving, or wait for that, at once.
SECONDS, MOST = 10.0, 64
WORKERS = 4
# How long one turn of the server waits for somebody, in seconds.
TURN = 0.2
# A caller that still sends does not read its refusal: so much is read and forgotten.
_DRAINED = 4 * LONGEST_BODY


@dataclass(frozen=True)
class Answer:
    """An HTTP status, and why; the caller gets the reason where it is refused."""

    status: int
    said: str


class Server(socketserver.TCPServer):
    """Takes webhooks, on `handle_request` after `handle_request`, in a few threads.

    `take` answers body and headers, `say` hears of each answer. A caller that is too slow is cut off by
    `cut_off`, which is to be called now and then. Raises UserError where the address cannot be had.
    """

    allow_reuse_address = True
    request_queue_size = MOST
    timeout = TURN

    def __init__(
        self,
        host: str,
        port: int,
        take: Callable[[bytes, Mapping[str, str]], Answer],
        say: Callable[[str], None],
        *,
        seconds: float = SECONDS,
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.take, self.say, self._seconds = take, say, seconds
        self._lock = threading.Lock()
        self._arriving: dict[socket.socket, float] = {}
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="listen")
        try:
            super().__init__((host, port), _Handler)
        except (OSError, OverflowError) as error:
            said = getattr(error, "strerror", None) or error
            raise UserError(f"--host {host} --port {port}: {said}") from None
        self.socket.settimeout(TURN)  # who went away before it was accepted holds nobody up

    @property
    def port(self) -> int:
        """The port it listens on, also where the system chose it."""
        return int(self.server_address[1])

    def verify_request(self, request: object, _address: object) -> bool:
        """Whether there is room for another one."""
        with self._lock:
            if len(self._arriving) >= MOST:
                return False
            self._arriving[cast("socket.socket", request)] = math.inf
        return True

    def process_request(self, request: object, client_address: object) -> None:
        """Let a thread answer it."""
        self._pool.submit(self._answer, request, client_address)

    def arrived(self, request: object) -> None:
        """Note that it was read: from here on nothing cuts it off."""
        with self._lock:
            self._arriving.pop(cast("socket.socket", request), None)

    def cut_off(self, *, everybody: bool = False) -> None:
        """End the connections of those who took too long, or of `everybody` who still sends."""
        with self._lock:
            now = time.monotonic()
            late = [each for each, limit in self._arriving.items() if everybody or now > limit]
            for each in late:
                del self._arriving[each]
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def server_close(self) -> None:
        """Listen no longer, answer what has arrived, cut the rest off; no thread stays."""
        super().server_close()
        self.cut_off(everybody=True)
        self._pool.shutdown(wait=True)

    def _answer(self, request: object, client_address: object) -> None:
        try:
            # from here on: who waits for a thread behind slow ones does not pay for them
            with self._lock:
                if request in self._arriving:
                    self._arriving[request] = time.monotonic() + self._seconds
            self.finish_request(request, client_address)  # type: ignore[arg-type]
        except OSError:
            pass  # it went away
        except Exception as error:  # noqa: BLE001 - one request, not the listener
            self.say(f"a request was not answered: {type(error).__name__}: {error}")
        finally:
            self.arrived(request)
            self.shutdown_request(request)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    server_version, sys_version = "mlops", ""
    error_message_format, error_content_type = "%(message)s\n", "text/plain"

    def do_POST(self) -> None:
        """Answer one webhook."""
        server = cast("Server", self.server)
        answer = self._answer(server)
        server.say(f"{answer.status} {answer.said}")
        said = b"" if answer.status == 204 else f"{answer.said}\n".encode()
        self.send_response_only(answer.status)
        if said:
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def _answer(self, server: Server) -> Answer:
        if self.path != PATH:
            return Answer(404, f"there is only {PATH}")
        length = self.headers.get("Content-Length", "")
        if self.headers.get("Transfer-Encoding") or not (length.isascii() and length.isdigit()):
            return Answer(400, "content-length: expected a number of bytes")
        if len(length) > 12 or int(length) > LONGEST_BODY:
            self._drain(int(length[:12]))
            return Answer(413, f"the body: expected at most {LONGEST_BODY} bytes")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            return Answer(400, "the body ended early, or took too long")
        server.arrived(self.request)
        return server.take(body, dict(self.headers.items()))

    def _drain(self, length: int) -> None:
        left = min(length, _DRAINED)
        while left > 0 and (part := self.rfile.read1(min(left, 65_536))):
            left -= len(part)

    def log_message(self, *_: object) -> None:
        """Nothing: the server says what it answers, without the caller's words."""
