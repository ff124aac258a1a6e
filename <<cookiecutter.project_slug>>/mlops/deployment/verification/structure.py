"""A fitted pipeline taken apart: which column each number comes from, and what judges the numbers.

Imputing, scaling and encoding take each column by itself, and scaling grows. So a tree's threshold
stands for one number of the column: the largest that still goes left. It is found by bisection
through the pipeline's own code, with all its rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
)

from mlops.deployment.verification.space import MOST_VALUES, Point, Values, as_table, domain
from mlops.quality.contract import Contract

_SCALERS = (StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler)
_STEPS = 80  # halvings; there are fewer than 2**64 doubles


class NotSupported(Exception):
    """The structure is not one that can be proven of; the message says what is in the way."""


@dataclass(frozen=True)
class Feature:
    """One number that the model judges: the column it is made from, and whether it grows with it."""

    owner: str
    grows: bool
    clipped: bool = False


@dataclass(frozen=True)
class Flat:
    """A pipeline as `transform`, from n rows of inputs to shape (n, features), and what judges."""

    transform: Callable[[pd.DataFrame], Values]
    final: BaseEstimator
    features: tuple[Feature, ...]
    listed: Mapping[str, tuple[object, ...]]

    def owned(self, name: str) -> list[int]:
        """The numbers of the features that are made from a column."""
        return [n for n, feature in enumerate(self.features) if feature.owner == name]


def flatten(model: Pipeline, contract: Contract) -> Flat:
    """Take a pipeline apart; raises NotSupported."""
    steps = _steps(model)
    *before, final = steps
    features = tuple(Feature(name, True) for name in contract.inputs)
    for step in before:
        features = _through(step, features)

    def transform(table: pd.DataFrame) -> Values:
        made = table
        for step in before:
            made = step.transform(made)  # type: ignore[attr-defined]
        dense = made.toarray() if hasattr(made, "toarray") else made
        return np.asarray(dense, dtype=float)

    listed = _listed(features, contract)
    flat = Flat(transform, final, features, listed)  # type: ignore[arg-type]
    _check(flat, contract)
    return flat


def numeric(flat: Flat, contract: Contract) -> tuple[str, ...]:
    """The columns of numbers that are cut into cells."""
    types = ("integer", "number")
    return tuple(
        name
        for name in contract.inputs
        if contract.columns[name].type in types and name not in flat.listed
    )


def any_row(flat: Flat, contract: Contract) -> Point:
    """A row that the contract allows, relations aside."""
    row: dict[str, object] = {}
    for name in contract.inputs:
        column = contract.columns[name]
        if name in flat.listed:
            row[name] = flat.listed[name][0]
        elif column.type in ("integer", "number"):
            low, high = domain(column)
            row[name] = min(max(0.0, low), high)
        else:
            row[name] = None
    return row


def pull_back(
    flat: Flat,
    contract: Contract,
    pairs: Sequence[tuple[int, float]],
    cast: type[np.float32] | type[np.float64],
) -> dict[tuple[int, float], float]:
    """For each feature and threshold the largest value of its column that goes left.

    -inf where nothing that the contract allows does, inf where everything does. Only for columns of
    numbers. `cast` is what the trees compare.
    """
    columns = {
        name: [pair for pair in pairs if flat.features[pair[0]].owner == name]
        for name in numeric(flat, contract)
    }
    columns = {name: found for name, found in columns.items() if found}
    if not columns:
        return {}
    base = as_table([any_row(flat, contract)], contract)
    ends = {name: _ends(name, len(found), contract) for name, found in columns.items()}
    last = {name: high for name, (_, high) in ends.items()}
    first = {name: low for name, (low, _) in ends.items()}
    every = _left(flat, contract, base, columns, last, cast)
    some = _left(flat, contract, base, columns, first, cast)
    low, high = dict(first), dict(last)
    for _ in range(_STEPS):
        if all((high[name] - low[name] <= 1).all() for name in columns):
            break
        middle = {name: low[name] + (high[name] - low[name]) // 2 for name in columns}
        left = _left(flat, contract, base, columns, middle, cast)
        low = {name: np.where(left[name], middle[name], low[name]) for name in columns}
        high = {name: np.where(left[name], high[name], middle[name]) for name in columns}
    result: dict[tuple[int, float], float] = {}
    for name, found in columns.items():
        cuts = _value(low[name], contract.columns[name].type == "integer")
        cuts = np.where(every[name], np.inf, np.where(some[name], cuts, -np.inf))
        result |= dict(zip(found, cuts.tolist(), strict=True))
    return result


def _left(
    flat: Flat,
    contract: Contract,
    base: pd.DataFrame,
    columns: Mapping[str, Sequence[tuple[int, float]]],
    keys: Mapping[str, NDArray[np.int64]],
    cast: type[np.float32] | type[np.float64],
) -> dict[str, NDArray[np.bool_]]:
    """Which of the values go left, each column's beside each other in one table."""
    rows = max(len(found) for found in columns.values())
    table = base.iloc[np.zeros(rows, dtype=int)].reset_index(drop=True)
    for name, key in keys.items():
        values = table[name].to_numpy(dtype=float, copy=True)
        values[: len(key)] = _value(key, contract.columns[name].type == "integer")
        table[name] = values
    with np.errstate(over="ignore"):
        made = flat.transform(table).astype(cast)
    result = {}
    for name, found in columns.items():
        features = np.array([feature for feature, _ in found])
        limits = np.array([limit for _, limit in found])
        result[name] = made[np.arange(len(found)), features] <= limits
    return result


