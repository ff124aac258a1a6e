"""`nox -s approve -- --from-github`: who let a deployment through there is who has approved it here."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mlops.deployment import approve, audit_log, history
from mlops.deployment.desired import approval
from mlops.deployment.desired.environment import Environment, environment
from mlops.deployment.desired.model_file import DesiredModel, write_model_file
from mlops.deployment.promotion import approver
from mlops.deployment.promotion.approver import Approver
from mlops.deployment.tests.small import CONTRACT
from mlops.quality.assets import Asset, Tags
from mlops.quality.errors import UserError
from mlops.quality.project import Project, Settings

MODEL = DesiredModel("small", "3", "a" * 64, "run", "commit")
OTHER = DesiredModel("small", "4", "b" * 64, "run", "commit")
GRACE = Approver("grace", "7+grace@users.noreply.github.com", "Fine", "https://github.com/o/r/1")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project under Git, of which Git asks prod for one model and stage for another."""
    for name, who in (("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_SYSTEM", "/dev/null")):
        monkeypatch.setenv(name, who)
    for name in ("dev", "stage", "prod"):
        folder = tmp_path / "environments" / name
        folder.mkdir(parents=True)
        (folder / "settings.yml").write_text("approval: {approvers: [grace]}\n")
        write_model_file(folder, MODEL if name == "prod" else OTHER)
    for words in (
        ["init", "-q"],
        ["config", "user.name", "bot"],
        ["config", "user.email", "bot@localhost"],
        ["add", "--all"],
        ["commit", "-qm", "Begin"],
    ):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    asset = Asset("data", "1", "data.csv", Tags("", ""), tmp_path / "data.yml")
    found = Project(tmp_path, Settings("small", "small", "me", "data.yml", ""), CONTRACT, asset)
    monkeypatch.setattr(approve, "load_project", lambda _: found)
    monkeypatch.setattr(approver, "approver", lambda *_: GRACE)
    return found


def prod(project: Project) -> Environment:
    return environment(project, "prod")


def test_the_person_at_github_has_approved_what_prod_is_asked_to_serve(project: Project) -> None:
    assert approve.main(["--from-github"]) == 0
    target = prod(project)
    found = approval.look(target.root, target.files, "Ada", datetime.now(UTC))
    assert found.record is not None
    assert (found.record.by, found.record.email) == (GRACE.name, GRACE.email)
    assert found.record.digest == MODEL.digest
    assert "https://github.com/o/r/1" in found.record.reason
    assert approval.refusal(MODEL, found, target.settings.approval) == ""
    assert approval.refusal(OTHER, found, target.settings.approval) != ""


def test_what_served_before_needs_no_approval(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = {"environment": "prod", "digest": MODEL.digest, "version": "3"}
    audit_log.append(project.state, history.DEPLOYED, facts)
    assert approve.main(["--from-github"]) == 0
    assert "nothing to approve" in capsys.readouterr().out
    assert not list(history.events(project.state, "prod", history.APPROVED))


def test_somebody_who_may_not_approve_is_refused(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    mallory = Approver("mallory", "8+mallory@users.noreply.github.com", "", "https://github.com")
    monkeypatch.setattr(approver, "approver", lambda *_: mallory)
    with pytest.raises(UserError, match=r"mallory <.*> is not among the approvers"):
        approve.main(["--from-github"])
    assert not (prod(project).files / "approval.yml").exists()
