"""Copies of requests for shadow deployments: bounded, in a thread of their own, seen by nobody."""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mlops.deployment.serving.counts import agreeing, bins
from mlops.deployment.serving.loaded import Loaded
from mlops.deployment.serving.model import Answers
from mlops.deployment.serving.table import Rows

# Requests that may wait; what comes on top is dropped and counted.
MOST = 4096
LOOK_SECONDS = 0.1
# Copies that a shadow answers at once, where they are of one contract.
_TOGETHER = 256
log = logging.getLogger("mlops.mirror")


@dataclass(frozen=True)
class Copy:
    """A request that was answered, for a shadow to answer too."""

    shadow: Loaded
    rows: Rows
    answers: Answers
    request: str
    edges: tuple[float, ...]
    tolerance: float


class Mirror:
    """Runs shadows off the request path; `done` is told of every answer they give.

    Its thread looks for copies now and then, and is not woken by each: two threads that take turns
    at the interpreter for every request would halve what the endpoint can answer.
    """

    def __init__(self, done: Callable[[Sequence[Copy], Rows, Answers], None]) -> None:
        self._waiting: deque[Copy] = deque()
        self._done = done
        self._ended = threading.Event()
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="mirror", daemon=True)
        self._thread.start()

    def offer(self, copy: Copy) -> None:
        """Take a copy, or drop it where the shadow is behind."""
        if len(self._waiting) >= MOST:
            self.dropped += 1
        else:
            self._waiting.append(copy)

    def close(self) -> None:
        """Finish what waits, and end."""
        self._ended.set()
        self._thread.join(10)

    def _run(self) -> None:
        ending = False
        while not ending:
            ending = self._ended.wait(LOOK_SECONDS)
            # what comes meanwhile waits for the next look: copies are answered in groups
            left = len(self._waiting)
            while left:
                count = min(left, _TOGETHER)
                left -= count
                for group in _alike([self._waiting.popleft() for _ in range(count)]):
                    self._answer(group)

    def _answer(self, copies: Sequence[Copy]) -> None:
        shadow = copies[0].shadow
        shadow.counts.mirrored += len(copies)
        try:
            rows = _joined([copy.rows for copy in copies])
            if broken := shadow.check.broken(rows, 1):
                if len(copies) > 1:
                    shadow.counts.mirrored -= len(copies)
                    for copy in copies:
                        self._answer([copy])
                    return
                raise ValueError(f"breaks the shadow's contract: {broken[0].rule}")
            found = shadow.model.answer(rows)
            given = _together([copy.answers for copy in copies])
            shadow.counts.agreed += agreeing(given, found, copies[0].tolerance)
            shadow.counts.compared += rows.number
            for position, count in Counter(bins(found, copies[0].edges)).items():
                shadow.counts.mirror_answers[position] += count
            self._done(copies, rows, found)
        except Exception as error:  # noqa: BLE001 - the caller has its answer, whatever it is
            shadow.counts.mirror_failed += len(copies)
            log.warning("shadow %s: %s", shadow.deployment.name, error)


def _alike(copies: Sequence[Copy]) -> list[list[Copy]]:
    """The copies by the shadow and the columns that they are for."""
    groups: dict[tuple[int, tuple[str, ...]], list[Copy]] = {}
    for copy in copies:
        groups.setdefault((id(copy.shadow), tuple(copy.rows.columns)), []).append(copy)
    return list(groups.values())


def _joined(parts: Sequence[Rows]) -> Rows:
    if len(parts) == 1:
        return parts[0]
    columns = {
        name: [value for part in parts for value in part.columns[name]] for name in parts[0].columns
    }
    return Rows(sum(part.number for part in parts), columns)


def _together(parts: Sequence[Answers]) -> Answers:
    labels = [part.labels for part in parts if part.labels is not None]
    return Answers(
        np.concatenate([part.values for part in parts]),
        np.concatenate(labels) if len(labels) == len(parts) else None,
    )
