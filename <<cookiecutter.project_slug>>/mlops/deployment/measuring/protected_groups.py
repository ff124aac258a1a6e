"""Which protected group each row belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import pandas as pd

from mlops.quality.contract import Contract
from mlops.training.evaluation import segment_masks

# Of more attributes together hardly any group has rows enough.
_TOGETHER = 3


def protected_groups(table: pd.DataFrame, contract: Contract) -> Mapping[str, pd.Series | str]:
    """The group of each row as text, for each protected attribute and their intersections.

    Named `sex` or `sex x age`. Numbers are cut at the edges that the contract declares under
    `segments`. In the place of the groups stands what is missing to form them.
    """
    formed = {name: _of(name, table, contract) for name in contract.protected}
    known = {name: groups for name, groups in formed.items() if not isinstance(groups, str)}
    together: dict[str, pd.Series | str] = {}
    for number in range(2, min(_TOGETHER, len(known)) + 1):
        for names in combinations(known, number):
            rows = zip(*(known[name] for name in names), strict=True)
            together[" x ".join(names)] = pd.Series([", ".join(row) for row in rows], dtype=object)
    return {**formed, **together}


def _of(name: str, table: pd.DataFrame, contract: Contract) -> pd.Series | str:
    column = contract.columns[name]
    if name not in contract.segments:
        if not column.categories and column.type != "boolean":
            numeric = column.type in ("integer", "number")
            wanted = "the edges of its groups under segments" if numeric else "its categories"
            return f"declare {wanted} in the contract: {name}"
        listed = column.categories or (False, True)
        masks = [(str(value), (table[name] == value).to_numpy(dtype=bool)) for value in listed]
    else:
        found = segment_masks(table, contract)
        masks = [(group, mask) for segment, group, mask in found if segment == name]
    groups = pd.Series("missing", index=range(len(table)), dtype=object)
    for group, mask in masks:
        groups[mask] = group
    return groups
