"""One worker of an endpoint: it follows the traffic file and holds the packages ready."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import json
import logging
import os
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mlops.deployment.serving.collection import Batch, Spool, line
from mlops.deployment.serving.counts import Counts, bins, key
from mlops.deployment.serving.keys import FILE as KEYS
from mlops.deployment.serving.keys import read_keys
from mlops.deployment.serving.loaded import Loaded, load
from mlops.deployment.serving.mirror import Copy, Mirror
from mlops.deployment.serving.model import Answers
from mlops.deployment.serving.table import Rows
from mlops.deployment.serving.traffic import FILE as TRAFFIC
from mlops.deployment.serving.traffic import Shares, Traffic, read_traffic
from mlops.quality.errors import UserError

FOLDER = "workers"
FOLLOW_SECONDS = 0.02
# How often counts are written down where they have changed.
TELL_SECONDS = 0.2
# A package that was taken away may still answer those who came before.
LINGER_SECONDS = 5.0
log = logging.getLogger("mlops.worker")


@dataclass(frozen=True)
class Table:
    """What a worker answers with at one moment; replaced as a whole.

    `sticky` is the header that always leads to the same deployment, in lower case. `is_slow` where a
    model answers from another process, so that asking it must not block.
    """

    traffic: Traffic
    loaded: tuple[Loaded, ...]
    shares: Shares
    shadows: tuple[Loaded, ...]
    sticky: bytes
    is_slow: bool

    def named(self, name: str) -> Loaded | None:
        """The deployment of that name."""
        return next((each for each in self.loaded if each.deployment.name == name), None)

    def of_version(self, version: str) -> Loaded | None:
        """The deployment of that model version."""
        return next((each for each in self.loaded if each.deployment.version == version), None)


class Worker:
    """The state of one worker process."""

    def __init__(self, folder: Path, packages: Path) -> None:
        self._folder = folder
        self._packages = packages
        self._counts: dict[str, Counts] = {}
        self._seen: dict[str, object] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._error = ""
        self._tried = -1
        self._told = ""
        self._parent = os.getppid()
        self.table: Table | None = None
        self.digests: tuple[str, ...] = ()
        self.mirror = Mirror(self._mirrored)
        self.spool = Spool(folder)
        self.others = {"refused_unrouted": 0}

    async def start(self) -> None:
        """Load what the traffic file names, and follow it from now on."""
        (self._folder / FOLDER).mkdir(parents=True, exist_ok=True)
        await self._refresh()
        # what is loaded stays: looking through it for garbage would hold up requests
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)
        self._tell()
        self._tasks = [asyncio.create_task(self._follow()), asyncio.create_task(self.spool.run())]

    async def stop(self) -> None:
        """Finish what waits: copies, collection, counts."""
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await asyncio.to_thread(self.mirror.close)
        await asyncio.to_thread(self.spool.append, finish=True)
        self._tell()
        for each in self.table.loaded if self.table else ():
            each.model.close()

    def collect(self, loaded: Loaded, batch: Batch, rows: Rows, found: Answers) -> None:
        """Hand answered requests to the spool, where collection is on."""
        table = self.table
        if table is None or not table.traffic.options.collect:
            return
        each = loaded.deployment
        about = (each.name, each.version, each.digest)
        self.spool.add(line(batch, about, loaded.private.of(rows), found))

    def others_counted(self) -> dict[str, int]:
        """Counts of this worker that belong to no deployment."""
        return {
            **self.others,
            "mirror_dropped": self.mirror.dropped,
            "collection_dropped": self.spool.dropped,
        }

    def counted(self) -> Mapping[str, Counts]:
        """This worker's counts."""
        return self._counts

    def _mirrored(self, copies: Sequence[Copy], rows: Rows, found: Answers) -> None:
        batch = Batch(
            [copy.request for copy in copies],
            [copy.rows.number for copy in copies],
            [0.0] * len(copies),
            "mirror",
        )
        self.collect(copies[0].shadow, batch, rows, found)

    async def _follow(self) -> None:
        told = time.monotonic()
        while True:
            await asyncio.sleep(FOLLOW_SECONDS)
            try:
                await self._refresh()
                if time.monotonic() - told > TELL_SECONDS:
                    self._tell()
                    told = time.monotonic()
            except Exception:
                # whatever it was, those who ask shall get their answers
                log.exception("cannot follow the traffic file")
            if os.getppid() != self._parent:
                log.warning("the supervisor is gone: this worker ends")
                os.kill(os.getpid(), signal.SIGTERM)
                return

    def _changed(self, name: str) -> bool:
        try:
            stat = (self._folder / name).stat()
            mark: object = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
        except FileNotFoundError:
            mark = None
        changed = self._seen.get(name, self) != mark
        self._seen[name] = mark
        return changed

    async def _refresh(self) -> None:
        if self._changed(KEYS):
            try:
                self.digests = tuple(each.sha256 for each in read_keys(self._folder))
            except UserError as error:
                log.error("%s; the keys of before stay valid", error)
        if not self._changed(TRAFFIC):
            return
        try:
            self._tried = -1
            traffic = read_traffic(self._folder)
            if traffic is not None:
                self._tried = traffic.revision
                await self._switch(traffic)
            self._error = ""
        except (UserError, OSError) as error:
            self._error = str(error)
            log.error("%s; what served before goes on", error)
        self._tell()

    async def _switch(self, traffic: Traffic) -> None:
        before = {(each.deployment.name, each.deployment.digest): each for each in self._loaded()}
        after: list[Loaded] = []
        for deployed in traffic.deployments:
            old = before.pop((deployed.name, deployed.digest), None)
            if old is None:
                fresh = await asyncio.to_thread(load, self._folder, self._packages, deployed)
                name = key(deployed.name, deployed.digest)
                counts = self._counts.setdefault(name, fresh.counts)
                after.append(dataclasses.replace(fresh, counts=counts))
            else:
                after.append(dataclasses.replace(old, deployment=deployed))
        self.spool.seconds = traffic.options.collect_seconds
        self.table = Table(
            traffic,
            tuple(after),
            Shares([each.deployment.share for each in after]),
            tuple(each for each in after if each.deployment.mirror > 0),
            traffic.options.sticky.lower().encode("latin-1", "replace"),
            any(each.is_slow for each in after),
        )
        for gone in before.values():
            asyncio.get_running_loop().call_later(LINGER_SECONDS, gone.model.close)

    def _loaded(self) -> tuple[Loaded, ...]:
        return self.table.loaded if self.table else ()

    def _tell(self) -> None:
        """Write down which revision is followed and what was counted, where that has changed."""
        told = json.dumps(
            {
                "pid": os.getpid(),
                "revision": self.table.traffic.revision if self.table else -1,
                "tried": self._tried,
                "error": self._error,
                "counts": {name: vars(counts) for name, counts in self._counts.items()},
                "others": self.others_counted(),
            }
        )
        if told == self._told:
            return
        path = self._folder / FOLDER / f"{os.getpid()}.json"
        draft = path.with_suffix(".part")
        draft.write_text(told, encoding="utf-8")
        draft.replace(path)
        self._told = told


def answered(loaded: Loaded, found: Answers, edges: tuple[float, ...]) -> None:
    """Count the rows of an answer."""
    counts = loaded.counts
    counts.rows += len(found.values)
    for position in bins(found, edges):
        counts.answers[position] += 1
