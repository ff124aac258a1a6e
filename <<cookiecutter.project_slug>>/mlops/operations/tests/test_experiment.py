"""What the packages of an environment show of each other, from what was collected; both sides of each."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from rich.console import Console

from mlops.deployment import audit_log
from mlops.deployment.desired.model_file import DesiredModel, write_model_file
from mlops.deployment.history import Served
from mlops.deployment.serving.counts import Counts
from mlops.deployment.serving.traffic import Deployment, Progress, Traffic, traffic_text
from mlops.deployment.tests.small import INPUTS, rows
from mlops.operations import experiment
from mlops.operations.experiment_advice import Standing, advice
from mlops.operations.experiment_copies import on_copies
from mlops.operations.experiment_pair import Compared
from mlops.operations.experiment_times import Span, challenger_of, common_times, failures, share_at
from mlops.operations.experiment_trial import Rules, trial
from mlops.operations.experiments.review import Label
from mlops.operations.experiments.review_queue import Given, enqueue, give_labels, queue_path
from mlops.operations.experiments.sequential import Epoch
from mlops.operations.experiments.settings import (
    BanditSettings,
    ExperimentSettings,
    ShadowSettings,
)
from mlops.operations.experiments.verdict import Outcome
from mlops.operations.monitoring.labels import FOLDER
from mlops.operations.monitoring.service import Seen, Step, write_seen
from mlops.operations.monitoring.window import read_window
from mlops.operations.tests.collected_cases import (
    PROBLEM,
    collect,
    every,
    make_package,
    make_project,
    split,
)
from mlops.operations.watch import SEEN
from mlops.quality.errors import UserError
from mlops.quality.project import Project

NOW = datetime.now(UTC).replace(microsecond=0)
MINUTE = timedelta(minutes=1)
NUMBER = 800
FEW = {"minimum": 100, "guard_minimum": 50, "horizon": 600}
# Wide enough for so few requests: the guard-rails are not what is tried.
WIDE = {"guards": {"slow_rate": {"margin": 0.3}}}


class Site:
    """A project whose prod holds two packages; the log begins with the first one alone."""

    def __init__(self, project: Project, old: str, new: str) -> None:
        self.project, self.old, self.new = project, old, new
        self.out = StringIO()
        self.revision = 0
        self.number = 0
        self.labels: list[pd.DataFrame] = []

    @property
    def folder(self) -> Path:
        return self.project.state / "endpoints" / "prod"

    @property
    def files(self) -> Path:
        return self.project.root / "environments" / "prod"

    def settings(self, **sections: object) -> None:
        (self.files / "settings.yml").write_text(yaml.safe_dump(sections))

    def desired(self, digest: str, name: str = "prod") -> None:
        model = DesiredModel("small", "2" if digest == self.new else "1", digest, "run", "commit")
        write_model_file(self.project.root / "environments" / name, model)

    def change(
        self,
        at: datetime,
        share: float,
        *,
        mirror: float = 0.0,
        followed: bool = True,
        rollout: bool = True,
    ) -> None:
        """Give the new package a share of the requests from a moment on, as a rollout does."""
        self.revision += 1
        both = (
            Deployment("blue", "1", self.old, 1 - share),
            Deployment("green", "2", self.new, share, mirror),
        )
        progress = Progress("green", 1) if rollout and (0 < share < 1 or mirror) else None
        traffic = Traffic(self.revision, "prod", "small", both, rollout=progress)
        (self.folder / "traffic.json").write_text(traffic_text(traffic))
        facts = {
            "revision": self.revision,
            "deployments": [dataclasses.asdict(each) for each in both],
            "rollout": dataclasses.asdict(progress) if progress else None,
        }
        self.log(at, "traffic", **facts)
        if followed:
            self.log(at + timedelta(seconds=1), "traffic_followed", revision=self.revision)

    def log(self, at: datetime, event: str, **facts: object) -> None:
        entry = {"time": at.isoformat(), "event": event, "environment": "prod", **facts}
        with (self.project.state / audit_log.FILE).open("a") as file:
            file.write(json.dumps(entry) + "\n")

    def serve(
        self,
        start: datetime,
        share: float,
        number: int = NUMBER,
        *,
        minutes: float = 55,
        seed: int = 5,
    ) -> tuple[list[str], list[str]]:
        """Answer requests live, the new package so many of them; returns the ids of both."""
        table = rows(number, seed)[INPUTS]
        moments = every(start, number, timedelta(minutes=minutes) / number)
        drawn = np.random.default_rng(seed).random(number) < share
        found = []
        for digest, chosen in ((self.old, ~drawn), (self.new, drawn)):
            times = [each for each, is_there in zip(moments, chosen, strict=True) if is_there]
            found.append(self.answer(digest, table[chosen], times))
        return found[0], found[1]

    def answer(
        self,
        digest: str,
        inputs: pd.DataFrame,
        moments: Sequence[datetime],
        copies: Sequence[str] = (),
    ) -> list[str]:
        if inputs.empty:
            return []
        self.number += 1
        packages = self.project.state / "packages"
        return collect(
            self.folder,
            packages,
            digest,
            inputs,
            moments,
            role="mirror" if copies else "live",
            ids=copies or None,
            number=self.number,
        )

    def know(self, **values: Sequence[object]) -> None:
        """Say what came of requests: `request_id` and `kpi` or `label`."""
        folder = self.folder / FOLDER
        folder.mkdir(exist_ok=True)
        self.labels.append(pd.DataFrame(values))
        name = f"{len(self.labels)}.csv"
        self.labels[-1].assign(time=NOW.isoformat()).to_csv(folder / name, index=False)

    def kpis(self, ids: Sequence[str], rate: float, seed: int) -> None:
        drawn = np.random.default_rng(seed).random(len(ids)) < rate
        self.know(request_id=ids, kpi=drawn.astype(float).tolist())

    def shows(self, **options: float) -> Compared:
        (found,) = experiment.experiment(self.project, "prod", NOW, **options).pairs
        return found

    def run(self, *words: str, code: int = 0) -> str:
        self.out.seek(0)
        self.out.truncate()
        assert experiment.main(list(words)) == code
        return self.out.getvalue()

    def together(
        self, share: float = 0.5, *, old: float = 0.5, new: float = 0.5
    ) -> tuple[list[str], list[str]]:
        """Both answer for nearly an hour, with these chances of a good outcome."""
        self.change(NOW - 60 * MINUTE, share)
        ids = self.serve(NOW - 59 * MINUTE, share)
        self.kpis(ids[0], old, 1)
        self.kpis(ids[1], new, 2)
        return ids

    def copied(
        self, number: int = 300, *, turned: bool = False, before: timedelta = 60 * MINUTE
    ) -> list[str]:
        """The new package answers copies; `turned`: of other rows, so that it answers otherwise."""
        self.change(NOW - before, 0.0, mirror=1.0)
        table = rows(number, 5)[INPUTS]
        moments = every(NOW - before + 10 * MINUTE, number, timedelta(seconds=5))
        ids = self.answer(self.old, table, moments)
        self.answer(self.new, rows(number, 6)[INPUTS] if turned else table, moments, copies=ids)
        return ids

    def answers(self, digest: str, role: str = "live") -> pd.DataFrame:
        window = read_window(
            self.folder,
            NOW - timedelta(days=1),
            NOW,
            now=NOW,
            role=role,  # type: ignore[arg-type]
        )
        return window.parts[digest]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, str, str]:
    project = make_project(tmp_path_factory.mktemp("made") / "project")
    packages = project.state / "packages"
    old, new = (make_package(packages, number, project=project) for number in (1, 2))
    for name in ("dev", "stage", "prod"):
        (project.root / "environments" / name).mkdir(parents=True)
        (project.root / "environments" / name / "settings.yml").write_text("{}\n")
    (project.state / "endpoints" / "prod").mkdir(parents=True)
    return project, old, new


@pytest.fixture
def site(made: tuple[Project, str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    project, old, new = made
    root = tmp_path / "project"
    shutil.copytree(project.root, root)
    found = Site(dataclasses.replace(project, root=root), old, new)
    found.settings(experiment={**FEW, **WIDE}, shadow={"labels": 100, "horizon": 200})
    monkeypatch.setattr(experiment, "load_project", lambda _: found.project)
    monkeypatch.setattr(experiment, "problem_and_split", lambda _: (PROBLEM, split))
    monkeypatch.setattr(experiment, "console", lambda: Console(file=found.out, width=200))
    return found


def contents(folder: Path) -> Mapping[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_nothing_deployed_is_told_without_an_error(site: Site) -> None:
    assert "nothing to compare: nothing was deployed to prod yet" in site.run("--check")


def test_one_package_alone_has_nothing_to_be_compared_with(site: Site) -> None:
    site.change(NOW - 60 * MINUTE, 0.0)
    site.serve(NOW - 59 * MINUTE, 0.0, 50)
    said = site.run("--check")
    assert "nothing to compare: only version 1 answered" in said
    assert "champion" not in said


def test_copies_are_compared_and_no_traffic_is_touched(site: Site) -> None:
    site.copied()
    before = contents(site.folder), (site.project.state / audit_log.FILE).read_bytes()
    said = site.run("--check")
    assert (contents(site.folder), (site.project.state / audit_log.FILE).read_bytes()) == before
    found = site.shows()
    assert found.shadow is not None
    assert found.trial is None
    same = (site.answers(site.old)["label"] == site.answers(site.new, "mirror")["label"]).sum()
    assert (found.shadow.agreement.rows, found.shadow.agreement.agreed) == (300, same)
    assert {each.group for each in found.shadow.segments} == {"x", "y"}
    assert "shadow: no verdict yet: 0 labelled requests, 100 are needed" in said
    assert "both never answered live at the same time: there is nothing to test" in said
    assert "no traffic was changed" in said
    assert "what follows: leave the traffic as it is" in said


@pytest.mark.parametrize(
    ("right", "outcome", "code"),
    [("old", "challenger worse", 1), ("new", "challenger better", 0)],
)
def test_labels_tell_who_of_a_shadow_was_right(
    site: Site, right: str, outcome: str, code: int
) -> None:
    ids = site.copied(turned=True)
    truth = {
        "old": site.answers(site.old),
        "new": site.answers(site.new, "mirror"),
    }[
        right
    ].set_index("request_id")["label"]
    site.know(request_id=ids, label=truth[ids].tolist())
    found = site.shows()
    assert found.shadow is not None
    assert found.shadow.outcome == outcome
    assert found.shadow.accuracy is not None
    assert found.shadow.accuracy.rows == 300
    said = site.run("--check", code=code)
    follows = {
        "challenger worse": "nothing: version 2 should not serve, and version 2 answers no request",
        "challenger better": "try version 2 on live requests: nox -s deploy -- --version 2 --to prod",
    }[outcome]
    assert f"what follows: {follows}" in said


def test_a_better_challenger_is_found_and_its_rollout_recommended(site: Site) -> None:
    site.desired(site.new)
    ids = site.together(old=0.4, new=0.8)
    found = site.shows()
    assert found.trial is not None
    assert found.trial.rows == (len(ids[0]), len(ids[1]))
    assert found.trial.verdict.outcome == "challenger better", found.trial.verdict
    kpi = found.trial.evidence.kpi
    assert 0 < kpi.low < 0.4 < kpi.high
    assert not isinstance(found.trial.allocation, str)
    assert found.trial.allocation.shares["challenger"] == pytest.approx(0.7)  # one step
    said = site.run("--check")
    assert "A/B by kpi: challenger better" in said
    assert "bandit: it would give champion 30.0%, challenger 70.0%" in said
    assert "one request is one: routing keys are not collected" in said
    assert "give version 2 all requests: nox -s reconcile -- prod goes on with its rollout" in said


def test_a_worse_challenger_is_found_and_a_rollback_recommended(site: Site) -> None:
    site.desired(site.new)
    site.together(old=0.8, new=0.4)
    found = site.shows()
    assert found.trial is not None
    assert found.trial.verdict.outcome == "challenger worse"
    assert found.is_worse
    assert "version 2 should not serve: nox -s rollback -- prod" in site.run("--check", code=1)
    assert "challenger worse" in site.run()


def test_where_no_difference_shows_it_goes_on(site: Site) -> None:
    site.together()
    found = site.shows()
    assert found.trial is not None
    assert found.trial.verdict.outcome == "no verdict yet"
    assert "leaves open who is better" in found.trial.verdict.reasons[0]
    assert "leave the traffic as it is, and look again" in site.run("--check")
    site.settings(experiment={**FEW, **WIDE, "difference": 0.5})
    assert "A/B by kpi: no difference that matters" in site.run("--check")


def test_too_few_outcomes_give_no_verdict(site: Site) -> None:
    site.settings(experiment={**FEW, **WIDE, "minimum": 500})
    site.together(old=0.2, new=0.9)
    found = site.shows()
    assert found.trial is not None
    assert found.trial.verdict.outcome == "no verdict yet"
    assert all("500 are needed" in each for each in found.trial.verdict.reasons)


@pytest.mark.parametrize(
    ("rates", "outcome"), [((0.4, 0.8), "challenger better"), ((0.5, 0.5), "challenger worse")]
)
def test_live_answers_count_before_copies_unless_they_leave_it_open(
    site: Site, rates: tuple[float, float], outcome: str
) -> None:
    ids = site.copied(turned=True, before=180 * MINUTE)
    truth = site.answers(site.old).set_index("request_id")["label"][ids]
    site.together(old=rates[0], new=rates[1])
    site.know(request_id=ids, label=truth.tolist())
    found = site.shows()
    assert found.shadow is not None
    assert found.shadow.outcome == "challenger worse"
    assert found.outcome == outcome
    assert found.is_worse == (outcome == "challenger worse")


def test_a_better_challenger_is_not_recommended_while_a_guard_rail_is_open(site: Site) -> None:
    site.settings(experiment=FEW)
    site.together(old=0.4, new=0.8)
    said = site.run("--check")
    assert "A/B by kpi: no verdict yet" in said
    assert "error_rate: not measured" in said


@pytest.mark.parametrize(("failed", "code"), [(60, 1), (0, 0)])
def test_failed_requests_of_the_challenger_break_a_guard_rail(
    site: Site, failed: int, code: int
) -> None:
    site.settings(experiment={**FEW, "guards": {"error_rate": {"margin": 0.05}}})
    site.together()
    counts = {
        f"blue:{site.old}": Counts(requests=400),
        f"green:{site.new}": Counts(requests=400, failed=failed),
    }
    moments = (NOW - 50 * MINUTE, NOW - 10 * MINUTE)
    first, last = (each.isoformat() for each in moments)
    # what was counted while both did not answer has the other arm fail
    alone = {f"blue:{site.old}": Counts(requests=400, failed=400)}
    before = Step((NOW - 90 * MINUTE).isoformat(), first, alone)
    write_seen(Seen({}, (before, Step(first, last, counts))), site.folder / SEEN)
    said = site.run("--check", code=code)
    assert ("challenger worse: error_rate: +0.15" in said) == bool(failed)
    found = site.shows()
    assert found.trial is not None
    assert found.trial.evidence.guards["error_rate"].challenger == 400


def test_slow_answers_are_a_guard_rail_too(site: Site) -> None:
    site.together()
    found = site.shows()
    assert found.trial is not None
    assert found.trial.evidence.guards["slow_rate"].estimate == 0
    site.settings(experiment={**FEW, **WIDE, "slow_ms": 1.0})
    slow = site.shows().trial
    assert slow is not None
    assert slow.evidence.guards["slow_rate"].champion > 0


def test_only_times_in_which_both_answered_count(site: Site) -> None:
    site.change(NOW - 240 * MINUTE, 0.0)
    alone, _ = site.serve(NOW - 230 * MINUTE, 0.0, 500, seed=8)
    site.kpis(alone, 0.0, 3)
    site.together(old=0.8, new=0.4)
    site.change(NOW - 3 * MINUTE, 1.0)
    _, after = site.serve(NOW - 2 * MINUTE, 1.0, 500, minutes=1, seed=9)
    site.kpis(after, 1.0, 4)
    found = site.shows()
    assert found.trial is not None
    assert found.trial.outside == 1000
    assert sum(found.trial.rows) == NUMBER
    # had all rows counted, the challenger would seem the better one
    assert found.trial.verdict.outcome == "challenger worse"
    # it serves alone by now, and is the challenger still
    assert (found.champion.digest, found.challenger.share) == (site.old, 1.0)
    site.desired(site.new)
    said = site.run("--check", code=1)
    assert "1,000 rows of other times" in said
    assert "nox -s rollback -- prod" in said


def test_without_a_common_time_there_is_nothing_to_test(site: Site) -> None:
    site.change(NOW - 60 * MINUTE, 0.0)
    site.serve(NOW - 59 * MINUTE, 0.0, 200, minutes=20)
    site.change(NOW - 30 * MINUTE, 1.0)
    site.serve(NOW - 29 * MINUTE, 1.0, 200, minutes=20, seed=6)
    found = site.shows()
    assert (found.trial, found.shadow, found.advice) == (None, None, "")
    assert "both never answered live at the same time" in site.run("--check")


def test_a_change_that_nobody_confirmed_does_not_count(site: Site) -> None:
    site.change(NOW - 60 * MINUTE, 0.5, followed=False)
    site.serve(NOW - 59 * MINUTE, 0.5, 100)
    found = site.shows()
    assert found.trial is None
    assert any("1 changes of the traffic do not count" in note for note in found.notes)


def test_each_outcome_counts_with_the_share_of_its_moment(site: Site) -> None:
    """The level of both grows with the challenger's share: the plain difference is no difference."""
    site.change(NOW - 60 * MINUTE, 0.1)
    first = site.serve(NOW - 59 * MINUTE, 0.1, 1000, minutes=25)
    site.change(NOW - 30 * MINUTE, 0.9)
    last = site.serve(NOW - 29 * MINUTE, 0.9, 1000, minutes=25, seed=6)
    for seed, (ids, rate) in enumerate(((first, 0.1), (last, 0.9))):
        site.kpis([*ids[0], *ids[1]], rate, seed)
    found = site.shows()
    assert found.trial is not None
    assert [each.share for each in found.trial.spans] == [0.1, 0.9]
    assert found.trial.verdict.outcome == "no verdict yet"
    assert abs(found.trial.evidence.kpi.estimate) < 0.1


