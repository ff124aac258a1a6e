"""What a job's input or output may be bound to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlops.quality.errors import UserError
from mlops.training.pipeline.grammar import Keys, Place, check_keys, check_mode, mapping, type_of
from mlops.training.pipeline.literals import DATA_TYPES, Literal

_NO_ASSET = "registering an output as an asset is not supported; let a step register it"
OUTPUT_REFUSED: Mapping[str, str] = {"name": _NO_ASSET, "version": _NO_ASSET}
_ASSET = re.compile(r"azureml:([A-Za-z0-9][\w.-]*):([\w.-]+)")
_BINDING = re.compile(r"\$\{\{\s*parent\.([\w.]+)\s*\}\}")


@dataclass(frozen=True)
class Asset:
    """A data asset by name and version: `azureml:NAME:VERSION`."""

    name: str
    version: str


@dataclass(frozen=True)
class Data:
    """Data from outside the pipeline: a local path or an asset."""

    type: str
    location: Path | Asset


@dataclass(frozen=True)
class ParentInput:
    """`${{parent.inputs.NAME}}`."""

    name: str


@dataclass(frozen=True)
class JobOutput:
    """`${{parent.jobs.JOB.outputs.NAME}}`."""

    job: str
    name: str


Source = Literal | Data | ParentInput | JobOutput


def input_source(item: object, place: Place) -> Source:
    """A literal, data (`{type, path}`) or a binding."""
    if isinstance(item, bool | int | float):
        return item
    if isinstance(item, str):
        return _binding(item, place) if "${{" in item else item
    values = mapping(item, place)
    check_keys(values, Keys("type path mode description"), place)
    check_mode(values, "inputs", place)
    path = values.get("path")
    if not isinstance(path, str):
        raise UserError(f"{place.at('path')}: expected a path, found {path!r}")
    if "${{" in path:
        return _binding(path, place.at("path"))
    kind = type_of(values, DATA_TYPES, place)
    return Data(kind, locate(path, place.file.parent, place.at("path")))


def _binding(text: str, place: Place) -> ParentInput | JobOutput:
    match = _BINDING.fullmatch(text.strip())
    parts = match.group(1).split(".") if match else []
    if len(parts) == 2 and parts[0] == "inputs":
        return ParentInput(parts[1])
    if len(parts) == 4 and parts[0] == "jobs" and parts[2] == "outputs":
        return JobOutput(parts[1], parts[3])
    raise UserError(
        f"{place}: {text!r} is not a whole-value binding: expected ${{{{parent.inputs.NAME}}}} "
        "or ${{parent.jobs.JOB.outputs.NAME}}"
    )


def output_target(item: object, place: Place) -> str | None:
    """The pipeline's output a job's output is bound to; None where it stays inside."""
    text = item
    if isinstance(item, dict):
        values = mapping(item, place)
        check_keys(values, Keys("type mode path description", "", OUTPUT_REFUSED), place)
        check_mode(values, "outputs", place)
        text = values.get("path")
    if text is None or (isinstance(text, str) and text.startswith("azureml://datastores/")):
        return None
    match = _BINDING.fullmatch(text.strip()) if isinstance(text, str) else None
    parts = match.group(1).split(".") if match else []
    if len(parts) != 2 or parts[0] != "outputs":
        raise UserError(f"{place}: expected ${{{{parent.outputs.NAME}}}}, found {text!r}")
    return parts[1]


def locate(text: str, folder: Path, where: Place | str) -> Path | Asset:
    """Where data lies: `azureml:NAME:VERSION`, or a local path relative to `folder`."""
    if text.startswith("azureml://registries/"):
        raise UserError(f"{where}: a registry reference is not supported")
    if text.startswith("azureml:") and text.endswith("@latest"):
        raise UserError(f"{where}: '{text}' moves with time; pin it as azureml:NAME:VERSION")
    if match := _ASSET.fullmatch(text):
        return Asset(match.group(1), match.group(2))
    if re.match(r"[a-z][a-z0-9+]{2,}:", text):
        raise UserError(f"{where}: expected a local path or azureml:NAME:VERSION, found '{text}'")
    return folder / text
