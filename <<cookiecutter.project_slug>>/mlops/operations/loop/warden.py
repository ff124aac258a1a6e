"""The warden of a play: where the play's process dies, by whatever signal, this one clears up after it.

It reads the folder from its input and waits for the input's end, which comes when the play does. Its own
command line does not name the folder, so that clearing up does not end it.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from mlops.operations.loop import processes

KEEP = "keep"


def clear(folder: Path) -> tuple[str, ...]:
    """End what runs in the folder of a play and remove it; returns what could not be ended."""
    left = processes.sweep(folder)
    for _ in range(2):  # something may have written while it was removed
        shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        folder.parent.rmdir()  # where nothing else is in it
    return left


def post(folder: Path, root: Path) -> subprocess.Popen[bytes]:
    """Start a warden of a play's folder."""
    started = subprocess.Popen(
        [sys.executable, "-m", "mlops.operations.loop.warden"],
        cwd=root,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    _tell(started, str(folder))
    return started


def dismiss(started: subprocess.Popen[bytes], *, keep: bool) -> None:
    """Let a warden go once the play has cleared up itself; with `keep` it leaves the folder alone."""
    if keep:
        _tell(started, KEEP)
    if started.stdin is not None:
        with suppress(OSError):
            started.stdin.close()
    with suppress(subprocess.TimeoutExpired):
        started.wait(processes.PATIENCE)


def main() -> None:
    """Wait for the end of the play, and clear up what it left."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    folder, *rest = sys.stdin.read().splitlines() or [""]
    if folder and KEEP not in rest and Path(folder).is_dir():
        clear(Path(folder))


def _tell(started: subprocess.Popen[bytes], line: str) -> None:
    if started.stdin is not None:
        with suppress(OSError):
            started.stdin.write(f"{line}\n".encode())
            started.stdin.flush()


if __name__ == "__main__":
    main()