def test_without_kpis_labels_tell_how_often_each_is_right(site: Site) -> None:
    site.change(NOW - 60 * MINUTE, 0.5)
    old, new = site.serve(NOW - 59 * MINUTE, 0.5)
    for digest, ids, off in ((site.old, old, 0.4), (site.new, new, 0.0)):
        said = site.answers(digest).set_index("request_id")["label"][ids].to_numpy()
        wrong = np.random.default_rng(3).random(len(ids)) < off
        site.know(request_id=ids, label=np.where(wrong, 1 - said, said).tolist())
    found = site.shows()
    assert found.trial is not None
    assert found.trial.measured == "accuracy"
    assert found.trial.evidence.kpi.estimate == pytest.approx(0.4, abs=0.1)
    assert "A/B by accuracy: challenger better" in site.run()


def test_labels_that_people_gave_to_doubtful_answers_judge_nothing(site: Site) -> None:
    site.change(NOW - 60 * MINUTE, 0.5)
    site.serve(NOW - 59 * MINUTE, 0.5, 200)
    table = site.answers(site.new)
    path = queue_path(site.project.state, "prod")
    enqueue(path, table.assign(why="uncertain"))
    said = Label(0, "Ada", NOW.isoformat())
    give_labels(path, [Given(request, 1, said) for request in table["request_id"]])
    site.know(request_id=table["request_id"].tolist(), label=[0] * len(table))
    found = site.shows()
    assert found.trial is not None
    assert found.trial.evidence.kpi.challenger == 0
    assert f"{len(table)} labels people gave" in site.run()
    path.unlink()
    again = site.shows()
    assert again.trial is not None
    assert again.trial.evidence.kpi.challenger == len(table)


