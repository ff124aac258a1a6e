"""Each act asserts its outcome from the records: what should happen passes, anything else fails it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mlops.deployment import audit_log
from mlops.operations.events import log
from mlops.operations.events.event import new_event
from mlops.operations.loop import acts, acts_live, record
from mlops.operations.loop.acts import ACTS, Script
from mlops.operations.loop.ground import Ground, Person
from mlops.operations.loop.record import ANSWERS, Answer
from mlops.operations.loop.rows import Shift
from mlops.operations.loop.stage import ActFailed, Ended, Stage
from mlops.operations.loop.witness import mark
from mlops.operations.tests.collected_cases import make_project

ADA = Person("Ada Lovelace", "ada@example.org")
GRACE = Person("Grace Hopper", "grace@example.org")
CHAMPION = {"champion.roc_auc": "-0.2 is not at least -0.05"}
Written = tuple[str, Mapping[str, object]]
Entries = tuple[Written, ...]


class Rehearsal(Stage):
    """A stage whose commands exit with a code and leave entries and events behind."""

    code: int = 0
    written: Entries = ()
    told: tuple[tuple[str, ...], ...] = ()

    def command(
        self, verb: str, *words: str, by: Person | None = None  # noqa: ARG002 - a stage's own
    ) -> Ended:
        since = mark(self.ground.state)
        for event, facts in self.written:
            audit_log.append(self.ground.state, event, facts)
        for columns in self.told:
            data = {"columns": list(columns), "reasons": ["it has moved"]}
            when = datetime.now(UTC)
            log.append(
                self.ground.state, new_event("data_drift", "prod", data, source="s", now=when)
            )
        return Ended(verb, self.code, ("its last words",), since)


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rehearsal:
    project = make_project(tmp_path / "project", 20)
    ground = Ground(tmp_path, tmp_path / "project", "ab" * 20, 0)
    for each in (ground.logs, ground.load):
        each.mkdir()
    shift = Shift("a", 3.0, 0.5)
    made = Rehearsal(ground, project, GRACE, ADA, {}, lambda _: None, shift, 10, 50)
    made.versions = ["1"]
    answered(made)
    there: dict[str, dict[str, str]] = {"1": {}, "2": {}}
    monkeypatch.setattr(acts_live, "registered", lambda *_: there)
    monkeypatch.setattr(acts, "registered", lambda *_: {"1": {"mlops.commit": "cd" * 20}})
    monkeypatch.setattr(acts_live, "SETTLED", 5)
    return made


def answered(stage: Stage, versions: str = "1111111", status: int = 200) -> None:
    with (stage.ground.load / ANSWERS).open("a") as file:
        record.write(file, [Answer(1.0, "r", status, 2.0, each) for each in versions])


def deployed(environment: str = "prod", version: str = "2") -> Written:
    return "deployed", {"environment": environment, "version": version, "approved_by": "Ada"}


def retrained(outcome: str, *more: Written) -> Entries:
    about = {"environment": "prod"}
    return (
        ("retraining", about),
        *more,
        ("retraining_ended", {**about, "outcome": outcome, "reason": "so it is"}),
    )


PASSED: Written = ("gate", {"passed": True, "version": "2"})
REFUSED: Written = ("gate", {"passed": False, "version": "2", "refused": CHAMPION})
OTHER: Written = ("gate", {"passed": False, "version": "2", "refused": {"golden.accuracy": "0.2"}})
ROLLBACK: Written = ("rollback", {"environment": "prod", "version": "1"})
STAGES: Entries = tuple(("stage", {"environment": "prod", "stage": n}) for n in range(4))
STAGED: Entries = (deployed("stage", "1"), ("tested", {"environment": "stage"}))
LIVE: Entries = (deployed("prod", "1"), ("tested", {"environment": "prod"}))
WON, LOST = retrained("won", PASSED, deployed("stage")), retrained("lost", REFUSED)
Act = Callable[[Stage], str]

# What should happen: the act, the exit code of its command, and what is in the records then.
HAPPENS: dict[str, tuple[Act, int, Entries]] = {
    "data": (acts.data, 0, ()),
    "train": (acts.train, 0, ()),
    "gate": (acts.gate, 0, (PASSED,)),
    "stage": (acts.to_stage, 3, STAGED),
    "prod": (acts.to_prod, 0, LIVE),
    "quiet": (acts_live.quiet, 0, ()),
    "retraining": (acts_live.retraining, 3, WON),
    "worse": (acts_live.worse, 1, LOST),
    "rollback": (acts_live.rollback, 0, (ROLLBACK,)),
}
# What fails an act: besides, what its message says.
FAILS: dict[str, tuple[Act, int, Entries, str]] = {
    "bad data": (acts.data, 1, (), "exited with 1, expected 0: its last words"),
    "the gate refuses": (acts.gate, 1, (REFUSED,), "exited with 1"),
    "the gate is silent": (acts.gate, 0, (), "no model that passed"),
    "nobody is asked": (acts.to_stage, 0, STAGED, "exited with 0, expected 3"),
    "nothing in stage": (acts.to_stage, 3, STAGED[1:], "stage serves nothing"),
    "no test in stage": (acts.to_stage, 3, STAGED[:1], "was not tested"),
    "prod without approval": (acts.to_stage, 3, (*STAGED, *LIVE), "without an approval"),
    "nothing in prod": (acts.to_prod, 0, LIVE[1:], "does not tell that prod serves"),
    "no test in prod": (acts.to_prod, 0, LIVE[:1], "prod was not tested"),
    "trained without drift": (acts_live.quiet, 0, retrained("won"), "though nothing was shifted"),
    "no retraining": (acts_live.retraining, 0, (), "exited with 0, expected 3"),
    "not begun": (acts_live.retraining, 3, WON[1:], "no retraining began"),
    "it lost": (acts_live.retraining, 3, retrained("lost", PASSED), "outcome is lost"),
    "not in stage": (acts_live.retraining, 3, retrained("won", PASSED), "stage does not serve"),
    "the worse one passed": (acts_live.worse, 3, WON, "exited with 3, expected 1"),
    "refused by another rule": (
        acts_live.worse,
        1,
        retrained("lost", OTHER),
        "refused by golden.accuracy, not by comparison with the champion",
    ),
    "refused, not lost": (acts_live.worse, 1, retrained("refused", REFUSED), "expected lost"),
    "deployed all the same": (acts_live.worse, 1, (*LOST, deployed()), "deployed all the same"),
    "no rollback": (acts_live.rollback, 0, (), "no rollback to version 1"),
}


@pytest.mark.parametrize("name", HAPPENS)
def test_what_should_happen_is_told(stage: Rehearsal, name: str) -> None:
    act, stage.code, stage.written = HAPPENS[name]
    assert act(stage)


@pytest.mark.parametrize("name", FAILS)
def test_anything_else_fails_the_act_and_says_why(stage: Rehearsal, name: str) -> None:
    act, stage.code, stage.written, why = FAILS[name]
    with pytest.raises(ActFailed, match=why):
        act(stage)


@pytest.mark.parametrize(("by", "is_so"), [(ADA, True), (GRACE, False)])
def test_the_approval_must_be_by_the_one_who_was_named(
    stage: Rehearsal, by: Person, is_so: bool
) -> None:
    facts = {"environment": "prod", "by": by.name, "email": by.email}
    stage.written = (("approve", facts),)
    play = acts.approve("it is good")
    if is_so:
        assert "Ada Lovelace <ada@example.org>: it is good" in play(stage)
    else:
        with pytest.raises(ActFailed, match="not by Ada Lovelace"):
            play(stage)


@pytest.mark.parametrize(
    ("told", "why"),
    [((("a", "n"),), ""), ((), "tells of no drift"), ((("n",),), "of \\['n'\\], not of a")],
)
def test_the_monitor_must_name_the_shifted_column(
    stage: Rehearsal, told: tuple[tuple[str, ...], ...], why: str
) -> None:
    stage.told = told
    if not why:
        assert acts_live.detection(stage) == "it has moved"
    else:
        with pytest.raises(ActFailed, match=why):
            acts_live.detection(stage)


def test_drift_that_nobody_injected_fails_the_quiet_act(stage: Rehearsal) -> None:
    stage.told = (("n",),)
    with pytest.raises(ActFailed, match="before anything was shifted: it has moved"):
        acts_live.quiet(stage)


@pytest.mark.parametrize(
    ("during", "written", "why"),
    [
        ("1112122222", (*STAGES, deployed()), ""),
        ("1112122222", (*STAGES[:1], deployed()), "tells of 1 stages"),
        ("1112122222", STAGES, "does not tell that prod serves version 2"),
        ("2222222222", (*STAGES, deployed()), "only versions 2 answered"),
    ],
)
def test_a_rollout_is_stages_and_answers_of_both(
    stage: Rehearsal, during: str, written: Entries, why: str
) -> None:
    stage.versions, stage.written = ["1", "2"], written
    once = stage.command

    def meanwhile(verb: str, *words: str, by: Person | None = None) -> Ended:
        answered(stage, during)
        return once(verb, *words, by=by)

    stage.command = meanwhile  # type: ignore[method-assign]
    if not why:
        assert "4 stages held; of 10 requests meanwhile 0 failed" in acts_live.rollout(stage)
    else:
        with pytest.raises(ActFailed, match=why):
            acts_live.rollout(stage)


@pytest.mark.parametrize("act", [acts_live.rollback, acts_live.retraining])
def test_one_failed_request_fails_an_act_under_traffic(stage: Rehearsal, act: Act) -> None:
    answered(stage, "1", status=500)
    answered(stage)
    stage.code = 3 if act is acts_live.retraining else 0
    stage.written = (*WON, ROLLBACK)
    with pytest.raises(ActFailed, match="1 of 15 requests failed; the first: 500"):
        act(stage)


@pytest.mark.parametrize(("status", "code"), [(200, 0), (500, 0), (200, 1)])
def test_the_end_counts_every_request(
    stage: Rehearsal, status: int, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "end_load", lambda: code)
    answered(stage, "2", status=status)
    if (status, code) == (200, 0):
        assert acts.end(stage) == "8 requests, 0 failed: version 1 7, version 2 1"
    else:
        with pytest.raises(
            ActFailed, match=r"1 of 8 requests failed|the load process exited with 1"
        ):
            acts.end(stage)


def test_waiting_has_an_end(stage: Rehearsal) -> None:
    with pytest.raises(ActFailed, match="the sun: not within 0 s"):
        stage.wait("the sun", lambda: False, 0.1)
    stage.wait("nothing", lambda: True)


def test_the_script_has_every_act_that_a_loop_needs() -> None:
    names = [each.name for each in ACTS]
    assert names == sorted(set(names), key=names.index)
    assert all(isinstance(each, Script) and each.title for each in ACTS)
    assert any("INJECTED" in each.title for each in ACTS)
