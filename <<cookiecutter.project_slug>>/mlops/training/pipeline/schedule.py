"""Which step runs when: as soon as all that it takes is there and a place is free.

Each step's thread does no more than wait for the step's process. Everything else, from keys to
results, is done by the thread that called, so that nothing needs a lock and Ctrl-C is heard at once.
"""

from __future__ import annotations

import contextlib
import queue
import shutil
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Literal

from mlops.quality.errors import UserError
from mlops.training.pipeline.bindings import JobOutput
from mlops.training.pipeline.events import Event, StepFailed, StepResult
from mlops.training.pipeline.graph import Step
from mlops.training.pipeline.key import Sources, key_of, work_of
from mlops.training.pipeline.step import Bench, Surroundings, carry_out, give_up, prepare
from mlops.training.pipeline.store import Entry, find, keep

_TAIL = 20  # lines of a failed step's output that are shown


@dataclass(frozen=True)
class _AtWork:
    """A step whose thread is running; `key` is None where its result is not for the store."""

    bench: Bench
    key: str | None
    began: float
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=_TAIL))


@dataclass(frozen=True)
class _Line:
    step: str
    text: str


@dataclass(frozen=True)
class _End:
    """A step's thread is done; `problem` is why the step failed, or what went wrong here."""

    step: str
    problem: str | Exception | None


@dataclass(frozen=True)
class Run:
    """A run and how far it is; `made` are the keys of what it put into the store."""

    around: Surroundings
    sources: Sources
    on_event: Callable[[Event], None]
    force: bool
    entries: dict[str, Entry] = field(default_factory=dict)
    results: dict[str, StepResult] = field(default_factory=dict)
    at_work: dict[str, _AtWork] = field(default_factory=dict)
    made: set[str] = field(default_factory=set)
    messages: queue.SimpleQueue[_Line | _End] = field(default_factory=queue.SimpleQueue)


def upstream(step: Step) -> set[str]:
    """The names of the steps whose outputs it takes."""
    return {value.job for value in step.inputs.values() if isinstance(value, JobOutput)}


def run_all(run: Run, steps: tuple[Step, ...], jobs: int) -> tuple[StepResult, ...]:
    """Run the steps, at most `jobs` at the same time; their results in the order of `steps`.

    Whatever it raises, no process is left and what had finished before is kept.
    """
    waiting = {step.name: (step, upstream(step)) for step in steps}
    try:
        while waiting or run.at_work:
            ready = next(
                (step for step, needs in waiting.values() if needs <= run.results.keys()), None
            )
            if ready is None or len(run.at_work) >= jobs:
                _handle(run, _next_message(run))
            elif twin := _begin(run, ready):
                waiting[ready.name][1].add(twin)
            else:
                del waiting[ready.name]
    except (StepFailed, UserError):
        _end_others(run)
        raise
    finally:
        _end(run)
    return tuple(run.results[step.name] for step in steps)


def _begin(run: Run, step: Step) -> str | None:
    """Take the step's result from the store or start the step.

    Does neither where a step at work is just making that result, and returns the name of that one.
    """
    began = perf_counter()
    work = work_of(run.sources, step, run.entries)
    key = key_of(run.sources, work) if step.component.is_deterministic else None
    if key is not None:
        for name, other in run.at_work.items():
            if other.key == key:
                return name
        entry = find(run.around.store, key) if key in run.made or not run.force else None
        if entry is not None:
            _settle(run, step.name, entry, "cached", began)
            return None
    run.on_event(Event(step.name, "started"))
    bench = prepare(run.around, work)
    run.at_work[step.name] = _AtWork(bench, key, began)
    threading.Thread(target=_attend, args=(run, bench), daemon=True).start()
    return None


def _attend(run: Run, bench: Bench) -> None:
    """A step's thread: its lines and its end become messages."""
    name = bench.work.step.name
    problem: str | Exception | None
    try:
        problem = carry_out(run.around, bench, lambda line: run.messages.put(_Line(name, line)))
    except Exception as error:  # noqa: BLE001 - raised again where the run is
        problem = error
    run.messages.put(_End(name, problem))


def _next_message(run: Run) -> _Line | _End:
    while True:
        with contextlib.suppress(queue.Empty):
            return run.messages.get(timeout=0.2)  # Windows hears Ctrl-C only between two waits


def _handle(run: Run, message: _Line | _End) -> None:
    """Tell of a line; keep what a step left, or raise why it failed."""
    step = run.at_work[message.step]
    if isinstance(message, _Line):
        step.tail.append(message.text)
        seconds = perf_counter() - step.began
        run.on_event(Event(message.step, "output", message.text, seconds))
        return
    del run.at_work[message.step]
    if isinstance(message.problem, Exception):
        raise message.problem
    shutil.rmtree(step.bench.folder / "code")
    if message.problem is not None:
        failure = give_up(run.around, step.bench, message.problem, step.tail)
        seconds = perf_counter() - step.began
        run.on_event(Event(message.step, "failed", message.problem, seconds))
        raise failure
    store = run.around.store
    target = store / "steps" / step.key if step.key else store / "effects" / message.step
    entry = keep(store, step.bench.folder, step.bench.outputs, target)
    if step.key:
        run.made.add(step.key)
    _settle(run, message.step, entry, "ran", step.began)


def _settle(
    run: Run, name: str, entry: Entry, status: Literal["ran", "cached"], began: float
) -> None:
    seconds = perf_counter() - began
    run.entries[name] = entry
    run.results[name] = StepResult(name, status, seconds, entry.outputs, entry.folder / "log.txt")
    run.on_event(Event(name, "finished" if status == "ran" else "cached", "", seconds))


def _end_others(run: Run) -> None:
    """After a failure: keep what has finished in the same moment, end the rest and say so."""
    while run.at_work:
        try:
            message = run.messages.get_nowait()
        except queue.Empty:
            break
        with contextlib.suppress(StepFailed, UserError, OSError):
            _handle(run, message)
    ended = {name: perf_counter() - step.began for name, step in run.at_work.items()}
    _end(run)
    for name, seconds in ended.items():
        run.on_event(Event(name, "ended", "", seconds))


def _end(run: Run) -> None:
    """End what is at work, and leave nothing of it."""
    try:
        run.around.running.end()
    finally:  # after a second Ctrl-C too
        for step in run.at_work.values():
            shutil.rmtree(step.bench.folder, ignore_errors=True)
        run.at_work.clear()
