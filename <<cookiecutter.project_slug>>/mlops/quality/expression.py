"""Relations between columns: a comparison over columns and numbers, and nothing else."""

from __future__ import annotations

import ast
import operator
import sys
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from mlops.quality.errors import UserError
from mlops.quality.strict import did_you_mean

Values = NDArray[np.float64]
_Compare = Callable[[Values, Values], NDArray[np.bool_]]

_LONGEST = 300  # characters; nested deeper than this allows, no parser takes it
_ARITHMETIC: Mapping[type[ast.operator], Callable[[Values, Values], Values]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_COMPARISON: Mapping[type[ast.cmpop], _Compare] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def parse_relation(text: str, columns: Mapping[str, object], where: str) -> ast.Compare:
    """The comparison that `text` states over `columns`.

    Raises UserError for anything but + - * / abs() and comparisons of columns and numbers.
    """
    tree = _parsed(text, where)
    if not isinstance(tree, ast.Compare):
        raise UserError(f"{where}: expected a comparison such as 'a <= b', found {text!r}")
    for part in (tree.left, *tree.comparators):
        _check_term(part, columns, where)
    for comparison in tree.ops:
        if type(comparison) not in _COMPARISON:
            raise UserError(f"{where}: expected < <= > >= == or !=, found {text!r}")
    if not names(tree):
        raise UserError(f"{where}: expected a column in it, found {text!r}")
    return tree


def _parsed(text: str, where: str) -> ast.expr:
    if len(text) > _LONGEST:
        raise UserError(f"{where}: {len(text)} characters are too many for a relation")
    try:
        return ast.parse(" ".join(text.split()), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise UserError(f"{where}: not an expression: {text!r}") from None


def _check_term(node: ast.expr, columns: Mapping[str, object], where: str) -> None:
    match node:
        case ast.Name(id=name):
            if name not in columns:
                hint = did_you_mean(name, columns)
                raise UserError(f"{where}: there is no column '{name}'; {hint}")
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            if not abs(value) <= sys.float_info.max:
                raise UserError(f"{where}: a number in it is too large")
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            _check_term(left, columns, where)
            _check_term(right, columns, where)
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            _check_term(operand, columns, where)
        case ast.Call(func=ast.Name(id="abs"), args=[argument], keywords=[]):
            _check_term(argument, columns, where)
        case _:
            raise UserError(f"{where}: only + - * / abs() are known, found '{ast.unparse(node)}'")


def names(node: ast.expr) -> tuple[str, ...]:
    """The columns that an expression speaks of, sorted."""
    parts = list(ast.walk(node))
    functions = {id(part.func) for part in parts if isinstance(part, ast.Call)}
    return tuple(
        sorted(
            {part.id for part in parts if isinstance(part, ast.Name) and id(part) not in functions}
        )
    )


def holds(relation: ast.Compare, columns: Mapping[str, Values]) -> NDArray[np.bool_]:
    """For each row, shape (n,), whether the relation holds.

    A missing value (NaN) passes; one that cannot be computed from those given (0 / 0) does not.
    """
    rows = len(next(iter(columns.values())))
    terms = [relation.left, *relation.comparators]
    values = [evaluate(term, columns) for term in terms]
    missing = [_missing(term, columns, rows) for term in terms]
    result = np.ones(rows, dtype=bool)
    for number, comparison in enumerate(relation.ops):
        left, right = values[number], values[number + 1]
        kept = _COMPARISON[type(comparison)](left, right) & ~np.isnan(left) & ~np.isnan(right)
        result &= kept | missing[number] | missing[number + 1]
    return result


def plainly_holds(relation: ast.Compare, columns: Mapping[str, Values]) -> bool:
    """Whether the relation holds in all rows, none of which misses a value; quicker than `holds`.

    False also where it cannot be told so simply.
    """
    values = [evaluate(term, columns) for term in (relation.left, *relation.comparators)]
    return all(
        bool(_COMPARISON[type(comparison)](values[number], values[number + 1]).all())
        for number, comparison in enumerate(relation.ops)
    )


def _missing(term: ast.expr, columns: Mapping[str, Values], rows: int) -> NDArray[np.bool_]:
    result = np.zeros(rows, dtype=bool)
    for name in names(term):
        result |= np.isnan(columns[name])
    return result


def parse_term(text: str, columns: Mapping[str, object], where: str) -> ast.expr:
    """The expression that `text` states over `columns`: + - * / abs(), columns and numbers.

    Raises UserError for anything else.
    """
    tree = _parsed(text, where)
    _check_term(tree, columns, where)
    return tree


def evaluate(node: ast.expr, columns: Mapping[str, Values]) -> Values:
    """The value of an expression for each row, shape (n,), or one for all rows."""
    match node:
        case ast.Name(id=name):
            return columns[name]
        case ast.Constant(value=int() | float() as number):
            return np.asarray(float(number))
        case ast.BinOp(left=left, op=op, right=right):
            with np.errstate(all="ignore"):
                return _ARITHMETIC[type(op)](evaluate(left, columns), evaluate(right, columns))
        case ast.UnaryOp(op=op, operand=operand):
            value = evaluate(operand, columns)
            return -value if isinstance(op, ast.USub) else value
        case ast.Call(args=[argument]):
            return np.abs(evaluate(argument, columns))
    raise AssertionError(f"parse_relation let {ast.dump(node)} through")
