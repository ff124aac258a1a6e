"""Pipeline files in Azure ML CLI v2 grammar, read strictly into frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlops.quality.errors import UserError
from mlops.quality.strict import read_yaml
from mlops.training.pipeline.bindings import (
    OUTPUT_REFUSED,
    Data,
    JobOutput,
    ParentInput,
    Source,
    input_source,
    output_target,
)
from mlops.training.pipeline.component import Component, load_component
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
from mlops.training.pipeline.literals import DATA_TYPES, Literal


@dataclass(frozen=True)
class Job:
    """One step: a component with its inputs bound; `outputs` maps to the pipeline's outputs."""

    component: Component
    inputs: Mapping[str, Source]
    outputs: Mapping[str, str | None]
    timeout: int | None
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Pipeline:
    """A pipeline file; `outputs` maps names to a data type, or None where it is the job's."""

    path: Path
    inputs: Mapping[str, Literal | Data]
    outputs: Mapping[str, str | None]
    jobs: Mapping[str, Job]
    force_rerun: bool


_INLINE = "an inline command is not supported; put it into a component file"
_PIPELINE = Keys(
    "$schema type display_name description experiment_name tags properties inputs outputs jobs "
    "settings",
    "compute identity services resources",
    {
        "name": "must not be set: every run needs a name of its own",
        "component": "a pipeline component is not supported; write the jobs here",
    },
)
_SETTINGS = Keys(
    "force_rerun continue_on_step_failure",
    "default_compute default_datastore",
    {"on_init": "is not supported", "on_finalize": "is not supported"},
)
_JOB = Keys(
    "$schema type component inputs outputs limits environment_variables display_name description "
    "tags comment properties",
    "compute resources services identity queue_settings environment",
    {
        "command": _INLINE,
        "code": _INLINE,
        "distribution": "distributed jobs are not supported",
        "is_deterministic": "belongs into the component file; Azure ML ignores it here",
    },
)
_AZURE_JOBS = (
    "sweep",
    "parallel",
    "pipeline",
    "automl",
    "spark",
    "data_transfer",
    "import",
    "do_while",
    "if_else",
    "parallel_for",
    "condition",
)


def load_pipeline(path: Path) -> Pipeline:
    """Read a pipeline file and the component files it names; paths are relative to their file.

    Raises UserError as 'file: key: reason' for whatever is not of the supported subset. How the
    jobs fit together is checked by `graph.check`.
    """
    values, place = read_yaml(path), Place(path)
    check_keys(values, _PIPELINE, place)
    if values.get("type") != "pipeline":
        raise UserError(f"{place.at('type')}: expected 'pipeline', found {values.get('type')!r}")
    settings = section(values, "settings", place)
    check_keys(settings, _SETTINGS, place.at("settings"))
    if boolean(settings, "continue_on_step_failure", False, place.at("settings")):
        key = place.at("settings").at("continue_on_step_failure")
        raise UserError(f"{key}: only false is supported: a failed step stops the pipeline")
    inputs = {name: _parent_input(item, at) for name, item, at in named(values, "inputs", place)}
    outputs = {name: _parent_output(item, at) for name, item, at in named(values, "outputs", place)}
    jobs = {name: _job(item, at) for name, item, at in named(values, "jobs", place)}
    if not jobs:
        raise UserError(f"{place.at('jobs')}: at least one job is expected")
    force_rerun = boolean(settings, "force_rerun", False, place.at("settings"))
    return Pipeline(path, inputs, outputs, jobs, force_rerun)


def _parent_input(item: object, place: Place) -> Literal | Data:
    found = input_source(item, place)
    if isinstance(found, ParentInput | JobOutput):
        raise UserError(f"{place}: a pipeline's input is a literal or data, not a binding")
    return found


def _parent_output(item: object, place: Place) -> str | None:
    if item is None:
        return None
    values = mapping(item, place)
    check_keys(values, Keys("type mode description", "path", OUTPUT_REFUSED), place)
    check_mode(values, "outputs", place)
    return type_of(values, DATA_TYPES, place)


def _job(item: object, place: Place) -> Job:
    values = mapping(item, place)
    kind = values.get("type", "command")
    if kind in _AZURE_JOBS:
        raise UserError(f"{place.at('type')}: '{kind}' jobs are not supported; only 'command' is")
    if kind != "command":
        raise UserError(f"{place.at('type')}: unknown '{kind}'; only 'command' is supported")
    check_keys(values, _JOB, place)
    limits = section(values, "limits", place)
    check_keys(limits, Keys("timeout"), place.at("limits"))
    timeout = limits.get("timeout")
    if timeout is not None and (type(timeout) is not int or timeout < 1):
        key = place.at("limits").at("timeout")
        raise UserError(f"{key}: expected whole seconds, found {timeout!r}")
    return Job(
        component=load_component(_component_file(values.get("component"), place.at("component"))),
        inputs={name: input_source(item, at) for name, item, at in named(values, "inputs", place)},
        outputs={
            name: output_target(item, at) for name, item, at in named(values, "outputs", place)
        },
        timeout=timeout,
        environment=_environment(values, place),
    )


def _environment(values: Mapping[str, object], place: Place) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value, at in named(values, "environment_variables", place):
        if not isinstance(value, str) or "${{" in value:
            raise UserError(f"{at}: expected plain text in quotes, found {value!r}")
        found[name] = value
    return found


def _component_file(value: object, place: Place) -> Path:
    if not isinstance(value, str):
        raise UserError(f"{place}: expected the path of a component file, found {value!r}")
    if value.startswith("azureml://"):
        raise UserError(f"{place}: a registry reference is not supported; name a file")
    if value.startswith("azureml:"):
        raise UserError(f"{place}: a registered component is not supported; name a file")
    return place.file.parent / value.removeprefix("file:")
