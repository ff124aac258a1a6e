"""Run a pipeline: every step in its own process, only where something changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from mlops.quality.errors import UserError
from mlops.training.pipeline.cpus import usable_cpus
from mlops.training.pipeline.definition import Pipeline
from mlops.training.pipeline.events import Event, StepResult
from mlops.training.pipeline.graph import Step, check
from mlops.training.pipeline.key import Sources
from mlops.training.pipeline.process import termination_interrupts
from mlops.training.pipeline.running import Running
from mlops.training.pipeline.schedule import Run, run_all, upstream
from mlops.training.pipeline.snapshot import code_files
from mlops.training.pipeline.step import Surroundings
from mlops.training.pipeline.store import locked


def execute(
    pipeline: Pipeline,
    *,
    store: Path,
    resolve_asset: Callable[[str, str], Path],
    environment_digest: str,
    on_event: Callable[[Event], None],
    before: Callable[[str], None] = lambda _: None,
    overrides: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    force: bool = False,
    until: str | None = None,
    jobs: int | None = None,
) -> tuple[StepResult, ...]:
    """Run the steps that are not in the store, and return all of them in order.

    Steps that need nothing of each other run at the same time, at most `jobs` of them: by default
    one for each usable processor. `until` names a step: it and what it needs are run, the rest is
    left out. `resolve_asset(name, version)` gives an asset's local path; `environment_digest`
    stands for the installed packages; `environment` is for steps that are not deterministic.

    `on_event` is called in the caller's thread alone. `before` is called with the name of each step
    that will run, in a thread of that step, and may wait: no other step does. Raises UserError for
    a mistake, a held store and a disk that cannot be written, StepFailed where a step fails: then
    no other one is started, and those at work are ended.
    """
    steps = _needed(check(pipeline, overrides), until)
    store = store.resolve()
    code_files.cache_clear()
    always = force or pipeline.force_rerun
    sources = Sources(store, environment_digest, resolve_asset)
    try:
        with termination_interrupts(), locked(store) as guard:
            around = Surroundings(store, Running(guard), environment or {}, before)
            most = usable_cpus() if jobs is None else max(1, jobs)
            return run_all(Run(around, sources, on_event, always), steps, most)
    except OSError as error:
        raise UserError(f"{error.filename or store}: {error.strerror or error}") from error


def _needed(steps: tuple[Step, ...], until: str | None) -> tuple[Step, ...]:
    if until is None:
        return steps
    wanted = {until}
    for step in reversed(steps):
        if step.name in wanted:
            wanted |= upstream(step)
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
