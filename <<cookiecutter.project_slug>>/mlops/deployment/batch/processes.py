"""Processes that score the chunks they are sent, and that end with the process that started them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path

import pyarrow as pa

from mlops.deployment.batch.parts import Counts, Origin, write_part
from mlops.deployment.batch.scoring import Scorer
from mlops.quality.errors import UserError

# Starting processes takes seconds: a short run is over before they could help.
ALONE_SECONDS = 5.0


@dataclass(frozen=True)
class Task:
    """One part to make: its number, its rows and what they are."""

    number: int
    batch: pa.RecordBatch
    made_of: Origin


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def make_part(scorer: Scorer, target: Path, task: Task) -> Counts:
    """Score one chunk and write it; raises UserError that names the source."""
    scorer.refuse(task.batch.schema.names, task.made_of.source)
    scored = scorer.score(task.batch)
    return write_part(target, task.number, scored, task.made_of, task.batch.num_rows)


def make_parts(
    scorer: Scorer, package: Path, target: Path, tasks: Iterator[Task], workers: int
) -> Generator[Counts, None, None]:
    """The counts of each part, in the tasks' order, made by `workers` processes.

    What is done within ALONE_SECONDS, or with one worker, is done by this process. No more than
    two chunks per process are held at a time. Raises UserError where a process dies.
    """
    begin = time.monotonic()
    while workers == 1 or time.monotonic() - begin < ALONE_SECONDS:
        if (first := next(tasks, None)) is None:
            return
        yield make_part(scorer, target, first)
    pool = ProcessPoolExecutor(
        workers,
        # a forked copy of a process with threads may hang
        multiprocessing.get_context("spawn"),
        initializer=_start,
        initargs=(package, scorer.version, target),
    )
    running: deque[Future[Counts]] = deque()
    try:
        for task in tasks:
            if len(running) == 2 * workers:
                yield running.popleft().result()
            with _interrupt_held():
                running.append(pool.submit(_make, task))
        while running:
            yield running.popleft().result()
    except BrokenProcessPool:
        told = "a process ended without a word: out of memory? Try fewer --workers or --rows"
        raise UserError(told) from None
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _interrupt_held() -> Iterator[None]:
    """Ctrl-C waits until the block ends; processes started in it never see it: theirs is the parent's."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# What a process of the pool has loaded, once for all chunks it will be sent.
_loaded: list[tuple[Scorer, Path]] = []


def _start(package: Path, version: str, target: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    pa.set_cpu_count(1)
    _loaded.append((Scorer(package, version), target))


def _end_with_parent() -> None:
    """A parent that was killed cannot end its processes, and their pipes never close."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _make(task: Task) -> Counts:
    scorer, target = _loaded[0]
    return make_part(scorer, target, task)
