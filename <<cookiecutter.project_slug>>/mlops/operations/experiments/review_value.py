"""What people are asked for: a value of the contract's target, read strictly."""

from __future__ import annotations

import pandas as pd

from mlops.operations.experiments.review import Answer
from mlops.quality.contract import Column, Contract
from mlops.quality.errors import UserError
from mlops.quality.values import typed

_KINDS = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "string": "a text",
    "datetime": "a time such as 2026-05-03T14:00",
}


def value_of(text: str, contract: Contract, where: str) -> Answer:
    """The target's value that a person wrote, with the contract's type.

    Raises UserError that names `where` for what the contract does not allow.
    """
    column = contract.columns[contract.target]
    found, bad = typed(pd.Series([text.strip()], dtype=object), column)
    if bad[0] or pd.isna(found.iloc[0]):
        raise UserError(f"{where}: expected {expected(column)}, found {text!r}")
    value: Answer = _plain(found.iloc[0], column)
    outside = column.range is not None and not column.range[0] <= float(value) <= column.range[1]
    if outside or (column.categories is not None and value not in column.categories):
        raise UserError(f"{where}: expected {expected(column)}, found {text!r}")
    return value


def asked(contract: Contract) -> str:
    """What people are asked for, in words: name, description, unit and what is allowed."""
    column = contract.columns[contract.target]
    unit = f" in {column.unit}" if column.unit not in ("", "1") else ""
    return f"{contract.target} ({column.description}): {expected(column)}{unit}"


def expected(column: Column) -> str:
    """Which values a column may have, in words."""
    if column.categories is not None:
        return f"one of {', '.join(map(str, column.categories))}"
    kind = _KINDS[column.type]
    return f"{kind} from {column.range[0]:g} to {column.range[1]:g}" if column.range else kind


def _plain(value: object, column: Column) -> Answer:
    if column.type == "integer":
        return int(str(value).removesuffix(".0"))
    if column.type == "number":
        return float(str(value))
    return bool(value) if column.type == "boolean" else str(value)
