"""Run a pipeline: every step in its own process, only where something changed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Literal

from mlops.quality.errors import UserError
from mlops.training.pipeline.bindings import Asset, Data, JobOutput
from mlops.training.pipeline.command import template_words
from mlops.training.pipeline.content import combined_digest, content_digest
from mlops.training.pipeline.definition import Pipeline
from mlops.training.pipeline.events import Event, StepResult
from mlops.training.pipeline.graph import Step, check
from mlops.training.pipeline.process import termination_interrupts
from mlops.training.pipeline.snapshot import code_files, snapshot_digest, step_files
from mlops.training.pipeline.step import Inputs, Surroundings, Work, run_step
from mlops.training.pipeline.store import Entry, find, keep, locked

_FORMAT = "1"  # of the key: raise it when an old result must not be taken for a new one


@dataclass(frozen=True)
class _Run:
    surroundings: Surroundings
    environment_digest: str
    force: bool
    resolve_asset: Callable[[str, str], Path]
    entries: dict[str, Entry] = field(default_factory=dict)
    digests: dict[Path, str] = field(default_factory=dict)


def execute(
    pipeline: Pipeline,
    *,
    store: Path,
    resolve_asset: Callable[[str, str], Path],
    environment_digest: str,
    on_event: Callable[[Event], None],
    overrides: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    force: bool = False,
    until: str | None = None,
) -> tuple[StepResult, ...]:
    """Run the steps that are not in the store, and return all of them in order.

    `until` names a step: it and what it needs are run, the rest is left out.
    `resolve_asset(name, version)` gives an asset's local path; `environment_digest` stands for the
    installed packages; `environment` is for steps that are not deterministic. Raises UserError for
    a mistake, a held store and a disk that cannot be written, StepFailed where a step fails.
    """
    steps = _needed(check(pipeline, overrides), until)
    store = store.resolve()
    code_files.cache_clear()
    always = force or pipeline.force_rerun
    try:
        with termination_interrupts(), locked(store) as guard:
            surroundings = Surroundings(store, guard, environment or {}, on_event)
            run = _Run(surroundings, environment_digest, always, resolve_asset)
            return tuple(_result(run, step) for step in steps)
    except OSError as error:
        raise UserError(f"{error.filename or store}: {error.strerror or error}") from error


def _needed(steps: tuple[Step, ...], until: str | None) -> tuple[Step, ...]:
    if until is None:
        return steps
    wanted = {until}
    for step in reversed(steps):
        if step.name in wanted:
            wanted |= {value.job for value in step.inputs.values() if isinstance(value, JobOutput)}
    return tuple(step for step in steps if step.name in wanted)


def pipeline_outputs(pipeline: Pipeline, results: tuple[StepResult, ...]) -> dict[str, Path]:
    """Where each output that the pipeline declares lies after a run."""
    outputs = {result.name: result.outputs for result in results}
    return {
        target: outputs[name][output]
        for name, job in pipeline.jobs.items()
        for output, target in job.outputs.items()
        if target is not None
    }


def _result(run: _Run, step: Step) -> StepResult:
    began = perf_counter()
    store, on_event = run.surroundings.store, run.surroundings.on_event
    inputs = _inputs(run, step)
    code = step.component.code
    files = step_files(code, store, template_words(step.component.command)) if code else ()
    work = Work(step, inputs, files, snapshot_digest(code, files) if code else "")
    key = _key(run, work)
    is_cacheable = step.component.is_deterministic
    entry = find(store, key) if is_cacheable and not run.force else None
    status: Literal["ran", "cached"] = "cached" if entry else "ran"
    if entry is None:
        on_event(Event(step.name, "started"))
        folder, outputs = run_step(run.surroundings, work)
        target = store / "steps" / key if is_cacheable else store / "effects" / step.name
        entry = keep(store, folder, outputs, target)
    run.entries[step.name] = entry
    seconds = perf_counter() - began
    on_event(Event(step.name, "finished" if status == "ran" else "cached", "", seconds))
    return StepResult(step.name, status, seconds, entry.outputs, entry.folder / "log.txt")


def _inputs(run: _Run, step: Step) -> Inputs:
    texts: dict[str, str] = {}
    paths: dict[str, Path] = {}
    digests: dict[str, str] = {}
    prints: dict[str, object] = {}
    for name, value in step.inputs.items():
        if isinstance(value, JobOutput):
            entry = run.entries[value.job]
            paths[name], digests[name] = entry.outputs[value.name], entry.digests[value.name]
        elif isinstance(value, Data):
            paths[name] = path = _located(run, value)
            if path not in run.digests:
                run.digests[path] = content_digest(path)
            digests[name] = run.digests[path]
        else:
            texts[name], prints[name] = str(value), {"literal": value}
    for name, path in paths.items():
        texts[name], prints[name] = str(path), {"digest": digests[name], "suffix": path.suffix}
    return Inputs(texts, paths, digests, prints)


def _located(run: _Run, data: Data) -> Path:
    found = data.location
    if isinstance(found, Asset):
        found = run.resolve_asset(found.name, found.version)
    return found.resolve()


def _key(run: _Run, work: Work) -> str:
    component = work.step.component
    parts = {
        "format": _FORMAT,
        "python": [sys.version, sys.platform],
        "code": work.code_digest,
        "command": component.command,
        "environment": run.environment_digest,
        "environment_variables": dict(work.step.environment),
        "inputs": dict(work.inputs.prints),
        "outputs": dict(component.outputs),
    }
    return combined_digest([json.dumps(parts, sort_keys=True)])
