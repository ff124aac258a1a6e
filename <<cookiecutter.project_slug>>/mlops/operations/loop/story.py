"""What a play was: its acts, the load's record, the monitor's figures, and what the logs tell."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from mlops.operations.loop.record import Answer
from mlops.operations.loop.rows import Shift
from mlops.operations.loop.witness import Figure
from mlops.operations.pages.moments import Moment


@dataclass(frozen=True)
class Act:
    """One act and what came of it. `why` is what the records show, or why it failed."""

    name: str
    title: str
    start: datetime
    end: datetime
    outcome: Literal["done", "failed"]
    why: str

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.end - self.start).total_seconds()


@dataclass(frozen=True)
class Story:
    """All of a play. `shift` is what was injected, None where the play did not come so far."""

    project: str
    commit: str
    acts: tuple[Act, ...]
    answers: tuple[Answer, ...] = ()
    figures: tuple[Figure, ...] = ()
    moments: tuple[Moment, ...] = ()
    shift: Shift | None = None
    approver: str = ""

    @property
    def seconds(self) -> float:
        """From the first act to the end of the last."""
        return (self.acts[-1].end - self.acts[0].start).total_seconds() if self.acts else 0.0

    @property
    def failed(self) -> Act | None:
        """The act that failed; None where all went as the loop expects."""
        return next((each for each in self.acts if each.outcome == "failed"), None)
