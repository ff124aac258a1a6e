"""The tests of the model against what an environment serves: logged, and rolled back where they fail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from mlops.deployment import history, probe, rollback
from mlops.deployment.desired.model_file import DesiredModel, write_model_file
from mlops.deployment.serving import endpoint
from mlops.deployment.tests.environments import SLUG, make_project
from mlops.quality.errors import UserError
from mlops.quality.project import Project

MODEL = DesiredModel(SLUG, "2", "2" * 64, "run", "commit")
Serve = Callable[[str, bool], None]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    project = make_project(tmp_path / "project")
    write_model_file(project.root / "environments" / "stage", MODEL)
    monkeypatch.setattr(probe, "load_project", lambda _: project)
    return project


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Have stage serve a digest (empty: nothing), whose tests pass or fail."""

    def serve(digest: str, passes: bool) -> None:
        running = SimpleNamespace(url="http://127.0.0.1:1") if digest else None
        traffic = SimpleNamespace(serving=lambda: SimpleNamespace(digest=digest))
        monkeypatch.setattr(endpoint, "find", lambda _: running)
        monkeypatch.setattr(probe, "read_traffic", lambda _: traffic)
        monkeypatch.setattr(probe, "run_tests", lambda _: passes)

    return serve


def test_what_passes_is_logged(project: Project, serve: Serve) -> None:
    serve(MODEL.digest, True)
    assert probe.main(["stage"]) == 0
    (entry,) = history.events(project.state, "stage")
    assert (entry["event"], entry["digest"]) == ("tested", MODEL.digest)


def test_what_fails_is_rolled_back_and_not_rolled_out_again(
    project: Project, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(rollback, "main", asked.append)
    serve(MODEL.digest, False)
    assert probe.main(["stage"]) == 1
    assert asked == [["stage"]]
    reason = history.refused(project.state, "stage", MODEL.digest)
    assert reason == "the tests of the model fail against stage"


def test_a_first_model_has_none_to_go_back_to(
    project: Project, serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(MODEL.digest, False)
    assert probe.main(["stage"]) == 1
    assert "stage: not rolled back: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("digest", "told"),
    [("", "nothing serves there"), ("3" * 64, "stage does not serve small version 2")],
)
def test_only_what_git_says_is_tested(
    digest: str, told: str, project: Project, serve: Serve
) -> None:
    serve(digest, True)
    with pytest.raises(UserError, match=told):
        probe.main(["stage"])
    assert list(history.events(project.state, "stage")) == []