def test_kpis_that_are_no_shares_need_settings_that_say_so(site: Site) -> None:
    old, new = site.together()
    site.know(request_id=[*old, *new], kpi=[20.0] * len(old) + [30.0] * (len(new) - 1) + [31.0])
    with pytest.raises(UserError, match=r"prod.settings\.yml: experiment: kind: .* kind: value"):
        site.run()
    site.settings(experiment={**FEW, **WIDE, "kind": "value"})
    said = site.run()
    assert "A/B by kpi: challenger better" in said
    assert "bandit: the settings' bandit has kind: share" in said
    site.settings(experiment={**FEW, **WIDE, "kind": "value"}, bandit={"kind": "value"})
    assert "bandit: it would give champion 30.0%" in site.run()


def test_a_unit_is_a_collected_column_and_a_bound_an_arms(site: Site) -> None:
    site.together()
    site.settings(experiment={**FEW, "unit": "nn"})
    with pytest.raises(UserError, match=r"unit: no column 'nn' is collected; did you mean 'n'"):
        site.run()
    site.settings(experiment={**FEW, "unit": "n", "hours": 0.1})
    found = site.shows()
    assert found.trial is not None
    assert found.trial.evidence.kpi.champion + found.trial.evidence.kpi.challenger <= 7
    assert "all of one 'n' is one" in site.run()
    site.settings(bandit={"floors": {"blue": 0.5}})
    with pytest.raises(UserError, match="floors, ceilings: blue: expected champion or challenger"):
        site.run()
    site.settings(experiment={**FEW, **WIDE}, bandit={"floors": {"champion": 0.6}})
    assert "it would give champion 60.0%" in site.run()


