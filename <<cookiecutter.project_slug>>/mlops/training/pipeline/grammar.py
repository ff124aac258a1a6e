"""The grammar's shared parts: places in a file, allowed keys, typed reading of values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlops.quality.errors import UserError
from mlops.quality.strict import did_you_mean, refuse_unknown

MODES = {"inputs": ("ro_mount", "download"), "outputs": ("rw_mount", "upload")}
_NAME = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True)
class Place:
    """A key in a file; reads as 'file: key' in an error."""

    file: Path
    key: str = ""

    def at(self, name: str) -> Place:
        """The place of a key below this one."""
        return Place(self.file, f"{self.key}.{name}" if self.key else name)

    def __str__(self) -> str:
        return f"{self.file}: {self.key}" if self.key else f"{self.file}"


@dataclass(frozen=True)
class Keys:
    """The keys a mapping may have, Azure's own (ignored), and those refused with a reason."""

    known: str
    azure: str = ""
    refused: Mapping[str, str] = field(default_factory=dict)


def check_keys(values: Mapping[str, object], keys: Keys, place: Place) -> None:
    """Refuse an unsupported key by name and an unknown one with 'did you mean'."""
    for key, reason in keys.refused.items():
        if key in values:
            raise UserError(f"{place.at(key)}: {reason}")
    refuse_unknown(values, [*keys.known.split(), *keys.azure.split()], f"{place}")


def check_mode(values: Mapping[str, object], direction: str, place: Place) -> None:
    """Refuse a mode of access (`direct` and others) that a local file does not have."""
    mode = values.get("mode", MODES[direction][0])
    if mode not in MODES[direction]:
        known = " and ".join(MODES[direction])
        raise UserError(f"{place.at('mode')}: '{mode}' is not supported; {known} are")


def type_of(values: Mapping[str, object], known: tuple[str, ...], place: Place) -> str:
    """The value of `type`, which must be one of `known`."""
    value = values.get("type")
    if value not in known:
        found = "is missing" if value is None else f"'{value}' is not supported"
        raise UserError(f"{place.at('type')}: {found}; {did_you_mean(str(value), known)}")
    return value


def boolean(values: Mapping[str, object], key: str, default: bool, place: Place) -> bool:
    """The truth value under a key; text such as 'yes' is refused."""
    value = values.get(key, default)
    if not isinstance(value, bool):
        raise UserError(f"{place.at(key)}: expected true or false, found {value!r}")
    return value


def mapping(value: object, place: Place) -> Mapping[str, object]:
    """The value as a mapping with text keys."""
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise UserError(f"{place}: expected a mapping, found {value!r}")
    return value


def section(values: Mapping[str, object], key: str, place: Place) -> Mapping[str, object]:
    """The mapping under a key; empty where the key is absent or holds nothing."""
    found = values.get(key)
    return {} if found is None else mapping(found, place.at(key))


def named(values: Mapping[str, object], key: str, place: Place) -> list[tuple[str, object, Place]]:
    """The items of inputs, outputs or jobs, each with its place; their names are checked."""
    found = section(values, key, place)
    for name in found:
        if not _NAME.fullmatch(name):
            raise UserError(f"{place.at(key)}: '{name}' is not a name of letters, digits and '_'")
    return [(name, item, place.at(key).at(name)) for name, item in found.items()]
