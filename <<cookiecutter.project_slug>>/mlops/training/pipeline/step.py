"""Run one step: a fresh folder with its code, its process, and what it must leave behind."""

from __future__ import annotations

import collections
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TextIO

from mlops.quality.errors import UserError
from mlops.training.pipeline.command import command_words
from mlops.training.pipeline.content import content_digest
from mlops.training.pipeline.events import Event, StepFailed
from mlops.training.pipeline.graph import Step
from mlops.training.pipeline.process import Command, end_group, follow, start
from mlops.training.pipeline.snapshot import copy_snapshot, snapshot_digest
from mlops.training.pipeline.store import rewrite

_TAIL = 20  # lines of a failed step's output that are shown
_MISSING = re.compile(r"No module named '([\w.]+)'")
_PATHS = ("PYTHONPATH", "PYTHONSAFEPATH", "PYTHONHOME")


@dataclass(frozen=True)
class Surroundings:
    """What all steps of a run share; `environment` is for steps that are not deterministic."""

    store: Path
    guard: TextIO
    environment: Mapping[str, str]
    on_event: Callable[[Event], None]


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


def run_step(around: Surroundings, work: Work) -> tuple[Path, dict[str, Path]]:
    """The step's folder, holding log.txt, and its outputs by name.

    Raises StepFailed where the command fails, takes too long, leaves an output unwritten or
    changes an input; its log is kept and nothing else. Raises UserError where it cannot start.
    """
    began = perf_counter()
    name, folder = work.step.name, around.store / "running" / work.step.name
    outputs = _prepare(work, folder)
    tail: collections.deque[str] = collections.deque(maxlen=_TAIL)

    def show(line: str) -> None:
        tail.append(line)
        around.on_event(Event(name, "output", line, perf_counter() - began))

    reason = _outcome(around, work, _command(around, work, folder, outputs), show)
    reason = reason or _broken_promise(work, outputs)
    shutil.rmtree(folder / "code")
    if reason is None:
        return folder, outputs
    log = around.store / "failed" / f"{name}.log"
    log.parent.mkdir(exist_ok=True)
    (folder / "log.txt").replace(log)
    shutil.rmtree(folder)
    around.on_event(Event(name, "failed", reason, perf_counter() - began))
    raise StepFailed(name, reason, log, "\n".join(f"  {line}" for line in tail))


def _prepare(work: Work, folder: Path) -> dict[str, Path]:
    """Make the step's folder; the paths of its outputs."""
    code = folder / "code"
    code.mkdir(parents=True)
    source = work.step.component.code
    if source is not None:
        copy_snapshot(source, work.files, code)
        if snapshot_digest(code, work.files) != work.code_digest:
            raise UserError(f"{source}: a file changed while '{work.step.name}' started: run again")
    outputs = {name: folder / "outputs" / name for name in work.step.component.outputs}
    (folder / "outputs").mkdir()
    for name, kind in work.step.component.outputs.items():
        if kind != "uri_file":
            outputs[name].mkdir()
    return outputs


def _command(
    around: Surroundings, work: Work, folder: Path, outputs: Mapping[str, Path]
) -> Command:
    targets = {name: str(path) for name, path in outputs.items()}
    words = command_words(work.step.component.command, work.inputs.texts, targets)
    return Command(words, folder / "code", _environment(around, work.step), work.step.timeout)


def _environment(around: Surroundings, step: Step) -> dict[str, str]:
    """This process's variables without a way back into the repository or to a tracking server."""
    is_pure = step.component.is_deterministic
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in _PATHS and not (is_pure and name.startswith("MLFLOW_"))
    }
    fixed = {"PYTHONHASHSEED": "0", "PYTHONUNBUFFERED": "1"}
    return {**kept, **fixed, **step.environment, **({} if is_pure else around.environment)}


def _outcome(
    around: Surroundings, work: Work, command: Command, show: Callable[[str], None]
) -> str | None:
    """Run the command; why it failed, or None."""
    component, log = work.step.component, command.folder.parent / "log.txt"
    with log.open("wb") as file:
        try:
            process = start(command, around.guard.fileno())
        except (FileNotFoundError, PermissionError) as error:
            raise UserError(
                f"{component.path}: command: cannot start '{command.words[0]}': {error.strerror}"
            ) from None
        try:
            rewrite(around.guard, str(process.pid))
            code = follow(process, file, command.timeout, show)
        finally:
            if process.poll() is None:
                end_group(process.pid, lambda: process.poll() is not None)
            rewrite(around.guard, "")
    if code is None:
        return f"was ended: it took longer than its limit of {command.timeout} s"
    if code == 0:
        return None
    reason = f"was ended by signal {-code}" if code < 0 else f"failed with exit code {code}"
    return reason + _import_hint(work, log)


def _import_hint(work: Work, log: Path) -> str:
    """A word on a module that lies in `code:` but that no import statement names."""
    missing = _MISSING.findall(log.read_text(encoding="utf-8", errors="replace"))
    code = work.step.component.code
    if not missing or code is None:
        return ""
    module = missing[-1]
    path = code / module.replace(".", "/")
    if not (path.is_dir() or path.with_suffix(".py").is_file()):
        return ""
    return (
        f" ('{module}' lies in {code}, but its copy for this step holds only what import "
        "statements name and .amlignore allows: import it plainly)"
    )


def _broken_promise(work: Work, outputs: Mapping[str, Path]) -> str | None:
    for name, path in outputs.items():
        kind = work.step.component.outputs[name]
        if kind == "uri_file" and not path.is_file():
            found = "a folder" if path.is_dir() else "nothing"
            return f"ended well but left {found} at its output '{name}' ({kind})"
        if kind != "uri_file" and not path.is_dir():
            return f"ended well but left no folder at its output '{name}' ({kind})"
    for name, path in work.inputs.paths.items():
        if not path.exists() or content_digest(path) != work.inputs.digests[name]:
            return f"ended well but its input '{name}' changed meanwhile ({path})"
    return None
