"""The acts that are played while the load process asks prod."""

from __future__ import annotations

from collections.abc import Sequence

from mlops.deployment import history
from mlops.deployment.desired.environment import PROD, STAGE
from mlops.operations.events.event import Event
from mlops.operations.loop import record, witness
from mlops.operations.loop.record import Answer
from mlops.operations.loop.stage import Ended, Stage, expect, fail, now
from mlops.operations.loop.traffic import write_shift
from mlops.operations.loop.witness import is_collected, registered
from mlops.operations.retraining import history as retrainings

OPERATIONS = "mlops.operations"
WAITS = 3
# Requests before the monitor is asked for the first time.
ASKED = 250
# Of how many rows the truth is told after the shift, at most: enough to learn from and to judge by.
SHIFTED = 440
SETTLED = 100
WORSE = "Somebody wants the old data back"


def traffic(stage: Stage) -> str:
    """Live traffic flows, every request of it answered."""
    stage.begin_load()
    stage.wait(f"{ASKED} answers", lambda: len(stage.answers()) >= ASKED)
    stage.wait("labels", lambda: _labelled(stage.answers()) >= stage.told_before)
    _all_answered(stage.answers())
    _collected(stage)
    return f"{stage.rate:g} requests a second from a process of its own, which tells the truth of some later"


def quiet(stage: Stage) -> str:
    """Without drift the policy asks for nothing."""
    ended = stage.command(f"{OPERATIONS} retrain", PROD)
    ended.expect(0)
    stage.look()
    found = stage.entries(ended.since, retrainings.STARTED)
    expect(not found, "a model was trained anew, though nothing was shifted")
    drift = witness.events(stage.ground.state, ended.since, "data_drift")
    if drift:
        fail(f"drift was told before anything was shifted: {_reasons(drift)}")
    return "no drift, so nothing is trained"


def inject(stage: Stage) -> str:
    """The load process is told to move a column; nothing else is touched."""
    before = len(stage.answers())
    write_shift(stage.ground.load, stage.shift)

    told = min(SHIFTED, stage.told_after)
    stage.wait("shifted rows", lambda: _labelled(stage.answers()) >= stage.told_before + told)
    expect(any(each.shifted for each in stage.answers()[before:]), "no row was shifted")
    _all_answered(stage.answers())
    _collected(stage)
    shift = stage.shift
    return (
        f"this play's own doing: {shift.column} of {shift.share:.0%} of the rows moved by "
        f"{shift.deviations:g} standard deviations, within the contract"
    )


def detection(stage: Stage) -> str:
    """The monitor names the column."""
    ended = stage.command(f"{OPERATIONS} monitor", PROD)
    ended.expect(0)
    stage.look()
    found = witness.events(stage.ground.state, ended.since, "data_drift")
    expect(found, "the log of events tells of no drift")
    columns = found[-1].data.get("columns")
    named = isinstance(columns, list) and stage.shift.column in columns
    expect(named, f"the drift that was told is of {columns}, not of {stage.shift.column}")
    return _reasons(found)


def retraining(stage: Stage) -> str:
    """The policy asks for a new model; it is trained on recent data too, and beats the champion."""
    ended = stage.command(f"{OPERATIONS} retrain", PROD)
    ended.expect(WAITS)
    stage.look()
    expect(stage.entries(ended.since, retrainings.STARTED), "no retraining began")
    _outcome(stage, ended, "won")
    passed = stage.entries(ended.since, "gate", passed=True)
    expect(passed, "the audit log tells of no model that passed the gate")
    version = _new_version(stage)
    expect(str(passed[-1].get("version")) == version, f"the gate judged another than {version}")
    there = stage.entries(ended.since, history.DEPLOYED, environment=STAGE)
    expect(there, "stage does not serve it")
    _all_answered(stage.answers())
    return f"version {version} beats version {stage.versions[0]} on recent rows and waits in stage"


