"""Strict reading: YAML mappings become frozen dataclasses, and an unknown key is an error."""

from __future__ import annotations

import dataclasses
import datetime
import difflib
import reprlib
import types
import typing
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import Literal, TypeVar, Union, cast

import yaml

from mlops.quality.errors import UserError

T = TypeVar("T")

_short = reprlib.Repr()
_short.maxstring = _short.maxother = _short.maxlong = 80


class _UniqueKeyLoader(yaml.SafeLoader):
    """A safe loader that refuses a key given twice, which plain YAML silently overwrites."""


def _unique_mapping(loader: _UniqueKeyLoader, node: yaml.MappingNode) -> dict[object, object]:
    keys: set[object] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, Hashable):
            raise yaml.constructor.ConstructorError(
                None, None, "a list or mapping cannot be a key", key_node.start_mark
            )
        if key in keys:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {key!r} is given twice", key_node.start_mark
            )
        keys.add(key)
    return cast(dict[object, object], loader.construct_mapping(node, deep=True))


_UniqueKeyLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique_mapping)


def read_yaml(path: Path) -> dict[str, object]:
    """The mapping that a YAML file holds.

    Raises UserError where the file is missing, unreadable, not YAML (with the line), gives a key
    twice, or holds something else than a mapping with text keys.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
    try:
        values = yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506 - a SafeLoader
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        # such as a date that no calendar has: PyYAML's constructors let these through
        raise UserError(f"{path}: not valid YAML: {_first_line(error)}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or _first_line(error)
        raise UserError(f"{path}:{line} not valid YAML: {problem}") from None
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise UserError(f"{path}: expected a mapping of names to values at the top")
    return values


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of an error message: the nearest known name, or all of them."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean '{near[0]}'?" if near else f"known are: {', '.join(names) or 'none'}"


def refuse_unknown(found: Iterable[str], known: Iterable[str], where: str) -> None:
    """Raise UserError for the first key in `found` that is not in `known`; `where` names the place."""
    names = set(known)
    for key in found:
        if key not in names:
            raise UserError(f"{where}: unknown key '{key}'; {did_you_mean(str(key), names)}")


def parse(kind: type[T], values: object, where: str) -> T:
    """Build the dataclass `kind` from a mapping, nested dataclasses included.

    `where` names the file (and the place in it) for the errors. Raises UserError on an unknown or
    missing key and on a value of the wrong type.
    """
    if not isinstance(values, Mapping):
        raise UserError(f"{where}: expected a mapping, found {_shown(values)}")
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    refuse_unknown(values, fields, where)
    hints = typing.get_type_hints(kind)
    built: dict[str, object] = {}
    for name, field in fields.items():
        if name in values:
            built[name] = _convert(hints[name], values[name], f"{where}: {name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise UserError(f"{where}: '{name}' is missing")
    return kind(**built)


def _convert(hint: object, value: object, where: str) -> object:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return parse(cast(type[object], hint), value, where)
    if origin is Literal:
        if value not in arguments:
            known = ", ".join(str(argument) for argument in arguments)
            raise UserError(f"{where}: {_shown(value)} is not one of {known}")
        return value
    if origin in (Union, types.UnionType):
        return _convert_union(arguments, value, where)
    if origin is tuple:
        return _convert_tuple(arguments, value, where)
    if origin in (dict, Mapping) or origin is typing.get_origin(Mapping[str, int]):
        return _convert_mapping(arguments[1], value, where)
    if hint is object:
        return value
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise UserError(f"{where}: the number is too large") from None
    if not isinstance(value, cast(type, hint)) or (isinstance(value, bool) and hint is not bool):
        expected = f"{where}: expected {_described(hint)}, found {_shown(value)}"
        raise UserError(expected + _advice(hint, value))
    return value


def _advice(hint: object, value: object) -> str:
    """What to write where YAML reads something else than meant."""
    if hint is str and isinstance(value, bool | int | float | datetime.date):
        return "; put it in quotes"
    if hint is float and isinstance(value, str):
        try:
            return f"; write {float(value)!r}, without quotes"
        except ValueError:
            pass
    return ""


def _shown(value: object) -> str:
    """A value in a message: short, however large it is."""
    return str(value) if isinstance(value, datetime.date) else _short.repr(value)


def _convert_union(arguments: tuple[object, ...], value: object, where: str) -> object:
    if value is None and type(None) in arguments:
        return None
    choices = [argument for argument in arguments if argument is not type(None)]
    for choice in choices if len(choices) > 1 else ():
        # bool passes isinstance(int), and 1 passes for 1.0: exact types go first
        if typing.get_origin(choice) is None and type(value) is choice:
            return value
        try:
            return _convert(choice, value, where)
        except UserError:
            continue
    if len(choices) > 1 and all(isinstance(choice, type) for choice in choices):
        expected = " or ".join(_described(choice) for choice in choices)
        found = f"{where}: expected {expected}, found {_shown(value)}"
        raise UserError(found + (_advice(str, value) if str in choices else ""))
    return _convert(choices[-1], value, where)


def _convert_mapping(hint: object, value: object, where: str) -> dict[str, object]:
    if not isinstance(value, Mapping):
        raise UserError(f"{where}: expected a mapping, found {_shown(value)}")
    for key in value:
        if not isinstance(key, str):
            raise UserError(f"{where}: the key {_shown(key)} is not text; put it in quotes")
    return {key: _convert(hint, item, f"{where}: {key}") for key, item in value.items()}


def _convert_tuple(arguments: tuple[object, ...], value: object, where: str) -> object:
    if not isinstance(value, list | tuple):
        raise UserError(f"{where}: expected a list, found {_shown(value)}")
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        hints = [arguments[0]] * len(value)
    elif len(arguments) != len(value):
        raise UserError(f"{where}: expected {len(arguments)} values, found {len(value)}")
    else:
        hints = list(arguments)
    return tuple(
        _convert(hint, item, f"{where}[{number}]")
        for number, (hint, item) in enumerate(zip(hints, value, strict=True))
    )


def _described(hint: object) -> str:
    names = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
    return names.get(cast(type, hint), getattr(hint, "__name__", str(hint)))
