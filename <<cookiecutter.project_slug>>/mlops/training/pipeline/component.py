"""Component files: one command with declared inputs and outputs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mlops.quality.errors import UserError
from mlops.quality.strict import read_yaml
from mlops.training.pipeline.command import check_command
from mlops.training.pipeline.grammar import (
    Keys,
    Place,
    boolean,
    check_keys,
    check_mode,
    mapping,
    named,
    section,
    type_of,
)
from mlops.training.pipeline.literals import DATA_TYPES, LITERAL_TYPES, Port, check_literal

_AT_THE_JOB = "Azure ML drops it from a component file; set it at the job in the pipeline file"
_COMPONENT = Keys(
    "$schema type name version display_name description tags is_deterministic inputs outputs code "
    "command environment properties",
    "resources",
    {
        "distribution": "distributed jobs are not supported",
        "additional_includes": "is not supported; widen 'code'",
        "environment_variables": _AT_THE_JOB,
        "limits": _AT_THE_JOB,
        "jobs": "a nested pipeline is not supported",
    },
)


@dataclass(frozen=True)
class Component:
    """One command component; `outputs` maps names to data types."""

    path: Path
    command: str
    code: Path | None
    inputs: Mapping[str, Port]
    outputs: Mapping[str, str]
    is_deterministic: bool
    declares_side_effects: bool


def load_component(path: Path) -> Component:
    """Read a command component; raises UserError as 'file: key: reason'."""
    values, place = read_yaml(path), Place(path)
    if values.get("type", "command") != "command":
        raise UserError(f"{path}: type: '{values['type']}' is not supported; only 'command' is")
    check_keys(values, _COMPONENT, place)
    for key in ("name", "command", "environment"):
        if key not in values:
            raise UserError(f"{place.at(key)}: is missing")
    version, command = values.get("version", ""), values["command"]
    if not isinstance(version, str):
        raise UserError(f"{place.at('version')}: expected text in quotes, found {version!r}")
    if not isinstance(command, str):
        raise UserError(f"{place.at('command')}: expected text, found {command!r}")
    inputs = {name: _port(item, at) for name, item, at in named(values, "inputs", place)}
    outputs = {name: _output(item, at) for name, item, at in named(values, "outputs", place)}
    check_command(command, inputs, outputs, f"{place.at('command')}")
    return Component(
        path=path,
        command=command.strip(),
        code=_code(values.get("code"), place.at("code")),
        inputs=inputs,
        outputs=outputs,
        is_deterministic=boolean(values, "is_deterministic", True, place),
        declares_side_effects="side_effects" in section(values, "tags", place),
    )


def _code(value: object, place: Place) -> Path | None:
    if value is None:
        return None
    if not isinstance(value, str) or re.match(r"[a-z+]{3,}:", value):
        raise UserError(f"{place}: expected a local folder, found {value!r}")
    folder = place.file.parent / value
    if not folder.is_dir():
        raise UserError(f"{place}: no such folder: {value}")
    return folder.resolve()


def _port(item: object, place: Place) -> Port:
    values = mapping(item, place)
    kind = type_of(values, (*LITERAL_TYPES, *DATA_TYPES), place)
    extra = {"integer": "min max", "number": "min max", "string": "enum", "boolean": ""}
    own = f"default {extra[kind]}" if kind in LITERAL_TYPES else "mode"
    check_keys(values, Keys(f"type optional description {own}"), place)
    check_mode(values, "inputs", place)
    enum = values.get("enum", [])
    if not isinstance(enum, list) or not all(isinstance(choice, str) for choice in enum):
        raise UserError(f"{place.at('enum')}: expected a list of texts, found {enum!r}")
    limits = {
        key: float(check_literal(Port(kind), values[key], f"{place.at(key)}"))
        for key in ("min", "max")
        if key in values
    }
    optional = boolean(values, "optional", False, place)
    port = Port(kind, optional, None, limits.get("min"), limits.get("max"), tuple(enum))
    if "default" not in values:
        return port
    return replace(port, default=check_literal(port, values["default"], f"{place.at('default')}"))


def _output(item: object, place: Place) -> str:
    values = mapping(item, place)
    kind = type_of(values, DATA_TYPES, place)
    check_keys(values, Keys("type mode description"), place)
    check_mode(values, "outputs", place)
    return kind
