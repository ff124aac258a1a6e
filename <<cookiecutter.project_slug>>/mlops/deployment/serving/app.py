"""The ASGI application of an endpoint: `create()` makes it in each worker.

A request is read within its limits, checked against the data contract of the package that shall
answer, and answered; copies and collection happen elsewhere. Whatever is sent, the endpoint goes on.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import random
import re
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from mlops.deployment.serving import metrics, openapi
from mlops.deployment.serving.bodies import unpack
from mlops.deployment.serving.collection import Batch, Role
from mlops.deployment.serving.counts import total
from mlops.deployment.serving.keys import is_valid
from mlops.deployment.serving.loaded import Loaded, self_test
from mlops.deployment.serving.mirror import Copy
from mlops.deployment.serving.model import Answers
from mlops.deployment.serving.patience import Patience
from mlops.deployment.serving.protocols import (
    Asked,
    Types,
    read_infer,
    read_invocations,
    read_score,
)
from mlops.deployment.serving.refusal import INVALID, RefusedError, contract_broken
from mlops.deployment.serving.table import Rows
from mlops.deployment.serving.told import all_others, read_told
from mlops.deployment.serving.worker import Table, Worker, answered

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Header = tuple[bytes, bytes]
_Reader = Callable[[bytes, str, Types, int], Asked]

# Which environment's endpoint this is, told by the process that starts the workers.
FOLDER, PACKAGES, OPEN = "MLOPS_ENDPOINT", "MLOPS_PACKAGES", "MLOPS_ENDPOINT_OPEN"
# Azure ML's header, and a plain one: the deployment that shall answer.
DEPLOYMENT = (b"azureml-model-deployment", b"x-deployment")
REPLAY = b"x-mlops-replay"
# A request of more rows is answered in a thread, so that others need not wait for it.
_MANY_ROWS = 256
_REQUEST_ID = re.compile(rb"[A-Za-z0-9_.:-]{1,64}")
_JSON = (b"content-type", b"application/json")
_OPTIONS = orjson.OPT_SERIALIZE_NUMPY
_READERS: dict[str, _Reader] = {"/invocations": read_invocations, "/score": read_score}
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
        started = time.perf_counter()
        headers = dict(scope["headers"])
        request = self._request_id(headers)
        status, loaded, extra = 200, None, []
        try:
            body, kind, loaded = await self._respond(
                scope, headers, receive, request=request, started=started
            )
        except RefusedError as refusal:
            status, kind = refusal.status, _JSON[1]
            body = orjson.dumps(refusal.body(request))
            loaded = getattr(refusal, "loaded", None)
            if loaded is None:
                self._worker.others["refused_unrouted"] += 1
            extra = [(b"connection", b"close")] if refusal.close else []
            extra += [(b"allow", refusal.allow.encode())] if refusal.allow else []
            extra += [(b"www-authenticate", b"Bearer")] if status == 401 else []
        except Exception:
            # a fault of ours or of the model: told in the log, not to the caller
            log.exception("request %s failed", request)
            status, kind = 500, _JSON[1]
            body = orjson.dumps(
                RefusedError(
                    500, "the endpoint failed; its log has this request", code="INTERNAL_ERROR"
                ).body(request)
            )
        told: list[Header] = [
            (b"content-type", kind),
            (b"content-length", str(len(body)).encode()),
            (b"x-request-id", request.encode()),
            *extra,
        ]
        if loaded is not None:
            told.append((DEPLOYMENT[0], loaded.deployment.name.encode()))
            told.append((b"x-model-version", loaded.deployment.version.encode()))
        self._log(scope, request, status, started)
        await send({"type": "http.response.start", "status": status, "headers": told})
        await send({"type": "http.response.body", "body": body})

    def _request_id(self, headers: dict[bytes, bytes]) -> str:
        given = headers.get(b"x-request-id", b"")
        if _REQUEST_ID.fullmatch(given):
            return given.decode()
        return f"{self._run}-{next(self._numbers):x}"

    def _log(self, scope: Scope, request: str, status: int, started: float) -> None:
        table = self._worker.table
        if status < 500 and (table is None or table.traffic.options.log != "all"):
            return
        took = round((time.perf_counter() - started) * 1e3, 3)
        facts = {"request": request, "method": scope["method"], "path": scope["path"][:200]}
        log.info("answered", extra={"facts": {**facts, "status": status, "ms": took}})

    async def _respond(
        self,
        scope: Scope,
        headers: dict[bytes, bytes],
        receive: Receive,
        *,
        request: str,
        started: float,
    ) -> tuple[bytes, bytes, Loaded | None]:
        method, path = scope["method"], scope["path"]
        if path in ("/health", "/ping", "/v2/health/live"):
            _expect(method, "GET")
            return orjson.dumps({"live": True}), _JSON[1], None
        table = self._worker.table
        if path in ("/ready", "/v2/health/ready"):
            _expect(method, "GET")
            await _ready(table)
            return orjson.dumps({"ready": True}), _JSON[1], None
        self._authorise(headers)
        if path in ("/metrics", "/openapi.json", "/docs"):
            _expect(method, "GET")
            return *self._page(path, table), None
        if table is None or not table.loaded:
            raise RefusedError(503, "nothing is deployed here yet", code="UNAVAILABLE")
        reader, loaded = _READERS.get(path), None
        if reader is None:
            about = _protocol(table, method, path)
            if isinstance(about, bytes):
                return about, _JSON[1], None
            reader, loaded = read_infer, about
        _expect(method, "POST")
        loaded = _chosen(table, headers) or loaded or _drawn(table, headers)
        loaded.counts.requests += 1
        try:
            return await self._answer(
                table, loaded, reader, headers, receive, request=request, started=started
            )
        except RefusedError as refusal:
            if refusal.status >= 500:
                loaded.counts.failed += 1
            else:
                loaded.counts.refused += 1
            refusal.loaded = loaded  # type: ignore[attr-defined]
            raise
        except Exception:
            loaded.counts.failed += 1
            raise

    def _authorise(self, headers: dict[bytes, bytes]) -> None:
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

    def _page(self, path: str, table: Table | None) -> tuple[bytes, bytes]:
        if table is None:
            raise RefusedError(503, "nothing is deployed here yet", code="UNAVAILABLE")
        if path == "/openapi.json":
            return orjson.dumps(openapi.description(table)), _JSON[1]
        if path == "/docs":
            return openapi.page(table).encode(), b"text/html; charset=utf-8"
        told = [each for each in read_told(self._folder) if each.pid != os.getpid()]
        counted = total([*(each.counts for each in told), self._worker.counted()])
        others = all_others(told)
        for name, count in self._worker.others_counted().items():
            others[name] = others.get(name, 0) + count
        text = metrics.exposition(table.traffic, counted, others)
        return text, metrics.CONTENT_TYPE.encode()

    async def _answer(
        self,
        table: Table,
        loaded: Loaded,
        reader: _Reader,
        headers: dict[bytes, bytes],
        receive: Receive,
        *,
        request: str,
        started: float,
    ) -> tuple[bytes, bytes, Loaded]:
        options = table.traffic.options
        body = await self._patience.body(headers, receive, options)
        encoding = headers.get(b"content-encoding", b"").decode("latin-1").strip().lower()
        content = unpack(body, encoding, options.body_bytes)
        kind = headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
        asked = reader(content, kind, loaded.types, options.rows)
        rows = asked.rows
        if rows.number > _MANY_ROWS or loaded.is_slow:
            work = asyncio.to_thread(_found, loaded, rows)
            try:
                found = await asyncio.wait_for(work, options.answer_seconds)
            except TimeoutError:
                message = f"no answer within {options.answer_seconds:g} s"
                raise RefusedError(503, message, code="UNAVAILABLE") from None
        else:
            found = _found(loaded, rows)
        deployed = loaded.deployment
        answer = asked.answer(found, table.traffic.model, deployed.version)
        said = orjson.dumps(answer, option=_OPTIONS)
        latency = time.perf_counter() - started
        loaded.counts.took(latency)
        answered(loaded, found, table.traffic.edges)
        self._copy(table, loaded, rows, found, request)
        role: Role = "replay" if REPLAY in headers else "live"
        batch = Batch([request], [rows.number], [latency], role)
        self._worker.collect(loaded, batch, rows, found)
        return said, _JSON[1], loaded

    def _copy(self, table: Table, loaded: Loaded, rows: Rows, found: Answers, request: str) -> None:
        traffic = table.traffic
        for shadow in table.shadows:
            if (
                shadow is not loaded
                and random.random() < shadow.deployment.mirror  # noqa: S311 - no secret
            ):
                copy = Copy(shadow, rows, found, request, traffic.edges, traffic.tolerance)
                self._worker.mirror.offer(copy)


def _found(loaded: Loaded, rows: Rows) -> Answers:
    if broken := loaded.check.broken(rows):
        raise contract_broken(broken)
    found = loaded.model.answer(rows)
    finite = np.isfinite(found.values)
    if not finite.all():
        row = int(np.argmin(finite.reshape(rows.number, -1).all(axis=1))) + 1
        message = f"row {row}: the model has no finite answer; a number in it may be too large"
        raise RefusedError(400, message, code=INVALID)
    return found


def _expect(method: str, expected: str) -> None:
    if method != expected:
        message = f"{method[:20]}: this address takes {expected}"
        raise RefusedError(405, message, code="METHOD_NOT_ALLOWED", allow=expected)


async def _ready(table: Table | None) -> None:
    """Raise RefusedError unless every deployment that answers requests passes its self-test."""
    live = [each for each in table.loaded if each.deployment.share > 0] if table else []
    if not live:
        raise RefusedError(503, "not ready: nothing is deployed here yet", code="UNAVAILABLE")
    for each in live:
        try:
            await asyncio.wait_for(asyncio.to_thread(self_test, each), 10)
        except Exception as error:
            message = f"not ready: {each.deployment.name}: {error or type(error).__name__}"
            raise RefusedError(503, message, code="UNAVAILABLE") from error


def _chosen(table: Table, headers: dict[bytes, bytes]) -> Loaded | None:
    """The deployment that a header asks for; raises RefusedError where there is none of that name."""
    for header in DEPLOYMENT:
        if header in headers:
            name = headers[header].decode("latin-1")
            if (found := table.named(name)) is None:
                there = ", ".join(each.deployment.name for each in table.loaded)
                message = f"there is no deployment {name[:40]!r}; there are: {there}"
                raise RefusedError(404, message, code="RESOURCE_DOES_NOT_EXIST")
            return found
    return None


def _drawn(table: Table, headers: dict[bytes, bytes]) -> Loaded:
    sticky = table.traffic.options.sticky.lower().encode("latin-1", "replace")
    key = headers.get(sticky, b"").decode("latin-1") if sticky else ""
    return table.loaded[table.shares.draw(key)]


def _protocol(table: Table, method: str, path: str) -> bytes | Loaded | None:
    """What the Open Inference Protocol says of an address: its answer, or which version to ask.

    None where the shares decide. Raises RefusedError for an address that is not served.
    """
    model = table.traffic.model
    match path.split("/")[1:]:
        case ["v2"]:
            _expect(method, "GET")
            return orjson.dumps({"name": "mlops", "version": "1", "extensions": []})
        case ["v2", "models", name, *rest] if name == model:
            loaded = None
            if len(rest) >= 2 and rest[0] == "versions":
                loaded, rest = table.of_version(rest[1]), rest[2:]
                if loaded is None:
                    raise RefusedError(404, "no such version here", code="RESOURCE_DOES_NOT_EXIST")
            if rest == ["infer"]:
                return loaded
            if rest in ([], ["ready"]):
                _expect(method, "GET")
                if rest:
                    return orjson.dumps({"name": model, "ready": True})
                return orjson.dumps(openapi.metadata(table, loaded))
    raise RefusedError(404, f"nothing is served at {path[:100]}", code="ENDPOINT_NOT_FOUND")
