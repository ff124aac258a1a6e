"""The audit log: what was decided and done with a model, a JSON line each, only ever appended."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

FILE = "audit.jsonl"


def append(state: Path, event: str, facts: Mapping[str, object]) -> None:
    """Write one entry to the log in the folder `state`; it is on the disk when this returns."""
    state.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    line = json.dumps({"time": now, "event": event, **facts}) + "\n"
    descriptor = os.open(state / FILE, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        # what a crash left without its end must not swallow this line
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            line = "\n" + line
        # One write in append mode: two at once do not tear each other's line.
        os.write(descriptor, line.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def entries(state: Path) -> Iterator[Mapping[str, object]]:
    """All entries, the oldest first; a line that a crash left unfinished is passed over."""
    path = state / FILE
    if not path.is_file():
        return
    for line in path.read_text().splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            yield entry
