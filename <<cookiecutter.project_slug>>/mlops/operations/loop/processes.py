"""The loop's processes: commands one after the other, a load process beside them, and the end of all."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

PATIENCE = 10.0


@dataclass(frozen=True)
class Command:
    """What to run: its words, its folder, its whole environment, and where all it prints is appended."""

    words: Sequence[str]
    folder: Path
    environment: Mapping[str, str]
    log: Path


def run(command: Command, timeout: float, on_line: Callable[[str], None]) -> int | None:
    """The exit code of a command; None where it took longer than `timeout` seconds and was ended.

    `on_line` hears each line. Whatever interrupts the waiting ends the command first.
    """
    with command.log.open("ab") as log:
        log.write(f"$ {' '.join(command.words)}\n".encode())
        log.flush()
        started = _start(command, subprocess.PIPE)
        try:
            return _follow(started, log, time.monotonic() + timeout, on_line)
        finally:
            _end_group(started)


def start(command: Command) -> subprocess.Popen[bytes]:
    """Start a process beside the commands; a Ctrl-C of the terminal does not reach it."""
    with command.log.open("ab") as log:
        return _start(command, log)


def _start(command: Command, output: int | IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        list(command.words),
        cwd=command.folder,
        env=dict(command.environment),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _follow(
    started: subprocess.Popen[bytes],
    log: IO[bytes],
    deadline: float,
    on_line: Callable[[str], None],
) -> int | None:
    lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(started, lines), daemon=True).start()
    while time.monotonic() < deadline:
        has_ended = started.poll() is not None
        try:
            line = lines.get(timeout=0.1)
        except queue.Empty:
            if has_ended:
                break  # something it started still holds the pipe
            continue
        if line is None:
            with suppress(subprocess.TimeoutExpired):
                started.wait(max(0.0, deadline - time.monotonic()))
            break
        log.write(line)
        log.flush()
        on_line(line.decode(errors="replace").rstrip())
    return started.poll()


def _read(started: subprocess.Popen[bytes], lines: queue.SimpleQueue[bytes | None]) -> None:
    if started.stdout is not None:
        with started.stdout as output:
            for line in output:
                lines.put(line)
    lines.put(None)


def _end_group(started: subprocess.Popen[bytes]) -> None:
    """End a command that still runs, with all that it has in its group: asked first, then killed."""
    if started.poll() is not None:
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(started.pid, number)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if started.poll() is not None and not _has_group(started.pid):
                return
            time.sleep(0.02)


def _has_group(group: int) -> bool:
    """Whether a process of the group lives; one that nobody has waited for yet does not."""
    for each in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if os.getpgid(each.pid) == group and each.status() != psutil.STATUS_ZOMBIE:
                return True
    return False


def stop(started: subprocess.Popen[bytes], patience: float = PATIENCE) -> int | None:
    """Ask a process to end, and insist after `patience` seconds; its exit code."""
    if started.poll() is None:
        started.terminate()
        with suppress(subprocess.TimeoutExpired):
            started.wait(patience)
    if started.poll() is None:
        started.kill()
        with suppress(subprocess.TimeoutExpired):
            started.wait(patience)
    return started.poll()


def within(folder: Path) -> list[psutil.Process]:
    """The processes that work in a folder, or name a path in it; this one and its parents are none."""
    place = str(folder.resolve())
    mine = {os.getpid(), *(each.pid for each in psutil.Process().parents())}
    found = []
    for each in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if each.pid in mine or each.status() == psutil.STATUS_ZOMBIE:
                continue
            if any(_is_in(word, place) for word in (each.cwd(), *each.cmdline())):
                found.append(each)
    return found


def sweep(folder: Path, patience: float = PATIENCE) -> tuple[str, ...]:
    """End every process of a folder: asked first, then killed. Returns what is left, in words."""
    for signalled in (psutil.Process.terminate, psutil.Process.kill):
        found = within(folder)
        for each in found:
            with suppress(psutil.Error):
                signalled(each)
        end = time.monotonic() + patience
        while within(folder) and time.monotonic() < end:
            time.sleep(0.05)
    return tuple(f"process {each.pid}" for each in within(folder))


def _is_in(word: str, place: str) -> bool:
    """Whether a word is a path in the folder, or an option whose value is one."""
    return word == place or f"{place}{os.sep}" in word or word.endswith(f"={place}")
