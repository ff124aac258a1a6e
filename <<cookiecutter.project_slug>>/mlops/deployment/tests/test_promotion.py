"""A promotion: one branch, one change, one pull request, however often it is asked for."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow import MlflowClient

from mlops.deployment import audit_log, promote
from mlops.deployment.desired.model_file import DesiredModel, read_model_file, write_model_file
from mlops.deployment.gate.decision import Decision, Verdict
from mlops.deployment.packaging.candidate import PACKAGE_TAG
from mlops.deployment.promotion.github import connect
from mlops.deployment.tests.environments import SLUG, make_client, make_project
from mlops.deployment.tests.fake_github import REPOSITORY, FakeGitHub, running
from mlops.quality.errors import UserError
from mlops.quality.project import Project
from mlops.quality.terminal import console
from mlops.training.record import CHAMPION, NOTE_TAG
from mlops.training.registry import Registry
from mlops.training.release import GATE_TAG, PASSED

DIGESTS = {"1": "1" * 64, "2": "2" * 64, "3": "3" * 64}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> MlflowClient:
    """Versions 1 (the champion) and 2 have passed the gate, 3 was refused, 4 was not judged."""
    folder = tmp_path_factory.mktemp("mlflow")
    client = make_client(folder)
    experiment = client.get_experiment_by_name(SLUG)
    assert experiment is not None
    for number, gate in {"1": PASSED, "2": PASSED, "3": "refused", "4": ""}.items():
        run = client.create_run(experiment.experiment_id).info.run_id
        client.log_metric(run, "roc_auc", 0.8 + int(number) / 100)
        client.log_param(run, "algorithm", "line")
        tags = {"mlops.commit": f"commit{number}", "mlops.data": "data:1"}
        if gate:
            tags |= {GATE_TAG: gate, PACKAGE_TAG: DIGESTS[number], "mlops.gate_refused": "golden"}
        client.create_model_version(SLUG, f"runs:/{run}/model", run, tags=tags)
        if number == "2":
            verdict = Verdict("champion.roc_auc", ">= 0", "pass", "better", 0.01, 0.0, 0.02)
            decision = Decision(DIGESTS["2"], True, (verdict,), {})
            told = json.dumps(dataclasses.asdict(decision))
            (folder / "decision.json").write_text(told)
            place = f"gate/{DIGESTS['2'][:12]}"
            client.log_artifact(run, str(folder / "decision.json"), place)
            client.set_model_version_tag(SLUG, "2", NOTE_TAG, "Trained anew: `bmi` drifts.")
    client.set_registered_model_alias(SLUG, CHAMPION, "1")
    return client


def git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@dataclass
class Place:
    """A checkout, its remote, and GitHub beside it."""

    project: Project
    remote: Path
    github: FakeGitHub

    @property
    def root(self) -> Path:
        return self.project.root

    def promote(
        self,
        target: str = "stage",
        version: str | None = None,
        *,
        again: bool = False,
        **more: str,
    ) -> int:
        environment = self.github.environment(**more)
        asked = promote.Asked(self.project, console(), target, version, environment)
        github = dataclasses.replace(connect(environment, self.root), seconds=0.01)
        return promote.promote(asked, github, again=again)

    def branches(self) -> dict[str, str]:
        told = git(self.remote, "for-each-ref", "--format=%(refname:short) %(objectname)")
        return dict(line.split() for line in told.splitlines())

    def on(self, branch: str, name: str) -> DesiredModel | None:
        """What a branch of the remote says that an environment shall serve."""
        text = git(self.remote, "show", f"{branch}:environments/{name}/model.yml")
        folder = self.root.parent / "looked-at"
        folder.mkdir(exist_ok=True)
        (folder / "model.yml").write_text(text)
        return read_model_file(folder)

    def change(self, name: str, desired: DesiredModel) -> None:
        """Have main, here and at the remote, say what an environment serves."""
        write_model_file(self.root / "environments" / name, desired)
        git(self.root, "add", "--all")
        git(self.root, "commit", "--quiet", "-m", f"{name}: {desired}")
        git(self.root, "push", "--quiet", "origin", "HEAD:main")

    def merge(self, branch: str) -> None:
        """Merge the open pull request of a branch, as GitHub would."""
        git(self.root, "pull", "--quiet", "--no-rebase", "origin", branch)
        git(self.root, "push", "--quiet", "origin", "HEAD:main")
        git(self.root, "push", "--quiet", "origin", f":{branch}")
        (found,) = [e for e in self.github.pulls if e["head"] == f"me:{branch}"]
        found |= {"state": "closed", "merged_at": "2026-05-03T00:00:00Z"}


@pytest.fixture
def place(client: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    @contextmanager
    def registry(_: object) -> Iterator[Registry]:
        yield Registry(client, SLUG, "here")

    monkeypatch.setattr(promote, "registry", registry)
    for name in ("GITHUB_STEP_SUMMARY", "GITHUB_ACTIONS", "GITHUB_ACTOR"):
        monkeypatch.delenv(name, raising=False)
    project = make_project(tmp_path / "project")
    remote = tmp_path / "remote.git"
    git(tmp_path, "init", "--quiet", "--bare", "-b", "main", str(remote))
    git(project.root, "remote", "add", "origin", str(remote))
    git(project.root, "push", "--quiet", "origin", "main")
    client.set_model_version_tag(SLUG, "2", "mlops.commit", "commit2")
    with running(FakeGitHub()) as fake:
        yield Place(project, remote, fake)


def model(number: str) -> DesiredModel:
    return DesiredModel(SLUG, number, DIGESTS[number], "run", f"commit{number}")


def test_the_newest_version_that_passed_is_asked_for_on_a_branch(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.change("stage", model("1"))
    (place.root / "half-done.txt").write_text("mine")
    before = git(place.root, "status", "--porcelain", "--branch")
    assert place.promote() == 0
    (pull,) = place.github.pulls
    assert (pull["base"], pull["head"]) == ("main", "me:promote/stage-v2")
    assert pull["title"] == "Promote small version 2 to stage"
    for told in ("Trained anew: `bmi` drifts.", "| `roc_auc` | 0.82 | 0.81 | +0.01 |", "commit2"):
        assert told in pull["body"]
    assert "| `champion.roc_auc` | 0.01 | 0 to 0.02 | `>= 0` | pass | `better` |" in pull["body"]
    assert "Reverting this brings version 1" in pull["body"]
    for name in ("dev", "stage"):
        found = place.on("promote/stage-v2", name)
        assert found is not None
        assert (found.version, found.digest) == ("2", DIGESTS["2"])
    changed = git(place.remote, "diff", "--name-only", "main", "promote/stage-v2").split()
    assert changed == ["environments/dev/model.yml", "environments/stage/model.yml"]
    assert git(place.root, "status", "--porcelain", "--branch") == before
    assert git(place.root, "worktree", "list").count("\n") == 0
    (entry,) = [e for e in audit_log.entries(place.project.state) if e["event"] == promote.EVENT]
    assert (entry["version"], entry["pull_request"]) == ("2", pull["html_url"])
    assert "/pull/1" in capsys.readouterr().out


def test_a_second_call_changes_nothing(place: Place) -> None:
    place.promote()
    before, asked = place.branches(), len(place.github.made("PATCH"))
    assert place.promote() == 0
    assert place.branches() == before
    assert len(place.github.pulls) == 1
    assert len(place.github.made("PATCH")) == asked


def test_a_second_call_brings_the_same_pull_request_up_to_date(place: Place) -> None:
    place.promote()
    place.github.pulls[0]["body"] = "somebody's"
    place.change("stage", model("1"))
    before = place.branches()["promote/stage-v2"]
    assert place.promote() == 0
    (pull,) = place.github.pulls
    assert "Reverting this brings version 1" in pull["body"]
    # main has got another model since: the old branch could not be merged
    assert place.branches()["promote/stage-v2"] != before
    assert git(place.remote, "merge-base", "--is-ancestor", "main", "promote/stage-v2") == ""


def test_an_unrelated_commit_on_main_leaves_the_branch(place: Place) -> None:
    place.promote()
    before = place.branches()["promote/stage-v2"]
    place.change("prod", model("1"))
    place.promote()
    assert place.branches()["promote/stage-v2"] == before


def test_a_branch_that_brings_something_else_as_well_is_made_anew(place: Place) -> None:
    place.promote()
    git(place.root, "fetch", "--quiet", "origin", "promote/stage-v2")
    git(place.root, "checkout", "--quiet", "--detach", "FETCH_HEAD")
    (place.root / "extra.txt").write_text("more")
    git(place.root, "add", "--all")
    git(place.root, "commit", "--quiet", "-m", "More")
    git(place.root, "push", "--quiet", "origin", "HEAD:promote/stage-v2")
    git(place.root, "checkout", "--quiet", "main")
    place.promote()
    changed = git(place.remote, "diff", "--name-only", "main", "promote/stage-v2").split()
    assert "extra.txt" not in changed


def test_what_main_says_already_is_not_asked_for(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.promote()
    place.merge("promote/stage-v2")
    assert place.promote() == 0
    assert "nothing to promote" in capsys.readouterr().out
    assert len(place.github.pulls) == 1
    assert set(place.branches()) == {"main"}


def test_what_people_took_back_is_asked_for_again_only_by_a_person(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.change("stage", model("1"))
    place.promote()
    place.merge("promote/stage-v2")
    place.change("stage", model("1"))
    assert place.promote() == 0
    assert "was merged, and taken back since; --again" in capsys.readouterr().out
    assert "promote/stage-v2" not in place.branches()
    place.promote(again=True)
    assert [each["state"] for each in place.github.pulls] == ["closed", "open"]


def test_prod_gets_what_stage_has_in_git(place: Place) -> None:
    place.change("stage", model("1"))
    assert place.promote("prod") == 0
    (pull,) = place.github.pulls
    assert pull["title"] == "Promote small version 1 to prod"
    changed = git(place.remote, "diff", "--name-only", "main", "promote/prod-v1").split()
    assert changed == ["environments/prod/model.yml"]
    assert place.on("promote/prod-v1", "prod") == model("1")
    assert "The tests of the model passed" not in pull["body"]
    audit_log.append(
        place.project.state, "tested", {"environment": "stage", "digest": DIGESTS["1"]}
    )
    place.promote("prod")
    assert "The tests of the model passed in stage at" in pull["body"]


def test_prod_waits_for_stage(place: Place) -> None:
    with pytest.raises(UserError, match=r"model\.yml: there is nothing to promote yet"):
        place.promote("prod")
    write_model_file(place.root / "environments" / "stage", model("1"))
    with pytest.raises(UserError, match="has changes that no commit holds"):
        place.promote("prod")
    place.change("stage", dataclasses.replace(model("1"), digest="9" * 64))
    with pytest.raises(UserError, match="version 1 is package 111111111111 here, Git says 9999"):
        place.promote("prod")
    assert place.github.pulls == []
    assert set(place.branches()) == {"main"}


@pytest.mark.parametrize(
    ("version", "told"),
    [
        ("3", "version 3: refused by the gate: golden"),
        ("4", "version 4: the gate has not judged it yet: nox -s qualify"),
        ("9", "there is no version 9"),
    ],
)
def test_only_what_passed_is_asked_for(version: str, told: str, place: Place) -> None:
    with pytest.raises(UserError, match=told):
        place.promote(version=version)
    assert place.github.pulls == []
    assert place.promote(version="1") == 0
    assert place.github.pulls[0]["head"] == "me:promote/stage-v1"


@pytest.mark.parametrize(
    ("variables", "started"),
    [
        ({"GITHUB_ACTIONS": "true"}, True),
        ({"GITHUB_ACTIONS": "true", "MLOPS_APP_TOKEN": "false"}, True),
        ({"GITHUB_ACTIONS": "true", "MLOPS_APP_TOKEN": "true"}, False),
        ({}, False),
    ],
)
def test_checks_are_started_where_nothing_else_does(
    variables: dict[str, str], started: bool, place: Place
) -> None:
    place.promote(again=False, **variables)
    bodies = [body for verb, path, _, body in place.github.asked if path.endswith("/dispatches")]
    assert bodies == ([{"ref": "promote/stage-v2"}] if started else [])


def test_checks_are_started_once_for_a_commit_also_after_a_call_that_died(place: Place) -> None:
    place.promote()
    place.promote(GITHUB_ACTIONS="true")
    head = place.branches()["promote/stage-v2"]
    place.github.runs.append({"head_sha": head})
    place.promote(GITHUB_ACTIONS="true")
    posts = [path for path in place.github.made("POST") if path.endswith("/dispatches")]
    assert len(posts) == 1


def test_who_commits_where_git_knows_nobody(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "none"))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", str(tmp_path / "none"))
    place.promote(version="1")
    assert git(place.remote, "log", "-1", "--format=%an", "promote/stage-v1") == "Ada"
    git(place.root, "config", "--unset", "user.name")
    git(place.root, "config", "--unset", "user.email")
    monkeypatch.setenv("EMAIL", "")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    place.promote()
    told = git(place.remote, "log", "-1", "--format=%an %ce", "promote/stage-v2")
    assert told.startswith("github-actions[bot] 41898282+github-actions[bot]@users")


def test_hooks_of_the_checkout_do_not_run(place: Place) -> None:
    for name in ("pre-commit", "pre-push", "post-checkout", "commit-msg"):
        hook = place.root / ".git" / "hooks" / name
        hook.write_text("#!/bin/sh\nexit 1\n")
        hook.chmod(0o755)
    assert place.promote() == 0
    assert "promote/stage-v2" in place.branches()


def test_a_dry_run_prints_and_asks_nobody(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(promote, "load_project", lambda _: place.project)
    git(place.root, "remote", "remove", "origin")
    assert promote.main(["stage", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "branch  promote/stage-v2" in out
    assert "## How to roll back" in out
    assert place.github.asked == []
    write_model_file(place.root / "environments" / "stage", model("1"))
    with pytest.raises(UserError, match="no commit holds"):
        promote.main(["prod", "--dry-run"])


def test_the_page_of_the_run_gets_the_text(place: Place, tmp_path: Path) -> None:
    page = tmp_path / "summary.md"
    run = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_RUN_ID": "7"}
    place.promote(again=False, GITHUB_STEP_SUMMARY=str(page), **run)
    assert page.read_text().startswith("# Promote small version 2 to stage\n\nMerging this")
    asked_by = f"[this run](https://github.com/{REPOSITORY}/actions/runs/7)"
    assert asked_by in place.github.pulls[0]["body"]


def test_a_project_in_a_folder_of_its_repository(place: Place, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    git(tmp_path, "clone", "--quiet", str(place.remote), str(whole))
    inner = whole / "inner"
    inner.mkdir()
    git(whole, "mv", "environments", "inner/environments")
    for key, value in (("user.name", "Ada"), ("user.email", "ada@example.org")):
        git(whole, "config", key, value)
    git(whole, "commit", "--quiet", "-m", "Move")
    git(whole, "push", "--quiet", "origin", "HEAD:main")
    place.project = dataclasses.replace(place.project, root=inner)
    assert place.promote() == 0
    changed = git(place.remote, "diff", "--name-only", "main", "promote/stage-v2").split()
    assert changed == [f"inner/environments/{name}/model.yml" for name in ("dev", "stage")]
    before = place.branches()
    assert place.promote() == 0
    assert place.branches() == before


def declare(place: Place, client: MlflowClient, file: str) -> str:
    """Commit a file here alone, as a retraining does, and say that version 2 came from there."""
    (place.root / file).parent.mkdir(parents=True, exist_ok=True)
    (place.root / file).write_text("name: recent")
    git(place.root, "add", "--all")
    git(place.root, "commit", "--quiet", "-m", "Declare")
    commit = git(place.root, "rev-parse", "HEAD")
    client.set_model_version_tag(SLUG, "2", "mlops.commit", commit)
    git(place.root, "reset", "--quiet", "--hard", "origin/main")
    return commit


@pytest.mark.parametrize("moved", [False, True])
def test_the_commit_that_declares_the_data_comes_along(
    moved: bool, place: Place, client: MlflowClient
) -> None:
    commit = declare(place, client, "data/recent.yml")
    if moved:
        place.change("prod", model("1"))
    assert place.promote() == 0
    body = place.github.pulls[0]["body"]
    assert "brings the commit along that declares the data: `data/recent.yml`." in body
    git(place.remote, "merge-base", "--is-ancestor", commit, "promote/stage-v2")
    changed = git(place.remote, "diff", "--name-only", "main...promote/stage-v2").split()
    models = [f"environments/{name}/model.yml" for name in ("dev", "stage")]
    assert changed == ["data/recent.yml", *models]
    before = place.branches()
    assert place.promote() == 0
    assert place.branches() == before
    place.merge("promote/stage-v2")
    assert place.promote() == 0
    assert set(place.branches()) == {"main"}


def test_a_squashed_merge_leaves_the_commit_for_the_next_promotion(
    place: Place, client: MlflowClient
) -> None:
    commit = declare(place, client, "data/recent.yml")
    place.promote()
    git(place.root, "fetch", "--quiet", "origin", "promote/stage-v2")
    git(place.root, "merge", "--quiet", "--squash", "FETCH_HEAD")
    git(place.root, "commit", "--quiet", "-m", "Squashed")
    git(place.root, "push", "--quiet", "origin", "HEAD:main")
    for _ in range(2):
        assert place.promote("prod") == 0
        git(place.remote, "merge-base", "--is-ancestor", commit, "promote/prod-v2")
        changed = git(place.remote, "diff", "--name-only", "main...promote/prod-v2").split()
        assert changed == ["environments/prod/model.yml"]
        before = place.branches()
    assert place.branches() == before


def test_two_declarations_of_the_same_data_are_told(place: Place, client: MlflowClient) -> None:
    declare(place, client, "data/recent.yml")
    (place.root / "data").mkdir(exist_ok=True)
    (place.root / "data" / "recent.yml").write_text("name: other")
    place.change("prod", model("1"))
    with pytest.raises(
        UserError, match=r"data/recent\.yml: main has declared the same data otherwise"
    ):
        place.promote()
    assert set(place.branches()) == {"main"}


@pytest.mark.parametrize("file", ["model/estimator.py", "data/rows.csv", "data.yml"])
def test_what_somebody_has_not_pushed_stays_where_it_is(
    file: str, place: Place, client: MlflowClient
) -> None:
    commit = declare(place, client, file)
    assert place.promote() == 0
    assert "**The commit it was trained from is not in the default" in place.github.pulls[0]["body"]
    with pytest.raises(subprocess.CalledProcessError):
        git(place.remote, "cat-file", "-e", commit)


def test_a_push_that_is_refused_is_told_with_what_the_token_needs(place: Place) -> None:
    hook = place.remote / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(UserError, match=r"git push origin promote/stage-v2: .*contents: write"):
        place.promote()
    assert place.github.pulls == []
    assert git(place.root, "worktree", "list").count("\n") == 0
