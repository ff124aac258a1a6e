"""Processes that outlive the command that starts them: started, found again, and ended by their own id.

A process is known by its module and its folder, which both stand in its command line; the folder
holds its log and a record of its pid and port. The port is kept for the next start.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import filelock
import psutil

from mlops.quality.errors import UserError

# The project that this machinery lies in; quality.project has it too, but takes pandas along.
ROOT = Path(__file__).resolve().parents[2]
STOP_TIMEOUT = 10.0


@dataclass(frozen=True)
class Kind:
    """What is started: its module, its name in messages, and its files in the folder."""

    module: str
    name: str
    record: str = "server.json"
    log: str = "server.log"
    lock: str = "server.lock"
    stop_timeout: float = STOP_TIMEOUT


@dataclass(frozen=True)
class Running:
    """A process of a kind for a folder; `created` is its start in seconds since 1970."""

    pid: int
    port: int
    created: float
    folder: Path


@contextmanager
def locked(kind: Kind, folder: Path) -> Iterator[None]:
    """One start or stop at a time, over all processes; the lock dies with its holder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder / kind.lock, timeout=60):
            yield
    except filelock.Timeout:
        raise UserError(f"{folder}: another process starts or stops {kind.name}") from None
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror or error}") from None


def find(kind: Kind, folder: Path) -> Running | None:
    """The process where it lives, be it ready or still starting."""
    pid, port = read_record(kind, folder)
    process = own_process(kind, pid, folder)
    if process is None:
        return None
    with suppress(psutil.Error):
        return Running(pid, port, process.create_time(), folder)
    return None


def start(
    kind: Kind, folder: Path, port: int, arguments: Sequence[str], environment: Mapping[str, str]
) -> Running:
    """Start `python -m module FOLDER arguments...` and write down its pid and `port`."""
    with (folder / kind.log).open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", kind.module, str(folder), *arguments],
            cwd=folder,
            env={**environment, "PYTHONPATH": _python_path()},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
    # It outlives this process on purpose: Popen shall neither wait for it nor warn.
    process.returncode = 0
    created = psutil.Process(process.pid).create_time()
    running = Running(process.pid, port, created, folder)
    try:
        draft = folder / f"{kind.record}.new"
        draft.write_text(json.dumps({"pid": process.pid, "port": port}) + "\n", encoding="utf-8")
        draft.replace(folder / kind.record)
    except OSError:
        end(kind, running)
        raise
    return running


def end(kind: Kind, running: Running) -> None:
    """End the process by its own id, children included: asked first, then killed."""
    process = own_process(kind, running.pid, running.folder)
    if process is None:
        return
    with suppress(psutil.Error):
        family = [process, *process.children(recursive=True)]
        for signalled in (psutil.Process.terminate, psutil.Process.kill):
            for member in family:
                with suppress(psutil.NoSuchProcess):
                    signalled(member)
            limit = time.monotonic() + kind.stop_timeout
            while (family := [m for m in family if not _is_gone(m)]) and time.monotonic() < limit:
                time.sleep(0.02)


def read_record(kind: Kind, folder: Path) -> tuple[int, int]:
    """The pid and the port that were written down last; zeros where nothing readable is there."""
    try:
        record = json.loads((folder / kind.record).read_text(encoding="utf-8"))
        return int(record["pid"]), int(record["port"])
    except (OSError, ValueError, TypeError, KeyError):
        return 0, 0


def free_port(kind: Kind, folder: Path, host: str = "127.0.0.1") -> int:
    """The port in the last record where it is free, else one that the system chooses."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in (read_record(kind, folder)[1], 0):
        with (
            suppress(OSError, OverflowError),
            socket.create_server((host, port), family=family) as probe,
        ):
            return int(probe.getsockname()[1])
    raise UserError(f"no free port on {host} for {kind.name}")


def own_process(kind: Kind, pid: int, folder: Path) -> psutil.Process | None:
    """The process where it lives and serves this very folder.

    Its command line decides and not its start: that shifts when the clock is set, and a copy of the
    project brings the record of the original's server along.
    """
    with suppress(psutil.Error, ValueError, OverflowError):
        process = psutil.Process(pid)
        command = process.cmdline()
        patience = time.monotonic() + 0.5
        # empty for an instant after the start: Popen returns before the kernel has filled it in
        while not command and time.monotonic() < patience:
            time.sleep(0.005)
            command = process.cmdline()
        alive = process.status() != psutil.STATUS_ZOMBIE
        if alive and {kind.module, str(folder)} <= set(command):
            return process
    return None


def last_words(kind: Kind, folder: Path) -> str:
    """The line of the log that names the error, and where the rest is."""
    try:
        lines = (folder / kind.log).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    said = [line.strip() for line in lines if line.strip()] or ["it said nothing"]
    errors = [line for line in said if re.match(r"[\w.]+(Error|Exception)\b|error: ", line)]
    return f"{(errors or said)[-1]} (log: {folder / kind.log})"


def _python_path() -> str:
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.pathsep.join(paths)


def _is_gone(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            return False
        with suppress(psutil.TimeoutExpired):
            process.wait(0)  # a child of ours stays a zombie until somebody asks for its end
    return True
