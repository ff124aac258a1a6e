"""The review queue: a file of JSON lines that is only ever appended to, by one process at a time.

Nobody's label is overwritten: who thinks otherwise, or changes their mind, adds a line.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd

from mlops.operations.experiments.review import Answer, Cell, Item, Label
from mlops.quality.errors import UserError
from mlops.quality.strict import parse

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

FILE = "review.jsonl"
Key = tuple[str, int]


@dataclass(frozen=True)
class Reviewed:
    """An item and all labels that were ever given to it, the oldest first."""

    item: Item
    labels: tuple[Label, ...]


@dataclass(frozen=True)
class Queue:
    """All items by request and row, the oldest first, and the lines that could not be read."""

    items: Mapping[Key, Reviewed]
    unreadable: tuple[int, ...]


NO_REVIEW = Queue({}, ())


@dataclass(frozen=True)
class Given:
    """A label and the item that it is for."""

    request_id: str
    row: int
    given: Label


def queue_path(state: Path, environment: str) -> Path:
    """Where the queue of an environment lies in the folder of everything local."""
    return state / "review" / environment / FILE


def read_queue(path: Path) -> Queue:
    """What the file holds; empty where there is none.

    A line that is torn or means nothing is told of by its number, from 1, and passed over.
    """
    return _parsed(path.read_bytes()) if path.is_file() else Queue({}, ())


def enqueue(path: Path, chosen: pd.DataFrame) -> int:
    """Add the rows that `choose` gave, and return how many were new.

    A row that is in the queue already is not added again, so this can be repeated.
    """
    with _held(path) as file:
        known = _parsed(file.read()).items
        new = [item for item in _items(chosen) if (item.request_id, item.row) not in known]
        _append(file, [{"item": dataclasses.asdict(item)} for item in new])
    return len(new)


def give_label(
    path: Path, key: Key, label: Answer, by: str, at: datetime, *, note: str = ""
) -> Reviewed:
    """Add a person's label for the item of `key` (request id and row), and return the item with it.

    Raises UserError for an unknown item and an unnamed labeller.
    """
    where = f"{path}: {key[0]}, row {key[1]}"
    give_labels(path, [Given(*key, said(label, by, at, where, note=note))])
    return read_queue(path).items[key]


def said(label: Answer, by: str, at: datetime, where: str, *, note: str = "") -> Label:
    """What a person says, checked; raises UserError that names `where`."""
    if not by.strip():
        raise UserError(f"{where}: by: expected the labeller's name")
    if at.tzinfo is None:
        raise UserError(f"{where}: at: expected a time with its zone, found {at.isoformat()}")
    return Label(label, by.strip(), at.isoformat(timespec="seconds"), note.strip())


def give_labels(path: Path, given: Sequence[Given]) -> int:
    """Add labels, all or none, and return how many were new.

    Who said last what they say now adds nothing, so this can be repeated. Raises UserError for an
    item that is not in the queue.
    """
    with _held(path) as file:
        known = _parsed(file.read()).items
        new = []
        for each in given:
            key = (each.request_id, each.row)
            if key not in known:
                raise UserError(f"{path}: {key[0]}, row {key[1]}: this is not in the review queue")
            if not _is_said(known[key].labels, each.given):
                new.append(each)
        _append(file, [dataclasses.asdict(each) for each in new])
    return len(new)


def _is_said(labels: Sequence[Label], given: Label) -> bool:
    before = [each for each in labels if each.by == given.by]
    if not before or given.note not in ("", before[-1].note):
        return False
    return type(before[-1].label) is type(given.label) and before[-1].label == given.label


def _items(chosen: pd.DataFrame) -> Iterator[Item]:
    answer = "label" if "label" in chosen else "value"
    inputs = [str(name) for name in chosen.columns if str(name).startswith("input.")]
    chances = [str(name) for name in chosen.columns if str(name).startswith("probability.")]
    for row in chosen.to_dict("records"):
        yield Item(
            str(row["request_id"]),
            int(row["row"]),
            row["time"].isoformat(),
            tuple(row["why"].split(",")),
            _answer(row[answer]),
            str(row["model_version"]),
            str(row["model_digest"]),
            {name.removeprefix("input."): _cell(row[name]) for name in inputs},
            max((float(row[name]) for name in chances), default=None),
        )


def _cell(value: object) -> Cell:
    """A value as JSON holds it; missing ones are null."""
    if value is None or value is pd.NaT or (isinstance(value, float) and math.isnan(value)):
        return None
    return _answer(value)


def _answer(value: object) -> Answer:
    plain = value.item() if isinstance(value, np.generic) else value
    return plain if isinstance(plain, str | int | float | bool) else str(plain)


def _parsed(content: bytes) -> Queue:
    items: dict[Key, Item] = {}
    labels: dict[Key, list[Label]] = {}
    unreadable = []
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
            if "item" in values:
                item = parse(Item, values["item"], FILE)
                items.setdefault((item.request_id, item.row), item)
            else:
                given = parse(Given, values, FILE)
                labels.setdefault((given.request_id, given.row), []).append(given.given)
        except (ValueError, TypeError, UserError):
            unreadable.append(number)
    found = {key: Reviewed(item, tuple(labels.get(key, ()))) for key, item in items.items()}
    return Queue(found, tuple(unreadable))


@contextlib.contextmanager
def _held(path: Path) -> Iterator[BinaryIO]:
    """The file, open at its start, while no other process that asks for it has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        if sys.platform == "win32":
            file.seek(2**30)  # past the content: locked bytes cannot be read there
            msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        yield file


def _append(file: BinaryIO, entries: Sequence[Mapping[str, object]]) -> None:
    """Write the lines; they are on the disk when this returns."""
    if not entries:
        return
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - 1, 0))
    # what a crash left without its end must not swallow the next line
    torn = size > 0 and file.read(1) != b"\n"
    text = "".join(json.dumps(entry) + "\n" for entry in entries)
    file.write(b"\n" * torn + text.encode())
    file.flush()
    os.fsync(file.fileno())
