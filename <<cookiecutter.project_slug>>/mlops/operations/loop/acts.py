"""The acts of the loop in their order; each does one thing and asserts its outcome from the records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mlops.deployment import history
from mlops.deployment.desired.environment import PROD, STAGE
from mlops.operations.loop import acts_live as live
from mlops.operations.loop import record
from mlops.operations.loop.record import failed
from mlops.operations.loop.stage import Stage, expect
from mlops.operations.loop.witness import registered

QUALITY, OPERATIONS = "mlops.quality", "mlops.operations"
WAITS = 3


@dataclass(frozen=True)
class Script:
    """An act as it is written: what it is called, and what does it and tells what the records show."""

    name: str
    title: str
    play: Callable[[Stage], str]


def data(stage: Stage) -> str:
    """The data keep their contract."""
    ended = stage.command(f"{QUALITY} data")
    ended.expect(0)
    return next((line for line in ended.lines if line.strip()), "")


def train(stage: Stage) -> str:
    """A model is trained and registered, with what it came from."""
    stage.command(f"{OPERATIONS} train").expect(0)
    there = registered(stage.ground.project, stage.project.settings.slug)
    expect(len(there) == 1, f"the registry holds {len(there)} versions, expected 1")
    version = next(iter(there))
    stage.versions.append(version)
    return f"version {version} is registered, from commit {commit_of(there[version])}"


def gate(stage: Stage) -> str:
    """The gate lets it pass."""
    ended = stage.command(f"{OPERATIONS} qualify")
    ended.expect(0)
    found = stage.entries(ended.since, "gate", passed=True)
    expect(found, "the audit log tells of no model that passed the gate")
    return f"version {found[-1].get('version')} passed every rule of environments/dev/settings.yml"


def to_stage(stage: Stage) -> str:
    """It goes to stage, is tested there, and may not go on without an approval."""
    ended = stage.command(f"{OPERATIONS} deploy")
    ended.expect(WAITS)
    expect(stage.entries(ended.since, history.DEPLOYED, environment=STAGE), "stage serves nothing")
    expect(stage.entries(ended.since, "tested", environment=STAGE), "stage was not tested")
    expect(
        not stage.entries(ended.since, history.DEPLOYED, environment=PROD),
        "prod serves it without an approval",
    )
    return "stage serves it, its tests passed there over HTTP; prod waits for a person"


def approve(reason: str) -> Callable[[Stage], str]:
    """A person lets it into prod."""

    def play(stage: Stage) -> str:
        ended = stage.command(f"{OPERATIONS} approve", "--reason", reason, by=stage.approver)
        ended.expect(0)
        found = stage.entries(ended.since, history.APPROVED, environment=PROD)
        expect(found, "the audit log tells of no approval")
        by = f"{found[-1].get('by')} <{found[-1].get('email')}>"
        expect(by == str(stage.approver), f"it was approved by {by}, not by {stage.approver}")
        return f"approved by {by}: {reason}"

    return play


def to_prod(stage: Stage) -> str:
    """Prod serves it."""
    ended = stage.command(f"{OPERATIONS} deploy")
    ended.expect(0)
    found = stage.entries(ended.since, history.DEPLOYED, environment=PROD)
    expect(found, "the audit log does not tell that prod serves it")
    expect(stage.entries(ended.since, "tested", environment=PROD), "prod was not tested")
    by = found[-1].get("approved_by")
    return f"prod serves version {found[-1].get('version')} alone, approved by {by}"


def end(stage: Stage) -> str:
    """The load ends; every request of it was answered."""
    code = stage.end_load()
    answers = stage.answers()
    expect(code == 0, f"the load process exited with {code}: {stage.ground.logs / 'load.log'}")
    lost = failed(answers)
    first = f"the first: {lost[0].status} {lost[0].error}" if lost else ""
    expect(not lost, f"{len(lost)} of {len(answers):,} requests failed; {first}")
    parts = ", ".join(
        f"version {each} {count:,}" for each, count in record.versions(answers).items()
    )
    return f"{len(answers):,} requests, 0 failed: {parts}"


def commit_of(tags: object) -> str:
    """The commit that a registered version names, shortened."""
    return str(tags.get("mlops.commit", "unknown"))[:10] if isinstance(tags, dict) else "unknown"


ACTS = (
    Script("data", "The data are checked", data),
    Script("train", "A model is trained", train),
    Script("gate", "The gate judges it", gate),
    Script("stage", "It goes to stage", to_stage),
    Script("approval", "A person approves it", approve("First model; read its card")),
    Script("prod", "It goes to prod", to_prod),
    Script("traffic", "A load process asks prod", live.traffic),
    Script("quiet", "Nothing has changed", live.quiet),
    Script("shift", "INJECTED: the rows are shifted", live.inject),
    Script("detection", "The monitor finds it", live.detection),
    Script("retraining", "A model is trained anew", live.retraining),
    Script("approval-2", "A person approves it", approve("It learnt the new rows; read its card")),
    Script("rollout", "It is rolled out while the traffic goes on", live.rollout),
    Script("worse", "A worse model is refused", live.worse),
    Script("rollback", "Prod is rolled back", live.rollback),
    Script("end", "The load ends", end),
)
