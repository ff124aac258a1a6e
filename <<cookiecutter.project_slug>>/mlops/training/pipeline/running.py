"""The processes at work in a run: each step's own, all ended together."""

from __future__ import annotations

import threading
from subprocess import Popen
from typing import TextIO

from mlops.training.pipeline.process import Command, end_groups, start
from mlops.training.pipeline.store import rewrite


class Stopped(Exception):  # noqa: N818 - nothing went wrong
    """The run ended before this process was started."""


class Running:
    """Starts processes until the run ends; any thread may, and `end` leaves none of them.

    `guard` is the file that each of them inherits and that lists their groups, so that the run
    after a killed one can end them.
    """

    def __init__(self, guard: TextIO) -> None:
        self._guard = guard
        self._lock = threading.Lock()
        self._live: dict[int, Popen[bytes]] = {}
        self._is_over = False

    def start(self, command: Command) -> Popen[bytes]:
        """Start a command in a group of its own; raises Stopped once the run has ended."""
        with self._lock:
            if self._is_over:
                raise Stopped
            process = start(command, self._guard.fileno())
            self._live[process.pid] = process
            self._list()
        return process

    def forget(self, process: Popen[bytes]) -> None:
        """Take a process that has ended off the list; what it left running on purpose may stay."""
        with self._lock:
            if not self._is_over:
                del self._live[process.pid]
                self._list()

    def end(self) -> None:
        """End every process with its group and start no more; a second Ctrl-C kills at once."""
        self._is_over = True  # before the lock: whoever waits for it must not start
        with self._lock:
            live = dict(self._live)
        end_groups(list(live), lambda: all(one.poll() is not None for one in live.values()))
        self._live.clear()
        rewrite(self._guard, "")

    def _list(self) -> None:
        rewrite(self._guard, " ".join(map(str, self._live)))
