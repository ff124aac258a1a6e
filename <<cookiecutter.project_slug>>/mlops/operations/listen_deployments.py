"""Which registered version the listener deploys to stage next, and the one process that does it."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import filelock

from mlops.training.pipeline.process import end_groups

FOLDER = "listen"
# A deployment that is asked to end has its own steps to end first, in seconds.
PATIENCE = 15.0


@dataclass(frozen=True, order=True)
class Ask:
    """A version that the registry tells of; `time` is when it did, in seconds since 1970."""

    time: float
    version: int


@dataclass(frozen=True)
class Weighed:
    """What becomes of what was asked for, and why."""

    action: Literal["take", "drop"]
    reason: str


def weigh(ask: Ask, running: Ask | None, waiting: Ask | None, newest: Ask | None) -> Weighed:
    """Whether a version shall be deployed as the next one.

    One runs at a time, and of those that come meanwhile the newest waits. `newest` is the newest that
    was ever taken: MLflow repeats a request that failed, and a late one must not undo a later one.
    """
    if newest is not None and ask < newest:
        return Weighed("drop", f"version {newest.version} was asked for later")
    following = waiting or running
    if following is not None and following.version == ask.version:
        return Weighed("drop", "it waits already" if waiting else "it is under way")
    if waiting is not None:
        return Weighed("take", f"instead of version {waiting.version}, which has not begun")
    if running is not None:
        return Weighed("take", f"after version {running.version}, which is under way")
    return Weighed("take", "nothing else is under way")


def deployment(version: int) -> list[str]:
    """The command that takes a version through the gate to stage."""
    words = ["mlops.operations", "deploy", "--version", str(version), "--to", "stage"]
    return [sys.executable, "-m", *words]


@dataclass(frozen=True)
class Running:
    """A deployment under way."""

    ask: Ask
    process: subprocess.Popen[bytes]
    log: Path


class Deployments:
    """One deployment at a time. `ask` may be called by any thread, the rest by one alone.

    `alone` is the lock of the retraining: neither begins while the other is under way. `hidden` names
    variables that a deployment does not get.
    """

    def __init__(
        self,
        root: Path,
        state: Path,
        alone: Path,
        say: Callable[[str], None],
        *,
        hidden: Sequence[str] = (),
        command: Callable[[int], Sequence[str]] = deployment,
    ) -> None:
        self._root, self._folder, self._say, self._command = root, state / FOLDER, say, command
        self._alone = filelock.FileLock(alone)
        self._environment = {key: os.environ[key] for key in os.environ if key not in hidden}
        self._asked: queue.SimpleQueue[Ask] = queue.SimpleQueue()
        self._running: Running | None = None
        self._waiting: Ask | None = None
        self._newest: Ask | None = None
        self._is_held_up = False

    def ask(self, ask: Ask) -> None:
        """Have a version deployed, unless a newer one is."""
        self._asked.put(ask)

    def turn(self) -> None:
        """Do what is to be done now: note what was asked for, see who has ended, begin the next."""
        with suppress(queue.Empty):
            while True:
                self._weigh(self._asked.get_nowait())
        self._look()
        if self._running is None and self._waiting is not None and self._is_alone():
            self._begin(self._waiting)

    def end(self) -> None:
        """End what is under way, with all that belongs to it, and say what was not begun."""
        if self._running is not None:
            process = self._running.process
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE)
            end_groups([process.pid], lambda: process.poll() is not None)
            self._look()
        if self._waiting is not None:
            number = self._waiting.version
            again = f"nox -s deploy -- --version {number} --to stage"
            self._say(f"version {number} was not begun: {again}")

    def _weigh(self, ask: Ask) -> None:
        running = self._running.ask if self._running else None
        found = weigh(ask, running, self._waiting, self._newest)
        if found.action == "take":
            self._waiting = self._newest = ask
            self._say(f"version {ask.version} is next: {found.reason}")
        else:
            self._say(f"version {ask.version} is passed over: {found.reason}")

    def _is_alone(self) -> bool:
        try:
            self._alone.acquire(timeout=0)
        except filelock.Timeout:
            if not self._is_held_up:
                self._say("a retraining is under way: what was asked for begins after it")
            self._is_held_up = True
            return False
        self._is_held_up = False
        return True

    def _begin(self, ask: Ask) -> None:
        self._waiting = None
        words = list(self._command(ask.version))
        path = self._folder / f"version-{ask.version}.log"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as log:
                began = datetime.now(UTC).isoformat(timespec="seconds")
                log.write(f"{began} $ {' '.join(words)}\n".encode())
                log.flush()
                process = subprocess.Popen(
                    words,
                    cwd=self._root,
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except OSError as error:
            self._alone.release()
            self._say(f"version {ask.version}: not begun: {error}")
            return
        self._running = Running(ask, process, path)
        self._say(f"version {ask.version}: deploying to stage, see {path}")

    def _look(self) -> None:
        running = self._running
        if running is None or running.process.poll() is None:
            return
        self._running = None
        self._alone.release()
        code = running.process.returncode
        told = f"signal {-code}" if code < 0 else f"exit {code}"
        self._say(f"version {running.ask.version}: {told}, see {running.log}")
