"""Retraining as a whole: what is measured decides, and what was decided is done once and logged."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import filelock
import pandas as pd
import pytest
import yaml
from rich.console import Console
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from mlops.deployment import audit_log
from mlops.deployment.desired.environment import Environment, environment
from mlops.deployment.serving.traffic import Deployment, Traffic, traffic_text
from mlops.deployment.tests.small import INPUTS, model, rows
from mlops.operations import candidacy, mending, monitor, record, retrain
from mlops.operations.candidacy import Ended
from mlops.operations.events import log
from mlops.operations.monitoring.labels import FOLDER
from mlops.operations.new_data import NewData
from mlops.operations.retrain import LOCK, Ask, How
from mlops.operations.retraining.cause import Cause, Data, from_tags, signals_of
from mlops.operations.retraining.history import Retraining, begin, end, history_of
from mlops.operations.retraining.remedy import Remedy, Situation
from mlops.operations.settings import read_operations
from mlops.operations.situation import previous_digest, situation_of
from mlops.operations.tests import collected_cases
from mlops.operations.tests.collected_cases import (
    PROBLEM,
    collect,
    every,
    make_package,
    make_project,
    split,
)
from mlops.operations.watch import opened, watch
from mlops.quality.assets import find_asset
from mlops.quality.errors import UserError
from mlops.quality.project import Project
from mlops.training.record import NOTE_TAG

ENV = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}


class Site:
    """A project under Git whose prod serves one package; what a candidate would do is made up."""

    def __init__(self, project: Project, digest: str) -> None:
        self.project, self.digest = project, digest
        self.ended = Ended("won", "2", "it waits", 3)
        self.stood: list[tuple[Cause, NewData]] = []
        self.out = StringIO()

    def serve(
        self,
        number: int,
        *,
        seed: int = 11,
        moved: float = 0.0,
        labels: bool = True,
        turned: bool = False,
    ) -> None:
        """Answer rows of the last hour, with their labels, or with the others."""
        table = rows(number, seed)
        table["a"] = (table["a"] + moved).clip(upper=10.0)
        folder = self.project.state / "endpoints" / "prod"
        step = timedelta(minutes=50) / number
        moments = every(datetime.now(UTC) - timedelta(minutes=55), number, step)
        packages = self.project.state / "packages"
        ids = collect(folder, packages, self.digest, table[INPUTS], moments, number=seed)
        if labels:
            (folder / FOLDER).mkdir(exist_ok=True)
            truth = (table["answer"] != turned).astype(int).to_numpy()
            given = pd.DataFrame({"request_id": ids, "label": truth})
            given.to_csv(folder / FOLDER / f"{seed}.csv", index=False)

    def settings(self, **policy: object) -> None:
        path = self.project.root / "environments" / "prod" / "settings.yml"
        path.write_text(yaml.safe_dump({"retraining": policy}))

    def retrain(self, ask: Ask | None = None, *, dry_run: bool = False) -> int:
        out = Console(file=self.out, width=200)
        return retrain.retrain(self.project, out, "prod", ask, How(dry_run=dry_run))

    @property
    def history(self) -> tuple[Retraining, ...]:
        return history_of(audit_log.entries(self.project.state), "prod")

    def git(self, *words: str) -> str:
        root = self.project.root
        return subprocess.run(
            ["git", *words], cwd=root, check=True, capture_output=True, text=True
        ).stdout


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    for name, value in ENV.items():
        monkeypatch.setenv(name, value)
    project = make_project(tmp_path / "project")
    root = project.root
    digest = make_package(project.state / "packages", project=project)
    found = Site(project, digest)
    for name in ("dev", "stage", "prod"):
        (root / "environments" / name).mkdir(parents=True)
        (root / "environments" / name / "settings.yml").write_text("{}\n")
    (root / "tests" / "model").mkdir(parents=True)
    rows(5, 99).to_csv(root / "tests" / "model" / "golden.csv", index=False)
    (root / ".gitignore").write_text("/.mlops/\n/data/retraining/\n")
    found.git("init", "-q", "-b", "main")
    found.git("config", "user.name", "Ada")
    found.git("config", "user.email", "ada@example.org")
    found.git("add", "--all")
    found.git("commit", "-q", "-m", "Begin")
    folder = project.state / "endpoints" / "prod"
    folder.mkdir(parents=True)
    traffic = Traffic(1, "prod", "small", (Deployment("blue", "1", digest, 1.0),))
    (folder / "traffic.json").write_text(traffic_text(traffic))
    facts = {"environment": "prod", "digest": digest, "version": "1"}
    audit_log.append(project.state, "deployed", facts)

    def stand(
        _: Project, __: Console, cause: Cause, data: NewData, *, deploys: bool = True
    ) -> Ended:
        assert deploys
        found.stood.append((cause, data))
        return found.ended

    monkeypatch.setattr(candidacy, "stand", stand)
    for module in (monitor, retrain):
        monkeypatch.setattr(module, "problem_and_split", lambda _: (PROBLEM, split))
    monkeypatch.setattr(record, "last_trained", lambda _: None)
    monkeypatch.setattr(record, "to_mlflow", lambda *_: None)
    return found


def test_without_drift_nothing_is_trained(site: Site) -> None:
    site.serve(300)
    assert site.retrain() == 0
    assert (site.stood, site.history) == ([], ())
    assert "policy nothing" in site.out.getvalue()


def test_drift_is_answered_once_with_the_data_that_are_declared(site: Site) -> None:
    site.serve(300, moved=4.0)
    assert site.retrain() == 3
    ((cause, data),) = site.stood
    assert "data_drift" in cause.triggers
    assert "a" in cause.columns
    assert (data.learnt.name, data.judge.name) == ("data:2", "data-recent:1")
    assert 70 <= data.judging <= 75
    told = site.git("show", "--stat", "--format=%s", "HEAD")
    assert "Declare data:2, judged by data-recent:1" in told
    assert "data/data-2.yml" in told
    assert "data/data-recent-1.yml" in told
    assert site.git("status", "--porcelain") == ""
    assert find_asset(site.project.root / "data", "data", "2").tags.judged_by == "data-recent:1"
    (entry,) = site.history
    assert (entry.outcome, entry.champion) == ("won", site.digest)
    signals = signals_of(tuple(log.events(site.project.state)), "prod")
    assert set(entry.signals) == {each.id for each in signals}
    # the same drift, measured again, asks for nothing more
    assert site.retrain() == 0
    assert len(site.stood) == 1


def test_the_cause_stands_in_the_audit_log(site: Site) -> None:
    site.serve(300, moved=4.0)
    site.retrain()
    begun = next(e for e in audit_log.entries(site.project.state) if e["event"] == "retraining")
    told = begun["cause"]
    assert isinstance(told, Mapping)
    assert from_tags(told) == site.stood[0][0]


def test_drift_within_the_cool_down_trains_no_second_time(site: Site) -> None:
    site.serve(300, moved=4.0)
    cause = Cause(("data_drift",), ("x",), datetime.now(UTC), (), 0, 1, (), 0, "", "both", "prod")
    begun = begin(site.project.state, cause, ("x",), "other", datetime.now(UTC))
    end(site.project.state, begun, "lost", "prod", "it was worse")
    assert site.retrain() == 0
    assert site.stood == []
    assert "policy wait: cool_down" in site.out.getvalue()
    site.settings(cool_down_hours=None)
    assert site.retrain() == 3


def test_too_few_labels_wait(site: Site) -> None:
    site.serve(300, moved=4.0, labels=False)
    assert site.retrain() == 0
    assert "policy wait: labels" in site.out.getvalue()
    assert site.history == ()


def test_a_dry_run_only_decides(site: Site) -> None:
    site.serve(300, moved=4.0)
    assert site.retrain(dry_run=True) == 0
    assert "policy retrain" in site.out.getvalue()
    assert (site.stood, site.history) == ([], ())


@pytest.mark.parametrize(
    ("data", "learnt", "rows_learnt"), [("old", "data:2", 400), ("recent", "data:2", 225)]
)
def test_a_person_is_answered_without_drift_on_what_they_say(
    site: Site, data: Data, learnt: str, rows_learnt: int
) -> None:
    site.serve(300)
    assert site.retrain(Ask("the winter begins", data=data)) == 3
    ((cause, found),) = site.stood
    assert (cause.triggers, cause.data, cause.reasons) == (
        ("person",),
        data,
        ("the winter begins",),
    )
    assert "Ada" in cause.by
    assert (found.learnt.name, found.rows, found.judging) == (learnt, rows_learnt, 75)


def test_the_champion_that_no_retraining_beats_calls_a_person_once(site: Site) -> None:
    site.serve(300, moved=4.0)
    for number in range(2):
        now = datetime.now(UTC) - timedelta(days=3 - number)
        cause = Cause(("data_drift",), (str(number),), now, (), 0, 1, (), 0, "", "both", "prod")
        begun = begin(site.project.state, cause, (str(number),), site.digest, now)
        end(site.project.state, begun, "lost", "prod", "it was worse")
    assert site.retrain() == 0
    assert site.retrain() == 0
    called = [each for each in log.events(site.project.state) if each.kind == "person_needed"]
    assert len(called) == 1
    assert called[0].data["rule"] == "did_not_help"
    assert site.stood == []


def test_what_fails_is_logged_and_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.serve(300, moved=4.0)

    def fail(*_: object, **__: object) -> Ended:
        raise UserError("step train failed\nand more")

    monkeypatch.setattr(candidacy, "stand", fail)
    with pytest.raises(UserError, match="step train failed"):
        site.retrain()
    assert [each.outcome for each in site.history] == ["failed"]
    last = list(audit_log.entries(site.project.state))[-1]
    assert last["reason"] == "step train failed"


def test_one_whose_process_died_is_given_up(site: Site) -> None:
    site.serve(300)
    cause = Cause(("person",), ("x",), datetime.now(UTC), (), 0, 1, (), 0, "", "both", "prod")
    begin(site.project.state, cause, ("x",), site.digest, datetime.now(UTC))
    assert [each.outcome for each in site.history] == ["running"]
    site.retrain()
    assert [each.outcome for each in site.history] == ["failed"]


def test_two_at_once_are_refused(site: Site) -> None:
    with (
        filelock.FileLock(site.project.state / LOCK),
        pytest.raises(UserError, match="another retraining is under way"),
    ):
        site.retrain(Ask("now"))


class Registry:
    """A registry that takes tags."""

    def __init__(self) -> None:
        self.run: dict[str, str] = {}
        self.version: dict[str, str] = {}
        self.client, self.model = self, "small"

    def set_tag(self, _: str, key: str, value: str) -> None:
        self.run[key] = value

    def set_model_version_tag(self, _: str, __: str, key: str, value: str) -> None:
        self.version[key] = value


@pytest.fixture
def stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[Ended, Registry, list[list[str]]]]:
    """`candidacy.stand` with made-up training, gate and deployment."""
    monkeypatch.undo()

    def run(
        *, gate: int, deployed: int, refused: Mapping[str, str], deploys: bool = True
    ) -> object:
        project = make_project(tmp_path / "project")
        registry, called = Registry(), []
        answer = tmp_path / "registered.json"
        answer.write_text(json.dumps({"version": "7"}))

        def train(_: object, __: object, changed: Mapping[str, str], why: str) -> object:
            called.append([*changed.values(), why])
            return {"register": SimpleNamespace(outputs={"registered": answer})}

        def qualify(words: list[str]) -> int:
            called.append(["qualify", *words])
            facts = {"version": "7", "refused": refused}
            audit_log.append(project.state, "gate", facts)
            return gate

        def deploy(words: list[str]) -> int:
            called.append(["deploy", *words])
            return deployed

        @contextmanager
        def opened(_: object) -> Iterator[Registry]:
            yield registry

        monkeypatch.setattr(candidacy, "train", train)
        monkeypatch.setattr(candidacy, "show", lambda *_: None)
        monkeypatch.setattr(candidacy, "registry", opened)
        monkeypatch.setattr(candidacy, "pick", lambda *_: SimpleNamespace(run_id="r"))
        monkeypatch.setattr("mlops.deployment.qualify.main", qualify)
        monkeypatch.setattr("mlops.deployment.deploy.main", deploy)
        cause = Cause(
            ("data_drift",),
            ("x",),
            datetime.now(UTC),
            ('b$`m"i',),
            0,
            9,
            ("far",),
            0,
            "",
            "both",
            "prod",
        )
        asset = SimpleNamespace(
            name="small:2",
            path="azureml:small:2",
            asset=SimpleNamespace(definition="data/small-2.yml"),
        )
        judge = SimpleNamespace(name="small-recent:1")
        data = NewData(asset, judge, 100, 25, "c")  # type: ignore[arg-type]
        out = Console(file=StringIO())
        ended = candidacy.stand(project, out, cause, data, deploys=deploys)
        return ended, registry, called

    return run  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("gate", "deployed", "refused", "becomes"),
    [
        (0, 3, {}, ("won", 3)),
        (0, 0, {}, ("won", 0)),
        (0, 1, {}, ("refused", 1)),
        (1, 0, {"champion.roc_auc": "worse", "fairness.x": ""}, ("lost", 1)),
        (1, 0, {"fairness.x": "unfair"}, ("refused", 1)),
    ],
)
def test_what_becomes_of_a_candidate(
    stand: Callable[..., tuple[Ended, Registry, list[list[str]]]],
    gate: int,
    deployed: int,
    refused: Mapping[str, str],
    becomes: tuple[str, int],
) -> None:
    ended, registry, called = stand(gate=gate, deployed=deployed, refused=refused)
    assert (ended.outcome, ended.version, ended.code) == (becomes[0], "7", becomes[1])
    assert called[0] == [
        "azureml:small:2",
        "data/small-2.yml",
        "data_drift in prod, both data: b__m_i",
    ]
    assert ["qualify", "--version", "7"] in called
    assert (["deploy", "--version", "7"] in called) == (gate == 0)
    assert registry.run["retraining.data"] == "both"
    note = registry.version[NOTE_TAG]
    assert "Trained anew because of data drift in prod" in note
    assert "Learnt from 100 rows (small:2), judged by 25 recent ones (small-recent:1)." in note


HELPS = {
    "roll_back": Remedy("roll_back", True, "lost_new", ("it lost",)),
    "ask": Remedy("roll_back", False, "lost_new", ("it lost",)),
    "mend_data": Remedy("mend_data", False, "broken_data", ("they break",)),
    "call_a_person": Remedy("call_a_person", False, "failing_old", ("it fails",)),
}


@pytest.fixture
def reverted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The environments that were rolled back, without any endpoint."""
    found: list[str] = []

    def revert(_: Project, chosen: Environment, why: str) -> str:
        found.append(f"{chosen.name}: {why}")
        return "version 1"

    monkeypatch.setattr(mending, "revert", revert)
    done = SimpleNamespace(state="changed", desired=None, reason="")
    monkeypatch.setattr(mending, "reconcile", lambda *_: done)
    monkeypatch.setattr(mending, "told", lambda _: "prod is as Git says")
    return found