def test_the_window_is_what_was_asked_for_and_a_beginning_before_it_is_told(site: Site) -> None:
    site.together()
    found = site.shows(hours=0.5)
    assert found.trial is not None
    assert 300 < sum(found.trial.rows) < 500
    assert any("before the window began" in note for note in found.notes)
    assert not any("before the window began" in note for note in site.shows().notes)


def test_the_figures_are_there_for_machines(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.together(old=0.8, new=0.4)
    assert experiment.main(["prod", "--json", "--check"]) == 1
    told = json.loads(capsys.readouterr().out)
    (found,) = told["pairs"]
    assert found["trial"]["verdict"]["outcome"] == "challenger worse"
    assert found["trial"]["evidence"]["kpi"]["high"] < 0
    assert found["shadow"] is None
    assert found["challenger"]["digest"] == site.new


def test_what_is_wrong_on_the_command_line_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        experiment.main(["--hours", "0"])
    assert "expected more than 0" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="0"):
        experiment.main(["--help"])
    assert "No traffic is changed" in " ".join(capsys.readouterr().out.split())


def entry(
    minute: int, share: float, *, followed: bool = True, to: str = "", mirror: float = 0.0
) -> Served:
    both = (
        Deployment("blue", "1", "a", 1 - share),
        Deployment("green", "2", "b", share, mirror),
    )
    at = NOW + minute * MINUTE
    done = (at + MINUTE).isoformat() if followed else ""
    return Served(at.isoformat(), 1, "", "", both, Progress(to, 0) if to else None, done)


