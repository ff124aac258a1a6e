"""Collected rows as a model's tables: typed inputs, answers, and labels in their order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops.deployment.serving.collection import private
from mlops.deployment.serving.table import Rows
from mlops.quality.contract import Contract
from mlops.quality.values import typed

_INPUT = "input."


def kept_columns(contract: Contract, *how: str) -> tuple[str, ...]:
    """The inputs that an endpoint collects in one of these ways: `as_is`, `hashed`, `never`."""
    return tuple(name for name in contract.inputs if contract.columns[name].collect in how)


def inputs_of(rows: pd.DataFrame, contract: Contract) -> pd.DataFrame:
    """The collected inputs with the contract's types; hashed ones as texts, others absent."""
    found: dict[str, pd.Series] = {}
    for name in kept_columns(contract, "as_is", "hashed"):
        values = rows[f"{_INPUT}{name}"].reset_index(drop=True)
        column = contract.columns[name]
        hashed = column.collect == "hashed"
        found[name] = values.astype(object) if hashed else typed(values, column)[0]
    return pd.DataFrame(found, index=range(len(rows)))


def as_collected(inputs: pd.DataFrame, contract: Contract, folder: Path) -> pd.DataFrame:
    """Other rows of the contract as the endpoint in `folder` would have kept them.

    Hashes are made with its own secret, so that they compare with those that were collected.
    """
    kept = list(kept_columns(contract, "as_is", "hashed"))
    found = inputs[kept].reset_index(drop=True)
    if hashed := kept_columns(contract, "hashed"):
        columns = {name: _plain(found[name]) for name in hashed}
        made = private(contract, folder).of(Rows(len(found), columns))
        for name in hashed:
            found[name] = pd.Series(made[name], dtype=object)
    return found


def answers_of(rows: pd.DataFrame) -> NDArray[np.float64]:
    """Values or the probability of the second label, shape (n,); of each label, shape (n, labels)."""
    if "value" in rows:
        return rows["value"].to_numpy(dtype=float, copy=True)
    names = sorted(
        (name for name in rows if str(name).startswith("probability.")),
        key=lambda name: int(str(name).partition(".")[2]),
    )
    found = rows[names].to_numpy(dtype=float, copy=True)
    return found[:, 1] if found.shape[1] == 2 else found


def known_labels(
    parts: Iterable[pd.DataFrame], others: Sequence[object] = ()
) -> tuple[object, ...]:
    """The labels of a model in the order of their probabilities; none where it gives values.

    Told by the rows themselves: the label of the most probable place. A place that no row had is
    filled from `others` (sorted, as the training rows tell them); empty where it stays unknown.
    """
    told: dict[int, object] = {}
    places = 0
    for rows in parts:
        if "value" in rows or "label" not in rows or rows.empty:
            continue
        answers = answers_of(rows)
        chances = np.column_stack([1 - answers, answers]) if answers.ndim == 1 else answers
        places = max(places, chances.shape[1])
        first = pd.DataFrame({"place": chances.argmax(axis=1), "label": rows["label"].to_numpy()})
        # where two are equally probable, either may have been told
        clear = first[np.sort(chances, axis=1)[:, -1] > np.sort(chances, axis=1)[:, -2]]
        told |= _last(clear)
    if len(others) == places or not places:
        return tuple(others)
    return tuple(told[place] for place in range(places)) if len(told) == places else ()


def _last(clear: pd.DataFrame) -> Mapping[int, object]:
    pairs = clear.drop_duplicates("place", keep="last")
    return {int(place): _item(label) for place, label in pairs.itertuples(index=False)}


def _item(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value


def _plain(values: pd.Series) -> list[object]:
    """A column as JSON would tell it: numbers, texts, truth values, or None."""
    if pd.api.types.is_datetime64_any_dtype(values):
        values = values.dt.strftime("%Y-%m-%dT%H:%M:%S.%f")
    given = values.notna()
    return [_item(v) if is_given else None for v, is_given in zip(values, given, strict=True)]