def _ends(
    name: str, count: int, contract: Contract
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    low, high = domain(contract.columns[name])
    whole = contract.columns[name].type == "integer"
    return tuple(np.full(count, _key(end, whole)) for end in (low, high))  # type: ignore[return-value]


def _key(value: float, whole: bool) -> int:
    """A whole number that grows with the value: itself, or a double's bits, mirrored below zero."""
    if whole:
        return int(value)
    bits = int(np.float64(value).view(np.int64))
    return bits if bits >= 0 else -(bits & 0x7FFFFFFFFFFFFFFF)


def _value(keys: NDArray[np.int64], whole: bool) -> Values:
    if whole:
        return keys.astype(float)
    magnitude = np.abs(keys).view(np.float64)
    return np.where(keys >= 0, magnitude, -magnitude)


def _steps(model: Pipeline) -> list[object]:
    found: list[object] = []
    for _, step in model.steps:
        if isinstance(step, Pipeline):
            found += _steps(step)
        elif step is not None and step != "passthrough":
            found.append(step)
    if not found:
        raise NotSupported("structure not supported: an empty pipeline")
    return found


def _through(step: object, before: tuple[Feature, ...]) -> tuple[Feature, ...]:
    """The features behind one step."""
    if isinstance(step, Pipeline):
        for inner in _steps(step):
            before = _through(inner, before)
        return before
    if isinstance(step, ColumnTransformer):
        return _columns(step, before)
    if isinstance(step, SimpleImputer):
        return _imputed(step, before)
    if isinstance(step, _SCALERS):
        clip = bool(getattr(step, "clip", False))
        return tuple(Feature(f.owner, f.grows, f.clipped or clip) for f in before)
    if isinstance(step, OrdinalEncoder):
        return tuple(Feature(feature.owner, False) for feature in before)
    if isinstance(step, OneHotEncoder):
        if step.min_frequency is not None or step.max_categories is not None:
            raise NotSupported("structure not supported: OneHotEncoder that groups categories")
        dropped = step.drop_idx_ if step.drop_idx_ is not None else [None] * len(before)
        counts = [
            len(values) - (drop is not None)
            for values, drop in zip(step.categories_, dropped, strict=True)
        ]
        pairs = zip(before, counts, strict=True)
        return tuple(Feature(f.owner, False) for f, count in pairs for _ in range(count))
    if isinstance(step, FunctionTransformer) and step.func is None:
        return before
    raise NotSupported(f"structure not supported: {type(step).__name__}")


def _columns(step: ColumnTransformer, before: tuple[Feature, ...]) -> tuple[Feature, ...]:
    known = {str(name): number for number, name in enumerate(step.feature_names_in_)}
    if list(known) != [feature.owner for feature in before]:
        # It takes its columns by name, from a table in the contract's order.
        by_name = {feature.owner: feature for feature in before}
        if set(known) - set(by_name):
            raise NotSupported(f"columns that the contract does not name: {sorted(known)}")
        before = tuple(by_name[name] for name in known)
    after: list[Feature] = []
    for _, inner, names in step.transformers_:
        if isinstance(inner, str) and inner == "drop":
            continue
        chosen = [names] if isinstance(names, str | int) else list(names)
        if any(isinstance(name, bool | np.bool_) for name in chosen):
            raise NotSupported("structure not supported: columns chosen by a mask")
        places = [known[name] if isinstance(name, str) else int(name) for name in chosen]
        picked = tuple(before[place] for place in places)
        passed = isinstance(inner, str) and inner == "passthrough"
        after += picked if passed else _through(inner, picked)
    return tuple(after)


def _imputed(step: SimpleImputer, before: tuple[Feature, ...]) -> tuple[Feature, ...]:
    marked = step.missing_values
    if not (marked is None or (isinstance(marked, float) and np.isnan(marked))):
        raise NotSupported(f"structure not supported: SimpleImputer of {marked!r}")
    kept = [
        feature
        for feature, value in zip(before, step.statistics_, strict=True)
        if step.keep_empty_features or not (isinstance(value, float) and np.isnan(value))
    ]
    if step.add_indicator:
        kept += [before[number] for number in step.indicator_.features_]
    return tuple(kept)


def _listed(
    features: tuple[Feature, ...], contract: Contract
) -> Mapping[str, tuple[object, ...]]:
    """The columns whose values are told apart one by one, with the values."""
    encoded = {feature.owner for feature in features if not feature.grows}
    used = {feature.owner for feature in features}
    listed: dict[str, tuple[object, ...]] = {}
    for name in contract.inputs:
        column = contract.columns[name]
        if column.categories:
            listed[name] = column.categories
        elif column.type == "boolean":
            listed[name] = (False, True)
        elif name in encoded and column.type == "integer" and column.range:
            low, high = domain(column)
            listed[name] = tuple(range(int(low), int(min(high, low + MOST_VALUES)) + 1))
        elif name in encoded or (name in used and column.type in ("string", "datetime")):
            raise NotSupported(f"column {name}: a {column.type} without categories")
        if len(listed.get(name, ())) > MOST_VALUES:
            raise NotSupported(f"column {name}: more than {MOST_VALUES} categories")
    return listed


def _check(flat: Flat, contract: Contract) -> None:
    """Refuse a pipeline that does not answer what the contract allows."""
    base = any_row(flat, contract)
    rows, what = [base], ["a row"]
    for name in contract.inputs:
        if not flat.owned(name):
            continue
        values = [*flat.listed.get(name, ()), *([None] if contract.columns[name].missing else [])]
        rows += [{**base, name: value} for value in values]
        what += [f"{name} = {'missing' if value is None else value}" for value in values]
    for row, described in zip(rows, what, strict=True):
        try:
            table = as_table([row], contract)
            made = flat.transform(table)
            flat.final.predict(made)  # type: ignore[attr-defined]
        except (ValueError, TypeError) as error:
            reason = " ".join(str(error).split())[:150]
            raise NotSupported(f"the model does not answer {described}: {reason}") from error
    if made.shape[1] != len(flat.features):
        raise NotSupported("structure not supported: the columns of the features are not known")
