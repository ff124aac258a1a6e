"""One connection to an endpoint that is kept alive: each request is asked once and told as it went."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Callable

from mlops.operations.loop.record import Answer
from mlops.operations.loop.rows import Row

# Host and port of an endpoint; None where none runs.
Find = Callable[[], tuple[str, int] | None]
TIMEOUT = 30.0


class Caller:
    """Asks an endpoint; a connection that breaks fails its request, and the next gets a new one."""

    def __init__(self, find: Find, timeout: float = TIMEOUT) -> None:
        self._find, self._timeout = find, timeout
        self._connection: http.client.HTTPConnection | None = None

    def ask(self, row: Row, request: str, *, labelled: bool = False) -> Answer:
        """The answer to one row; never asked again, whatever comes of it."""
        began, clock = time.time(), time.perf_counter()
        status, version, deployment, error = 0, "", "", ""
        try:
            connection = self._connected()
            headers = {"Content-Type": "application/json", "X-Request-Id": request}
            connection.request("POST", "/invocations", row.body, headers)
            answer = connection.getresponse()
            said = answer.read()
            status = answer.status
            version = answer.getheader("x-model-version") or ""
            deployment = answer.getheader("azureml-model-deployment") or ""
            error = "" if status == http.HTTPStatus.OK else said.decode(errors="replace")[:300]
        except (OSError, http.client.HTTPException) as broken:
            error = f"{type(broken).__name__}: {broken}"
            self.close()
        took = (time.perf_counter() - clock) * 1e3
        return Answer(
            began,
            request,
            status,
            round(took, 3),
            version,
            deployment,
            shifted=row.shifted,
            labelled=labelled and not error,
            error=error,
        )

    def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> http.client.HTTPConnection:
        if self._connection is None:
            place = self._find()
            if place is None:
                raise ConnectionRefusedError("no endpoint runs")
            found = http.client.HTTPConnection(*place, timeout=self._timeout)
            found.connect()
            # without it each body waits 40 ms for the answer to its headers
            found.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connection = found
        return self._connection
