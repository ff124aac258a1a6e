"""What a worker counts of each package it runs, and the sum over workers.

A worker writes its counts to a file of its own, so that any worker can tell the sum of all and a
rollout's guards can read them. Counts of a worker that has ended stay until the endpoint is stopped.
"""

from __future__ import annotations

import dataclasses
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mlops.deployment.serving.model import Answers

# Upper ends of the latency's bins, in seconds; one more bin holds what took longer.
LATENCY_ENDS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)
# Bins of answers: as many as a reference's deciles can need, and of the labels of most problems.
ANSWER_BINS = 32


def _no_latency() -> list[int]:
    return [0] * (len(LATENCY_ENDS) + 1)


def _no_answers() -> list[int]:
    return [0] * ANSWER_BINS


@dataclass
class Counts:
    """Counts of one package under one deployment's name.

    `refused` requests broke the contract or the protocol, `failed` ones are the model's or the
    endpoint's own. Of the `mirrored` requests, `mirror_failed` got no answer; `compared` rows were
    answered by the package that serves as well, and `agreed` rows alike. `latency` counts requests
    by `LATENCY_ENDS`, `answers` and `mirror_answers` rows by the traffic's edges.
    """

    requests: int = 0
    rows: int = 0
    refused: int = 0
    failed: int = 0
    seconds: float = 0.0
    mirrored: int = 0
    mirror_failed: int = 0
    compared: int = 0
    agreed: int = 0
    latency: list[int] = field(default_factory=_no_latency)
    answers: list[int] = field(default_factory=_no_answers)
    mirror_answers: list[int] = field(default_factory=_no_answers)

    def took(self, seconds: float) -> None:
        """Count one answered request's time."""
        self.seconds += seconds
        self.latency[bisect_left(LATENCY_ENDS, seconds)] += 1


# Counts by deployment's name and package's digest, joined by a colon.
Counted = Mapping[str, Counts]


def key(name: str, digest: str) -> str:
    """Under which name the counts of a deployment stand."""
    return f"{name}:{digest}"


def total(parts: Iterable[Counted]) -> dict[str, Counts]:
    """The sum of several workers' counts."""
    found: dict[str, Counts] = {}
    for part in parts:
        for name, counts in part.items():
            found[name] = _combined(found.get(name, Counts()), counts, 1)
    return found


def since(now: Counts, before: Counts) -> Counts:
    """What was counted after `before`."""
    return _combined(now, before, -1)


def _combined(one: Counts, other: Counts, sign: int) -> Counts:
    values: dict[str, object] = {}
    for entry in dataclasses.fields(Counts):
        left, right = getattr(one, entry.name), getattr(other, entry.name)
        if isinstance(left, list):
            values[entry.name] = [a + sign * b for a, b in zip(left, right, strict=True)]
        else:
            values[entry.name] = left + sign * right
    return Counts(**values)  # type: ignore[arg-type]


def quantile(latency: list[int], share: float) -> float:
    """The time within which that share of the requests was answered, in seconds.

    The upper end of its bin: never less than the true one; infinite beyond the last.
    """
    needed, seen = share * sum(latency), 0
    for end, count in zip((*LATENCY_ENDS, float("inf")), latency, strict=True):
        seen += count
        if seen >= needed:
            return end
    return 0.0


def bins(found: Answers, edges: tuple[float, ...]) -> Sequence[int]:
    """In which bin each row's answer lies: by `edges`, or the position of its label."""
    values = found.values
    if len(values) == 1 and values.size <= 2:
        return (min(max(bisect_right(edges, values.item(-1)) - 1, 0), max(len(edges) - 2, 0)),)
    if values.ndim == 2 and values.shape[1] > 2:
        return list(np.minimum(values.argmax(axis=1), ANSWER_BINS - 1))
    scores = values[:, -1] if values.ndim == 2 else values
    return list(np.searchsorted(edges[1:-1], scores, side="right"))


def agreeing(one: Answers, other: Answers, tolerance: float) -> int:
    """On how many rows two models agree: the same label, or values at most `tolerance` apart."""
    if one.labels is not None and other.labels is not None:
        return int((one.labels == other.labels).sum())
    if one.values.shape != other.values.shape:
        return 0
    return int((np.abs(one.values - other.values) <= tolerance).sum())
