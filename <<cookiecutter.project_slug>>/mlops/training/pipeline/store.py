"""The store of step results, addressed by what went into them; one run at a time.

lock, steps.lock     held by the run, and by the run and its steps
running/STEP/        a step at work; left behind by a killed run, removed by the next
steps/KEY/           outputs/, log.txt and step.json of a deterministic step
effects/STEP/        the same of the latest run of a step that is not deterministic
failed/STEP.log      the log of the latest failure
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from mlops.quality.errors import UserError
from mlops.training.pipeline.content import content_digest, files_below
from mlops.training.pipeline.process import end_groups

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


@dataclass(frozen=True)
class Entry:
    """A finished step: its folder and the digests of its outputs."""

    folder: Path
    digests: Mapping[str, str]

    @property
    def outputs(self) -> dict[str, Path]:
        """Where each output lies."""
        return {name: self.folder / "outputs" / name for name in self.digests}


@contextlib.contextmanager
def locked(store: Path) -> Iterator[TextIO]:
    """Hold the store for one run; yields the file that every step inherits while it lives.

    Ends what a killed run left at work, and removes its leftovers. Raises UserError where another
    run holds the store.
    """
    store.mkdir(parents=True, exist_ok=True)
    with (store / "lock").open("a+") as run, (store / "steps.lock").open("a+") as steps:
        if not _try_lock(run):
            run.seek(0)
            raise UserError(
                f"{store}: another run is at work here (process {run.read().strip()}); "
                "wait for its end or stop it"
            )
        rewrite(run, str(os.getpid()))
        _end_orphans(steps)
        if (store / "running").exists():
            shutil.rmtree(store / "running")
        yield steps


def rewrite(file: TextIO, text: str) -> None:
    """Replace the text of an open lock file."""
    file.truncate(0)
    file.write(text)
    file.flush()


def find(store: Path, key: str) -> Entry | None:
    """The finished step of this key; None where there is none or an output was damaged since."""
    folder = store / "steps" / key
    try:
        found = json.loads((folder / "step.json").read_text(encoding="utf-8"))
        entry = Entry(folder, found["digests"])
        stamps = found["stamps"]
        for name, path in entry.outputs.items():
            # the digest is computed again only where sizes or times tell of a change
            if _stamps(path) != stamps[name] and content_digest(path) != entry.digests[name]:
                return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return entry


def keep(store: Path, folder: Path, outputs: Mapping[str, Path], target: Path) -> Entry:
    """Turn the folder of a step that has ended well into a stored entry, at once."""
    digests = {name: content_digest(path) for name, path in outputs.items()}
    record = {
        "digests": digests,
        "stamps": {name: _stamps(path) for name, path in outputs.items()},
    }
    (folder / "step.json").write_text(json.dumps(record), encoding="utf-8")
    target.parent.mkdir(exist_ok=True)
    if target.exists():
        replaced = store / "running" / ".replaced"
        target.replace(replaced)
        shutil.rmtree(replaced)
    folder.replace(target)
    return Entry(target, digests)


def _stamps(path: Path) -> list[list[object]]:
    """Name, size in bytes and modification time in nanoseconds of each file."""
    found: list[list[object]] = []
    for file in files_below(path):
        stat = file.stat()
        name = file.relative_to(path).as_posix()
        found.append([name, stat.st_size, stat.st_mtime_ns])
    return found


def _end_orphans(steps: TextIO) -> None:
    if _try_lock(steps):
        return
    steps.seek(0)
    groups = [int(group) for group in steps.read().split()]
    if groups:  # otherwise a process that outlived its step on purpose
        end_groups(groups, lambda: _try_lock(steps))


def _try_lock(file: TextIO) -> bool:
    try:
        if sys.platform == "win32":
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True
