"""The outbox: what is still to be delivered, a small file for each target and event.

`outbox/TARGET/*.json` waits, `outbox/TARGET/failed/*.json` was given up. Files, since each comes and goes in one
step, a person can read, move and delete them, and one that is broken harms no other.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from mlops.operations.events import log
from mlops.operations.events.event import Event, from_json, to_json
from mlops.operations.events.settings import Target
from mlops.quality.errors import UserError
from mlops.quality.strict import parse

FOLDER, FAILED = "outbox", "failed"


@dataclass(frozen=True)
class Backoff:
    """How often it failed in a row, and when to try again, in seconds since 1970."""

    failures: int = 0
    until: float = 0.0


@dataclass(frozen=True)
class Entry:
    """An event that waits for a target since `added`, in seconds since 1970."""

    path: Path
    event: Event
    added: float
    backoff: Backoff = Backoff()
    reason: str = ""


@dataclass(frozen=True)
class _Written:
    event: str
    added: float
    backoff: Backoff
    reason: str


def emit(state: Path, event: Event, targets: Sequence[Target]) -> None:
    """Put an event into the outbox of each target that hears of its kind, and then into the log.

    All of it is on the disk when this returns, and no network was asked. In this order, whatever the
    log holds was put into every outbox; an emitter that was killed in between tells it again, under the
    same id if it has a stable one. Raises OSError where the disk takes no more.
    """
    for target in targets:
        if event.kind in target.types:
            put(state, target.name, event)
    log.append(state, event)


def put(state: Path, target: str, event: Event) -> None:
    """Put an event into one outbox; one that waits there already stays as it is."""
    folder = state / FOLDER / target
    folder.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(event.id.encode()).hexdigest()[:24]
    path = folder / f"{int(event.time.timestamp() * 1000):015d}-{digest}.json"
    if not path.exists():
        write(Entry(path, event, datetime.now(UTC).timestamp()))


def write(entry: Entry) -> None:
    """Write an entry in one step, to the disk."""
    values = {
        "event": to_json(entry.event),
        "added": entry.added,
        "backoff": asdict(entry.backoff),
        "reason": entry.reason,
    }
    replace_durably(entry.path, values)


def waiting(state: Path, target: str) -> Iterator[Entry]:
    """What waits for a target, the oldest first; a file that is no entry is set aside as failed."""
    for path in sorted((state / FOLDER / target).glob("[!.]*.json")):
        try:
            yield _read(path)
        except FileNotFoundError:
            continue  # delivered meanwhile
        except UserError:
            set_aside(path)


def failed(state: Path, target: str) -> list[Path]:
    """The files of what was given up, the oldest first."""
    return sorted((state / FOLDER / target / FAILED).glob("*.json"))


def retry_failed(state: Path, target: str) -> int:
    """Put what was given up back into the outbox, as if it were new; how many these were."""
    count = 0
    for path in failed(state, target):
        try:
            entry = _read(path)
        except UserError:
            continue  # no entry: a person has to look
        now = datetime.now(UTC).timestamp()
        home = path.parent.parent / path.name
        write(replace(entry, path=home, added=now, backoff=Backoff(), reason=""))
        path.unlink()
        count += 1
    return count


def set_aside(path: Path) -> None:
    """Move an entry to `failed/`, where nothing is ever deleted."""
    folder = path.parent / FAILED
    folder.mkdir(exist_ok=True)
    with suppress(FileNotFoundError):  # another process was first
        path.replace(folder / path.name)


def counted(state: Path) -> dict[str, tuple[int, int]]:
    """How many events wait, and how many were given up, for each target that ever had any."""
    return {
        folder.name: (
            len(list(folder.glob("[!.]*.json"))),
            len(failed(state, folder.name)),
        )
        for folder in sorted((state / FOLDER).glob("*"))
        if folder.is_dir()
    }


def replace_durably(path: Path, values: Mapping[str, object]) -> None:
    """Replace a JSON file in one step; on the disk when this returns."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(values, file)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read(path: Path) -> Entry:
    try:
        values = json.loads(path.read_bytes())
    except ValueError:
        raise UserError(f"{path}: not valid JSON") from None
    found = parse(_Written, values, str(path))
    event = from_json(found.event, str(path))
    return Entry(path, event, found.added, found.backoff, found.reason)
