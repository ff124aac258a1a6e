"""What a step's result depends on: its inputs, its code, and the key of both."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlops.training.pipeline.bindings import Asset, Data, JobOutput
from mlops.training.pipeline.command import template_words
from mlops.training.pipeline.content import combined_digest, content_digest
from mlops.training.pipeline.graph import Step
from mlops.training.pipeline.snapshot import snapshot_digest, step_files
from mlops.training.pipeline.store import Entry

_FORMAT = "1"  # of the key: raise it when an old result must not be taken for a new one


@dataclass(frozen=True)
class Inputs:
    """A step's inputs: as the command gets them, where data lies, and what the key holds."""

    texts: Mapping[str, str]
    paths: Mapping[str, Path]
    digests: Mapping[str, str]
    prints: Mapping[str, object]


@dataclass(frozen=True)
class Work:
    """One step to run, with the files of its code and their digest."""

    step: Step
    inputs: Inputs
    files: tuple[str, ...]
    code_digest: str


@dataclass(frozen=True)
class Sources:
    """Where inputs come from; `digests` are those of the data that was read in this run."""

    store: Path
    environment_digest: str
    resolve_asset: Callable[[str, str], Path]
    digests: dict[Path, str] = field(default_factory=dict)


def work_of(sources: Sources, step: Step, entries: Mapping[str, Entry]) -> Work:
    """The step with its inputs and code; `entries` are the steps whose outputs it takes."""
    inputs = _inputs(sources, step, entries)
    code = step.component.code
    if code is None:
        return Work(step, inputs, (), "")
    files = step_files(code, sources.store, template_words(step.component.command))
    return Work(step, inputs, files, snapshot_digest(code, files))


def key_of(sources: Sources, work: Work) -> str:
    """The name under which the step's result is kept."""
    component = work.step.component
    parts = {
        "format": _FORMAT,
        "python": [sys.version, sys.platform],
        "code": work.code_digest,
        "command": component.command,
        "environment": sources.environment_digest,
        "environment_variables": dict(work.step.environment),
        "inputs": dict(work.inputs.prints),
        "outputs": dict(component.outputs),
    }
    return combined_digest([json.dumps(parts, sort_keys=True)])


def _inputs(sources: Sources, step: Step, entries: Mapping[str, Entry]) -> Inputs:
    texts: dict[str, str] = {}
    paths: dict[str, Path] = {}
    digests: dict[str, str] = {}
    prints: dict[str, object] = {}
    for name, value in step.inputs.items():
        if isinstance(value, JobOutput):
            entry = entries[value.job]
            paths[name], digests[name] = entry.outputs[value.name], entry.digests[value.name]
        elif isinstance(value, Data):
            paths[name] = path = _located(sources, value)
            if path not in sources.digests:
                sources.digests[path] = content_digest(path)
            digests[name] = sources.digests[path]
        else:
            texts[name], prints[name] = str(value), {"literal": value}
    for name, path in paths.items():
        texts[name], prints[name] = str(path), {"digest": digests[name], "suffix": path.suffix}
    return Inputs(texts, paths, digests, prints)


def _located(sources: Sources, data: Data) -> Path:
    found = data.location
    if isinstance(found, Asset):
        found = sources.resolve_asset(found.name, found.version)
    return found.resolve()
