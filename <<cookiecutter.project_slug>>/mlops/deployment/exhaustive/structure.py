"""A fitted pipeline as what it computes: sums over trees or columns, on the contract's columns.

Each number that a tree compares comes from one column by a growing function, for imputing and
scaling take each column by itself. So a threshold stands for one number of the column: the largest
double that still goes left, found by bisection over the doubles through the pipeline's own code,
with all its rounding. Between two such numbers the model does not change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, LogisticRegression, Ridge
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
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.tree._tree import Tree

from mlops.quality.contract import Contract

FORESTS = (
    RandomForestClassifier,
    RandomForestRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
)
TREES = (DecisionTreeClassifier, DecisionTreeRegressor)
BOOSTED = (GradientBoostingClassifier, GradientBoostingRegressor)
LINEAR = (LogisticRegression, LinearRegression, Ridge, Lasso, ElasticNet)
# Each column by itself, growing with it.
_SCALERS = (StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler)
_ENCODERS = (OneHotEncoder, OrdinalEncoder)


class NotSupportedError(Exception):
    """The structure is not one that can be proven of; the message says what is in the way."""


@dataclass(frozen=True)
class Flat:
    """A pipeline taken apart: what makes the numbers, what judges them, and where each comes from.

    `filled` is what an imputer puts in the place of a missing value, by column.
    """

    transform: Callable[[pd.DataFrame], NDArray[np.float64]]
    final: BaseEstimator
    owners: tuple[str, ...]
    filled: Mapping[str, float]


@dataclass(frozen=True)
class Leaves:
    """The leaves of all trees, sorted by tree, for one choice of the columns with categories.

    `low` and `high`, shape (leaves, columns), are the first and last cell of each numeric column
    that leads there; `value` what the leaf adds; `tree` its tree's number.
    """

    low: NDArray[np.int32]
    high: NDArray[np.int32]
    value: NDArray[np.float64]
    tree: NDArray[np.int32]


@dataclass(frozen=True)
class TreeSum:
    """A sum over trees: `cuts` end the cells of each numeric column, both ends of a cell included.

    `pulled` tells for each number and threshold the cut. Cell k of a column holds what lies above cut k-1 and not above cut k. `link` turns the sum, plus
    `base`, into the answer, and grows.
    """

    flat: Flat
    pulled: Mapping[tuple[int, float], float]
    cuts: Mapping[str, NDArray[np.float64]]
    base: float
    link: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    logistic: bool


def flatten(model: Pipeline, contract: Contract) -> Flat:
    """Take a pipeline apart; raises NotSupportedError."""
    steps = [step for _, step in model.steps]
    while isinstance(steps[-1], Pipeline):
        steps = [*steps[:-1], *(step for _, step in steps[-1].steps)]
    *before, final = steps
    if not before or not isinstance(before[0], ColumnTransformer):
        raise NotSupportedError("the preprocessing is no ColumnTransformer")
    owners = _owners(before[0], set(numeric_columns(contract)))
    for step in before[1:]:
        if not isinstance(step, _SCALERS) and step != "passthrough":
            raise NotSupportedError(f"{type(step).__name__} behind the columns")
    unknown = set(owners) - set(contract.inputs)
    if unknown:
        raise NotSupportedError(f"columns that the contract does not know: {sorted(unknown)}")

    def transform(table: pd.DataFrame) -> NDArray[np.float64]:
        made = before[0].transform(table)
        for step in before[1:]:
            made = made if step == "passthrough" else step.transform(made)
        dense = made.toarray() if hasattr(made, "toarray") else made
        return np.asarray(dense, dtype=float)

    return Flat(transform, final, owners, _filled(before[0]))


def tree_sum(flat: Flat, contract: Contract) -> TreeSum:
    """The sum over trees of a forest, a boosting or one tree; raises NotSupportedError for others."""
    final = flat.final
    if isinstance(final, (RandomForestClassifier, ExtraTreesClassifier, DecisionTreeClassifier)):
        if len(final.classes_) != 2 or final.n_outputs_ != 1:
            raise NotSupportedError("more than two labels")
    elif isinstance(final, GradientBoostingClassifier) and len(final.classes_) != 2:
        raise NotSupportedError("more than two labels")
    elif not isinstance(final, (*FORESTS, *TREES, *BOOSTED)):
        raise NotSupportedError(f"{type(final).__name__} is no sum of trees")
    pairs = {
        (int(feature), float(limit))
        for tree, _ in trees(final)
        for feature, limit in zip(tree.feature, tree.threshold, strict=True)
        if feature >= 0
    }
    cuts: dict[str, list[float]] = {name: [] for name in numeric_columns(contract)}
    pulled = pull_back(flat, contract, sorted(pairs))
    for (feature, _), cut in pulled.items():
        cuts[flat.owners[feature]].append(cut)
    logistic = isinstance(final, GradientBoostingClassifier) and final.loss == "log_loss"
    if isinstance(final, GradientBoostingClassifier) and not logistic:
        raise NotSupportedError(f"a boosting with the loss {final.loss}")
    return TreeSum(
        flat,
        pulled,
        {name: np.unique(np.array(values, dtype=float)) for name, values in cuts.items()},
        _base(final),
        sigmoid if logistic else _same,
        logistic,
    )


def trees(final: BaseEstimator) -> list[tuple[Tree, float]]:
    """The trees (`sklearn.tree._tree.Tree`) and what each one's values are multiplied with."""
    if isinstance(final, TREES):
        return [(final.tree_, 1.0)]
    if isinstance(final, FORESTS):
        return [(one.tree_, 1.0 / len(final.estimators_)) for one in final.estimators_]
    return [(one.tree_, float(final.learning_rate)) for one in final.estimators_.ravel()]


