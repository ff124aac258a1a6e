"""A request to a model: understood, checked, answered; then counted, copied and collected."""

from __future__ import annotations

import asyncio
import math
import random
import time

import numpy as np
import orjson

from mlops.deployment.serving.bodies import unpack
from mlops.deployment.serving.collection import Batch
from mlops.deployment.serving.loaded import Loaded
from mlops.deployment.serving.mirror import Copy
from mlops.deployment.serving.model import Answers
from mlops.deployment.serving.protocols import Asked
from mlops.deployment.serving.refusal import INVALID, RefusedError, contract_broken
from mlops.deployment.serving.routing import Headers, Reader
from mlops.deployment.serving.table import Rows
from mlops.deployment.serving.worker import Table, Worker, answered

REPLAY = b"x-mlops-replay"
# A request of more rows is answered in a thread, so that others need not wait for it.
_MANY_ROWS = 256


class Call:
    """A request under way. `loaded` is the deployment that it went to, once that is known."""

    __slots__ = ("headers", "loaded", "request", "started")

    def __init__(self, headers: Headers, request: str) -> None:
        self.started = time.perf_counter()
        self.headers = headers
        self.request = request
        self.loaded: Loaded | None = None


def understood(
    table: Table, loaded: Loaded, reader: Reader, headers: Headers, body: bytes
) -> Asked:
    """The rows that a body asks about; raises RefusedError where it cannot be read."""
    options = table.traffic.options
    if encoding := headers.get(b"content-encoding"):
        body = unpack(body, encoding.decode("latin-1").strip().lower(), options.body_bytes)
    kind = headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
    return reader(body, kind, loaded.types, options.rows)


async def found_in_time(table: Table, loaded: Loaded, rows: Rows) -> Answers:
    """As `found`; what takes long is done in a thread, and refused where it takes too long."""
    if rows.number <= _MANY_ROWS and not loaded.is_slow:
        return found(loaded, rows)
    seconds = table.traffic.options.answer_seconds
    try:
        return await asyncio.wait_for(asyncio.to_thread(found, loaded, rows), seconds)
    except TimeoutError:
        message = f"no answer within {seconds:g} s"
        raise RefusedError(503, message, code="UNAVAILABLE") from None


def found(loaded: Loaded, rows: Rows) -> Answers:
    """The model's answers; raises RefusedError for rows that break the contract."""
    if broken := loaded.check.broken(rows):
        raise contract_broken(broken)
    answers = loaded.model.answer(rows)
    if rows.number == 1 and all(map(math.isfinite, answers.values.ravel().tolist())):
        return answers
    finite = np.isfinite(answers.values)
    if not finite.all():
        row = int(np.argmin(finite.reshape(rows.number, -1).all(axis=1))) + 1
        message = f"row {row}: the model has no finite answer; a number in it may be too large"
        raise RefusedError(400, message, code=INVALID)
    return answers


def told(worker: Worker, table: Table, call: Call, asked: Asked, answers: Answers) -> bytes:
    """The body that answers a call; what follows from it is counted, copied and collected."""
    loaded, rows = call.loaded, asked.rows
    assert loaded is not None  # noqa: S101 - somebody has answered
    body = asked.answer(answers, table.traffic.model, loaded.deployment.version)
    said = orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
    latency = time.perf_counter() - call.started
    loaded.counts.took(latency)
    answered(loaded, answers, table.traffic.edges)
    _copy(worker, table, call, rows, answers)
    batch = Batch(
        [call.request], [rows.number], [latency], "replay" if REPLAY in call.headers else "live"
    )
    worker.collect(loaded, batch, rows, answers)
    return said


def _copy(worker: Worker, table: Table, call: Call, rows: Rows, answers: Answers) -> None:
    traffic = table.traffic
    for shadow in table.shadows:
        if (
            shadow is not call.loaded
            and random.random() < shadow.deployment.mirror  # noqa: S311 - no secret
        ):
            copy = Copy(shadow, rows, answers, call.request, traffic.edges, traffic.tolerance)
            worker.mirror.offer(copy)
