"""A relation between columns, computed on the values of one row: plainly first, then exactly as tables do."""

from __future__ import annotations

import ast
import copy
import math
import operator
from collections.abc import Callable, Mapping

from mlops.quality.expression import names

# A term of a relation on one row: the values of the relation's columns, sorted by name.
_Values = tuple[float, ...]
_Term = Callable[[_Values], float]


def plain_relation(tree: ast.Compare) -> Callable[[dict[str, object]], bool]:
    """The relation as Python's own code: whether one row plainly keeps it.

    A no is looked at more closely, as is what Python cannot compute: a missing value, a division by 0.
    """
    code = compile(ast.fix_missing_locations(ast.Expression(_as_floats(tree))), "relation", "eval")
    known: dict[str, object] = {"__builtins__": {}, "abs": abs, "float": float}

    def holds(row: dict[str, object]) -> bool:
        try:
            # nothing but columns, numbers, + - * / and abs(): parse_relation lets nothing else through
            return bool(eval(code, known, row))  # noqa: S307
        except (TypeError, ZeroDivisionError, OverflowError):
            return False

    return holds


def _as_floats(tree: ast.Compare) -> ast.expr:
    """The relation with each column as a float, which is how tables compute it."""

    class Floats(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            if node.id == "abs":
                return node
            return ast.Call(ast.Name("float", ast.Load()), [node], [])

    changed = Floats().visit(copy.deepcopy(tree))
    assert isinstance(changed, ast.expr)  # noqa: S101 - a Compare stays one
    return changed


def exact_relation(tree: ast.Compare) -> Callable[[tuple[object, ...]], bool]:
    """The relation as a function of one row's values; a comparison with a missing one passes."""
    places = {name: place for place, name in enumerate(names(tree))}
    terms = [tree.left, *tree.comparators]
    parts = [
        (
            _term(terms[number], places),
            _COMPARISON[type(comparison)],
            _term(terms[number + 1], places),
            [places[n] for n in {*names(terms[number]), *names(terms[number + 1])}],
        )
        for number, comparison in enumerate(tree.ops)
    ]

    def kept(row: tuple[object, ...]) -> bool:
        some_missing = None in row
        for left, compare, right, used in parts:
            if some_missing and any(row[place] is None for place in used):
                continue
            one, other = left(row), right(row)  # type: ignore[arg-type]
            # NaN: it cannot be computed
            if one != one or other != other or not compare(one, other):  # noqa: PLR0124
                return False
        return True

    return kept


def _term(node: ast.expr, places: Mapping[str, int]) -> _Term:
    match node:
        case ast.Name(id=name):
            place = places[name]
            return lambda row: float(row[place])
        case ast.Constant(value=int() | float() as number):
            constant = float(number)
            return lambda _: constant
        case ast.BinOp(left=left, op=op, right=right):
            one, other = _term(left, places), _term(right, places)
            compute = _ARITHMETIC[type(op)]
            return lambda row: compute(one(row), other(row))
        case ast.UnaryOp(op=op, operand=operand):
            inner, negative = _term(operand, places), isinstance(op, ast.USub)
            return (lambda row: -inner(row)) if negative else inner
        case ast.Call(args=[argument]):
            absolute = _term(argument, places)
            return lambda row: abs(absolute(row))
    raise AssertionError(f"parse_relation let {ast.dump(node)} through")


def _divided(one: float, other: float) -> float:
    """As NumPy divides: by zero comes infinity, or NaN for zero itself."""
    if other:
        return one / other
    if one == 0 or one != one:  # noqa: PLR0124 - NaN
        return math.nan
    return math.copysign(math.inf, one) * math.copysign(1.0, other)


_ARITHMETIC: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: _divided,
}
_COMPARISON: Mapping[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
