"""Literal values of a pipeline: their types, ranges and allowed values."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mlops.quality.errors import UserError
from mlops.quality.strict import did_you_mean

Literal = bool | int | float | str

LITERAL_TYPES = ("integer", "number", "boolean", "string")
FOLDER_TYPES = ("uri_folder", "mltable", "mlflow_model", "custom_model")
DATA_TYPES = ("uri_file", *FOLDER_TYPES)


@dataclass(frozen=True)
class Port:
    """A declared input of a component; literals may have a default, a range and allowed values."""

    type: str
    optional: bool = False
    default: Literal | None = None
    minimum: float | None = None
    maximum: float | None = None
    enum: tuple[str, ...] = ()

    @property
    def is_literal(self) -> bool:
        """Whether the port takes a literal, not data."""
        return self.type in LITERAL_TYPES


def check_literal(port: Port, value: object, where: str) -> Literal:
    """The value as the port's type; raises UserError on a wrong type, range or choice."""
    found = _typed(port.type, value)
    if found is None:
        raise UserError(f"{where}: expected {_article(port.type)}, found {value!r}")
    if port.enum and found not in port.enum:
        near = did_you_mean(str(found), port.enum)
        raise UserError(f"{where}: {found!r} is not one of {', '.join(port.enum)}; {near}")
    if isinstance(found, int | float) and not isinstance(found, bool):
        if port.minimum is not None and found < port.minimum:
            raise UserError(f"{where}: {found} is below the minimum {port.minimum:g}")
        if port.maximum is not None and found > port.maximum:
            raise UserError(f"{where}: {found} is above the maximum {port.maximum:g}")
    return found


def literal_from_text(port: Port, text: str, where: str) -> Literal:
    """A literal typed by a person (`--set name=text`), converted to the port's type and checked."""
    value: object = text
    try:
        if port.type == "integer":
            value = int(text)
        elif port.type == "number":
            value = float(text)
    except ValueError:
        pass
    if port.type == "boolean":
        value = {"true": True, "false": False}.get(text.lower(), text)
    return check_literal(port, value, where)


def _typed(kind: str, value: object) -> Literal | None:
    if isinstance(value, bool):
        return value if kind == "boolean" else None
    if isinstance(value, int) and kind == "integer":
        return value
    if isinstance(value, int | float) and kind == "number":
        return float(value) if math.isfinite(value) else None
    return value if isinstance(value, str) and kind == "string" else None


def _article(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeio" else f"a {kind}"
