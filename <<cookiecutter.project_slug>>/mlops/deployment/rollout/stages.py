"""The stages of a rollout as traffic: who gets which share in each, and what comes before and after."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlops.deployment.desired.model_file import DesiredModel
from mlops.deployment.desired.settings import Rollout, Serving, Stage
from mlops.deployment.serving.traffic import Deployment, Options, Progress, Traffic

NAMES = ("blue", "green")


@dataclass(frozen=True)
class Step:
    """A stage of a rollout; in the first one the new model may get copies only."""

    stage: Stage
    mirrored: bool

    def __str__(self) -> str:
        kind = "copies of" if self.mirrored else "of"
        return f"{self.stage.share:.0%} {kind} the requests"


def steps(rollout: Rollout) -> tuple[Step, ...]:
    """All stages in their order."""
    mirror = (Step(rollout.mirror, True),) if rollout.mirror else ()
    return (*mirror, *(Step(stage, False) for stage in rollout.live))


def options(serving: Serving) -> Options:
    """What of the settings the workers follow while they run."""
    names = {entry.name for entry in dataclasses.fields(Options)}
    return Options(**{name: getattr(serving, name) for name in names})


def staged(traffic: Traffic, desired: DesiredModel, number: int, step: Step) -> Traffic:
    """A stage: the new model's share and the rest to the one that serves."""
    old = old_of(traffic)
    assert old is not None  # noqa: S101 - a first model needs no rollout
    name = traffic.rollout.to if traffic.rollout else _other(old.name)
    live, copies = (0.0, step.stage.share) if step.mirrored else (step.stage.share, 0.0)
    new = dataclasses.replace(_deployment(name, desired), share=live, mirror=copies)
    old = dataclasses.replace(old, share=1 - live, mirror=0.0)
    return dataclasses.replace(
        traffic,
        revision=traffic.revision + 1,
        deployments=(old, new),
        rollout=Progress(name, number),
    )


def settled(
    traffic: Traffic,
    serving: Deployment,
    warm: Deployment | None,
    package: Path,
    rollout: Rollout,
) -> Traffic:
    """Everything to one model; the other one stays warm."""
    kept = (dataclasses.replace(warm, share=0.0, mirror=0.0),) if warm else ()
    edges, deviation = _reference(package)
    return dataclasses.replace(
        traffic,
        revision=traffic.revision + 1,
        deployments=(dataclasses.replace(serving, share=1.0, mirror=0.0), *kept),
        edges=edges,
        tolerance=rollout.guards.tolerance * deviation,
        rollout=None,
    )


def old_of(traffic: Traffic) -> Deployment | None:
    """The deployment that a rollout starts from: the one that serves, were there no rollout."""
    if traffic.rollout is None:
        return traffic.serving()
    others = [each for each in traffic.deployments if each.name != traffic.rollout.to]
    return others[0] if others else None


def new_of(traffic: Traffic) -> Deployment | None:
    """The deployment that a rollout leads to."""
    return traffic.named(traffic.rollout.to) if traffic.rollout else None


def by_digest(deployments: Sequence[Deployment], digest: str) -> Deployment | None:
    """The deployment of a package."""
    return next((each for each in deployments if each.digest == digest), None)


def deployment_for(traffic: Traffic, desired: DesiredModel) -> Deployment:
    """The deployment of a model beside the one that serves: the one that is there, or a new one."""
    there = by_digest(traffic.deployments, desired.digest)
    serving = traffic.serving()
    name = there.name if there else _other(serving.name if serving else NAMES[1])
    return _deployment(name, desired)


def _deployment(name: str, desired: DesiredModel) -> Deployment:
    return Deployment(name, desired.version, desired.digest)


def _other(name: str) -> str:
    return NAMES[1] if name == NAMES[0] else NAMES[0]


def _reference(package: Path) -> tuple[tuple[float, ...], float]:
    """The bins in which answers are counted, and their standard deviation, of a package."""
    answers = json.loads((package / "reference.json").read_text(encoding="utf-8"))["answers"]
    if len(answers) > 1:  # a bin for each label
        return tuple(number - 0.5 for number in range(len(answers) + 1)), 1.0
    return tuple(map(float, answers[0]["edges"])), float(answers[0].get("deviation", 1.0))