def rollout(stage: Stage) -> str:
    """The new model takes over by shares, each stage watched, and nobody is left without an answer."""
    before, started = len(stage.answers()), stage.versions[-1]
    ended = stage.command(f"{OPERATIONS} deploy")
    ended.expect(0)
    stages = stage.entries(ended.since, "stage", environment=PROD)
    expect(len(stages) >= 2, f"the audit log tells of {len(stages)} stages of a rollout")
    found = stage.entries(ended.since, history.DEPLOYED, environment=PROD, version=started)
    expect(found, f"the audit log does not tell that prod serves version {started}")
    _serves(stage, started)
    later = stage.answers()[before:]
    _all_answered(later)
    counts = record.versions(later)
    expect(set(stage.versions) <= set(counts), f"only versions {', '.join(counts)} answered")
    parts = ", ".join(f"version {each} {count:,}" for each, count in counts.items())
    return f"{len(stages)} stages held; of {len(later):,} requests meanwhile 0 failed: {parts}"


def worse(stage: Stage) -> str:
    """A model that a person asks for, trained on the old data alone, loses against the champion."""
    asked = ("--because", WORSE, "--data", "old")
    ended = stage.command(f"{OPERATIONS} retrain", PROD, *asked)
    stage.look()
    ended.expect(1)
    _outcome(stage, ended, "lost")
    entries = stage.entries(ended.since, "gate", passed=False)
    expect(entries, "the audit log tells of no model that the gate refused")
    refused = entries[-1].get("refused")
    rules = refused if isinstance(refused, dict) else {}
    champion = {name: why for name, why in rules.items() if name.startswith("champion.")}
    expect(champion, f"it was refused by {', '.join(rules)}, not by comparison with the champion")
    version = _new_version(stage)
    moved = stage.entries(ended.since, history.DEPLOYED)
    expect(not moved, "it was deployed all the same")
    name, why = next(iter(champion.items()))
    return f"version {version}, learnt from the old data alone, is refused: {name}: {why}"


def rollback(stage: Stage) -> str:
    """Prod goes back to what served before, at once."""
    first = stage.versions[0]
    ended = stage.command(f"{OPERATIONS} rollback", PROD)
    ended.expect(0)
    found = stage.entries(ended.since, "rollback", environment=PROD, version=first)
    expect(found, f"the audit log tells of no rollback to version {first}")
    _serves(stage, first)
    _all_answered(stage.answers())
    return f"prod serves version {first} again, as one commit in Git says"


def _serves(stage: Stage, version: str) -> None:
    """Wait until the last answers all come from a version."""

    def alone() -> bool:
        last = stage.answers()[-SETTLED:]
        return len(last) == SETTLED and {each.version for each in last} == {version}

    stage.wait(f"answers of version {version} alone", alone, 60.0)


def _new_version(stage: Stage) -> str:
    """The version that was registered last, noted."""
    there = registered(stage.ground.project, stage.project.settings.slug)
    new = sorted(set(there) - set(stage.versions), key=int)
    expect(len(new) == 1, f"{len(new)} new versions are registered, expected 1")
    stage.versions.append(new[0])
    return new[0]


def _outcome(stage: Stage, ended: Ended, wanted: str) -> None:
    found = stage.entries(ended.since, retrainings.ENDED, environment=PROD)
    outcome = found[-1].get("outcome") if found else "none"
    why = found[-1].get("reason") if found else "the audit log tells of no end of it"
    expect(outcome == wanted, f"the retraining's outcome is {outcome}, expected {wanted}: {why}")


def _collected(stage: Stage) -> None:
    """Wait until the endpoint has written down the newest labelled row that was answered by now."""
    last = next(each for each in reversed(stage.answers()) if each.labelled)
    state = stage.ground.state
    stage.wait("the collection", lambda: is_collected(state, last.request, now()), seconds=60.0)


def _all_answered(answers: Sequence[Answer]) -> None:
    lost = record.failed(answers)
    if lost:
        said = f"the first: {lost[0].status} {lost[0].error}"
        fail(f"{len(lost)} of {len(answers):,} requests failed; {said}")


def _labelled(answers: Sequence[Answer]) -> int:
    return sum(each.labelled for each in answers)


def _reasons(events: Sequence[Event]) -> str:
    reasons = events[-1].data.get("reasons")
    return str(reasons[0]) if isinstance(reasons, list) and reasons else ""
