"""Where each row that a model learns from comes from, and who says so of those that people reviewed."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops.operations.experiments.review import Answer, Label, resolve
from mlops.operations.experiments.review_queue import Queue
from mlops.operations.monitoring.labels import Labels

# A label that came to be known, and one that people gave; other rows name the asset they stood in.
KNOWN, REVIEW = "label", "review"
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


def origins(told: pd.DataFrame, queue: Queue) -> pd.DataFrame:
    """The origin of labelled rows, in their order, with the columns `PROVENANCE`, all of them texts.

    `told` has `request_id`, `row`, `time` of the answer, `model_digest`, the `value` that is learnt and
    `given`, since when it is known. A row is reviewed where somebody gave just that value at just that
    time. `labelled_by` holds the names of those who say so, `disagreed` of those who ever said
    something else, each separated by commas.
    """
    found = pd.DataFrame("", index=range(len(told)), columns=list(PROVENANCE), dtype=object)
    found["source"] = KNOWN
    for name in ("request_id", "row", "model_digest"):
        found[name] = told[name].astype(str).to_numpy(dtype=object)
    for name, moments in (("answered_at", told["time"]), ("labelled_at", told["given"])):
        found[name] = [each.isoformat() for each in pd.to_datetime(moments, utc=True)]
    for place, row, labels in _queued(told, queue):
        for name, text in _people(labels, row).items():
            found.loc[place, name] = text
    return found


def origins_of_asset(name: str, number: int) -> pd.DataFrame:
    """The origin of so many rows of an asset, `name:version`, that tells nothing more of them."""
    table = pd.DataFrame("", index=range(number), columns=list(PROVENANCE), dtype=object)
    return table.assign(source=name)


def disputed(told: pd.DataFrame, queue: Queue, labellers: int) -> NDArray[np.bool_]:
    """Which labelled rows, as `origins` takes them, people gave and no longer agree on; shape (n,)."""
    found = np.zeros(len(told), dtype=bool)
    for place, row, labels in _queued(told, queue):
        resolution = resolve(labels, labellers)
        agreed = resolution.state == "resolved" and is_same(resolution.label, row["value"])
        found[place] = is_given_by(labels, row["value"], row["given"]) and not agreed
    return found


def without_reviewed(labels: Labels, queue: Queue) -> Labels:
    """The labels but for those that people gave to answers of the queue.

    These answers were chosen because a model doubted them: on them it seems worse than it is, and than
    any other model.
    """
    table = labels.table.copy()
    value = table["target"].where(table["target"].notna(), table["label"])
    mine = reviewed(table.assign(value=value), queue)
    for name in ("label", "target"):
        table[name] = table[name].where(~mine, None)
    told = table[["label", "target", "kpi"]].notna().any(axis=1)
    return dataclasses.replace(labels, table=table[told].reset_index(drop=True))


def reviewed(told: pd.DataFrame, queue: Queue) -> NDArray[np.bool_]:
    """Which labelled rows, as `origins` takes them, people of the queue labelled; shape (n,)."""
    found = np.zeros(len(told), dtype=bool)
    for place, row, labels in _queued(told, queue):
        found[place] = is_given_by(labels, row["value"], row["given"])
    return found


def is_given_by(labels: Iterable[Label], value: object, given: object) -> bool:
    """Whether one of these labels is the value that is known since `given`."""
    return any(
        is_same(each.label, value) and pd.Timestamp(each.at) == pd.Timestamp(str(given))
        for each in labels
    )


def is_same(label: Answer | None, value: object) -> bool:
    """Whether a person's label is a value that was read from elsewhere."""
    return label is not None and (label == value or str(label) == str(value))


def _queued(
    told: pd.DataFrame, queue: Queue
) -> Iterator[tuple[int, Mapping[Hashable, object], tuple[Label, ...]]]:
    """The place of each row that is in the queue, the row, and what people said of it."""
    keys = list(zip(told["request_id"].astype(str), told["row"].astype(int), strict=True))
    places = [place for place, key in enumerate(keys) if key in queue.items]
    rows = told.iloc[places].to_dict("records")
    for place, row in zip(places, rows, strict=True):
        yield place, row, queue.items[keys[place]].labels


def _people(labels: Sequence[Label], row: Mapping[Hashable, object]) -> dict[str, str]:
    value = row["value"]
    if not is_given_by(labels, value, row["given"]):
        return {}
    last = {each.by: each.label for each in labels}
    agreeing = {by for by, label in last.items() if is_same(label, value)}
    return {
        "source": REVIEW,
        "labelled_by": ", ".join(sorted(agreeing)),
        "disagreed": ", ".join(
            sorted({each.by for each in labels if not is_same(each.label, value)})
        ),
    }
