"""A round of human review: answers go to the queue, and what people agree on becomes labels."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import fsspec
import pandas as pd

from mlops.operations.experiments.review import Resolution, choose, resolve
from mlops.operations.experiments.review_queue import (
    Key,
    Queue,
    Reviewed,
    enqueue,
    queue_path,
    read_queue,
)
from mlops.operations.experiments.review_training import is_given_by, is_same
from mlops.operations.labelled_rows import read_since
from mlops.operations.monitoring.answered import known_labels
from mlops.operations.monitoring.labels import FOLDER, KEY, Labels, give_labels
from mlops.operations.monitoring.training_rows import Reference, labels_of
from mlops.operations.monitoring.window import Window
from mlops.operations.package_watch import Place
from mlops.quality.errors import UserError


@dataclass(frozen=True)
class Desk:
    """What a round needs to know of an environment: its window, its labels and the package's reference."""

    place: Place
    window: Window
    reference: Reference
    labels: Labels

    @property
    def path(self) -> Path:
        """The queue's file."""
        return queue_path(self.place.project.state, self.place.environment.name)

    @property
    def labellers(self) -> int:
        """How many people a label needs."""
        return self.place.settings.review.labellers


@dataclass(frozen=True)
class Standing:
    """An item with what its labels come to."""

    reviewed: Reviewed
    resolution: Resolution

    @property
    def key(self) -> Key:
        """Request id and row."""
        return self.reviewed.item.request_id, self.reviewed.item.row

    @property
    def disagreed(self) -> bool:
        """Whether people say different things, each as they said last."""
        last = {each.by: each.label for each in self.reviewed.labels}
        return len({(type(label).__name__, label) for label in last.values()}) > 1


@dataclass(frozen=True)
class Due:
    """The resolved items that are to become labels, and those that have another label from elsewhere.

    `table` has `request_id`, `row`, the contract's target and `time`.
    """

    table: pd.DataFrame
    kept: tuple[Key, ...]


def open_desk(place: Place) -> Desk:
    """Read the environment's window and labels; raises UserError where nothing was deployed here."""
    window, labels, reference = read_since(place, place.start)
    return Desk(place, window, reference, labels)


def take(desk: Desk) -> int:
    """Add the answers of the window that people shall look at to the queue; returns how many are new.

    An answer whose label is known already, from elsewhere, is not asked about. Raises UserError for
    a rule that names no column that was collected.
    """
    parts = [rows for rows in desk.window.parts.values() if len(rows)]
    if not parts:
        return 0
    table = pd.concat(parts, ignore_index=True)
    told = desk.labels.table
    told = told[told["label"].notna() | told["target"].notna()]
    known = set(told[KEY].itertuples(index=False, name=None)) - set(read_queue(desk.path).items)
    keys = zip(table["request_id"].astype(str), table["row"].astype(int), strict=True)
    unknown = [key not in known for key in keys]
    where = f"{desk.place.environment.files / 'settings.yml'}: review"
    return enqueue(desk.path, choose(table[unknown], desk.place.settings.review, where))


def standings(queue: Queue, labellers: int) -> tuple[Standing, ...]:
    """All items, the oldest answer first, with what their labels come to."""
    found = [Standing(each, resolve(each.labels, labellers)) for each in queue.items.values()]
    return tuple(sorted(found, key=lambda each: (each.reviewed.item.time, each.key)))


def waiting(found: Sequence[Standing], by: str = "") -> tuple[Standing, ...]:
    """Those that nobody has decided, and that `by`, if given, has said nothing of."""
    return tuple(
        each
        for each in found
        if each.resolution.state != "resolved"
        and not any(label.by == by for label in each.reviewed.labels if by)
    )


def due(found: Sequence[Standing], labels: Labels, target: str) -> Due:
    """Which resolved items are to become labels: what is known from elsewhere stays as it is.

    A label that these people themselves gave before is replaced by what they say now.
    """
    asked = labels.table["request_id"].isin([each.key[0] for each in found])
    rows_told = labels.table[asked].to_dict("records")
    told = {(str(row["request_id"]), int(row["row"])): row for row in rows_told}
    rows, kept = [], []
    for each in found:
        if each.resolution.state != "resolved":
            continue
        row = told.get(each.key, {})
        known = row.get("target") if row.get("target") is not None else row.get("label")
        if known is not None:
            if is_same(each.resolution.label, known):
                continue
            if not is_given_by(each.reviewed.labels, known, row["given"]):
                kept.append(each.key)
                continue
        rows.append((*each.key, each.resolution.label, each.resolution.at))
    columns = [*KEY, target, "time"]
    # as objects: a column of numbers and truth values would be told as numbers
    return Due(pd.DataFrame(rows, columns=columns, dtype=object), tuple(kept))


def hand_over(desk: Desk) -> Due:
    """Make labels of the environment of what people agree on, where they are not yet."""
    contract = desk.reference.contract
    found = due(standings(read_queue(desk.path), desk.labellers), desk.labels, contract.target)
    if found.table.empty:
        return found
    known = known_labels(desk.window.parts.values(), labels_of(desk.reference, desk.place.problem))

    def give(folder: Path) -> Path:
        where = str(desk.path)
        return give_labels(folder, found.table, contract, known, now=desk.place.now, where=where)

    declared = desk.place.settings.monitoring.labels
    if "://" not in declared:
        give(Path(declared) if declared else desk.place.environment.folder / FOLDER)
        return found
    with tempfile.TemporaryDirectory() as folder:
        _put(give(Path(folder)), declared)
    return found


def _put(path: Path, place: str) -> None:
    """Copy a file of labels to where others lie."""
    shown = place.split("?", maxsplit=1)[0]
    try:
        with fsspec.open(f"{place.rstrip('/')}/{path.name}", "wb") as opened:
            opened.write(path.read_bytes())
    except Exception as error:  # noqa: BLE001 - every file system has exceptions of its own
        said = str(error).replace(place, shown).strip().splitlines() or [type(error).__name__]
        raise UserError(f"{shown}: labels cannot be written: {said[0]}") from None
