"""The log of events: `events.jsonl`, a CloudEvent each line, only ever appended."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from mlops.operations.events.event import Event, from_json, to_json
from mlops.quality.errors import UserError

FILE = "events.jsonl"


def append(state: Path, event: Event) -> None:
    """Write an event to the log in the folder `state`; it is on the disk when this returns.

    Raises OSError where the disk takes no more.
    """
    state.mkdir(parents=True, exist_ok=True)
    line = to_json(event).encode() + b"\n"
    descriptor = os.open(state / FILE, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        # what a crash left without its end must not swallow this line
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            line = b"\n" + line
        # One write in append mode: two at once do not tear each other's line.
        if os.write(descriptor, line) != len(line):
            raise OSError(f"{state / FILE}: the event was not written whole")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def events(state: Path, *, after: str = "") -> Iterator[Event]:
    """All events in the order of their lines; with `after`, those behind the event of that id.

    The order is that of writing, whatever a clock did meanwhile. Where no event has the id, all come:
    to hear twice is better than to miss one. A line that is no event, as one that a crash left
    unfinished, is passed over.
    """
    path = state / FILE
    lines = path.read_bytes().split(b"\n") if path.is_file() else []
    for line in lines[_place(lines, after) + 1 if after else 0 :]:
        event = _read(line)
        if event is not None:
            yield event


def known(state: Path, event_id: str) -> bool:
    """Whether the log holds an event of that id."""
    path = state / FILE
    return path.is_file() and _place(path.read_bytes().split(b"\n"), event_id) >= 0


def _place(lines: Sequence[bytes], event_id: str) -> int:
    """The last line that holds the event of that id; -1 where none does."""
    spelt = event_id.encode()
    for number in range(len(lines) - 1, -1, -1):
        if spelt in lines[number]:  # reading a line strictly takes far longer than this
            event = _read(lines[number])
            if event is not None and event.id == event_id:
                return number
    return -1


def _read(line: bytes) -> Event | None:
    try:
        return from_json(line, FILE)
    except UserError:
        return None
