"""One row for a model's self-test: what its training rows looked like on the whole."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlops.deployment.serving.table import Rows
from mlops.quality.contract import Column, Contract


def example(folder: Path, contract: Contract) -> Rows:
    """A row with the mean or the most frequent value of each column of a package's reference."""
    reference = json.loads((folder / "reference.json").read_text(encoding="utf-8"))["columns"]
    return Rows(
        1, {name: [_value(contract.columns[name], reference[name])] for name in contract.inputs}
    )


def _value(column: Column, about: dict[str, Any]) -> object:
    if column.type in ("integer", "number") and not column.categories:
        mean = about.get("mean", 0.0)
        return round(mean) if column.type == "integer" else mean
    if column.type == "datetime":
        moment = datetime.fromtimestamp(about.get("mean", 0.0) / 1e6, UTC)
        return moment.replace(tzinfo=None).isoformat()
    counts = about.get("counts") or {"": 1}
    text = max(counts, key=lambda key: counts[key])
    values = column.categories or ((True, False) if column.type == "boolean" else (text,))
    return next((value for value in values if str(value) == text), values[0])