def leaves(total: TreeSum, contract: Contract, fixed: pd.DataFrame) -> Leaves:
    """The leaves that can be reached with the categories of `fixed`, a table of one row."""
    names = list(numeric_columns(contract))
    place = {name: number for number, name in enumerate(names)}
    made = total.flat.transform(fixed)[0].astype(np.float32)
    last = np.array([len(total.cuts[name]) for name in names], dtype=np.int32)
    rows: list[tuple[NDArray[np.int32], NDArray[np.int32], float, int]] = []
    for number, (tree, factor) in enumerate(trees(total.flat.final)):
        value = _leaf_values(tree) * factor
        todo = [(0, np.zeros(len(names), dtype=np.int32), last.copy())]
        while todo:
            node, low, high = todo.pop()
            feature = int(tree.feature[node])
            if feature < 0:
                rows.append((low, high, float(value[node]), number))
                continue
            limit = float(tree.threshold[node])
            left = int(tree.children_left[node])
            right = int(tree.children_right[node])
            owner = total.flat.owners[feature]
            if owner not in place:
                todo.append((left if made[feature] <= limit else right, low, high))
                continue
            column = place[owner]
            cell = int(np.searchsorted(total.cuts[owner], total.pulled[feature, limit]))
            if low[column] <= cell:
                other = high.copy()
                other[column] = min(high[column], cell)
                todo.append((left, low, other))
            if high[column] > cell:
                other = low.copy()
                other[column] = max(low[column], cell + 1)
                todo.append((right, other, high))
    return Leaves(
        np.array([row[0] for row in rows], dtype=np.int32).reshape(len(rows), len(names)),
        np.array([row[1] for row in rows], dtype=np.int32).reshape(len(rows), len(names)),
        np.array([row[2] for row in rows]),
        np.array([row[3] for row in rows], dtype=np.int32),
    )


def pull_back(
    flat: Flat, contract: Contract, pairs: Sequence[tuple[int, float]]
) -> dict[tuple[int, float], float]:
    """For each number and threshold the largest value of its column that goes left.

    Of a column of whole numbers the largest whole one. Thresholds of columns with categories are
    left out: those are enumerated.
    """
    numeric = numeric_columns(contract)
    wanted = [pair for pair in pairs if flat.owners[pair[0]] in numeric]
    if not wanted:
        return {}
    features = np.array([feature for feature, _ in wanted])
    limits = np.array([limit for _, limit in wanted])
    base = _any_row(contract)
    owners = np.array([flat.owners[feature] for feature in features])
    rows_of = {name: owners == name for name in numeric if (owners == name).any()}
    base = base.astype(dict.fromkeys(rows_of, float))

    def goes_left(keys: NDArray[np.int64]) -> NDArray[np.bool_]:
        values = _from_key(keys)
        table = base.loc[np.zeros(len(wanted), dtype=int)].reset_index(drop=True)
        for name, mine in rows_of.items():
            table.loc[mine, name] = values[mine]
        with np.errstate(over="ignore"):
            whole = flat.transform(table).astype(np.float32)
        made = whole[np.arange(len(whole)), features]
        return np.asarray(made <= limits)

    edge = np.float64(1e30)
    low, high = (np.full(len(wanted), _key(end)) for end in (-edge, edge))
    never, always = ~goes_left(low), goes_left(high)
    for _ in range(66):
        middle = (low >> 1) + (high >> 1) + (low & high & 1)
        left = goes_left(middle)
        low, high = np.where(left, middle, low), np.where(left, high, middle)
    found = _from_key(low)
    found[never], found[always] = -np.inf, np.inf
    # What a missing value is replaced with need not be whole.
    columns = [contract.columns[flat.owners[feature]] for feature in features]
    whole = [column.type == "integer" and not column.missing for column in columns]
    found = np.where(whole, np.floor(found), found)
    return dict(zip(wanted, found.tolist(), strict=True))


