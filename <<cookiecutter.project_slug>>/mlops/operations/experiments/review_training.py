"""The rows of the next training set that people labelled, with where each comes from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from mlops.operations.experiments.review import Item, Label, Resolution, resolve
from mlops.operations.experiments.review_queue import Queue
from mlops.quality.contract import Contract
from mlops.quality.values import typed

SOURCE = "review"
PROVENANCE = (
    "source",
    "request_id",
    "row",
    "answered_at",
    "model_digest",
    "labelled_by",
    "labelled_at",
    "disagreed",
)


@dataclass(frozen=True)
class LeftOut:
    """An item that is no training row, and why."""

    request_id: str
    row: int
    why: str


@dataclass(frozen=True)
class TrainingRows:
    """A table with the contract's inputs, the label and `PROVENANCE`, and what is not in it."""

    table: pd.DataFrame
    left_out: tuple[LeftOut, ...]


def training_rows(
    queue: Queue, contract: Contract, *, labellers: int, label: str = "label"
) -> TrainingRows:
    """The resolved items as rows to train on, the oldest first.

    People's label stands in the column `label`: name the contract's target where that is the label
    itself, rather than what it is computed from. `labelled_by` holds the names of those who gave
    it, `disagreed` of those who gave another, each separated by commas. An item lacking an input that may not be
    collected as it is, or breaking the contract's types, is left out with the reason.
    """
    rows: list[dict[str, object]] = []
    left_out: list[LeftOut] = []
    for reviewed in queue.items.values():
        item, resolution = reviewed.item, resolve(reviewed.labels, labellers)
        if why := _unusable(item, resolution, contract):
            left_out.append(LeftOut(item.request_id, item.row, why))
            continue
        inputs = {name: item.inputs[name] for name in contract.inputs}
        rows.append(
            {**inputs, label: resolution.label, **_origin(item, resolution, reviewed.labels)}
        )
    columns = list(dict.fromkeys((*contract.inputs, label, *PROVENANCE)))
    table = pd.DataFrame(rows, columns=columns)
    for name in contract.inputs:
        table[name] = typed(table[name], contract.columns[name])[0]
    return TrainingRows(table, tuple(left_out))


def _origin(item: Item, resolution: Resolution, labels: Iterable[Label]) -> dict[str, object]:
    others = {each.by for each in labels} - set(resolution.by)
    return {
        "source": SOURCE,
        "request_id": item.request_id,
        "row": item.row,
        "answered_at": item.time,
        "model_digest": item.model_digest,
        "labelled_by": ", ".join(resolution.by),
        "labelled_at": resolution.at,
        "disagreed": ", ".join(sorted(others)),
    }


def _unusable(item: Item, resolution: Resolution, contract: Contract) -> str:
    if resolution.state != "resolved":
        return resolution.state
    for name in contract.inputs:
        column = contract.columns[name]
        if column.collect != "as_is":
            kept = "only hashed" if column.collect == "hashed" else "never collected"
            return f"'{name}' is {kept}: the row cannot be used for training"
        if name not in item.inputs:
            return f"'{name}' was not collected: the row cannot be used for training"
        value = item.inputs[name]
        if value is not None and typed(pd.Series([value], dtype=object), column)[1][0]:
            return f"'{name}': {value!r} is no {column.type}"
    return ""
