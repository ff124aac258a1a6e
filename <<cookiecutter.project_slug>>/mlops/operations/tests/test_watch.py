"""A watch as a whole: from collected rows and labels to events, metrics and a decision."""

from __future__ import annotations

import dataclasses
import json
import shutil
from contextlib import nullcontext
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from prometheus_client import generate_latest

from mlops.deployment import audit_log
from mlops.deployment.desired.environment import Environment, environment
from mlops.deployment.desired.model_file import DesiredModel, write_model_file
from mlops.deployment.serving.metrics import more
from mlops.deployment.serving.traffic import Deployment, Traffic, traffic_text
from mlops.deployment.tests.registered import make_client
from mlops.deployment.tests.small import INPUTS, rows
from mlops.operations import exposition, monitor, record
from mlops.operations.breaches import breaches, events
from mlops.operations.events import log
from mlops.operations.events.heartbeat import last_beat
from mlops.operations.follow import available, what_follows
from mlops.operations.monitoring.labels import FOLDER
from mlops.operations.settings import read_operations
from mlops.operations.tests.collected_cases import (
    NOON,
    PROBLEM,
    collect,
    every,
    make_package,
    make_project,
    split,
)
from mlops.operations.watch import Watched, beat_of, opened, watch
from mlops.quality.errors import UserError
from mlops.quality.project import Project
from mlops.training.registry import Registry

SERVED = 300


class Site:
    """A project whose prod serves one package since eleven hours."""

    def __init__(self, project: Project, digest: str) -> None:
        self.project, self.digest = project, digest

    @property
    def prod(self) -> Environment:
        return environment(self.project, "prod")

    def served(self, inputs: pd.DataFrame, number: int = 1, hours: float = 10.0) -> list[str]:
        """Answer rows, the last of them a minute ago; returns the requests' ids."""
        step = timedelta(hours=hours) / len(inputs)
        moments = every(NOON - timedelta(hours=hours, minutes=1), len(inputs), step)
        folder = self.prod.folder
        return collect(folder, self.prod.packages, self.digest, inputs, moments, number=number)

    def label(self, ids: list[str], truth: list[int]) -> None:
        """Say what turned out to be true."""
        folder = self.prod.folder / FOLDER
        folder.mkdir(exist_ok=True)
        table = pd.DataFrame({"request_id": ids, "label": truth})
        table.assign(time=NOON.isoformat()).to_csv(folder / "given.csv", index=False)

    def settings(self, **sections: object) -> None:
        """Write prod's settings."""
        (self.prod_files / "settings.yml").write_text(yaml.safe_dump(sections))

    @property
    def prod_files(self) -> Path:
        return self.project.root / "environments" / "prod"

    def watch(self, now: datetime = NOON, trained: datetime | None = None) -> Watched:
        operations = read_operations(self.prod, self.project.contract)
        place = opened(self.project, self.prod, operations, (PROBLEM, split), now)
        return watch(place, trained)

    def follows(self, watched: Watched) -> tuple[str, tuple[str, ...]]:
        found = what_follows(
            self.project, watched, read_operations(self.prod, self.project.contract)
        )
        return found.action, found.reasons


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, str]:
    root = tmp_path_factory.mktemp("made") / "project"
    project = make_project(root)
    return project, make_package(root / ".mlops" / "packages", project=project)


@pytest.fixture
def site(made: tuple[Project, str], tmp_path: Path) -> Site:
    project, digest = made
    root = tmp_path / "project"
    shutil.copytree(project.root, root)
    found = Site(dataclasses.replace(project, root=root), digest)
    for name in ("dev", "stage", "prod"):
        folder = root / "environments" / name
        folder.mkdir(parents=True)
        (folder / "settings.yml").write_text("approval: {required: false}\n")
    found.prod.folder.mkdir(parents=True)
    traffic = Traffic(1, "prod", "small", (Deployment("blue", "1", digest, 1.0),))
    (found.prod.folder / "traffic.json").write_text(traffic_text(traffic))
    facts = {"environment": "prod", "digest": digest, "version": "1"}
    audit_log.append(found.project.state, "deployed", facts)
    _backdate(found.project.state / audit_log.FILE, NOON - timedelta(hours=11))
    return found


