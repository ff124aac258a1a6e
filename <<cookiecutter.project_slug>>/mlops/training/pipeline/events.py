"""What a run tells: its events, its results and its failure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Event:
    """Something to tell while a pipeline runs; `text` is a line of output or a reason.

    A step is "ended" where it was still at work when another one failed.
    """

    step: str
    kind: Literal["started", "output", "cached", "finished", "failed", "ended"]
    text: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class StepResult:
    """One step of a run: whether it ran or was taken from the store, and where its outputs lie."""

    name: str
    status: Literal["ran", "cached"]
    seconds: float
    outputs: Mapping[str, Path]
    log: Path


class StepFailed(Exception):  # noqa: N818 - the event's name
    """A step's own failure: its end of output and where the whole log is."""

    def __init__(self, step: str, reason: str, log: Path, tail: str = "") -> None:
        shown = f"; the end of its output:\n{tail}\n" if tail else "; it printed nothing; "
        super().__init__(f"step '{step}' {reason}{shown}whole log: {log}")
        self.step, self.log = step, log
