"""The rows of a request: a list of plain values for each column, as JSON or CSV told them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Rows(NamedTuple):
    """Columns of equal length by name: numbers, texts, truth values, or None where missing.

    Moments are texts in ISO 8601. `number` is how many rows there are.
    """

    number: int
    columns: Mapping[str, Sequence[object]]
