"""The ASGI application of an endpoint: `create()` makes it in each worker.

A request is read within its limits, checked against the data contract of the package that shall
answer, and answered; copies and collection happen elsewhere. Whatever is sent, the endpoint goes on.
"""

from __future__ import annotations

import itertools
import logging
import os
import re
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from mlops.deployment.serving import metrics, openapi, replies
from mlops.deployment.serving.answering import Call, found, found_in_time, told, understood
from mlops.deployment.serving.counts import total
from mlops.deployment.serving.keys import is_valid
from mlops.deployment.serving.loaded import Loaded
from mlops.deployment.serving.patience import Patience
from mlops.deployment.serving.refusal import RefusedError
from mlops.deployment.serving.replies import Header, Reply
from mlops.deployment.serving.routing import (
    READERS,
    Headers,
    deployment,
    expect,
    open_inference,
    ready,
)
from mlops.deployment.serving.told import all_others, read_told
from mlops.deployment.serving.worker import Table, Worker

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# Which environment's endpoint this is, told by the process that starts the workers.
FOLDER, PACKAGES, OPEN = "MLOPS_ENDPOINT", "MLOPS_PACKAGES", "MLOPS_ENDPOINT_OPEN"
_REQUEST_ID = re.compile(rb"[A-Za-z0-9_.:-]{1,64}")
log = logging.getLogger("mlops.endpoint")


def create() -> App:
    """The application of this worker, as its environment variables say."""
    worker = Worker(Path(os.environ[FOLDER]), Path(os.environ[PACKAGES]))
    return App(worker, Path(os.environ[FOLDER]), is_open=os.environ.get(OPEN) == "1")


class App:
    """One worker's application; `is_open` where others than this machine can reach it."""

    def __init__(self, worker: Worker, folder: Path, *, is_open: bool = False) -> None:
        self._worker = worker
        self._folder = folder
        self._is_open = is_open
        self._run = secrets.token_hex(6)
        self._numbers = itertools.count(1)
        self._patience = Patience()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's request, or the worker's start and end."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1003})

    def at_once(
        self, path: str, headers: Sequence[Header], body: bytes
    ) -> tuple[bytes, bool] | None:
        """The whole reply to a POST of a small body, and whether the connection ends with it.

        It is the same reply as through ASGI, without a task for it, which costs as much as the
        model. None where a reply has to be waited for, or the address is another.
        """
        table, reader = self._worker.table, READERS.get(path)
        if reader is None or table is None or table.is_slow:
            return None
        call = self._call(headers)
        try:
            self._authorise(call.headers)
            loaded = _routed(table, call, None)
            asked = understood(table, loaded, reader, call.headers, body)
            reply = Reply(200, told(self._worker, table, call, asked, found(loaded, asked.rows)))
        except Exception as error:  # noqa: BLE001 - whatever it was, the endpoint goes on
            reply = self._failed(call, error)
        self._log("POST", path, call, reply)
        return replies.whole(call, reply), reply.closes

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self._worker.start()
                self._patience.start()
                await send({"type": "lifespan.startup.complete"})
            else:
                self._patience.stop()
                await self._worker.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = self._call(scope["headers"])
        try:
            reply = await self._respond(scope["method"], scope["path"], call, receive)
        except Exception as error:  # noqa: BLE001 - whatever it was, the endpoint goes on
            reply = self._failed(call, error)
        self._log(scope["method"], scope["path"], call, reply)
        headers = replies.headers(call, reply)
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})

    def _call(self, headers: Sequence[Header]) -> Call:
        named = dict(headers)
        given = named.get(b"x-request-id")
        if given and _REQUEST_ID.fullmatch(given):
            return Call(named, given.decode())
        return Call(named, f"{self._run}-{next(self._numbers):x}")

    def _failed(self, call: Call, error: Exception) -> Reply:
        """The reply where answering raised an error; it is counted."""
        if not isinstance(error, RefusedError):
            # a fault of ours or of the model: told in the log, not to the caller
            log.error("request %s failed", call.request, exc_info=error)
            message = "the endpoint failed; its log has this request"
            error = RefusedError(500, message, code="INTERNAL_ERROR")
        if call.loaded is None:
            self._worker.others["refused_unrouted"] += 1
        elif error.status >= 500:
            call.loaded.counts.failed += 1
        else:
            call.loaded.counts.refused += 1
        return replies.refused(call, error)

    def _log(self, method: str, path: str, call: Call, reply: Reply) -> None:
        table = self._worker.table
        if reply.status < 500 and (table is None or table.traffic.options.log != "all"):
            return
        took = round((time.perf_counter() - call.started) * 1e3, 3)
        facts = {"request": call.request, "method": method, "path": path[:200]}
        log.info("answered", extra={"facts": {**facts, "status": reply.status, "ms": took}})

    async def _respond(self, method: str, path: str, call: Call, receive: Receive) -> Reply:
        if path in ("/health", "/ping", "/v2/health/live"):
            expect(method, "GET")
            return Reply(200, orjson.dumps({"live": True}))
        table = self._worker.table
        if path in ("/ready", "/v2/health/ready"):
            expect(method, "GET")
            await ready(table)
            return Reply(200, orjson.dumps({"ready": True}))
        self._authorise(call.headers)
        if path in ("/metrics", "/openapi.json", "/docs"):
            expect(method, "GET")
            return self._page(path, table)
        if table is None or not table.loaded:
            raise RefusedError(503, "nothing is deployed here yet", code="UNAVAILABLE")
        reader, named = READERS.get(path), None
        if reader is None:
            about = open_inference(table, method, path)
            if isinstance(about, bytes):
                return Reply(200, about)
            reader, named = about
        expect(method, "POST")
        loaded = _routed(table, call, named)
        body = await self._patience.body(call.headers, receive, table.traffic.options)
        asked = understood(table, loaded, reader, call.headers, body)
        answers = await found_in_time(table, loaded, asked.rows)
        return Reply(200, told(self._worker, table, call, asked, answers))

    def _authorise(self, headers: Headers) -> None:
        digests = self._worker.digests
        if not digests and not self._is_open:
            return
        given = headers.get(b"authorization", b"")
        kind, _, secret = given.partition(b" ")
        if kind.lower() != b"bearer":
            secret = headers.get(b"x-api-key", b"")
        if not is_valid(secret.strip().decode("latin-1"), digests):
            message = "expected a valid key: Authorization: Bearer KEY, or X-API-Key: KEY"
            raise RefusedError(401, message, code="UNAUTHENTICATED", close=True)

    def _page(self, path: str, table: Table | None) -> Reply:
        if table is None:
            raise RefusedError(503, "nothing is deployed here yet", code="UNAVAILABLE")
        if path == "/openapi.json":
            return Reply(200, orjson.dumps(openapi.description(table)))
        if path == "/docs":
            return Reply(200, openapi.page(table).encode(), b"text/html; charset=utf-8")
        workers = [each for each in read_told(self._folder) if each.pid != os.getpid()]
        counted = total([*(each.counts for each in workers), self._worker.counted()])
        others = all_others(workers)
        for name, count in self._worker.others_counted().items():
            others[name] = others.get(name, 0) + count
        text = metrics.exposition(table.traffic, counted, others) + metrics.more(self._folder)
        return Reply(200, text, metrics.CONTENT_TYPE.encode())


def _routed(table: Table, call: Call, named: Loaded | None) -> Loaded:
    """Who answers the call, which is counted there."""
    call.loaded = loaded = deployment(table, call.headers, named)
    loaded.counts.requests += 1
    return loaded