def told(spans: Sequence[Span]) -> list[tuple[float, float, float]]:
    return [((s.start - NOW) / MINUTE, (s.end - NOW) / MINUTE, s.share) for s in spans]


def test_a_span_lasts_from_when_all_followed_until_the_next_change() -> None:
    served = [entry(0, 0.0), entry(10, 0.2), entry(20, 0.5), entry(30, 1.0), entry(40, 0.5)]
    found = common_times(served, "a", "b", NOW, NOW + 60 * MINUTE)
    assert told(found.spans) == [(11, 20, 0.2), (21, 30, 0.5), (41, 60, 0.5)]
    assert found.hours == pytest.approx(37 / 60)
    # as the other one's share
    turned = common_times(served, "b", "a", NOW, NOW + 60 * MINUTE)
    assert [each.share for each in turned.spans] == [0.8, 0.5, 0.5]
    later = common_times(served, "a", "b", NOW + 25 * MINUTE, NOW + 60 * MINUTE)
    assert told(later.spans) == told(found.spans)[1:]
    assert common_times(served, "a", "c", NOW, NOW + 60 * MINUTE).spans == ()


def test_a_clock_that_was_put_back_leaves_out_what_was_before() -> None:
    served = [entry(0, 0.2), entry(50, 0.3), entry(20, 0.5), entry(30, 1.0)]
    found = common_times(served, "a", "b", NOW, NOW + 60 * MINUTE)
    assert told(found.spans) == [(21, 30, 0.5)]


