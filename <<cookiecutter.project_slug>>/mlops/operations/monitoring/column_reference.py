"""What a package's reference says of each column: the shares of its training rows."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from mlops.quality.errors import UserError

FILE = "reference.json"


@dataclass(frozen=True)
class ColumnReference:
    """One column of the training rows, `known` of whose `rows` have a value.

    `texts` are the values that occurred, by their texts, where they were counted, and `once` how many
    of them did so once. Of many texts the package keeps the 50 most frequent: `others` rows have
    another. `span` is the least and largest number, where they were binned.
    """

    name: str
    rows: int
    missing: float
    texts: frozenset[str] | None = None
    once: int = 0
    others: int = 0
    span: tuple[float, float] | None = None

    @property
    def known(self) -> int:
        """How many rows have a value."""
        return self.rows - round(self.missing * self.rows)


def read_reference(package: Path) -> dict[str, ColumnReference]:
    """The columns of a package's `reference.json`; raises UserError where it is not there or broken."""
    path = package / FILE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return {
            str(name): _column(str(name), int(values["rows"]), about)
            for name, about in values["columns"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: not a reference: {type(error).__name__}: {error}") from None


def with_rows(
    columns: Mapping[str, ColumnReference], training: pd.DataFrame
) -> dict[str, ColumnReference]:
    """The same with every text that the training rows hold, where the package kept some of them."""
    found = dict(columns)
    for name, each in columns.items():
        if each.texts is not None and each.others:
            counts = training[name].dropna().astype(str).value_counts()
            texts, once = frozenset(counts.index), int((counts == 1).sum())
            found[name] = dataclasses.replace(each, texts=texts, once=once, others=0)
    return found


def _column(name: str, rows: int, about: Mapping[str, object]) -> ColumnReference:
    missing = float(str(about["missing"]))
    edges, counts = about.get("edges"), about.get("counts")
    if isinstance(edges, list):
        # moments move on by themselves: a later day is nothing new
        span = (float(edges[0]), float(edges[-1])) if edges else None
        span = None if about["type"] == "datetime" else span
        return ColumnReference(name, rows, missing, span=span)
    if not isinstance(counts, Mapping):
        raise ValueError(f"column {name}: neither edges nor counts")
    texts = frozenset(str(text) for text, count in counts.items() if count)
    once = sum(1 for count in counts.values() if count == 1)
    return ColumnReference(name, rows, missing, texts, once, int(str(about.get("others", 0))))
