"""Reading a request's body: no larger and no longer in coming than the options say."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from mlops.deployment.serving.refusal import RefusedError
from mlops.deployment.serving.traffic import Options

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_LOOK_SECONDS = 0.5


class Patience:
    """Reads bodies; one task for all looks for those that take too long.

    A timer for each request would cost more than reading it.
    """

    def __init__(self) -> None:
        self._ends: dict[asyncio.Task[Any], float] = {}
        self._late: set[asyncio.Task[Any]] = set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._look())

    def stop(self) -> None:
        """Look no longer."""
        if self._task:
            self._task.cancel()

    async def body(
        self, headers: Mapping[bytes, bytes], receive: Receive, options: Options
    ) -> bytes:
        """The request's body; raises RefusedError where it is too large, too slow, or breaks off."""
        most = options.body_bytes
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length[:20]) > most:
            raise RefusedError(413, f"the body is larger than {most} bytes", close=True)
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a request is a task
        self._ends[task] = time.monotonic() + options.body_seconds
        try:
            return await _read(receive, most)
        except asyncio.CancelledError:
            if task not in self._late:
                raise
            task.uncancel()
            raise RefusedError(408, "the body did not arrive in time", close=True) from None
        finally:
            del self._ends[task]
            self._late.discard(task)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            now = time.monotonic()
            for task in [task for task, end in self._ends.items() if end < now]:
                self._late.add(task)
                task.cancel()


async def _read(receive: Receive, most: int) -> bytes:
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        body: bytes = message.get("body", b"")
        return body
    parts: list[bytes] = []
    size = 0
    while True:
        if message["type"] == "http.disconnect":
            raise RefusedError(400, "the caller has gone", close=True)
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            raise RefusedError(413, f"the body is larger than {most} bytes", close=True)
        if not message.get("more_body"):
            return b"".join(parts)
        message = await receive()
