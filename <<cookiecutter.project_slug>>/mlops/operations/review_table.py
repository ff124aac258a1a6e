"""The review queue as a table for a spreadsheet: what waits goes out, and labels are read back strictly."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pandas as pd

from mlops.operations.experiments.review import Item
from mlops.operations.experiments.review_queue import Given, Key, Queue, said
from mlops.operations.experiments.review_value import value_of
from mlops.operations.review_round import Standing
from mlops.quality.contract import Contract
from mlops.quality.errors import UserError
from mlops.quality.strict import did_you_mean
from mlops.quality.tables import read_table, write_csv

_ABOUT = ("request_id", "row", "answered_at", "model_answer", "model_probability", "asked_because")
_INPUT, _NOTE = "input.", "note"
# What a spreadsheet takes for a formula; request ids and inputs are written by strangers.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_queue(path: Path, found: Sequence[Standing], contract: Contract) -> None:
    """Write items with an empty column for the contract's target, and one for a note.

    What others said is not in it, so that everybody judges by themselves. Raises UserError where the
    file cannot be written.
    """
    columns = [*_ABOUT, *(f"{_INPUT}{name}" for name in contract.inputs), contract.target, _NOTE]
    rows = [_row(each.reviewed.item, contract) for each in found]
    write_csv(pd.DataFrame(rows, columns=columns, dtype=object), path)


def read_given(path: Path, queue: Queue, contract: Contract, by: str, at: datetime) -> list[Given]:
    """The labels in a table that came back; rows without one are passed over.

    Raises UserError that names the file, the row (from 1 below the header) and the column.
    """
    raw = read_table(path).astype(object)
    target = contract.target
    for name in ("request_id", target):
        if name not in raw:
            raise UserError(f"{path}: expected the columns request_id and {target}")
    for name in raw.columns:
        if name not in (*_ABOUT, target, _NOTE) and not str(name).startswith(_INPUT):
            known = did_you_mean(str(name), [*_ABOUT, target, _NOTE])
            raise UserError(f"{path}: unknown column '{name}'; {known}")
    raw = raw.where(raw.notna(), "")
    found: dict[Key, Given] = {}
    for place, row in enumerate(raw.to_dict("records"), 1):
        if not str(row[target]).strip():
            continue
        where = f"{path}: row {place}, column"
        key = (_plain(str(row["request_id"])), _number(str(row.get("row", 1)), f"{where} row"))
        if key not in queue.items:
            raise UserError(f"{where} request_id: {key[0]}, row {key[1]} is not in the queue")
        if key in found:
            raise UserError(f"{where} request_id: {key[0]}, row {key[1]} stands here twice")
        value = value_of(str(row[target]), contract, f"{where} {target}")
        note = str(row.get(_NOTE, ""))
        found[key] = Given(*key, said(value, by, at, str(path), note=note))
    return list(found.values())


def _number(text: str, where: str) -> int:
    """A place in a request, from 1; spreadsheets write 1 as 1.0 as well."""
    plain = text.strip().removesuffix(".0")
    if not (plain.isascii() and plain.isdigit() and int(plain) >= 1):
        raise UserError(f"{where}: expected 1, 2, ..., found {text!r}")
    return int(plain)


def _row(item: Item, contract: Contract) -> dict[str, object]:
    about = (
        item.request_id,
        item.row,
        item.time,
        item.answer,
        item.probability,
        ", ".join(item.why),
    )
    found: dict[str, object] = dict(zip(_ABOUT, about, strict=True))
    found |= {f"{_INPUT}{name}": item.inputs.get(name) for name in contract.inputs}
    return {name: _shown(value) for name, value in found.items()}


def _shown(value: object) -> object:
    """A text that no spreadsheet takes for a formula; numbers stay as they are."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _plain(text: str) -> str:
    """The text that `_shown` showed."""
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text
