"""Which of the contract's columns reach the estimator."""

from __future__ import annotations

from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

from mlops.quality.contract import Contract


def columns_read(model: Pipeline, contract: Contract) -> tuple[str, ...]:
    """The inputs that the first step's column transformer names; all where it is none of that kind."""
    first = model[0]
    while isinstance(first, Pipeline):
        first = first[0]
    if not isinstance(first, ColumnTransformer) or first.remainder != "drop":
        return contract.inputs
    taken: set[str] = set()
    for _, transformer, columns in first.transformers_:
        if not (isinstance(transformer, str) and transformer == "drop"):
            taken.update([columns] if isinstance(columns, str) else columns)
    return tuple(name for name in contract.inputs if name in taken)
