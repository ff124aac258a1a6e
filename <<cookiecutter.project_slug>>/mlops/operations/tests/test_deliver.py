"""`nox -s deliver`: what waits is delivered and shown, and what waits for long is an answer of its own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from mlops.deployment.tests.environments import make_project
from mlops.operations import deliver
from mlops.operations.deliver import LONG, Outbox, held_up, outboxes
from mlops.operations.events import outbox
from mlops.operations.events.event import Event, new_event
from mlops.operations.events.outbox import Backoff, Entry, emit
from mlops.operations.targets import hearers
from mlops.operations.tests.test_delivery import SECRET, Receiver, serving
from mlops.quality.errors import UserError
from mlops.quality.project import Project

NOW = datetime(2026, 5, 3, 14, tzinfo=UTC)
DOWN = "http://127.0.0.1:9/in"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    found = make_project(tmp_path / "project")
    monkeypatch.setenv("TEAM_SECRET", SECRET)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(deliver, "load_project", lambda _: found)
    return found


def hears(project: Project, url: str, **events: object) -> None:
    team = {
        "name": "team",
        "url": url,
        "secret_env": "TEAM_SECRET",  # pragma: allowlist secret
        "seconds": 2,
    }
    path = project.root / "environments" / "prod" / "settings.yml"
    path.write_text(yaml.safe_dump({"events": {"webhooks": [team], **events}}))


def tell(project: Project, number: int = 0) -> Event:
    event = new_event("data_drift", "prod", {"n": number}, source="x", now=NOW)
    emit(project.state, event, hearers(project).targets)
    return event


def aged(project: Project, hours: float) -> None:
    """Have what waits be there for so long."""
    for entry in list(outbox.waiting(project.state, "team")):
        added = datetime.now(UTC).timestamp() - hours * 3600
        outbox.write(Entry(entry.path, entry.event, added, entry.backoff, entry.reason))


def test_what_waits_is_delivered(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Receiver()) as receiver:
        hears(project, receiver.url)
        event = tell(project)
        assert deliver.main(["--check"]) == 0
        assert receiver.ids() == [event.id]
    said = capsys.readouterr().out
    assert "delivered: data_drift to team: answered 204" in said
    assert said.splitlines()[-1].split() == ["team", "0", "0"]


def test_what_cannot_be_delivered_is_shown_and_counts_after_an_hour(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    hears(project, DOWN)
    tell(project)
    assert deliver.main(["--check"]) == 0, "a short outage is no failure"
    assert "postponed: data_drift to team: no connection" in capsys.readouterr().out
    aged(project, 1.1)
    assert deliver.main([]) == 0, "without --check it only shows"
    assert deliver.main(["--check"]) == 1
    said = capsys.readouterr().out
    assert "team: 1 wait, the oldest for 1.1 h" in said
    assert "no connection (ConnectionError)" in said
    assert len(list(outbox.waiting(project.state, "team"))) == 1


def test_what_waits_for_its_next_attempt_is_tried_with_now(project: Project) -> None:
    hears(project, DOWN)
    event = tell(project)
    deliver.main([])
    with serving(Receiver()) as receiver:
        hears(project, receiver.url)
        deliver.main([])
        assert receiver.seen == [], "its wait is not over"
        deliver.main(["--now"])
        assert receiver.ids() == [event.id]


def test_what_was_given_up_is_an_answer_and_can_be_put_back(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    hears(project, DOWN, give_up_days=0.04)
    event = tell(project)
    aged(project, 1.0)
    assert deliver.main(["--check"]) == 1
    assert deliver.main(["--check"]) == 1, "it is not forgotten"
    assert "1 given up: nox -s deliver -- --again" in capsys.readouterr().out
    with serving(Receiver()) as receiver:
        hears(project, receiver.url)
        assert deliver.main(["--check", "--again"]) == 0
        assert receiver.ids() == [event.id]


def test_what_waits_for_a_receiver_that_is_gone_is_shown(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    hears(project, DOWN)
    tell(project)
    aged(project, 2.0)
    (project.root / "environments" / "prod" / "settings.yml").write_text("{}\n")
    assert deliver.main(["--check"]) == 1
    assert "team (no longer in the settings)" in capsys.readouterr().out


def test_without_receivers_it_says_so(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert deliver.main(["--check"]) == 0
    assert "nobody hears of events" in capsys.readouterr().out


def test_wrong_settings_are_a_persons_mistake(project: Project) -> None:
    hears(project, "ftp://127.0.0.1")
    with pytest.raises(UserError, match="url: expected an http or https address"):
        deliver.main([])


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (Outbox("team", declared=True), ()),
        (Outbox("team", declared=True, waiting=1, oldest=NOW - LONG), ()),
        (
            Outbox("team", declared=True, waiting=2, oldest=NOW - 2 * LONG),
            ("team: 2 wait, the oldest for 2.0 h",),
        ),
        # a clock that was set back
        (Outbox("team", declared=True, waiting=1, oldest=NOW + 100 * LONG), ()),
        (
            Outbox("team", declared=True, given_up=3),
            ("team: 3 given up: nox -s deliver -- --again",),
        ),
    ],
)
def test_what_a_person_should_look_at(found: Outbox, said: tuple[str, ...]) -> None:
    assert held_up([found], NOW) == said


def test_the_last_error_is_that_of_the_last_attempt(project: Project) -> None:
    hears(project, DOWN)
    for number, reason in enumerate(["older", "newer", ""]):
        tell(project, number)
        entry = [each for each in outbox.waiting(project.state, "team") if not each.reason][-1]
        outbox.write(Entry(entry.path, entry.event, 1.0, Backoff(1, float(number)), reason))
    (found,) = outboxes(project.state, hearers(project).targets)
    assert (found.waiting, found.error) == (3, "newer")
    assert found.oldest == datetime.fromtimestamp(1.0, UTC)
    assert found.oldest < NOW - timedelta(days=1)
