"""The load process's own record: an answer a line, as it came; the loop and its page read it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import numpy as np

ANSWERS, CONTROL, GIVEN = "answers.jsonl", "shift.json", "given.json"


@dataclass(frozen=True)
class Answer:
    """One request. `time` is its start in seconds since 1970, `status` 0 where no answer came.

    `labelled`: its truth is told later. `error` says why it failed; empty where it did not.
    """

    time: float
    request: str
    status: int
    latency_ms: float
    version: str = ""
    deployment: str = ""
    shifted: bool = False
    labelled: bool = False
    error: str = ""

    @property
    def failed(self) -> bool:
        """Whether the caller did not get what it asked for, whoever's fault that was."""
        return self.status != 200


@dataclass(frozen=True)
class Second:
    """What was answered within a step of time: by version, how many failed, latency in ms."""

    start: float
    by_version: dict[str, int]
    failed: int
    p50: float | None
    p99: float | None


def write(file: IO[str], answers: Iterable[Answer]) -> None:
    """Append answers; what a killed process left without its end is passed over by `read`."""
    for answer in answers:
        file.write(json.dumps(asdict(answer)) + "\n")
    file.flush()


def read(path: Path) -> tuple[Answer, ...]:
    """All answers in the order in which they came; none where there is no file."""
    if not path.is_file():
        return ()
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            found.append(Answer(**json.loads(line)))
        except (ValueError, TypeError):
            continue
    return tuple(found)


def between(answers: Sequence[Answer], start: float, end: float) -> tuple[Answer, ...]:
    """Those asked from `start` until before `end`."""
    return tuple(each for each in answers if start <= each.time < end)


def failed(answers: Sequence[Answer]) -> tuple[Answer, ...]:
    """Those that failed."""
    return tuple(each for each in answers if each.failed)


def versions(answers: Sequence[Answer]) -> dict[str, int]:
    """How many requests each version answered, in the order of their first answers."""
    found: dict[str, int] = {}
    for each in answers:
        if not each.failed:
            found[each.version] = found.get(each.version, 0) + 1
    return found


def seconds(answers: Sequence[Answer], step: float = 1.0) -> tuple[Second, ...]:
    """The record in steps of so many seconds, from the first request to the last, none left out."""
    if not answers:
        return ()
    first = min(each.time for each in answers)
    parts: dict[int, list[Answer]] = {}
    for each in answers:
        parts.setdefault(int((each.time - first) // step), []).append(each)
    return tuple(
        _second(first + number * step, parts.get(number, [])) for number in range(max(parts) + 1)
    )


def _second(start: float, answers: Sequence[Answer]) -> Second:
    took = [each.latency_ms for each in answers if not each.failed]
    p50, p99 = (float(np.quantile(took, q)) if took else None for q in (0.5, 0.99))
    return Second(start, versions(answers), len(failed(answers)), p50, p99)