def test_a_row_has_the_share_of_its_span_and_none_between() -> None:
    spans = common_times([entry(10, 0.2), entry(20, 0.5)], "a", "b", NOW, NOW + 60 * MINUTE).spans
    times = pd.Series([NOW + m * MINUTE for m in (5, 10, 11, 19, 20, 21, 59, 60)])
    found = share_at(times, spans).tolist()
    assert found == pytest.approx([np.nan, np.nan, 0.2, 0.2, np.nan, 0.5, 0.5, np.nan], nan_ok=True)
    assert share_at(times, ()).isna().all()


@pytest.mark.parametrize(
    ("served", "expected"),
    [
        ([entry(0, 0.5, to="green"), entry(5, 1.0)], "b"),
        ([entry(0, 0.5, to="blue")], "a"),
        ([entry(0, 0.5, to="green"), entry(5, 0.5, to="blue")], "a"),
        ([entry(0, 0.0, mirror=0.2)], "b"),
        ([entry(0, 0.9)], "other"),
        ([], "other"),
    ],
)
def test_the_challenger_is_whom_a_rollout_led_to_or_who_got_copies(
    served: list[Served], expected: str
) -> None:
    assert challenger_of(served, "b", "a") == {"other": "a"}.get(expected, expected)
    assert challenger_of(served, "a", "b") == {"other": "b"}.get(expected, expected)


