"""A contract is read whole, or refused with file, key and reason."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from mlops.quality.contract import contract_digest, load_contract
from mlops.quality.errors import UserError

Values = dict[str, object]
DAY = datetime.date(2026, 1, 2)


def good() -> Values:
    return {
        "name": "shop",
        "description": "Sent back?",
        "task": "classification",
        "target": "returned",
        "protected": ["colour"],
        "segments": {"colour": [], "price": [10, 20]},
        "columns": {
            "price": {"type": "number", "description": "Price", "unit": "EUR", "range": [0, 9]},
            "colour": {"type": "string", "description": "Colour", "categories": ["red", "blue"]},
            "returned": {"type": "integer", "description": "Back", "categories": [0, 1]},
        },
        "relations": [{"name": "positive", "check": "price >= 0"}],
    }


def write(folder: Path, values: Values) -> Path:
    path = folder / "contract.yml"
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    return path


def test_a_contract_is_read(tmp_path: Path) -> None:
    contract = load_contract(write(tmp_path, good()))
    assert contract.inputs == ("price", "colour")
    assert contract.columns["price"].range == (0.0, 9.0)
    assert contract.columns["colour"].categories == ("red", "blue")
    assert list(contract.relation_trees()) == ["positive"]


def change(*path: str | int, to: object) -> Callable[[Values], None]:
    def apply(values: Values) -> None:
        place: object = values
        for key in path[:-1]:
            place = place[key]  # type: ignore[index]
        place[path[-1]] = to  # type: ignore[index]

    return apply


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (change("colums", to={}), "unknown key 'colums'; did you mean 'columns'"),
        (change("task", to="guess"), "task: 'guess' is not one of classification, regression"),
        (change("target", to="retuned"), "target: unknown key 'retuned'; did you mean 'returned'"),
        (change("protected", to=["sex"]), "protected: unknown key 'sex'"),
        (change("segments", "size", to=[]), "segments: unknown key 'size'"),
        (change("segments", "price", to=[]), "segments: price: name the edges of the bands"),
        (change("segments", "price", to=[20, 10]), "expected growing edges"),
        (change("segments", "colour", to=[1]), "edges cut a number into bands"),
        (change("columns", to={}), "at least one column besides the target"),
        (change("columns", "price", "type", to="float"), "price: type: 'float' is not one of"),
        (change("columns", "price", "rnge", to=[0, 1]), "price: unknown key 'rnge'"),
        (change("columns", "price", "range", to=[9, 0]), r"range: expected \[lowest, highest\]"),
        (change("columns", "price", "range", to=[0]), "range: expected 2 values, found 1"),
        (change("columns", "price", "range", to=[0, float("inf")]), "range: expected"),
        (change("columns", "price", "categories", to=[1]), "categories: a number has none"),
        (change("columns", "colour", "range", to=[0, 1]), "only a number has one"),
        (change("columns", "colour", "categories", to=["a", 1]), "categories: 1 is no string"),
        (change("columns", "colour", "categories", to=["no", False]), "False is no string"),
        (change("columns", "colour", "categories", to=["a", "a"]), "one or more, each once"),
        (change("columns", "colour", "categories", to=[]), "one or more, each once"),
        (change("columns", "colour", "categories", to=[True]), "put them in quotes"),
        (change("columns", "colour", "categories", to=[DAY]), "found 2026-01-02; put it in quotes"),
        (change("columns", "colour", "categories", to=[1.5]), "expected text or a whole number"),
        (change("columns", "returned", "categories", to=[0, True]), "True is no integer"),
        (change("columns", "returned", "categories", to=["0", "1"]), "'0' is no integer"),
        (change("columns", "price", "range", to=["1e3", 2]), "write 1000.0, without quotes"),
        (change("columns", "price", "range", to=[0, 10**400]), "the number is too large"),
        (change("columns", "price", "range", to=[float("nan"), 1]), "range: expected"),
        (change("columns", "price", "range", to=[DAY, DAY]), "a number, found 2026-01-02"),
        (change("columns", "price", to=None), "price: expected a mapping, found None"),
        (change("columns", False, to={}), "the key False is not text; put it in quotes"),
        (change("columns", 1, to={}), "the key 1 is not text; put it in quotes"),
        (change("columns", " ", to={"type": "number", "description": ""}), "has no name"),
        (change("columns", to={"returned": {"type": "number", "description": ""}}), "besides"),
        (change("segments", "price", to=[float("nan")]), "expected growing edges"),
        (change("segments", "price", to=[10, 10]), "expected growing edges"),
        (change("protected", to="colour"), "protected: expected a list, found 'colour'"),
        (change("relations", to=None), "relations: expected a list, found None"),
        (change("relations", 0, "check", to=True), "check: expected text, found True"),
        (change("relations", 0, "name", to=""), "the name is empty"),
        (change("relations", 0, "rule", to=""), "unknown key 'rule'"),
        (change("relations", 0, "check", to="1 < 2"), "expected a column in it"),
        (change("columns", "price", "missing", to="no"), "missing: expected true or false"),
        (
            change("relations", 0, "check", to="pryce > 0"),
            "no column 'pryce'; did you mean 'price'",
        ),
        (change("relations", 0, "check", to="colour > 0"), "there is no column 'colour'"),
        (change("relations", 0, "check", to="price"), "expected a comparison"),
        (change("relations", 0, "check", to="price >"), "not an expression"),
        (change("relations", 0, "check", to="price in price"), "expected < <= > >= == or !="),
        (change("relations", 0, "check", to="price ** 2 > 0"), "only"),
        (change("relations", 0, "check", to="exec(price) > 0"), "only"),
        (change("relations", 0, "check", to="price.real > 0"), "only"),
        (change("relations", 0, "check", to="price > 'a'"), "only"),
        (
            change("relations", to=[{"name": "a", "check": "price>0"}] * 2),
            "relations: a: the name is given twice",
        ),
    ],
)
def test_a_wrong_contract_is_refused(
    edit: Callable[[Values], None], message: str, tmp_path: Path
) -> None:
    values = good()
    edit(values)
    with pytest.raises(UserError, match=message) as caught:
        load_contract(write(tmp_path, values))
    assert "contract.yml" in str(caught.value)


def test_the_digest_follows_what_is_said_and_not_how(tmp_path: Path) -> None:
    path = write(tmp_path, good())
    one = contract_digest(load_contract(path))
    path.write_text("# a comment\n" + path.read_text())
    assert contract_digest(load_contract(path)) == one
    other = good()
    other["description"] = "Something else"
    assert contract_digest(load_contract(write(tmp_path, other))) != one


def test_an_empty_contract_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "contract.yml"
    path.write_text("# nothing yet\n")
    with pytest.raises(UserError, match="expected a mapping"):
        load_contract(path)