def _backdate(path: Path, moment: datetime) -> None:
    entry = json.loads(path.read_text())
    path.write_text(json.dumps({**entry, "time": moment.isoformat()}) + "\n")


def shifted(number: int, seed: int = 9) -> pd.DataFrame:
    """Rows of which one column moved by far, within the contract."""
    found = rows(number, seed)[INPUTS]
    return found.assign(a=0.9 + 0.1 * found["a"] / found["a"].max())


def kinds(watched: Watched) -> list[str]:
    return [breach.kind for breach in breaches(watched)]


def test_what_is_as_it_was_gives_rise_to_nothing(site: Site) -> None:
    given = rows(SERVED, 8)
    site.label(site.served(given[INPUTS]), given["answer"].tolist())
    found = site.watch(trained=NOON - timedelta(days=2))
    assert found.serving is not None
    assert (found.serving.rows, found.serving.labelled) == (SERVED, SERVED)
    assert found.serving.drift.columns
    assert kinds(found) == []
    assert site.follows(found)[0] == "nothing"
    outcomes = {each.measure: each.outcome for each in found.verdicts}
    assert outcomes["performance.accuracy"] == "holds"
    assert outcomes["staleness.traffic"] == "holds"
    assert found.new_labels == SERVED


def test_a_shift_is_told_with_column_and_size_and_asks_for_a_retraining(site: Site) -> None:
    inputs = shifted(SERVED)
    site.label(site.served(inputs), rows(SERVED, 9)["answer"].tolist())
    site.settings(retraining={"new_labels": 100, "sound_data": False})
    found = site.watch()
    assert "data_drift" in kinds(found)
    told = {event.kind: event for event in events(found, "https://example.org/x")}
    drift = told["data_drift"]
    assert drift.data["columns"] == ["a"]
    assert drift.data["digest"] == site.digest
    assert drift.data["rows"] == SERVED
    assert drift.data["sizes"]["a"] > 0.5  # type: ignore[index]
    assert drift.subject == "prod"
    for event in told.values():
        log.append(site.project.state, event)
    action, reasons = site.follows(found)
    assert action == "retrain", reasons
    site.settings(retraining={"new_labels": SERVED + 1, "sound_data": False})
    action, reasons = site.follows(found)
    assert action == "wait", reasons
    assert "label" in reasons[-1]


def test_a_breach_that_goes_on_is_told_once_a_day(site: Site) -> None:
    site.served(shifted(SERVED))
    first, again = (
        {event.id for event in events(site.watch(NOON + later), "https://example.org/x")}
        for later in (timedelta(0), timedelta(hours=1))
    )
    tomorrow = {e.id for e in events(site.watch(NOON + timedelta(hours=12)), "https://x.org/x")}
    assert first
    assert first & again == first
    assert not first & tomorrow


def test_wrong_answers_are_a_loss_of_performance(site: Site) -> None:
    given = rows(SERVED, 8)
    site.label(site.served(given[INPUTS]), (1 - given["answer"]).tolist())
    found = site.watch()
    assert "performance" in kinds(found)
    assert found.serving is not None
    assert found.serving.points
    assert found.serving.points[0].measure.value is not None


def test_few_labels_give_no_verdict_and_no_event(site: Site) -> None:
    given = rows(SERVED, 8)
    site.label(site.served(given[INPUTS])[:20], (1 - given["answer"]).tolist()[:20])
    found = site.watch()
    (verdict,) = [each for each in found.verdicts if each.kind == "performance"]
    assert verdict.outcome == "no_verdict"
    assert "performance" not in kinds(found)


