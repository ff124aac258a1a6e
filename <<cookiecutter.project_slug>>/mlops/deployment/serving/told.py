"""What the workers of an endpoint have told of themselves: their files, read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from mlops.deployment.serving.counts import Counts, total
from mlops.deployment.serving.worker import FOLDER


@dataclass(frozen=True)
class Told:
    """One worker's last words: the revision of the traffic that it follows, and its counts.

    `error` says why it could not follow the revision that it `tried` last.
    """

    pid: int
    revision: int
    tried: int
    error: str
    counts: dict[str, Counts]
    others: dict[str, int]


def read_told(folder: Path) -> list[Told]:
    """What each worker of the endpoint in `folder` told last, those that have ended included."""
    found = []
    for path in sorted((folder / FOLDER).glob("*.json")):
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            counts = {name: Counts(**counted) for name, counted in values.pop("counts").items()}
            found.append(Told(**values, counts=counts))
        except (OSError, ValueError, TypeError, KeyError):
            continue  # a worker of another version of this file tells other things
    return found


def all_counts(told: list[Told]) -> dict[str, Counts]:
    """The sum of all workers' counts."""
    return total(each.counts for each in told)


def all_others(told: list[Told]) -> dict[str, int]:
    """The sum of what all workers counted of the endpoint as a whole."""
    found: dict[str, int] = {}
    for each in told:
        for name, count in each.others.items():
            found[name] = found.get(name, 0) + count
    return found
