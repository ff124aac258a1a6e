"""Strict reading: what is not expected is an error that names file, key and value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from mlops.quality.errors import UserError
from mlops.quality.strict import parse, read_yaml


@dataclass(frozen=True)
class Inner:
    """A value inside another."""

    name: str
    size: int = 1


@dataclass(frozen=True)
class Outer:
    """One field of each kind that is read."""

    kind: Literal["a", "b"]
    share: float = 0.0
    flag: bool = False
    pair: tuple[float, float] | None = None
    names: tuple[str, ...] = ()
    mixed: tuple[str | int | bool, ...] = ()
    inner: Inner = Inner("x")
    table: Mapping[str, Inner] = field(default_factory=dict)


def test_a_whole_mapping_becomes_frozen_values() -> None:
    values = {
        "kind": "b",
        "share": 1,
        "flag": True,
        "pair": [0, 2.5],
        "names": ["x", "y"],
        "mixed": ["x", 1, True],
        "inner": {"name": "n", "size": 3},
        "table": {"t": {"name": "u"}},
    }
    read = parse(Outer, values, "file.yml")
    assert read == Outer(
        "b", 1.0, True, (0.0, 2.5), ("x", "y"), ("x", 1, True), Inner("n", 3), {"t": Inner("u")}
    )
    assert [type(value) for value in read.mixed] == [str, int, bool]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "file.yml: 'kind' is missing"),
        ({"kind": "c"}, "file.yml: kind: 'c' is not one of a, b"),
        ({"kind": "a", "shar": 1}, "file.yml: unknown key 'shar'; did you mean 'share'?"),
        ({"kind": "a", "zzz": 1}, "file.yml: unknown key 'zzz'; known are: "),
        ({"kind": "a", "share": "much"}, "file.yml: share: expected a number, found 'much'"),
        ({"kind": "a", "share": True}, "file.yml: share: expected a number, found True"),
        ({"kind": "a", "flag": 1}, "file.yml: flag: expected true or false, found 1"),
        ({"kind": "a", "pair": [1]}, "file.yml: pair: expected 2 values, found 1"),
        ({"kind": "a", "pair": 3}, "file.yml: pair: expected a list, found 3"),
        ({"kind": "a", "names": "x"}, "file.yml: names: expected a list, found 'x'"),
        ({"kind": "a", "names": [1]}, r"file.yml: names\[0\]: expected text, found 1"),
        ({"kind": "a", "inner": {}}, "file.yml: inner: 'name' is missing"),
        ({"kind": "a", "inner": 1}, "file.yml: inner: expected a mapping, found 1"),
        ({"kind": "a", "table": {"t": {"nam": 1}}}, "table: t: unknown key 'nam'"),
        ({"kind": "a", "table": []}, r"file.yml: table: expected a mapping, found \[\]"),
        ({"kind": "a", "share": 10**400}, "file.yml: share: the number is too large"),
        ({"kind": "a", "share": "1e3"}, "found '1e3'; write 1000.0, without quotes"),
        ({"kind": "a", "names": [2026]}, "expected text, found 2026; put it in quotes"),
        ({"kind": "a", "mixed": [1.5]}, "expected text or a whole number or true or false"),
        ({"kind": "a", "mixed": [None]}, "or true or false, found None"),
        ({"kind": ["a"]}, r"kind: \['a'\] is not one of a, b"),
        ({"kind": "a", "table": {True: {}}}, "table: the key True is not text; put it in quotes"),
        ({"kind": "a", 1: 2}, "unknown key '1'"),
        ([], r"file.yml: expected a mapping, found \[\]"),
        (None, "file.yml: expected a mapping, found None"),
    ],
    ids=lambda value: None if isinstance(value, str) else str(value)[:40],
)
def test_a_mistake_names_its_place(values: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse(Outer, values, "file.yml")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: 1\na: 2\n", "line 2 not valid YAML: the key 'a' is given twice"),
        (b"a:\n  b: 1\n  b: 2\n", "the key 'b' is given twice"),
        (b"a: [1\n", "not valid YAML"),
        (b"- 1\n", "expected a mapping of names to values"),
        (b"", "expected a mapping of names to values"),
        (b"1: 2\n", "expected a mapping of names to values"),
        (b"[1]: 2\n", "not valid YAML"),
        (b"a: !!python/object:os.system {}\n", "not valid YAML"),
        (b"a: \xff\n", "cannot be read"),
        (b"# nothing\n", "expected a mapping of names to values"),
        (b"yes: 1\n", "expected a mapping of names to values"),
        (b"a: 1\n---\nb: 1\n", "line 2 not valid YAML"),
        (b"a:\n\tb: 1\n", "line 2 not valid YAML"),
        (b"a: 2026-13-45\n", "not valid YAML: month must be in 1..12"),
        (b"a: !!int x\n", "not valid YAML"),
        (b"a: !!timestamp x\n", "not valid YAML"),
        (b"a: &x [*x]\n", "not valid YAML"),
        (b"a: \0\n", "not valid YAML"),
        (b"a: " + b"9" * 5000, "not valid YAML"),
        (b"a: " + b"[" * 5000, "not valid YAML"),
    ],
    ids=lambda value: repr(value[:16]) if isinstance(value, bytes) else "",
)
def test_a_broken_file_is_one_line(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "file.yml"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        read_yaml(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        read_yaml(tmp_path / "gone.yml")
    with pytest.raises(UserError, match="cannot be read"):
        read_yaml(tmp_path)


def test_a_good_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file.yml"
    path.write_text("a: 1\nb: {c: [x, true]}\n")
    assert read_yaml(path) == {"a": 1, "b": {"c": ["x", True]}}


def test_a_byte_order_mark_is_no_part_of_a_key(tmp_path: Path) -> None:
    path = tmp_path / "file.yml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read_yaml(path) == {"a": 1}


def test_a_large_value_is_cut_in_the_message() -> None:
    with pytest.raises(UserError) as caught:
        parse(Outer, {"kind": "a", "inner": ["x" * 1000] * 1000}, "file.yml")
    assert len(str(caught.value)) < 1000
