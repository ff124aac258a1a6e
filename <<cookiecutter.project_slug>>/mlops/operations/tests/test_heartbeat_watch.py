"""`nox -s heartbeat`: a monitor that did not run is told of once, by whoever watches it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from mlops.deployment.desired.model_file import DesiredModel, write_model_file
from mlops.deployment.tests.environments import make_project
from mlops.operations import heartbeat
from mlops.operations.events import log, outbox
from mlops.operations.events.event import Event
from mlops.operations.events.heartbeat import beat
from mlops.operations.heartbeat import expected
from mlops.operations.tests.test_delivery import SECRET, Receiver, serving
from mlops.operations.watch import beat_of
from mlops.quality.errors import UserError
from mlops.quality.project import Project

MODEL = DesiredModel("small", "1", "1" * 64, "run", "commit")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with a model in stage and prod."""
    found = make_project(tmp_path / "project")
    for name in ("stage", "prod"):
        write_model_file(found.root / "environments" / name, MODEL)
    monkeypatch.setenv("TEAM_SECRET", SECRET)
    monkeypatch.setattr(heartbeat, "load_project", lambda _: found)
    return found


def settings(project: Project, name: str, **sections: object) -> None:
    (project.root / "environments" / name / "settings.yml").write_text(yaml.safe_dump(sections))


def rhythm(hours: float | None) -> dict[str, object]:
    return {"staleness": {"monitor": hours}}


def ran(project: Project, hours: float, name: str = "prod", state: Path | None = None) -> None:
    beat(state or project.state, beat_of(name), datetime.now(UTC) - timedelta(hours=hours))


def events(project: Project) -> list[Event]:
    return list(log.events(project.state))


def test_a_monitor_that_runs_is_told_of_on_the_terminal_alone(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    ran(project, 1)
    assert heartbeat.main(["--check"]) == 0
    assert events(project) == []
    assert capsys.readouterr().out == "prod: ran 60 min ago\n"


def test_a_silence_is_told_once_delivered_and_an_answer_of_its_own(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    ran(project, 5)  # every 3 h by default, and half of it is allowed
    with serving(Receiver()) as receiver:
        team = {
            "name": "team",
            "url": receiver.url,
            "secret_env": "TEAM_SECRET",  # pragma: allowlist secret
        }
        settings(project, "prod", events={"webhooks": [team]})
        assert heartbeat.main([]) == 0, "without --check it only tells"
        assert heartbeat.main(["--check"]) == 1
        (event,) = events(project)
        assert receiver.ids() == [event.id]
    assert (event.kind, event.subject) == ("staleness", "prod")
    assert event.data["what"] == "monitor-prod"
    assert "prod: LATE: silent for 5 h, expected every 3 h" in capsys.readouterr().out
    ran(project, 0.1)
    assert heartbeat.main(["--check"]) == 0
    ran(project, 4.6)
    assert heartbeat.main(["--check"]) == 1
    assert len(events(project)) == 2, "another silence"


def test_a_monitor_that_never_ran_is_late(project: Project) -> None:
    assert heartbeat.main(["--check"]) == 1
    assert "never" in str(events(project)[0].data["reasons"])


def test_a_receiver_that_is_down_loses_nothing(project: Project) -> None:
    team = {
        "name": "team",
        "url": "http://127.0.0.1:9/",
        "secret_env": "TEAM_SECRET",  # pragma: allowlist secret
    }
    settings(project, "prod", events={"webhooks": [team]})
    assert heartbeat.main(["--check"]) == 1
    assert len(list(outbox.waiting(project.state, "team"))) == 1


def test_it_watches_prod_and_whoever_names_a_rhythm(project: Project) -> None:
    hour = timedelta(hours=1)
    assert expected(project) == {"prod": 3 * hour}
    settings(project, "stage", monitoring=rhythm(24))
    settings(project, "dev", monitoring=rhythm(24))  # has no model
    assert expected(project) == {"stage": 24 * hour, "prod": 3 * hour}
    settings(project, "prod", monitoring=rhythm(None))
    assert expected(project) == {"stage": 24 * hour}
    settings(project, "stage", monitoring=rhythm(None))
    assert expected(project) == {}


def test_an_environment_that_is_asked_for_is_watched(project: Project) -> None:
    assert set(expected(project, ["stage"])) == {"stage"}
    ran(project, 1)
    assert heartbeat.main(["prod", "--check"]) == 0
    assert heartbeat.main(["stage", "--check"]) == 1
    with pytest.raises(SystemExit):
        heartbeat.main(["prot"])


def test_before_anything_is_deployed_nothing_is_late(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    (project.root / "environments" / "prod" / "model.yml").unlink()
    assert heartbeat.main(["--check"]) == 0
    assert events(project) == []
    assert "nothing is to be monitored" in capsys.readouterr().out


def test_another_machine_watches_by_its_copy_of_the_state(project: Project, tmp_path: Path) -> None:
    other = tmp_path / "copied"
    ran(project, 1, state=other)
    assert heartbeat.main(["--check", "--state", str(other)]) == 0
    ran(project, 50, state=other)
    assert heartbeat.main(["--check", "--state", str(other)]) == 1
    assert heartbeat.main(["--check", "--state", str(other)]) == 1
    assert len(events(project)) == 1, "told here, once"
    assert list(log.events(other)) == [], "nothing is written there"
    with pytest.raises(UserError, match="there is no such folder"):
        heartbeat.main(["--state", str(tmp_path / "gone")])
