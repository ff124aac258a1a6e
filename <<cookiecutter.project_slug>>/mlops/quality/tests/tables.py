"""A contract and its tables of the tests' own, so that they hold whatever stands in model/."""

from __future__ import annotations

import pandas as pd

from mlops.quality.contract import Column, Contract, Relation

CONTRACT = Contract(
    name="shop",
    description="Will it be sent back?",
    task="classification",
    target="returned",
    columns={
        "price": Column("number", "Price", "EUR", range=(0.0, 1000.0)),
        "discount": Column("number", "Discount", "EUR", missing=True),
        "pieces": Column("integer", "Pieces", range=(1, 50)),
        "stock": Column("integer", "Pieces left", missing=True),
        "colour": Column("string", "Colour", categories=("red", "NA", "blue")),
        "express": Column("boolean", "Sent fast"),
        "sold": Column("datetime", "When"),
        "returned": Column("integer", "Sent back", categories=(0, 1)),
    },
    protected=("colour",),
    relations=(
        Relation("discount_within_price", "discount <= price"),
        Relation("enough_left", "pieces <= stock * 2 + abs(-1)"),
    ),
)
GOOD: dict[str, str | None] = {
    "price": "10.5",
    "discount": None,
    "pieces": "3",
    "stock": "7",
    "colour": "red",
    "express": "true",
    "sold": "2026-01-02T03:04:05Z",
    "returned": "0",
}


def rows(*changes: dict[str, str | None]) -> pd.DataFrame:
    """A table as it is read from CSV, text and all: a good row for each mapping, with its changes."""
    return pd.DataFrame([{**GOOD, **change} for change in changes], dtype="str")