def test_counts_of_a_step_beyond_a_span_or_through_a_restart_do_not_count() -> None:
    counts = {"blue:a": Counts(requests=10, failed=1), "green:b": Counts(requests=5)}

    def step(first: int, last: int, *, restarted: bool = False) -> Step:
        begun, ended = ((NOW + minute * MINUTE).isoformat() for minute in (first, last))
        return Step(begun, ended, counts, restarted)

    steps = [step(9, 15), step(12, 15), step(15, 20), step(18, 22), step(13, 14, restarted=True)]
    steps.append(Step("", (NOW + 15 * MINUTE).isoformat(), counts))
    spans = [Span(NOW + 11 * MINUTE, NOW + 20 * MINUTE, 0.2)]
    assert failures(steps, spans, "a", "b") == (Epoch(0.2, 10, 1, 5, 0),) * 2


def values(start: datetime, off: float) -> pd.DataFrame:
    """Rows of a model of values that is off by so much."""
    number = 300
    truth = np.random.default_rng(1).normal(size=number)
    noise = np.random.default_rng(2).normal(scale=0.1, size=number)
    return pd.DataFrame(
        {
            "request_id": [f"{off}-{n}" for n in range(number)],
            "row": 1,
            "time": [start + n * timedelta(seconds=1) for n in range(number)],
            "latency_ms": 2.0,
            "model_digest": str(off),
            "value": truth + off + noise,
            "truth": truth.astype(object),
            "kpi": np.nan,
        }
    )


