"""`nox -s level` in a project of the tests' own: each demand, met and missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops.quality import conformance
from mlops.quality.conformance import Demand, Finding, look, show, workflow_triggers
from mlops.quality.errors import UserError


def test_a_demand_is_met_or_missing_with_its_evidence(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    met = Demand(1, "Something", lambda _: Finding(True, "here"))
    missing = Demand(2, "Another", lambda _: Finding(False, "nox -s it"))
    assert show((met,), []) == 0
    assert "1 of 1 demands are met" in capsys.readouterr().out
    assert show((met, missing), []) == 1
    said = capsys.readouterr().out
    assert "nox -s it" in said
    assert "1 of 2 demands are met" in said


def test_a_mistake_in_a_file_is_a_finding(root: Path) -> None:
    def fail(_: Path) -> Finding:
        raise UserError("file.yml: wrong")

    assert look(Demand(1, "Something", fail), root) == Finding(False, "file.yml: wrong")


@pytest.mark.parametrize("number", range(len(conformance.DEMANDS)))
def test_no_demand_of_level_one_is_met_by_an_empty_folder(number: int, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("")
    assert not look(conformance.DEMANDS[number], tmp_path).met


def test_the_data_demands_are_met_by_good_data_and_not_by_bad(root: Path) -> None:
    demands = {demand.text: demand for demand in conformance.DEMANDS}
    contract = demands["The data contract is declared once, and the data keeps it"]
    asset = demands["Data is a named, versioned asset with a digest"]
    assert look(contract, root).met
    assert look(asset, root).met
    (root / "toys.csv").write_text("a,b\n1,2\n")
    assert not look(asset, root).met


def test_a_lock_without_a_hash_is_not_pinned(root: Path) -> None:
    (demand,) = [demand for demand in conformance.DEMANDS if "pinned" in demand.text]
    (root / "requirements").mkdir()
    lock = root / "requirements" / "quality.lock"
    lock.write_text("a==1 \\\n    --hash=sha256:00\nb==2 \\\n    --hash=sha256:11\n")
    assert look(demand, root).met
    lock.write_text("a==1 \\\n    --hash=sha256:00\nb==2\n")
    assert look(demand, root).evidence == "no hash for quality.lock: b==2"


def test_the_triggers_of_a_workflow_are_read_in_each_spelling(tmp_path: Path) -> None:
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    for text in ("on: [push]\n", "on:\n  push:\n", '"on": push\n'):
        (folder / "ci.yml").write_text(text)
        assert workflow_triggers(tmp_path, "ci.yml") == {"push"}
    with pytest.raises(UserError, match="no such workflow"):
        workflow_triggers(tmp_path, "gone.yml")


def demand(words: str) -> Demand:
    (found,) = [one for one in conformance.DEMANDS if words in one.text]
    return found


def workflow(root: Path, name: str, text: str) -> None:
    path = root / ".github" / "workflows" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_checks_on_push_need_both_events_and_a_repository(root: Path) -> None:
    one = demand("Every push")
    workflow(root, "ci.yml", "on: [push]\n")
    assert "does not run on pull_request" in look(one, root).evidence
    workflow(root, "ci.yml", "on: {push: {}, pull_request: {}}\n")
    assert "git init" in look(one, root).evidence
    (root / ".git").mkdir()
    assert look(one, root).met


def test_hooks_must_be_named_and_installed(root: Path) -> None:
    one = demand("before a commit")
    (root / ".pre-commit-config.yaml").write_text("repos: []\n")
    assert "names no hook" in look(one, root).evidence
    (root / ".pre-commit-config.yaml").write_text("repos: [{repo: local}]\n")
    assert "nox -s hooks" in look(one, root).evidence
    (root / ".git" / "hooks").mkdir(parents=True)
    (root / ".git" / "hooks" / "pre-commit").write_text("")
    assert look(one, root).met


@pytest.mark.parametrize(
    ("text", "met"),
    [
        ('[tool.mypy]\nstrict = true\nfiles = ["model"]\n', True),
        ('[tool.mypy]\nstrict = false\nfiles = ["model"]\n', False),
        ('[tool.mypy]\nstrict = true\nfiles = ["mlops"]\n', False),
        ("[tool\n", False),
        (None, False),
    ],
    ids=["strict", "lax", "not model/", "broken", "no file"],
)
def test_types_are_strict_for_the_model(text: str | None, met: bool, root: Path) -> None:
    if text is not None:
        (root / "pyproject.toml").write_text(text)
    assert look(demand("Types"), root).met is met


@pytest.mark.parametrize(
    ("events", "hooks", "met"),
    [
        ("on: {schedule: []}\n", "secrets", True),
        ("on: push\n", "secrets", False),
        ("on: {schedule: []}\n", "black", False),
        ("on: {schedule: []}\n", None, False),
        ("on: [\n", "secrets", False),
        ("# nothing\n", "secrets", False),
    ],
    ids=["both", "no schedule", "no hook", "no hooks at all", "broken", "empty"],
)
def test_secrets_are_looked_for_on_a_schedule_and_before_a_commit(
    events: str, hooks: str | None, met: bool, root: Path
) -> None:
    workflow(root, "audit.yml", events)
    if hooks is not None:
        (root / ".pre-commit-config.yaml").write_text(hooks)
    assert look(demand("Secrets"), root).met is met


def test_notebooks_are_run_by_a_test(root: Path) -> None:
    assert not look(demand("Notebooks"), root).met
    (root / "tests" / "code").mkdir(parents=True)
    (root / "tests" / "code" / "test_notebooks.py").write_text("")
    assert look(demand("Notebooks"), root).met


def test_brackets_in_the_evidence_are_shown_as_they_are(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show((Demand(1, "Something", lambda _: Finding(False, "found '[/x]'")),), [])
    assert "found '[/x]'" in capsys.readouterr().out