def test_an_empty_window_is_stale_and_nothing_else(site: Site) -> None:
    found = site.watch(NOON + timedelta(days=3))
    assert kinds(found) == ["staleness"]
    assert any("no live row" in note for note in found.notes)
    assert found.serving is not None
    assert found.serving.drift.unjudged


def test_a_corrupt_file_is_set_aside_and_told(site: Site) -> None:
    site.served(rows(SERVED, 8)[INPUTS])
    hour = next((site.prod.folder / "collected").glob("date=*/hour=*"))
    (hour / "18f-7-000009-abc.parquet").write_bytes(b"PAR1 torn")
    found = site.watch()
    assert any("set aside" in note for note in found.notes)
    assert found.serving is not None
    assert found.serving.rows == SERVED
    assert not any("set aside" in note for note in site.watch().notes)


def test_without_the_training_rows_the_rest_is_measured(site: Site) -> None:
    site.served(rows(SERVED, 8)[INPUTS])
    shutil.rmtree(site.project.root / "data")
    found = site.watch()
    assert found.serving is not None
    assert "there is no data asset" in found.serving.drift.unjudged
    assert any(each.kind == "data_quality" for each in found.serving.verdicts)


def test_a_package_that_is_gone_is_told(site: Site) -> None:
    site.served(rows(SERVED, 8)[INPUTS])
    shutil.rmtree(site.prod.packages / site.digest)
    found = site.watch()
    assert found.serving is not None
    assert found.serving.why
    assert found.serving.drift.unjudged == found.serving.why


def test_two_packages_are_measured_apart(site: Site) -> None:
    site.served(rows(SERVED, 8)[INPUTS])
    other = make_package(site.prod.packages, 3, project=site.project)
    two = Site(site.project, other)
    two.served(shifted(SERVED), number=2)
    found = site.watch()
    assert [each.deployment.digest for each in found.packages] == [site.digest, other]
    assert not found.packages[0].drift.data_drift
    assert found.packages[1].drift.data_drift
    assert "data_drift" not in kinds(found)  # of what no longer serves, no event


def test_what_answered_before_and_serves_no_longer_gives_rise_to_no_event(site: Site) -> None:
    site.served(shifted(SERVED))
    assert "data_drift" in kinds(site.watch())
    (site.prod.folder / "traffic.json").unlink()
    found = site.watch()
    assert [each.deployment.digest for each in found.packages] == [site.digest]
    assert found.packages[0].drift.data_drift
    assert found.serving is None
    assert "data_drift" not in kinds(found)


def test_the_metrics_tell_what_was_found(site: Site) -> None:
    site.served(shifted(SERVED))
    found = site.watch()
    text = generate_latest(exposition.registry(found)).decode()
    line = next(
        each
        for each in text.splitlines()
        if each.startswith("mlops_drift_drifted{") and 'column="a"' in each
    )
    assert line.endswith(" 1.0")
    (line,) = [each for each in text.splitlines() if each.startswith("mlops_monitor_last_run")]
    assert float(line.split()[-1]) == NOON.timestamp()
    exposition.write_metrics(found, site.prod.folder)
    assert more(site.prod.folder).decode() == text


def test_a_breach_of_one_of_two_bounds_is_told(site: Site) -> None:
    given = rows(SERVED, 8)
    ids = site.served(given[INPUTS])
    site.label(ids, given["answer"].tolist())
    site.settings(
        monitoring={
            "performance": {
                "bounds": {"accuracy": {"at_least": 0.0, "at_most": 0.01}},
                "worse_by": None,
            }
        }
    )
    text = generate_latest(exposition.registry(site.watch())).decode()
    (line,) = [
        each
        for each in text.splitlines()
        if each.startswith("mlops_monitor_breached{") and "performance.accuracy" in each
    ]
    assert line.endswith(" 1.0")


def test_the_record_is_plain_json(site: Site) -> None:
    site.served(shifted(SERVED))
    found = site.watch()
    values = json.loads(json.dumps(record.plain(found), allow_nan=False))
    assert values["packages"][0]["deployment"]["digest"] == site.digest
    figures = record.figures(found)
    assert figures["rows"] == SERVED
    assert all(np.isfinite(value) for value in figures.values())
    assert all(len(name) <= 250 for name in figures)