@pytest.mark.parametrize("kind", HELPS)
def test_where_learning_anew_does_not_help_nothing_is_trained(
    site: Site, kind: str, reverted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    site.serve(300, moved=4.0)
    monkeypatch.setattr(retrain, "remedy_for", lambda *_: HELPS[kind])
    assert site.retrain(dry_run=True) == 0
    assert reverted == []
    assert site.retrain() == 0
    assert site.retrain() == 0
    assert site.stood == []
    called = [each for each in log.events(site.project.state) if each.kind == "person_needed"]
    if kind == "roll_back":
        assert (reverted, called) == (["prod: it lost"] * 2, [])
    else:
        assert reverted == []
        assert [each.data["rule"] for each in called] == [HELPS[kind].rule]


def test_a_person_who_asks_is_not_held_up_by_the_remedy(
    site: Site, reverted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    site.serve(300)
    monkeypatch.setattr(retrain, "remedy_for", lambda *_: HELPS["roll_back"])
    assert site.retrain(Ask("I know why")) == 3
    assert (len(site.stood), reverted) == (1, [])


def situation(site: Site) -> Situation:
    """What is known of prod now."""
    chosen = environment(site.project, "prod")
    settings = read_operations(chosen, site.project.contract)
    place = opened(site.project, chosen, settings, (PROBLEM, split), datetime.now(UTC))
    return situation_of(place, watch(place))


def test_a_first_model_that_drifts_has_nothing_to_go_back_to(site: Site) -> None:
    site.serve(300, moved=4.0)
    found = situation(site)
    assert (found.drift, found.previous, found.came_back) == (True, False, False)
    assert found.deployed_for is not None
    assert found.broken_data == ""


def turned(estimator: BaseEstimator, seed: int) -> Pipeline:
    """A model that learnt the answers the wrong way round."""
    table = rows(300, seed)
    return model(estimator, seed=seed).fit(table[INPUTS], 1 - table["answer"])


@pytest.mark.parametrize("worse", [True, False])
def test_a_loss_is_compared_with_the_model_before_on_the_same_rows(
    site: Site, worse: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the truth itself has turned, the model before is no better."""
    bounds = {"performance": {"bounds": {"accuracy": {"at_least": 0.6}}}}
    path = site.project.root / "environments" / "prod" / "settings.yml"
    path.write_text(yaml.safe_dump({"monitoring": bounds}))
    if worse:
        monkeypatch.setattr(collected_cases, "model", turned)
    state, before = site.project.state, site.digest
    site.digest = make_package(state / "packages", 2, project=site.project)
    facts = {"environment": "prod", "digest": site.digest, "version": "2"}
    audit_log.append(state, "deployed", facts)
    traffic = Traffic(2, "prod", "small", (Deployment("green", "2", site.digest, 1.0),))
    (state / "endpoints" / "prod" / "traffic.json").write_text(traffic_text(traffic))
    site.serve(300, turned=not worse)
    assert previous_digest(state, "prod", site.digest) == before
    found = situation(site)
    assert found.performance == "lost"
    assert found.against_previous == ("worse" if worse else "not_worse")


@pytest.mark.parametrize("event", ["rollback", "promote"])
def test_a_model_that_came_back_is_known(site: Site, event: str) -> None:
    site.serve(300)
    facts = {"environment": "prod", "digest": site.digest, "version": "1"}
    audit_log.append(site.project.state, event, facts)
    assert situation(site).came_back == (event == "rollback")


def test_where_promotions_are_pull_requests_it_ends_at_the_gate(
    stand: Callable[..., tuple[Ended, Registry, list[list[str]]]],
) -> None:
    ended, _, called = stand(gate=0, deployed=1, refused={}, deploys=False)
    assert (ended.outcome, ended.code) == ("won", 0)
    assert not any(words[0] == "deploy" for words in called)
