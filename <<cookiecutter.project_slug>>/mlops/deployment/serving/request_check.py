"""The data contract's checks on a request, in plain Python: a row takes microseconds.

The rules and their words are those of `mlops.quality.checks`, which checks tables; a test holds the
two together. A text is never taken for a number here, unless the request was CSV.
"""

from __future__ import annotations

import datetime
import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mlops.deployment.serving.row_relation import exact_relation, plain_relation
from mlops.deployment.serving.table import Rows
from mlops.quality.contract import Column, Contract
from mlops.quality.expression import holds, names
from mlops.quality.strict import did_you_mean

LARGEST_INTEGER = 2**53
_DATE = re.compile(r"\s*\d{4}-\d{2}-\d{2}")
_NUMBERS: frozenset[type] = frozenset((int, float))
_SHOWN = 40
# From here on NumPy is faster than Python, value for value.
_MANY = 16
_LARGEST = sys.float_info.max

# A column's rule on one value that is not missing: the broken rule, or None.
_Rule = Callable[[object], str | None]


@dataclass(frozen=True)
class Broken:
    """One broken rule. `row` counts from 1; None speaks of the whole request."""

    row: int | None
    column: str
    rule: str
    value: str


class RequestCheck:
    """The checks of one contract, compiled once."""

    def __init__(self, contract: Contract) -> None:
        self.inputs = contract.inputs
        self._wanted = frozenset(contract.inputs)
        columns = {name: contract.columns[name] for name in contract.inputs}
        self._quick = [(name, _quick(column)) for name, column in columns.items()]
        self._one = [(name, _one(column)) for name, column in columns.items()]
        self._rules = {name: (_rule(column), column.missing) for name, column in columns.items()}
        stated = {each.name: each.check for each in contract.relations}
        trees = {
            name: tree
            for name, tree in contract.relation_trees().items()
            if set(names(tree)) <= set(columns)
        }
        self._trees = tuple(trees.values())
        self._plain = [plain_relation(tree) for tree in trees.values()]
        self._relations = [
            (f"{name}: {stated[name]}", names(tree), exact_relation(tree))
            for name, tree in trees.items()
        ]

    def broken(self, rows: Rows, most: int = 100) -> list[Broken]:
        """Up to `most` broken rules, by row and column; none where the rows keep the contract."""
        columns = rows.columns
        if (
            rows.number
            and columns.keys() == self._wanted
            and self._values_hold(rows)
            and self._relations_hold(rows)
        ):
            return []
        found = list(self._shape(rows))
        seen: set[tuple[int, str]] = set()
        for name, values in columns.items():
            if name not in self._rules:
                continue
            rule, missing = self._rules[name]
            for number, value in enumerate(values, start=1):
                if value is None:
                    said = None if missing else "value is not missing"
                else:
                    said = rule(value)
                if said:
                    if said.startswith("type is"):
                        seen.add((number, name))
                    found.append(Broken(number, name, said, _shown(value)))
        found += self._broken_relations(rows, seen)
        found.sort(key=lambda broken: (broken.row or 0, broken.column, broken.rule))
        return found[:most]

    def _values_hold(self, rows: Rows) -> bool:
        columns = rows.columns
        if rows.number == 1:
            for name, one in self._one:  # noqa: SIM110 - a generator costs as much as the checks
                if not one(columns[name][0]):
                    return False
            return True
        return all(quick(columns[name]) for name, quick in self._quick)

    def _relations_hold(self, rows: Rows) -> bool:
        if rows.number == 1:
            row = {name: values[0] for name, values in rows.columns.items()}
            for plainly in self._plain:  # noqa: SIM110 - as above
                if not plainly(row):
                    return False
            return True
        if rows.number < _MANY:
            for _, needed, kept in self._relations:
                for values in zip(*[rows.columns[name] for name in needed], strict=True):
                    if not kept(values):
                        return False
            return True
        return all(
            holds(
                tree, {name: np.array(rows.columns[name], dtype=float) for name in names(tree)}
            ).all()
            for tree in self._trees
        )

    def _shape(self, rows: Rows) -> Iterator[Broken]:
        if rows.number == 0:
            yield Broken(None, "-", "at least one row", "none")
        for name in self.inputs:
            if name not in rows.columns:
                yield Broken(None, name, "column is there", "no such column")
        for name in rows.columns:
            if name not in self._wanted:
                hint = did_you_mean(str(name)[:100], self._wanted)
                yield Broken(
                    None, _short(str(name)), "column is in the contract", f"unknown; {hint}"
                )

    def _broken_relations(self, rows: Rows, unread: set[tuple[int, str]]) -> Iterator[Broken]:
        for rule, needed, kept in self._relations:
            if not all(name in rows.columns for name in needed):
                continue
            parts = [rows.columns[name] for name in needed]
            for number, given in enumerate(zip(*parts, strict=True), start=1):
                # what is not of its type cannot be compared
                pairs = zip(needed, given, strict=True)
                values = tuple(None if (number, name) in unread else v for name, v in pairs)
                if not kept(values):
                    pairs = zip(needed, values, strict=True)
                    shown = ", ".join(f"{name}={_shown(value)}" for name, value in pairs)
                    yield Broken(number, "+".join(needed), rule, shown)