def test_figures_become_points_of_one_run_for_each_package(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make_client(tmp_path)
    monkeypatch.setattr(
        record, "registry", lambda _: nullcontext(Registry(client, "small", "here"))
    )
    site.served(shifted(SERVED))
    report = tmp_path / "report.html"
    report.write_text("<html></html>")
    for later in (0, 1):
        record.to_mlflow(site.project, site.watch(NOON + timedelta(hours=later)), report)
    experiment = client.get_experiment_by_name("small-monitoring")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    points = client.get_metric_history(run.info.run_id, "rows")
    assert [point.value for point in points] == [SERVED, SERVED]
    assert points[1].timestamp - points[0].timestamp == 3_600_000
    assert run.data.tags[record.DIGEST_TAG] == site.digest


def test_a_run_of_the_monitor_tells_logs_and_beats(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor, "problem_and_split", lambda _: (PROBLEM, split))
    site.served(shifted(SERVED))
    came = monitor.monitor(site.project, "prod", NOON, mlflow=False)
    assert "data_drift" in {event.kind for event in came.new}
    assert {event.id for event in log.events(site.project.state)} == {e.id for e in came.new}
    assert last_beat(site.project.state, beat_of("prod")) == NOON
    folder = monitor.place(site.project, "prod")
    assert "<html" in (folder / monitor.REPORT).read_text()
    assert json.loads((folder / monitor.FIGURES).read_text())["environment"] == "prod"
    # an hour later the same breach is no news
    again = monitor.monitor(site.project, "prod", NOON + timedelta(hours=1), mlflow=False)
    assert again.new == ()
    assert breaches(again.watched)


def test_a_server_that_is_away_holds_nothing_up(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(project: Project) -> Registry:
        raise UserError("MLflow at http://127.0.0.1:1: cannot be reached")

    monkeypatch.setattr(monitor, "problem_and_split", lambda _: (PROBLEM, split))
    monkeypatch.setattr(record, "registry", away)
    site.served(shifted(SERVED))
    came = monitor.monitor(site.project, "prod", NOON)
    assert "cannot be reached" in came.unrecorded
    assert came.watched.trained is None
    assert came.new
    assert last_beat(site.project.state, beat_of("prod")) == NOON


def test_a_candidate_in_stage_waits(site: Site) -> None:
    site.served(rows(SERVED, 8)[INPUTS])
    found = site.watch()
    assert available(site.project, found).candidate == ""
    desired = DesiredModel("small", "2", "b" * 64, "run", "commit")
    write_model_file(environment(site.project, "stage").files, desired)
    assert available(site.project, found).candidate == "version 2"
    write_model_file(environment(site.project, "prod").files, desired)
    assert available(site.project, found).candidate == ""


@pytest.mark.parametrize(
    ("section", "values", "said"),
    [
        ("monitoring", {"window_hour": 2}, "monitoring: unknown key 'window_hour'"),
        ("drift", {"exclude": ["nothing"]}, "drift: exclude: unknown key 'nothing'"),
        (
            "events",
            {"webhooks": [{"name": "x", "url": "ftp://x", "secret_env": "X"}]},
            "url: expected",
        ),
        ("retraining", {"per_week": 0}, "retraining: per_week: expected 1 or more"),
        ("remedy", {"watch_hours": 0}, "remedy: watch_hours: expected more than 0"),
        ("bandit", {"floors": 1}, "bandit: floors: expected a mapping"),
    ],
)
def test_a_section_that_is_wrong_names_file_and_key(
    site: Site, section: str, values: object, said: str
) -> None:
    site.settings(**{section: values})
    with pytest.raises(UserError, match=r"environments/prod/settings\.yml: ") as raised:
        site.watch()
    assert said in str(raised.value)
