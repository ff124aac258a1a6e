"""Collection: what was asked and answered, spooled by the workers off the request path.

A worker appends a line of JSON for each answered request to a file of its own, ten times a second,
in a thread. The endpoint's process turns finished files into Parquet (`collected.py`): a worker
never builds a table. What is not yet appended is lost when a worker is killed: what came in the last
tenth of a second. Where the disk is behind, lines are dropped and counted.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import orjson

from mlops.deployment.serving.model import Answers
from mlops.deployment.serving.table import Rows
from mlops.quality.contract import Contract

FOLDER = "spool"
FINISHED, UNFINISHED = ".lines", ".open"
# How often a worker appends, and how much may wait for it, in bytes.
APPEND_SECONDS = 0.1
MOST_WAITING = 16_000_000
# How much may lie in the spool of an endpoint before its workers drop lines, in bytes.
MOST_SPOOLED = 512_000_000
Role = Literal["live", "mirror", "replay"]
log = logging.getLogger("mlops.collection")


@dataclass(frozen=True)
class Private:
    """The columns that are not kept as they are, and the secret that hashes are made with."""

    never: frozenset[str]
    hashed: frozenset[str]
    salt: bytes

    def of(self, rows: Rows) -> dict[str, object]:
        """The columns as they may be kept."""
        if not (self.never or self.hashed):
            return dict(rows.columns)
        return {
            name: [_hashed(value, self.salt) for value in values] if name in self.hashed else values
            for name, values in rows.columns.items()
            if name not in self.never
        }


def private(contract: Contract, folder: Path) -> Private:
    """What the contract says of its columns' collection."""
    chosen = {name: contract.columns[name].collect for name in contract.inputs}
    hashed = frozenset(name for name, how in chosen.items() if how == "hashed")
    never = frozenset(name for name, how in chosen.items() if how == "never")
    return Private(never, hashed, _salt(folder) if hashed else b"")


class Batch(NamedTuple):
    """Requests that were answered together: their ids, how many rows each has, and in how long.

    Live requests come alone, copies in groups. `latency` is in seconds.
    """

    requests: Sequence[str]
    counts: Sequence[int]
    latency: Sequence[float]
    role: Role


def line(
    batch: Batch, deployment: tuple[str, str, str], columns: dict[str, object], found: Answers
) -> bytes:
    """Answered requests as a line; `deployment` is the name, version and digest that answered."""
    labels = found.labels
    return orjson.dumps(
        [
            batch.requests,
            batch.counts,
            batch.latency,
            batch.role,
            time.time(),
            *deployment,
            columns,
            found.values,
            None if labels is None else labels.tolist(),
        ],
        option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE,
    )


class Spool:
    """The lines of one worker: taken at once, appended soon."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER
        self._run = f"{int(time.time() * 1000):x}-{os.getpid()}"
        self._number = 0
        self._waiting: list[bytes] = []
        self._bytes = 0
        self._file: int | None = None
        self._path = Path()
        self._opened = 0.0
        self._is_full = False
        self.seconds = 10.0
        self.dropped = 0

    def add(self, told: bytes) -> None:
        """Take a line; it is dropped and counted where too much waits already."""
        if self._is_full or self._bytes + len(told) > MOST_WAITING:
            self.dropped += 1
            return
        self._bytes += len(told)
        self._waiting.append(told)

    async def run(self) -> None:
        """Append what waits, again and again; ends when it is cancelled."""
        while True:
            await asyncio.sleep(APPEND_SECONDS)
            await asyncio.to_thread(self.append)

    def append(self, *, finish: bool = False) -> None:
        """Append what waits; `finish` closes the file, which then is turned into Parquet."""
        waiting, self._waiting, self._bytes = self._waiting, [], 0
        try:
            if waiting:
                self._open()
                content = memoryview(b"".join(waiting))
                while content and self._file is not None:
                    content = content[os.write(self._file, content) :]
            if finish or time.monotonic() - self._opened > self.seconds:
                self._finish()
                self._is_full = _size(self._folder) > MOST_SPOOLED
        except OSError:
            # the endpoint goes on, whatever the disk says
            self.dropped += len(waiting)
            log.exception("cannot keep what was collected")

    def _open(self) -> None:
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._number += 1
            self._path = self._folder / f"{self._run}-{self._number:06d}{UNFINISHED}"
            self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            self._opened = time.monotonic()

    def _finish(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
            self._path.rename(self._path.with_suffix(FINISHED))


def _size(folder: Path) -> int:
    found = 0
    for path in folder.glob("*"):
        with suppress(FileNotFoundError):
            found += path.stat().st_size
    return found


def _hashed(value: object, salt: bytes) -> str | None:
    if value is None:
        return None
    text = repr(float(value)) if isinstance(value, int | float) else str(value)
    data = text.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(data, key=salt, digest_size=16).hexdigest()


def _salt(folder: Path) -> bytes:
    """The endpoint's own secret: without it, hashes of few possible values could be tried out."""
    path = folder / "collection.salt"
    if not path.is_file():
        draft = folder / f"{path.name}.{os.getpid()}"
        draft.touch(mode=0o600)
        draft.write_bytes(secrets.token_bytes(32))
        with suppress(FileExistsError):
            os.link(draft, path)  # another worker may be first
        draft.unlink()
    return path.read_bytes()
