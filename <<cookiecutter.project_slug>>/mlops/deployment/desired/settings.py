"""`environments/<name>/settings.yml`: what people decide for an environment, read by one strict parser."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from mlops.deployment.gate.decision import By
from mlops.quality.errors import UserError
from mlops.quality.strict import parse, read_yaml


@dataclass(frozen=True)
class BoundSection:
    """One rule of the gate as it is written."""

    at_least: float | Literal["declared"] | None = None
    at_most: float | Literal["declared"] | None = None
    by: By = "estimate"
    absent: Literal["refuse", "pass"] = "refuse"


@dataclass(frozen=True)
class GateSection:
    """The gate's rules as they are written."""

    rules: Mapping[str, BoundSection]
    without: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Measuring:
    """How the figures are taken.

    `tolerance` is the largest difference between the compiled model and the original; `minimum_group`
    the smallest group of rows that fairness speaks of; `noise` in standard deviations; `missing` a
    share of cells; `generated` a number of rows; `seconds` and `nodes` the limits of one proof.
    """

    tolerance: float = 1e-5
    minimum_group: int = 20
    noise: float = 0.05
    missing: float = 0.1
    generated: int = 4096
    seconds: float = 60.0
    nodes: int = 20000


@dataclass(frozen=True)
class Serving:
    """How the endpoint serves. `port` 0 is a free one, which is remembered.

    `sticky` names the header whose value always leads to the same deployment. `rows` and
    `body_bytes` limit a request, `body_seconds` and `answer_seconds` how long it may take.
    """

    host: str = "127.0.0.1"
    port: int = 0
    workers: int = 1
    body_bytes: int = 4_000_000
    rows: int = 10_000
    body_seconds: float = 10.0
    answer_seconds: float = 30.0
    sticky: str = "x-routing-key"
    collect: bool = True
    collect_seconds: float = 10.0
    log: Literal["errors", "all"] = "errors"


@dataclass(frozen=True)
class Stage:
    """One stage of a rollout: which share, until so many requests or so many seconds."""

    share: float
    requests: int = 100
    seconds: float = 60.0


@dataclass(frozen=True)
class Guards:
    """What must hold in each stage; None switches a guard off.

    `error_rate` is the highest share of requests that fail; `latency_ms` the highest
    `latency_quantile`; `agreement` the lowest share of mirrored rows that both models answer alike
    (values: within `tolerance` standard deviations of the training answers); `distribution` the
    largest distance between the answers of both (Kolmogorov-Smirnov, over the training deciles).
    """

    error_rate: float | None = 0.01
    latency_ms: float | None = 50.0
    latency_quantile: float = 0.99
    agreement: float | None = 0.8
    tolerance: float = 0.1
    distribution: float | None = 0.3


@dataclass(frozen=True)
class Rollout:
    """How a new model gets its traffic. After `replay_after` seconds without a request, golden rows
    are replayed.
    """

    mirror: Stage | None = None
    live: tuple[Stage, ...] = (Stage(1.0, 20),)
    guards: Guards = field(default_factory=Guards)
    replay_after: float = 2.0


@dataclass(frozen=True)
class Approving:
    """Whose approval an environment needs. `*` among the approvers is everybody."""

    required: bool = False
    approvers: tuple[str, ...] = ("*",)
    author_may_approve: bool = True
    days: int = 30


# A section of Level 4, which the floor above reads.
Later = Mapping[str, object]


@dataclass(frozen=True)
class Sections:
    """One environment's settings. Only dev has a gate. What follows `approval` is Level 4's."""

    gate: GateSection | None = None
    measuring: Measuring = field(default_factory=Measuring)
    serving: Serving = field(default_factory=Serving)
    rollout: Rollout = field(default_factory=Rollout)
    approval: Approving = field(default_factory=Approving)
    monitoring: Later = field(default_factory=dict)
    drift: Later = field(default_factory=dict)
    events: Later = field(default_factory=dict)
    retraining: Later = field(default_factory=dict)
    remedy: Later = field(default_factory=dict)
    experiment: Later = field(default_factory=dict)
    bandit: Later = field(default_factory=dict)
    shadow: Later = field(default_factory=dict)
    review: Later = field(default_factory=dict)


def read_sections(path: Path) -> Sections:
    """Read a `settings.yml`; raises UserError that names file, key and what was expected."""
    values = read_yaml(path)
    found = parse(Sections, values, str(path))
    _check_serving(found.serving, f"{path}: serving")
    _check_rollout(found.rollout, f"{path}: rollout")
    if found.approval.days < 1:
        raise UserError(f"{path}: approval: days: expected 1 or more")
    if not all(name.strip() for name in found.approval.approvers):
        raise UserError(f"{path}: approval: approvers: expected names or e-mail addresses")
    return found


def _check_serving(serving: Serving, where: str) -> None:
    if serving.host != "localhost":
        try:
            ipaddress.ip_address(serving.host)
        except ValueError:
            expected = "an address of this machine such as 127.0.0.1 or 0.0.0.0"
            raise UserError(f"{where}: host: expected {expected}, found '{serving.host}'") from None
    if not 0 <= serving.port <= 65535:
        raise UserError(f"{where}: port: expected 0 to 65535, found {serving.port}")
    if not 1 <= serving.workers <= 256:
        raise UserError(f"{where}: workers: expected 1 to 256, found {serving.workers}")
    for key in ("body_bytes", "rows", "body_seconds", "answer_seconds", "collect_seconds"):
        if not getattr(serving, key) > 0:
            raise UserError(f"{where}: {key}: expected more than 0")


def _check_rollout(rollout: Rollout, where: str) -> None:
    if rollout.mirror:
        _check_stage(rollout.mirror, f"{where}: mirror")
    for number, stage in enumerate(rollout.live):
        _check_stage(stage, f"{where}: live[{number}]")
    shares = [stage.share for stage in rollout.live]
    if shares != sorted(set(shares)) or not shares or shares[-1] != 1:
        raise UserError(f"{where}: live: expected growing shares, the last of them 1.0")
    guards = rollout.guards
    for key in ("error_rate", "agreement", "distribution", "latency_quantile"):
        value = getattr(guards, key)
        if value is not None and not 0 <= value <= 1:
            raise UserError(f"{where}: guards: {key}: expected 0 to 1, found {value:g}")
    for key in ("latency_ms", "tolerance"):
        value = getattr(guards, key)
        if value is not None and not value >= 0:
            raise UserError(f"{where}: guards: {key}: expected 0 or more")
    if not rollout.replay_after >= 0:
        raise UserError(f"{where}: replay_after: expected 0 or more")


def _check_stage(stage: Stage, where: str) -> None:
    if not 0 < stage.share <= 1:
        raise UserError(f"{where}: share: expected more than 0 and at most 1, found {stage.share}")
    if stage.requests < 1 or not stage.seconds > 0:
        raise UserError(f"{where}: expected 1 or more requests, and more than 0 seconds")