def thresholds(model: Pipeline, contract: Contract) -> Mapping[str, tuple[float, ...]]:
    """The values of each numeric column beside which a tree decides otherwise; none for others."""
    try:
        total = tree_sum(flatten(model, contract), contract)
    except NotSupportedError:
        return {}
    return {name: tuple(cuts[np.isfinite(cuts)].tolist()) for name, cuts in total.cuts.items()}


def numeric_columns(contract: Contract) -> Mapping[str, None]:
    """The inputs that hold numbers and no categories, in the contract's order."""
    return {
        name: None
        for name in contract.inputs
        if contract.columns[name].type in ("integer", "number")
        and not contract.columns[name].categories
    }


def sigmoid(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / (1 + exp(-x)), without overflow."""
    return np.asarray(np.exp(-np.logaddexp(0.0, -values)))


def _same(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values


def _base(final: BaseEstimator) -> float:
    if not isinstance(final, BOOSTED):
        return 0.0
    # scikit-learn starts a boosting from the constant that its `init_` predicts.
    rows = np.zeros((1, final.n_features_in_), dtype=np.float32)
    start = np.asarray(final._raw_predict_init(rows)).ravel()
    return float(start[0])


def _leaf_values(tree: Tree) -> NDArray[np.float64]:
    values = np.asarray(tree.value)[:, 0, :]
    if values.shape[1] == 1:
        return np.asarray(values[:, 0])
    return np.asarray(values[:, 1] / values.sum(axis=1))


def _owners(columns: ColumnTransformer, numeric: set[str]) -> tuple[str, ...]:
    """The column that each output of a ColumnTransformer is made from."""
    found: list[str] = []
    for _, step, names in columns.transformers_:
        if step == "drop":
            continue
        if not all(isinstance(name, str) for name in names):
            raise NotSupportedError("columns that are named by number")
        found += _outputs(step, list(names), numeric)
    return tuple(found)


def _outputs(step: object, names: list[str], numeric: set[str]) -> list[str]:
    if isinstance(step, Pipeline):
        made = names
        for _, inner in step.steps:
            made = _outputs(inner, made, numeric)
        return made
    if isinstance(step, SimpleImputer):
        if step.add_indicator:
            raise NotSupportedError("an imputer with indicators")
        kept = [not (isinstance(v, float) and np.isnan(v)) for v in step.statistics_]
        return [name for name, there in zip(names, kept, strict=True) if there]
    if isinstance(step, _SCALERS):
        return names
    if isinstance(step, _ENCODERS):
        if found := set(names) & numeric:
            raise NotSupportedError(f"an encoder over {sorted(found)}, which have no categories")
        if isinstance(step, OrdinalEncoder):
            return names
        if step.drop is not None or getattr(step, "max_categories", None):
            raise NotSupportedError("an encoder that drops or groups categories")
        pairs = zip(names, step.categories_, strict=True)
        return [name for name, values in pairs for _ in values]
    if step == "passthrough" or (isinstance(step, FunctionTransformer) and step.func is None):
        return names
    raise NotSupportedError(f"{type(step).__name__} among the columns")


def _filled(columns: ColumnTransformer) -> dict[str, float]:
    found: dict[str, float] = {}
    for _, step, names in columns.transformers_:
        steps = [inner for _, inner in step.steps] if isinstance(step, Pipeline) else [step]
        if isinstance(steps[0], SimpleImputer):
            pairs = zip(names, steps[0].statistics_, strict=True)
            found |= {name: float(v) for name, v in pairs if isinstance(v, int | float)}
    return found


def _any_row(contract: Contract) -> pd.DataFrame:
    row: dict[str, object] = {}
    for name in contract.inputs:
        column = contract.columns[name]
        if column.categories:
            row[name] = column.categories[0]
        elif column.type in ("integer", "number"):
            row[name] = float(column.range[0]) if column.range else 0.0
        else:
            row[name] = False if column.type == "boolean" else ""
    return pd.DataFrame([row])


def _key(value: np.float64) -> int:
    """A whole number that grows with a double: its bits, mirrored below zero."""
    bits = int(np.float64(value).view(np.int64))
    return bits if bits >= 0 else -(bits & 0x7FFFFFFFFFFFFFFF)


def _from_key(keys: NDArray[np.int64]) -> NDArray[np.float64]:
    bits = np.where(keys >= 0, keys, -keys | np.int64(-(2**63)))
    return bits.astype(np.int64).view(np.float64).copy()