def _one(column: Column) -> Callable[[object], bool]:
    """Whether one value of a column is plainly right, for the request of a single row."""
    missing = column.missing
    if column.categories is not None and column.type != "boolean":
        kinds, categories = _KINDS[column.type], frozenset(column.categories)

        def one_of(value: object) -> bool:
            return value in categories if type(value) in kinds else value is None and missing

        return one_of
    if column.type == "number":
        low, high = column.range or (-_LARGEST, _LARGEST)

        def number(value: object) -> bool:
            kind = type(value)
            if kind is float or kind is int:
                return low <= value <= high  # type: ignore[operator]
            return value is None and missing

        return number
    rule = _rule(column)
    return lambda value: missing if value is None else rule(value) is None


def _quick(column: Column) -> Callable[[Sequence[object]], bool]:
    """Whether all values of a column are plainly right; a no is looked at more closely."""
    rule, missing = _rule(column), column.missing
    low, high = column.range or (-_LARGEST, _LARGEST)
    kinds = _KINDS[column.type] | ({type(None)} if missing else set())
    categories = frozenset(column.categories or ()) | ({None} if missing else set())
    whole = column.type == "integer"

    def few(values: Sequence[object]) -> bool:
        for value in values:
            if (not missing) if value is None else rule(value) is not None:
                return False
        return True

    def many(values: Sequence[object]) -> bool:
        if not kinds.issuperset(map(type, values)):
            return False
        if column.categories is not None and not categories.issuperset(values):
            return False
        if not kinds >= _NUMBERS or column.type == "boolean":
            return column.type == "string" or few(values)
        try:
            array = np.array(values, dtype=float)
        except OverflowError:
            return False
        inside = (array >= low) & (array <= high)
        if whole:
            inside &= (array == np.floor(array)) & (np.abs(array) < LARGEST_INTEGER)
        # a NaN among the array's values stood for None: JSON has no other
        return bool((inside | np.isnan(array)).all()) if missing else bool(inside.all())

    return lambda values: few(values) if len(values) < _MANY else many(values)


def _rule(column: Column) -> _Rule:
    """The first rule that a value of the column breaks."""
    wrong_type = f"type is {column.type}"
    typed = _TYPES[column.type]
    low, high = column.range or (-math.inf, math.inf)
    out_of_range = f"range is {_number(low)} to {_number(high)}"
    categories = frozenset(column.categories) if column.categories is not None else None
    not_one = f"one of {', '.join(str(category) for category in column.categories or ())}"
    has_range = column.range is not None

    def rule(value: object) -> str | None:
        if not typed(value):
            return wrong_type
        if has_range and not low <= value <= high:  # type: ignore[operator]
            return out_of_range
        if categories is not None and value not in categories:
            return not_one
        return None

    return rule


def _is_number(value: object) -> bool:
    # a whole number too large for a float is none; comparing it is still exact
    return type(value) in _NUMBERS and -_LARGEST <= value <= _LARGEST  # type: ignore[operator]


def _is_integer(value: object) -> bool:
    if type(value) is int:
        return -LARGEST_INTEGER < value < LARGEST_INTEGER
    return type(value) is float and value.is_integer() and abs(value) < LARGEST_INTEGER


def _is_moment(value: object) -> bool:
    if not isinstance(value, str) or not _DATE.match(value):
        return False
    try:
        datetime.datetime.fromisoformat(value.strip())
    except ValueError:
        return False
    return True


_KINDS: Mapping[str, frozenset[type]] = {
    "number": _NUMBERS,
    "integer": _NUMBERS,
    "string": frozenset((str,)),
    "boolean": _NUMBERS | {bool},
    "datetime": frozenset((str,)),
}
_TYPES: Mapping[str, Callable[[object], bool]] = {
    "number": _is_number,
    "integer": _is_integer,
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool)
    or (type(value) in _NUMBERS and value in (0, 1)),
    "datetime": _is_moment,
}


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return _short(repr(value[: 2 * _SHOWN]))
    if isinstance(value, float):
        return _short(_number(value))
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "a mapping"
    return _short(str(value))


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _number(value: float) -> str:
    return repr(value).removesuffix(".0")
