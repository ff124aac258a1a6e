"""Rows that judge a model and from which it was learnt: none may be there."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from mlops.deployment.measuring.measure import Measure
from mlops.quality.contract import Contract

_NAMED = 5
# From here on neighbouring whole numbers are one and the same floating-point number.
_WHOLE = 2.0**53


def row_digests(table: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """SHA-256 of each row's values, in hexadecimal, the same on every machine.

    1, 1.0 and true are the same value, whatever the column's type; so are all that are missing, and
    a moment in any unit or time zone.
    """
    texts = [_texts(table[name]) for name in columns]
    rows = zip(*texts, strict=True) if texts else ()
    return [hashlib.sha256("\x1f".join(row).encode()).hexdigest() for row in rows]


def table_digest(table: pd.DataFrame, columns: Sequence[str]) -> str:
    """SHA-256 of a table's rows, in hexadecimal; their order does not matter, how often one is does."""
    return hashlib.sha256("\n".join(sorted(row_digests(table, columns))).encode()).hexdigest()


def leakage(parts: Mapping[str, pd.DataFrame], contract: Contract) -> tuple[Measure, ...]:
    """`leakage.<one>_in_<other>`: the number of rows of one part that stand in another.

    The parts are `training`, `evaluation`, `golden`, and `recent` where there is one. Rows are compared
    by the contract's inputs and numbered from 1. Not defined for a part without rows, which proves
    nothing.
    """
    digests = {name: row_digests(table, contract.inputs) for name, table in parts.items()}
    pairs = [("golden", "training"), ("golden", "evaluation"), ("evaluation", "training")]
    if "recent" in parts:
        pairs.append(("recent", "training"))
    return tuple(_shared(one, other, digests[one], digests[other]) for one, other in pairs)


def _shared(one: str, other: str, left: list[str], right: list[str]) -> Measure:
    name = f"leakage.{one}_in_{other}"
    if empty := [part for part, rows in ((one, left), (other, right)) if not rows]:
        return Measure(name, None, detail=f"there are no {empty[0]} rows")
    there = set(right)
    rows = [number for number, digest in enumerate(left, start=1) if digest in there]
    more = f" and {len(rows) - _NAMED} more" if len(rows) > _NAMED else ""
    named = f"{one} rows {', '.join(map(str, rows[:_NAMED]))}{more}" if rows else ""
    return Measure(name, float(len(rows)), rows=len(left), detail=named)


def _texts(values: pd.Series) -> list[str]:
    """Each value as the text that stands for it. Repeated values are written once."""
    if pd.api.types.is_datetime64_any_dtype(values):
        values = values.dt.tz_convert(None) if values.dt.tz is not None else values
        values = values.dt.as_unit("ns")
    codes, known = pd.factorize(values, use_na_sentinel=True)
    # an array's items keep their width, an index's do not
    items = known.to_numpy() if pd.api.types.is_float_dtype(known) else known
    written = np.array([*map(_text, items), ""], dtype=object)
    return [str(text) for text in written[codes]]


def _text(value: object) -> str:
    if isinstance(value, str):
        # the representation escapes the separator of the columns
        return repr(str(value))
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    if isinstance(value, bool | int | np.bool_ | np.integer):
        return str(int(value))
    # by its shortest text, so that a column kept in 32 bits equals what it was made from
    number = float(str(value))
    whole = math.isfinite(number) and number == math.floor(number) and abs(number) < _WHOLE
    return str(int(number)) if whole else repr(number)