@pytest.mark.parametrize(
    ("off", "outcome"), [(0.2, "challenger better"), (2.0, "challenger worse")]
)
def test_of_values_the_smaller_error_is_better(off: float, outcome: str) -> None:
    times = common_times([entry(0, 0.5)], "a", "b", NOW, NOW + 60 * MINUTE)
    settings = ExperimentSettings(minimum=100, horizon=600, guards={})
    rules = Rules(settings, BanditSettings(), "settings.yml")
    both = (values(NOW + 2 * MINUTE, 1.0), values(NOW + 2 * MINUTE, off))
    found = trial(*both, times, (), rules, share=0.5, now=NOW + 60 * MINUTE)
    assert (found.measured, found.verdict.outcome) == ("absolute_error", outcome)
    assert found.evidence.kpi.estimate == pytest.approx(off - 1, abs=0.2)
    assert not isinstance(found.allocation, str)
    assert (found.allocation.shares["challenger"] > 0.5) == (off < 1)


def test_copies_of_values_are_compared_and_those_of_another_kind_are_not() -> None:
    live, copies = (values(NOW, off) for off in (1.0, 0.0))
    live = live.assign(role="live")
    copies = copies.assign(role="mirror", request_id=live["request_id"])
    found, why = on_copies(live, copies, None, ShadowSettings(tolerance=2.0))
    assert found is not None
    assert found.outcome == "challenger better"
    assert (found.agreement.agreed, found.segments, why) == (300, (), ())
    other, why = on_copies(live, copies.rename(columns={"value": "label"}), None, ShadowSettings())
    assert other is None
    assert why == ("the copies' answers are of another kind than the champion's",)
    apart, why = on_copies(live, copies.assign(request_id="x"), None, ShadowSettings())
    assert apart is None
    assert why == ("no copy belongs to a live row of the champion",)


BETTER: Outcome = "challenger better"
WORSE: Outcome = "challenger worse"
SAME: Outcome = "no difference that matters"
OPEN: Outcome = "no verdict yet"


@pytest.mark.parametrize(
    ("outcome", "share", "desired", "expected"),
    [
        (BETTER, 1.0, {"prod": "b"}, "nothing: version 2 serves already"),
        (BETTER, 0.5, {"prod": "b"}, "nox -s reconcile -- prod goes on with its rollout"),
        (BETTER, 0.0, {"prod": "b"}, "nox -s reconcile -- prod --retry rolls it out again"),
        (BETTER, 0.5, {"prod": "a", "stage": "b"}, "nox -s promote -- prod"),
        (BETTER, 0.5, {"prod": "a", "stage": "a"}, "nox -s deploy -- --version 2 --to prod"),
        (WORSE, 0.5, {"prod": "b"}, "nox -s rollback -- prod"),
        (WORSE, 1.0, {"prod": "b"}, "nox -s rollback -- prod"),
        (WORSE, 0.5, {"prod": "a"}, "nox -s reconcile -- prod brings back"),
        (WORSE, 0.0, {"prod": "a"}, "nothing: version 2 should not serve"),
        (SAME, 1.0, {"prod": "b"}, "nothing: version 2 serves already"),
        (SAME, 0.5, {"prod": "b"}, "the champion stays: nox -s rollback -- prod"),
        ("ended without a verdict", 0.5, {"prod": "b"}, "the champion stays: nox -s rollback"),
        (OPEN, 0.5, {"prod": "b"}, "leave the traffic as it is"),
    ],
)
def test_what_follows_names_the_command_that_does_it(
    outcome: Outcome, share: float, desired: Mapping[str, str], expected: str
) -> None:
    standing = Standing("prod", Deployment("green", "2", "b", share), desired)
    assert expected in advice(outcome, standing, live=True)


def test_a_better_challenger_of_an_earlier_environment_goes_to_stage() -> None:
    standing = Standing("dev", Deployment("green", "2", "b", 0.5), {"dev": "a"})
    assert "nox -s deploy -- --version 2 --to stage" in advice(BETTER, standing, live=True)
