"""Relations: which are understood, and for which rows they hold."""

from __future__ import annotations

import numpy as np
import pytest

from mlops.quality.errors import UserError
from mlops.quality.expression import holds, names, parse_relation

COLUMNS = {"a": np.array([1.0, 2.0, np.nan]), "b": np.array([2.0, 1.0, 1.0])}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a < b", [True, False, True]),
        ("a <= b", [True, False, True]),
        ("a == 2", [False, True, True]),
        ("a != 2", [True, False, True]),
        ("0 < a < 2", [True, False, True]),
        ("b < a < 0", [False, False, True]),
        ("b < 0 < a", [False, False, False]),
        ("a + b >= 3", [True, True, True]),
        ("a - b > 0", [False, True, True]),
        ("2 * a / b > 1", [False, True, True]),
        ("abs(b - 2) == 0", [True, False, False]),
        ("-a < -1", [False, True, True]),
        ("+a > 1", [False, True, True]),
        (" a >\n 1", [False, True, True]),
        ("b / 0 > 5", [True, True, True]),
        ("(b - b) / 0 < 5", [False, False, False]),
        ("(b - b) / 0 != 5", [False, False, False]),
        ("(a - a) / 0 < 5", [False, False, True]),
        ("a * 1e308 * 10 > 0", [True, True, True]),
    ],
)
def test_a_relation_holds_row_by_row_and_a_missing_value_passes(
    text: str, expected: list[bool]
) -> None:
    assert holds(parse_relation(text, COLUMNS, "here"), COLUMNS).tolist() == expected


def test_a_relation_knows_its_columns() -> None:
    assert names(parse_relation("abs(b) + 1 < a", COLUMNS, "here")) == ("a", "b")


def test_a_column_may_be_called_as_the_function_is() -> None:
    relation = parse_relation("abs(abs) < 2", {"abs": 1}, "here")
    assert names(relation) == ("abs",)
    assert holds(relation, {"abs": np.array([-1.0, -3.0])}).tolist() == [True, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not an expression"),
        ("a >", "not an expression"),
        ("a > \0", "not an expression"),
        ("(" * 250 + "a" + ")" * 40 + "> 1", "not an expression"),
        ("a = 1", "not an expression"),
        ("a; b", "not an expression"),
        ("a", "expected a comparison"),
        ("a > 1 and b > 1", "expected a comparison"),
        ("not a > 1", "expected a comparison"),
        ("a if a else b > 1", "expected a comparison"),
        ("a is b", "expected < <= > >= == or !="),
        ("a in b", "expected < <= > >= == or !="),
        ("c > 1", "no column 'c'; known are: a, b"),
        ("abs > 1", "no column 'abs'"),
        ("1 < 2", "expected a column in it"),
        ("a > True", "found 'True'"),
        ("a > None", "found 'None'"),
        ("a > 'x'", "only"),
        ("a > 1j", "found '1j'"),
        ("a > 1e999", "a number in it is too large"),
        ("a ** 2 > 1", "only"),
        ("a // 2 > 1", "only"),
        ("a % 2 > 1", "only"),
        ("~a > 1", "only"),
        ("a[0] > 1", "only"),
        ("a.real > 1", "only"),
        ("[a] > 1", "only"),
        ("(a > 1) > 1", "only"),
        ("(a := 1) > 1", "only"),
        ("(lambda: a)() > 1", "only"),
        ("abs() > 1", "only"),
        ("abs(a, b) > 1", "only"),
        ("abs(*a) > 1", "only"),
        ("abs(a, x=1) > 1", "only"),
        ("round(a) > 1", "only"),
        ("__import__('os') > 1", "only"),
        ("-" * 400 + "a > 1", "405 characters are too many"),
    ],
    ids=lambda value: repr(value[:24]),
)
def test_anything_else_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        parse_relation(text, COLUMNS, "here")
    assert str(caught.value).startswith("here: ")
