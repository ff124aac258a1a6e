"""A contract with a column of every type and rows of it, of the tests' own."""

from __future__ import annotations

import pandas as pd

from mlops.quality.checks import check_table
from mlops.quality.contract import Column, Contract, Relation

CONTRACT = Contract(
    name="shop",
    description="Will it be sent back?",
    task="classification",
    target="returned",
    columns={
        "price": Column("number", "Price", "EUR", range=(0.5, 1000.0)),
        "discount": Column("number", "Discount", "EUR", range=(0.0, 100.0), missing=True),
        "pieces": Column("integer", "Pieces", range=(1, 50)),
        "stock": Column("integer", "Pieces left", missing=True),
        "weight": Column("number", "Weight", "kg"),
        "size": Column("integer", "Size", categories=(36, 38, 40)),
        "grade": Column("integer", "Grade", categories=(1, 2), missing=True),
        "colour": Column("string", "Colour", categories=("red", "NA", "blue"), missing=True),
        "shop": Column("string", "Shop"),
        "express": Column("boolean", "Sent fast"),
        "gift": Column("boolean", "A gift", missing=True),
        "sold": Column("datetime", "When"),
        "seen": Column("datetime", "Last seen", missing=True),
        "returned": Column("integer", "Sent back", categories=(0, 1)),
    },
    relations=(
        Relation("discount_within_price", "discount <= price"),
        Relation("enough_left", "pieces <= stock"),
        Relation("small_are_dear", "price >= 40 - size"),
        Relation("never_all_returned", "returned <= price"),
    ),
)


def reference() -> pd.DataFrame:
    """Rows that keep the contract, without the target."""
    raw = pd.DataFrame(
        {
            "price": [10.5, 99.0, 700.0, 4.0],
            "discount": [None, 9.0, 100.0, 0.0],
            "pieces": [3, 7, 1, 50],
            "stock": [10, None, 60, 50],
            "weight": [0.25, 1.5, 80.0, 3.0],
            "size": [36, 38, 40, 36],
            "grade": [1, None, 2, 1],
            "colour": ["red", "NA", None, "blue"],
            "shop": ["Bonn", "Graz", "Bonn", "Bern"],
            "express": [True, False, True, True],
            "gift": [True, None, False, False],
            "sold": ["2026-01-02T03:04:05Z", "2026-02-03", "2026-03-04", "2026-05-06"],
            "seen": ["2026-01-02T03:04:05Z", None, "2026-03-04", "2026-05-06"],
        }
    )
    checked = check_table(raw, CONTRACT, target=False)
    assert not checked.violations, checked.violations
    return checked.table
