"""A step's process: its own group, its output line by line, and its end in time."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO, NoReturn

GRACE = 5.0  # seconds between TERM and KILL


@dataclass(frozen=True)
class Command:
    """What to run: its words, its folder, its whole environment, its time limit in seconds."""

    words: list[str]
    folder: Path
    environment: Mapping[str, str]
    timeout: float | None


def start(command: Command, kept_open: int) -> subprocess.Popen[bytes]:
    """Start a command in a process group of its own; `kept_open` is a descriptor it inherits."""
    return subprocess.Popen(
        command.words,
        cwd=command.folder,
        env=command.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        pass_fds=() if sys.platform == "win32" else (kept_open,),
    )


def follow(
    process: subprocess.Popen[bytes],
    log: IO[bytes],
    timeout: float | None,
    on_line: Callable[[str], None],
) -> int | None:
    """The exit code of a started command; None where it took longer than `timeout` seconds.

    What it prints goes to `log` and, line by line, to `on_line`.
    """
    deadline = time.monotonic() + timeout if timeout else float("inf")
    lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(process, lines), daemon=True).start()
    while time.monotonic() < deadline:
        has_ended = process.poll() is not None
        try:
            line = lines.get(timeout=min(0.2, max(0.0, deadline - time.monotonic())))
        except queue.Empty:
            if has_ended:
                return process.returncode  # something it started still holds the pipe
            continue
        if line is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(min(deadline - time.monotonic(), threading.TIMEOUT_MAX))
            break
        log.write(line)
        log.flush()
        on_line(line.decode(errors="replace").rstrip())
    return None


def _read(process: subprocess.Popen[bytes], lines: queue.SimpleQueue[bytes | None]) -> None:
    if process.stdout is not None:
        with process.stdout as output:
            for line in output:
                lines.put(line)
    lines.put(None)


def end_groups(groups: Sequence[int], has_ended: Callable[[], bool]) -> None:
    """End process groups: ask all, and when they have ended, or after `GRACE` seconds, or on a
    second Ctrl-C, insist, so that no worker of a process is left.
    """
    for group in groups:
        _signal_group(group, signal.SIGTERM)
    try:
        _wait(has_ended)
    finally:
        for group in groups:
            _signal_group(group, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
        _wait(has_ended)


def _wait(has_ended: Callable[[], bool]) -> None:
    deadline = time.monotonic() + GRACE
    while not has_ended() and time.monotonic() < deadline:
        time.sleep(0.02)


def _signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            os.kill(group, number)
        else:
            os.killpg(group, number)


@contextlib.contextmanager
def termination_interrupts() -> Iterator[None]:
    """Let SIGTERM and SIGHUP act as Ctrl-C does, so that a stopped run ends its steps."""

    def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    numbers = [signal.SIGTERM] if sys.platform == "win32" else [signal.SIGTERM, signal.SIGHUP]
    if threading.current_thread() is not threading.main_thread():
        numbers = []
    # what is ignored stays so: nohup asks for it
    heard = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, interrupt) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
