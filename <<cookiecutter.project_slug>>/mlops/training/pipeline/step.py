"""Run one step: a fresh folder with its code, its process, and what it must leave behind."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlops.quality.errors import UserError
from mlops.training.pipeline.command import command_words
from mlops.training.pipeline.content import content_digest
from mlops.training.pipeline.events import StepFailed
from mlops.training.pipeline.graph import Step
from mlops.training.pipeline.key import Work
from mlops.training.pipeline.process import Command, end_groups, follow
from mlops.training.pipeline.running import Running
from mlops.training.pipeline.snapshot import copy_snapshot, snapshot_digest

_MISSING = re.compile(r"No module named '([\w.]+)'")
_PATHS = ("PYTHONPATH", "PYTHONSAFEPATH", "PYTHONHOME")


@dataclass(frozen=True)
class Surroundings:
    """What all steps of a run share; `environment` is for steps that are not deterministic.

    `before` is called with a step's name, in the step's own thread, before its process starts.
    """

    store: Path
    running: Running
    environment: Mapping[str, str]
    before: Callable[[str], None]


@dataclass(frozen=True)
class Bench:
    """A step's folder, made ready: its command, and where it must leave its outputs."""

    work: Work
    folder: Path
    outputs: Mapping[str, Path]
    command: Command


def prepare(around: Surroundings, work: Work) -> Bench:
    """Make the step's folder, with its code; raises UserError where that changes meanwhile."""
    folder = around.store / "running" / work.step.name
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
    return Bench(work, folder, outputs, _command(around, work, folder, outputs))


def carry_out(around: Surroundings, bench: Bench, show: Callable[[str], None]) -> str | None:
    """Run the command, each line of its output to `show`; why the step failed, or None.

    Only waits and reads: what becomes of the folder is for the caller. Raises UserError where the
    command cannot start, Stopped where the run has ended before.
    """
    around.before(bench.work.step.name)
    return _outcome(around, bench, show) or _broken_promise(bench)


def give_up(around: Surroundings, bench: Bench, reason: str, tail: Iterable[str]) -> StepFailed:
    """The step's failure; its log is kept and nothing else."""
    name = bench.work.step.name
    log = around.store / "failed" / f"{name}.log"
    log.parent.mkdir(exist_ok=True)
    (bench.folder / "log.txt").replace(log)
    shutil.rmtree(bench.folder)
    return StepFailed(name, reason, log, "\n".join(f"  {line}" for line in tail))


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


def _outcome(around: Surroundings, bench: Bench, show: Callable[[str], None]) -> str | None:
    """Run the command; why it failed, or None."""
    command, log = bench.command, bench.folder / "log.txt"
    try:
        process = around.running.start(command)
    except (FileNotFoundError, PermissionError) as error:
        raise UserError(
            f"{bench.work.step.component.path}: command: cannot start '{command.words[0]}': "
            f"{error.strerror}"
        ) from None
    try:
        with log.open("wb") as file:
            code = follow(process, file, command.timeout, show)
    finally:
        if process.poll() is None:
            end_groups([process.pid], lambda: process.poll() is not None)
        around.running.forget(process)
    if code is None:
        return f"was ended: it took longer than its limit of {command.timeout} s"
    if code == 0:
        return None
    reason = f"was ended by signal {-code}" if code < 0 else f"failed with exit code {code}"
    return reason + _import_hint(bench.work, log)


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


def _broken_promise(bench: Bench) -> str | None:
    work = bench.work
    for name, path in bench.outputs.items():
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
