"""The graph of a pipeline, which Azure's own client does not check: how the jobs fit together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mlops.quality.errors import UserError
from mlops.quality.strict import did_you_mean
from mlops.training.pipeline.bindings import Data, JobOutput, ParentInput, Source, locate
from mlops.training.pipeline.component import Component
from mlops.training.pipeline.definition import Job, Pipeline
from mlops.training.pipeline.grammar import Place
from mlops.training.pipeline.literals import Literal, Port, check_literal, literal_from_text


@dataclass(frozen=True)
class Step:
    """A job whose inputs are settled: literals checked, data located, upstream steps named."""

    name: str
    component: Component
    inputs: Mapping[str, Literal | Data | JobOutput]
    timeout: int | None
    environment: Mapping[str, str]


@dataclass(frozen=True)
class _Typed:
    """A literal a person typed on the command line: its type is that of the port it reaches."""

    text: str


def check(pipeline: Pipeline, overrides: Mapping[str, str] | None = None) -> tuple[Step, ...]:
    """The steps in the order in which they run.

    `overrides` replace pipeline inputs by name (`--set NAME=TEXT`; a path is relative to the
    working directory). Raises UserError as 'file: key: reason' for the first mistake.
    """
    place = Place(pipeline.path)
    parents = _overridden(pipeline, overrides or {}, place)
    steps = []
    for name, job in pipeline.jobs.items():
        at = place.at("jobs").at(name)
        _refuse_hidden_side_effects(job, at)
        steps.append(
            Step(
                name,
                job.component,
                _inputs(pipeline, job, parents, at),
                job.timeout,
                job.environment,
            )
        )
    ordered = _ordered(steps, place)
    _check_outputs(pipeline, place)
    _refuse_unread_inputs(pipeline, place)
    return ordered


def _overridden(
    pipeline: Pipeline, overrides: Mapping[str, str], place: Place
) -> dict[str, Literal | Data | _Typed]:
    parents: dict[str, Literal | Data | _Typed] = dict(pipeline.inputs)
    for name, text in overrides.items():
        if name not in parents:
            hint = did_you_mean(name, parents)
            raise UserError(f"--set {name}: {pipeline.path} has no such input; {hint}")
        declared = parents[name]
        if isinstance(declared, Data):
            parents[name] = replace(declared, location=locate(text, Path(), f"--set {name}"))
        else:
            parents[name] = _Typed(text)
    for name, value in parents.items():
        if isinstance(value, Data):
            where = f"--set {name}" if name in overrides else f"{place.at('inputs').at(name)}.path"
            _check_present(value, where)
    return parents


def _inputs(
    pipeline: Pipeline, job: Job, parents: Mapping[str, Literal | Data | _Typed], place: Place
) -> dict[str, Literal | Data | JobOutput]:
    ports, settled = job.component.inputs, dict[str, Literal | Data | JobOutput]()
    for name in job.inputs:
        if name not in ports:
            raise UserError(
                f"{place.at('inputs').at(name)}: {job.component.path} has no such input; "
                f"{did_you_mean(name, ports)}"
            )
    for name, port in ports.items():
        at = place.at("inputs").at(name)
        if name in job.inputs:
            settled[name] = _settled(pipeline, job.inputs[name], port, parents, at)
        elif port.default is not None:
            settled[name] = port.default
        elif not port.optional:
            raise UserError(f"{at}: is missing; {job.component.path} requires this {port.type}")
    return settled


def _settled(
    pipeline: Pipeline,
    source: Source,
    port: Port,
    parents: Mapping[str, Literal | Data | _Typed],
    place: Place,
) -> Literal | Data | JobOutput:
    if isinstance(source, JobOutput):
        _check_type(_output_type(pipeline, source, place), port, place)
        return source
    value: Literal | Data | _Typed
    if isinstance(source, ParentInput):
        if source.name not in parents:
            hint = did_you_mean(source.name, parents)
            raise UserError(f"{place}: the pipeline has no input '{source.name}'; {hint}")
        value = parents[source.name]
    else:
        value = source
    if isinstance(value, Data):
        _check_type(value.type, port, place)
        _check_present(value, f"{place.at('path')}")
        return value
    if not port.is_literal:
        found = value.text if isinstance(value, _Typed) else value
        raise UserError(
            f"{place}: type mismatch: expected {port.type}, found the literal {found!r}"
        )
    if isinstance(value, _Typed) and isinstance(source, ParentInput):
        return literal_from_text(port, value.text, f"--set {source.name}")
    return check_literal(port, value, f"{place}")


def _output_type(pipeline: Pipeline, source: JobOutput, place: Place) -> str:
    if source.job not in pipeline.jobs:
        hint = did_you_mean(source.job, pipeline.jobs)
        raise UserError(f"{place}: the pipeline has no job '{source.job}'; {hint}")
    outputs = pipeline.jobs[source.job].component.outputs
    if source.name not in outputs:
        hint = did_you_mean(source.name, outputs)
        raise UserError(f"{place}: the job '{source.job}' has no output '{source.name}'; {hint}")
    return outputs[source.name]


def _check_type(found: str, port: Port, place: Place) -> None:
    if found != port.type:
        raise UserError(f"{place}: type mismatch: expected {port.type}, found {found}")


def _check_present(data: Data, where: str) -> None:
    path = data.location
    if not isinstance(path, Path):
        return
    if not path.exists():
        raise UserError(f"{where}: no such file or folder: {path}")
    if data.type != "custom_model" and path.is_dir() == (data.type == "uri_file"):
        found = "folder" if path.is_dir() else "file"
        raise UserError(f"{where}: type mismatch: {data.type} given the {found} {path}")


def _refuse_hidden_side_effects(job: Job, place: Place) -> None:
    if not job.component.is_deterministic:
        return
    reasons = {
        "it has no outputs": not job.component.outputs,
        "its tags declare side_effects": job.component.declares_side_effects,
        "it sets MLFLOW_* variables": any(name.startswith("MLFLOW_") for name in job.environment),
    }
    for reason, holds in reasons.items():
        if holds:
            raise UserError(
                f"{job.component.path}: is_deterministic: side-effect step left deterministic "
                f"({place.key}: {reason}); a cached step would not act again: set it to false"
            )


def _check_outputs(pipeline: Pipeline, place: Place) -> None:
    bound: dict[str, str] = {}
    for job_name, job in pipeline.jobs.items():
        for name, target in job.outputs.items():
            at = place.at("jobs").at(job_name).at("outputs").at(name)
            if name not in job.component.outputs:
                hint = did_you_mean(name, job.component.outputs)
                raise UserError(f"{at}: {job.component.path} has no such output; {hint}")
            if target is None:
                continue
            if target not in pipeline.outputs:
                hint = did_you_mean(target, pipeline.outputs)
                raise UserError(f"{at}: the pipeline has no output '{target}'; {hint}")
            if target in bound:
                raise UserError(f"{at}: '{target}' is already bound by {bound[target]}")
            expected, found = pipeline.outputs[target], job.component.outputs[name]
            if expected not in (None, found):
                raise UserError(f"{at}: type mismatch: expected {expected}, found {found}")
            bound[target] = at.key
    for target in pipeline.outputs:
        if target not in bound:
            raise UserError(f"{place.at('outputs').at(target)}: no job is bound to this output")


def _refuse_unread_inputs(pipeline: Pipeline, place: Place) -> None:
    read = {
        source.name
        for job in pipeline.jobs.values()
        for source in job.inputs.values()
        if isinstance(source, ParentInput)
    }
    for name in pipeline.inputs:
        if name not in read:
            raise UserError(f"{place.at('inputs').at(name)}: no job reads this input")


def _ordered(steps: list[Step], place: Place) -> tuple[Step, ...]:
    """Upstream steps first, otherwise in the file's order."""
    waiting = {
        step.name: {value.job for value in step.inputs.values() if isinstance(value, JobOutput)}
        for step in steps
    }
    ordered: list[Step] = []
    while waiting:
        ready = next(
            (step for step in steps if step.name in waiting and not waiting[step.name]), None
        )
        if ready is None:
            raise UserError(f"{place.at('jobs')}: cycle: {' -> '.join(_cycle(waiting))}")
        ordered.append(ready)
        del waiting[ready.name]
        for upstream in waiting.values():
            upstream.discard(ready.name)
    return tuple(ordered)


def _cycle(waiting: Mapping[str, set[str]]) -> list[str]:
    path = [min(waiting)]
    while path[-1] not in path[:-1]:
        path.append(min(waiting[path[-1]]))
    return path[path.index(path[-1]) :]
