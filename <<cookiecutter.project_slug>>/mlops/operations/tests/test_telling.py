"""What commands did is told: each kind from the audit log's own entries, once, and holding nobody up."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from mlflow import MlflowClient

from mlops.deployment import audit_log, deploy, history, qualify
from mlops.deployment.approve import approve
from mlops.deployment.desired.model_file import DesiredModel, write_model_file
from mlops.deployment.gate.decision import Decision, Verdict
from mlops.deployment.rollback import revert
from mlops.deployment.tests.environments import (
    QUICK,
    SLUG,
    Place,
    fitted_model,
    make_client,
    make_project,
    use_registry,
)
from mlops.operations import __main__ as commands
from mlops.operations import news, telling
from mlops.operations.events import log, outbox
from mlops.operations.events.event import Event, Kind, of_kinds
from mlops.operations.events.failure import pipeline_failed, without_secrets
from mlops.operations.events.of_audit import Waiting, events_of
from mlops.operations.news import MARKER, NEWS, tell
from mlops.operations.pages.timeline import timeline
from mlops.operations.targets import hearers
from mlops.operations.tests.test_delivery import SECRET, Receiver, serving
from mlops.operations.training_events import failed
from mlops.operations.waiting import waiting
from mlops.quality.errors import UserError
from mlops.quality.project import Project
from mlops.quality.terminal import console
from mlops.training.pipeline import StepFailed

NOW = datetime(2026, 5, 3, 12, tzinfo=UTC)
ONE, TWO = "1" * 64, "2" * 64
SECOND = DesiredModel("m", "2", TWO, "run", "commit")


def entry(
    event: str, minute: int = 0, environment: str = "prod", **facts: object
) -> dict[str, object]:
    moment = (NOW + timedelta(minutes=minute)).isoformat()
    return {"time": moment, "event": event, "environment": environment, **facts}


def told(
    *entries: dict[str, object], first: int = 0, waits: tuple[Waiting, ...] = ()
) -> list[Event]:
    return list(events_of(entries, first, waits, source="https://github.com/me/m"))


# From entries to events -----------------------------------------------------------------------------


def test_a_gate_that_refuses_is_told_and_one_that_passes_is_not() -> None:
    gate: dict[str, Any] = {"model": "m", "version": "2", "package": TWO}
    gate["refused"] = {"accuracy": "0.6 < 0.7"}
    (found,) = told(entry("gate", environment="", passed=False, **gate))
    assert (found.kind, found.subject, found.time) == ("gate_refused", "", NOW)
    assert found.data["digest"] == TWO
    assert found.data["reasons"] == ["accuracy: 0.6 < 0.7"]
    assert told(entry("gate", environment="", passed=True, **gate)) == []


FIRST = [
    entry("promote", 0, version="1", digest=ONE),
    entry("traffic", 1, cause="the first model here"),
    entry(
        "deployed", 2, version="1", digest=ONE, model="m", approved_by="Bo", approval_reason="ok"
    ),
    entry("promote", 3, version="2", digest=TWO),
]


def test_what_serves_now_is_told_with_its_cause_and_approval() -> None:
    (found,) = told(*FIRST)
    assert (found.kind, found.subject) == ("model_deployed", "prod")
    assert (found.data["version"], found.data["digest"]) == ("1", ONE)
    assert found.data["cause"] == "the first model here"
    assert found.data["approved_by"] == "Bo"


def test_a_rollout_that_was_put_back_is_told_once_with_both_models() -> None:
    reason = "stage 1: agreement 0.2"
    back = [
        entry("rollout_refused", 4, version="2", digest=TWO, reason=reason),
        entry("rollback", 5, version="1", digest=ONE, why=reason),
    ]
    (found,) = told(*FIRST, *back, first=4)
    assert found.kind == "rolled_back"
    assert found.data["from"] == {"version": "2", "digest": TWO}
    assert found.data["to"] == {"version": "1", "digest": ONE}
    assert reason in str(found.data["reasons"])
    # later, and by a person: another one
    again = entry("rollback", 6, version="1", digest=ONE, why="asked for by Bo")
    assert len(told(*FIRST, *back, again, first=4)) == 2


def test_a_model_that_failed_its_tests_goes_back_to_the_one_before() -> None:
    served = entry("deployed", 4, version="2", digest=TWO)
    tests = entry("rollout_refused", 5, digest=TWO, reason="the tests fail")  # without its version
    (found,) = told(*FIRST, served, tests, first=5)
    assert found.data["from"] == {"version": "2", "digest": TWO}
    assert found.data["to"] == {"version": "1", "digest": ONE}


def test_a_first_model_that_is_put_back_leaves_nothing() -> None:
    (found,) = told(entry("rollout_refused", 0, version="1", digest=ONE, reason="does not load"))
    assert found.data["to"] is None
    assert "back from version 1 to nothing: does not load" in str(found.data["reasons"])


@pytest.mark.parametrize(
    ("brings", "is_told"),
    [
        (entry("promote", environment="stage", digest=TWO), True),
        (entry("deployed", environment="stage", digest=TWO), True),
        (entry("refused", environment="prod", digest=TWO), True),
        (entry("promote", environment="dev", digest=TWO), False),
        (entry("promote", environment="stage", digest=ONE), False),
        (entry("tested", environment="stage", digest=TWO), False),
    ],
)
def test_an_approval_is_asked_for_where_a_model_waits(
    brings: dict[str, object], is_told: bool
) -> None:
    waits = Waiting("prod", SECOND, "nobody has approved it yet")
    found = of_kinds(told(brings, waits=(waits,)), ["approval_needed"])
    assert bool(found) is is_told
    assert not of_kinds(told(brings), ["approval_needed"]), "nothing waits"
    if found:
        assert (found[0].subject, found[0].data["digest"]) == ("prod", TWO)
        assert found[0].data["command"] == "nox -s approve -- --reason '...'"


def test_an_approval_is_asked_for_once_for_each_package_and_environment() -> None:
    waits = Waiting("prod", SECOND, "nobody has approved it yet")
    again = [entry("promote", n, environment="stage", digest=TWO) for n in (0, 60)]
    assert len(told(*again, waits=(waits,))) == 1
    (stage,) = told(
        entry("promote", environment="dev", digest=TWO), waits=(Waiting("stage", SECOND, ""),)
    )
    assert stage.data["command"] == "nox -s approve -- stage --reason '...'"
    assert stage.id != told(again[0], waits=(waits,))[0].id


def test_entries_of_another_form_are_passed_over() -> None:
    odd: list[dict[str, object]] = [
        {},
        {"event": "deployed", "environment": "prod"},
        {"event": "deployed", "environment": "prod", "time": "yesterday"},
        {"event": "deployed", "environment": "prod", "time": "2026-05-03T12:00:00"},
        entry("deployed", environment="no such\nplace"),
        entry("key"),
    ]
    assert told(*odd) == []


def test_the_id_is_made_from_the_entry() -> None:
    once, twice = told(*FIRST), told(*FIRST)
    assert [each.id for each in once] == [each.id for each in twice]
    later = told(*FIRST, entry("deployed", 9, version="1", digest=ONE))
    assert len({each.id for each in later}) == 2


# A pipeline that fails -----------------------------------------------------------------------------


def test_no_secret_leaves_with_a_log() -> None:
    token = "ghp_" + "a1B2" * 9  # pragma: allowlist secret
    lines = [
        "password is hunter2hunter2",  # pragma: allowlist secret
        "GET https://bo:geheim@example.org/x",  # pragma: allowlist secret
        f"sending {token}",
        "ValueError: bmi is negative, says Grace",
    ]
    variables = {
        "DB_PASSWORD": "hunter2hunter2",  # pragma: allowlist secret
        "GIT_AUTHOR_NAME": "Grace",
        "N_TOKEN": "1",
    }  # pragma: allowlist secret
    found = without_secrets("\n".join(lines), variables).splitlines()
    assert found[0] == "password is ***"
    assert found[1] == "GET https://***@example.org/x"
    assert token not in found[2]
    assert found[3] == lines[3]


def test_the_end_of_a_log_is_told_and_not_all_of_it() -> None:
    log_lines = [f"line {number}" for number in range(100)] + ["x" * 10_000]
    event = pipeline_failed("p.yml", "s", "why", log_lines, source="x", now=NOW, environment={})
    kept = event.data["log"]
    assert isinstance(kept, list)
    assert (len(kept), kept[0], len(kept[-1])) == (20, "line 81", 500)


# A project -----------------------------------------------------------------------------------------


def settings(project: Project, name: str, **sections: object) -> None:
    (project.root / "environments" / name / "settings.yml").write_text(yaml.safe_dump(sections))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("TEAM_SECRET", SECRET)
    return make_project(tmp_path / "project")


def hears(project: Project, url: str, name: str = "prod", called: str = "team") -> None:
    team = {"name": called, "url": url, "secret_env": "TEAM_SECRET"}  # pragma: allowlist secret
    settings(project, name, events={"webhooks": [team]})


def kinds(project: Project) -> list[Kind]:
    return [each.kind for each in log.events(project.state)]


def gate(project: Project, number: int = 1) -> None:
    """A gate that refuses, written by the floor below itself."""
    verdict = Verdict("accuracy", "0.7", "refuse", "0.6 is less")
    decision = Decision(f"{number:064d}", passed=False, verdicts=(verdict,), without={})
    qualify._log(project, SimpleNamespace(version=number), decision)  # type: ignore[arg-type]


def test_what_is_new_is_told_once_and_delivered(project: Project) -> None:
    with serving(Receiver()) as receiver:
        hears(project, receiver.url)
        gate(project)
        report = tell(project, datetime.now(UTC))
        assert [each.outcome for each in report.attempts] == ["delivered"]
        (event,) = log.events(project.state)
        assert event.kind == "gate_refused"
        assert event.data["reasons"] == ["accuracy: 0.6 is less"]
        assert event.data["version"] == "1"
        assert event.data["digest"] == f"{1:064d}"
        assert receiver.ids() == [event.id]
        assert tell(project, datetime.now(UTC)).attempts == ()
        gate(project, 2)
        tell(project, datetime.now(UTC))
        assert len(receiver.seen) == 2
    assert kinds(project) == ["gate_refused"] * 2


def test_after_a_crash_before_the_marker_it_is_told_once(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate(project)

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(news, "replace_durably", crash)
        with pytest.raises(KeyboardInterrupt):
            tell(project, datetime.now(UTC))
    assert not (project.state / MARKER).exists()
    assert kinds(project) == ["gate_refused"], "it was emitted before the crash"
    tell(project, datetime.now(UTC))
    assert kinds(project) == ["gate_refused"]


def test_after_a_crash_before_the_log_it_waits_once(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(Receiver(answer=lambda: (503, {}))) as receiver:
        hears(project, receiver.url)
        gate(project)

        def crash(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(log, "append", crash)
            with pytest.raises(KeyboardInterrupt):
                tell(project, datetime.now(UTC))
        assert kinds(project) == []
        tell(project, datetime.now(UTC))
    assert kinds(project) == ["gate_refused"]
    assert len(list(outbox.waiting(project.state, "team"))) == 1


@pytest.mark.parametrize(
    "marker",
    [None, "", "{}", "[]", '{"entries": 99, "last": ""}', '{"entries": 1, "last": "other"}'],
)
def test_without_a_marker_that_fits_it_starts_anew(project: Project, marker: str | None) -> None:
    gate(project)
    if marker is not None:
        (project.state / MARKER).parent.mkdir(parents=True)
        (project.state / MARKER).write_text(marker)
    tell(project, datetime.now(UTC))
    assert kinds(project) == ["gate_refused"]
    assert json.loads((project.state / MARKER).read_text())["entries"] == 1


def test_a_log_that_is_shorter_or_another_is_read_from_its_beginning(project: Project) -> None:
    gate(project)
    gate(project, 2)
    tell(project, datetime.now(UTC))
    path = project.state / audit_log.FILE
    path.write_text(path.read_text().splitlines(keepends=True)[0])
    tell(project, datetime.now(UTC))
    assert len(kinds(project)) == 2, "what was told stays told"
    path.unlink()
    gate(project, 3)
    tell(project, datetime.now(UTC))
    assert len(kinds(project)) == 3


def test_starting_anew_old_entries_are_no_news(project: Project) -> None:
    gate(project)
    late = datetime.now(UTC) + NEWS
    tell(project, late + timedelta(minutes=1))
    assert kinds(project) == []
    gate(project, 2)
    tell(project, late + timedelta(minutes=1))
    assert kinds(project) == ["gate_refused"], "with a marker nothing is too old"


def test_a_receiver_that_is_down_or_slow_holds_nobody_up_and_loses_nothing(
    project: Project,
) -> None:
    with serving(Receiver(answer=lambda: time.sleep(4) or (204, {}))) as slow:  # type: ignore[func-returns-value]
        hears(project, slow.url)
        hears(project, "http://127.0.0.1:9/in", "stage", "down")
        for number in range(30):
            gate(project, number)
        audit_log.append(project.state, "deployed", {"environment": "stage", "digest": ONE})
        began = time.monotonic()
        report = tell(project, datetime.now(UTC))
        assert time.monotonic() - began < 5
    assert {each.outcome for each in report.attempts} == {"postponed"}
    assert report.waiting == {"team": 30, "down": 1}
    assert len(kinds(project)) == 31


def test_events_go_to_those_who_hear_of_their_environment(project: Project) -> None:
    hears(project, "http://127.0.0.1:9/stage", "stage", "testers")
    hears(project, "http://127.0.0.1:9/prod", "prod", "team")
    for name in ("stage", "prod"):
        audit_log.append(project.state, "deployed", {"environment": name, "digest": ONE})
    gate(project)
    tell(project, datetime.now(UTC))
    assert [each.event.kind for each in outbox.waiting(project.state, "testers")] == [
        "model_deployed"
    ]
    found = sorted(each.event.kind for each in outbox.waiting(project.state, "team"))
    assert found == ["gate_refused", "model_deployed"], "what belongs to no environment is prod's"


def test_one_name_means_one_receiver(project: Project) -> None:
    hears(project, "http://127.0.0.1:9/a", "stage")
    hears(project, "http://127.0.0.1:9/a", "prod")
    assert len(hearers(project).targets) == 1
    hears(project, "http://127.0.0.1:9/b", "prod")
    gate(project)
    with pytest.raises(UserError, match="'team' is another receiver in stage"):
        tell(project, datetime.now(UTC))
    assert not (project.state / MARKER).exists(), "nothing counts as told"


def registered(project: Project, *, new: bool, version: str = "3") -> Path:
    """What the registering step writes (mlops.training.steps.register)."""
    path = project.state / "cache" / "effects" / "register" / "outputs" / "registered"
    path.parent.mkdir(parents=True, exist_ok=True)
    answer = {"version": version, "run_id": "r1", "new": new, "digest": ONE}
    path.write_text(json.dumps(answer))
    return path


def test_a_new_version_is_told_once_and_a_known_one_is_not(project: Project) -> None:
    registered(project, new=False)
    tell(project, datetime.now(UTC))
    assert kinds(project) == []
    path = registered(project, new=True)
    for _ in range(2):
        tell(project, datetime.now(UTC))
    (event,) = log.events(project.state)
    assert (event.kind, event.subject) == ("model_registered", "")
    assert (event.data["version"], event.data["run"]) == ("3", "r1")
    assert event.data["metrics"] == {}, "the server is away, which is no mistake"
    registered(project, new=True, version="4")
    os.utime(path, ((datetime.now(UTC) - NEWS).timestamp() - 60,) * 2)
    tell(project, datetime.now(UTC))
    assert kinds(project) == ["model_registered"], "that is long ago"


def test_the_registering_step_writes_what_is_read() -> None:
    from mlops.training import run
    from mlops.training.pipeline import load_pipeline
    from mlops.training.record import Registered

    root = Path(run.__file__).resolve().parents[2]
    step = load_pipeline(root / run.PIPELINE).jobs[run.REGISTERING]
    assert "registered" in step.component.outputs
    assert {"version", "run_id", "new"} <= set(Registered.__annotations__)
    assert not step.component.is_deterministic, "its outputs lie in effects/"


def test_a_failed_step_becomes_an_event(project: Project) -> None:
    path = project.root / "train.log"
    path.write_text("loading\nValueError: bmi is negative\n")
    for tail in ("  ValueError: bmi is negative", ""):
        failure = StepFailed("train", "exited with 1", path, tail)
        event = failed(project, "train", failure, NOW)
        assert event is not None
        assert event.kind == "pipeline_failed"
        assert (event.data["pipeline"], event.data["step"]) == ("pipelines/train.yml", "train")
        assert event.data["reasons"] == ["step 'train' exited with 1"]
        assert event.data["log"] == ["loading", "ValueError: bmi is negative"]
        assert str(project.root) not in json.dumps(dict(event.data))


@pytest.mark.parametrize(
    ("verb", "is_told"), [("train", True), ("qualify", True), ("approve", False)]
)
def test_a_mistake_is_told_where_a_pipeline_did_not_run_for_it(
    project: Project, verb: str, is_told: bool
) -> None:
    event = failed(project, verb, UserError("data.yml: the digest is wrong"), NOW)
    assert (event is not None) is is_told
    if event:
        assert event.data["reasons"] == ["data.yml: the digest is wrong"]


# Around the commands -------------------------------------------------------------------------------

_DOES: list[Callable[[], int]] = []


def command(arguments: list[str]) -> int:
    """Stands for a verb of the floor below."""
    return _DOES[-1]()


@pytest.fixture
def verb(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., int]]:
    verbs = dict.fromkeys(("train", "release", "up"), (f"{__name__}:command", ""))
    monkeypatch.setattr(commands, "VERBS", verbs)
    monkeypatch.setattr(telling, "load_project", lambda _: project)

    def call(name: str, does: Callable[[], int]) -> int:
        _DOES.append(does)
        return commands.main([name])

    yield call
    _DOES.clear()


def refusing(project: Project, code: int) -> Callable[[], int]:
    def does() -> int:
        gate(project)
        return code

    return does


@pytest.mark.parametrize("code", [0, 1, 3])
def test_the_exit_code_is_kept_and_what_was_done_is_told(
    verb: Callable[..., int], project: Project, code: int
) -> None:
    assert verb("train", refusing(project, code)) == code
    assert kinds(project) == ["gate_refused"]


def test_verbs_that_change_nothing_tell_nothing(verb: Callable[..., int], project: Project) -> None:
    assert verb("up", refusing(project, 0)) == 0
    assert kinds(project) == []


def test_an_error_is_not_hidden_and_what_was_done_is_told(
    verb: Callable[..., int], project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    for error in (UserError("mine"), KeyboardInterrupt(), RuntimeError("bug")):

        def does(error: BaseException = error) -> int:
            gate(project)
            raise error

        with pytest.raises(type(error)):
            verb("release", does)
    assert kinds(project) == ["gate_refused"] * 3
    assert capsys.readouterr().err == ""


def test_a_failed_step_is_told_and_ends_with_1(
    verb: Callable[..., int], project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    def does() -> int:
        raise StepFailed("evaluate", "exited with 2", project.root / "no.log", "  boom")

    assert verb("train", does) == 1
    (event,) = log.events(project.state)
    assert (event.kind, event.data["step"]) == ("pipeline_failed", "evaluate")
    assert "step 'evaluate' exited with 2" in capsys.readouterr().err


def test_help_tells_nothing(verb: Callable[..., int], project: Project) -> None:
    def does() -> int:
        gate(project)
        raise SystemExit(0)

    with pytest.raises(SystemExit):
        verb("train", does)
    assert kinds(project) == []


def test_an_error_in_telling_is_one_line_and_the_code_is_kept(
    verb: Callable[..., int], project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    settings(project, "prod", events={"webhoks": []})
    assert verb("train", refusing(project, 3)) == 3
    said = capsys.readouterr().err
    assert said.startswith("warning: events were not told: ")
    assert "webhoks" in said
    assert said.count("\n") == 1
    with pytest.raises(UserError, match=r"^mine$"):
        verb("release", lambda: (_ for _ in ()).throw(UserError("mine")))


def test_what_could_not_be_delivered_is_noted(
    verb: Callable[..., int], project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    hears(project, "http://127.0.0.1:9/in")
    assert verb("train", refusing(project, 0)) == 0
    assert capsys.readouterr().err == "note: events wait for 'team': nox -s deliver\n"
    assert len(list(outbox.waiting(project.state, "team"))) == 1


def test_every_verb_that_tells_is_one_of_the_floor_below() -> None:
    from mlops.deployment.__main__ import VERBS

    for name in commands.TOLD:
        assert (
            commands.VERBS[name][0] in [target for target, _ in VERBS.values()] or name == "retrain"
        )


# With the floor below itself -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> MlflowClient:
    return make_client(tmp_path_factory.mktemp("store"))


@pytest.fixture
def place(
    client: MlflowClient, project: Project, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    use_registry(client, monkeypatch.setattr)
    if hasattr(deploy, "promotion_note"):
        monkeypatch.setattr(deploy, "promotion_note", lambda *_: "")
    found = Place(project, client)
    yield found
    found.down()


def test_the_life_of_a_model_is_told(place: Place) -> None:
    """Every entry is written by the floor below: where it stops writing a key, this fails."""
    project, out = place.project, console()
    place.settings("prod", **QUICK, approval={"required": True})
    one, bad = place.register(fitted_model(1)), place.register(fitted_model(5, opposite=True))

    def now(kind: Kind) -> list[Event]:
        known = {each.id for each in log.events(project.state)}
        tell(project, datetime.now(UTC))
        new = [each for each in log.events(project.state) if each.id not in known]
        return list(of_kinds(new, [kind]))

    deploy._promote(project, out, ("stage",), one)
    (asked,) = now("approval_needed")
    assert (asked.subject, asked.data["digest"], asked.data["from"]) == (
        "prod",
        one.digest,
        "stage",
    )
    assert "nobody has approved it yet" in str(asked.data["reasons"])

    approve(project, place.environment(), one, "it is good")
    assert waiting(project, datetime.now(UTC)) == ()
    deploy._promote(project, out, ("prod",), one)
    assert place.reconcile().state == "changed"
    (served,) = now("model_deployed")
    assert served.data["digest"] == one.digest
    assert served.data["cause"] == "the first model here"
    assert served.data["run"] == "run_id"
    assert served.data["approved_by"] == "Ada <ada@example.org>"
    assert "it is good" in str(served.data["reasons"])

    approve(project, place.environment(), bad, "a test")
    deploy._promote(project, out, ("prod",), bad)
    found = place.reconcile()
    assert found.state == "refused"
    deploy._revert(project, out, place.environment(), found.reason)
    (back,) = now("rolled_back")
    assert back.data["from"] == {"version": bad.version, "digest": bad.digest}
    assert back.data["to"] == {"version": one.version, "digest": one.digest}
    assert "agreement" in str(back.data["reasons"])

    write_model_file(place.root / "environments" / "stage", bad)
    place.commit("Serve it in stage")
    assert waiting(project, datetime.now(UTC)) == (), "it is approved"
    mine = {"required": True, "author_may_approve": False}
    place.settings("prod", **QUICK, approval=mine)
    (waits,) = waiting(project, datetime.now(UTC))
    assert waits.why == "Ada trained this model and may not approve it"
    revert(project, place.environment("stage"), "asked for by Ada")
    (gone,) = now("rolled_back")
    assert gone.subject == "stage"
    assert gone.data["to"] == {"version": one.version, "digest": one.digest}
    assert "asked for by Ada" in str(gone.data["reasons"])
    shown = [each.what for each in timeline(project.state)]
    assert shown.count("rolled back") == 2, "the log's own entries, and no event beside them"
    assert shown.count("deployed") == 1
    assert SLUG in str(history.last_deployed(project.state, "prod"))
