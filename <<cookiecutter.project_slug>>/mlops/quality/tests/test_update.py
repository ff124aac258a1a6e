"""An update from a small template: what it changes, refuses, records and undoes."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from mlops.quality.errors import UserError
from mlops.quality.machinery import digest
from mlops.quality.update import main, read_origin

SLUG = "{{cookiecutter.project_slug}}"
RECORD = {
    "template": "",
    "version": "{{ cookiecutter._version }}",
    "answers": {
        "project_slug": "{{ cookiecutter.project_slug }}",
        "maturity_level": "{{ cookiecutter.maturity_level }}",
    },
}


def git(folder: Path, *words: str) -> str:
    name = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    command = ["git", *name, *words]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def make_template(root: Path, version: str) -> Path:
    """A template of one machinery file, which holds the version, and one user's file."""
    shutil.rmtree(root, ignore_errors=True)
    floor = root / SLUG / "mlops" / "quality"
    floor.mkdir(parents=True)
    questions = {"project_slug": "shop", "maturity_level": ["1", "2"], "_version": version}
    (root / "cookiecutter.json").write_text(json.dumps(questions))
    (root / SLUG / ".template.json").write_text(json.dumps(RECORD))
    (root / SLUG / "model.txt").write_text(version)
    (root / SLUG / ".gitignore").write_text(".mlops/\n")
    (root / SLUG / "requirements").mkdir()
    (root / SLUG / "requirements" / "model.in").write_text("numpy\n")
    (root / SLUG / "pipelines").mkdir()
    made = {"noxfile.py": version, "pipelines/train.yml": version}
    for path, text in made.items():
        (root / SLUG / path).write_text(text)
    digests = {path: digest(root / SLUG / path) for path in made}
    (floor / "machinery.json").write_text(json.dumps(digests))
    return root


@pytest.fixture
def template(tmp_path: Path) -> Path:
    return make_template(tmp_path / "template", "1")


@pytest.fixture
def project(tmp_path: Path, template: Path) -> Path:
    """A project of version 1 at level 1, committed."""
    root = tmp_path / "project"
    shutil.copytree(template / SLUG, root)
    answers = {"project_slug": "shop", "maturity_level": "1"}
    record = {"template": "", "version": "1", "answers": answers}
    (root / ".template.json").write_text(json.dumps(record))
    git(root, "init", "--quiet")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "made")
    return root


def test_a_new_version_replaces_machinery_and_nothing_else(
    project: Path, template: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_template(template, "2")
    assert main(["--template", str(template)], project) == 0
    assert (project / "noxfile.py").read_text() == "2"
    assert (project / "model.txt").read_text() == "1"
    assert read_origin(project).version == "2"
    said = capsys.readouterr().out
    assert "version 1 -> 2, level 1 -> 1" in said
    assert "next: git diff, then nox" in said


def test_the_same_version_changes_nothing(
    project: Path, template: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--template", str(template)], project) == 0
    assert "up to date" in capsys.readouterr().out
    assert git(project, "status", "--porcelain") == ""


def test_a_dry_run_changes_nothing(project: Path, template: Path) -> None:
    make_template(template, "2")
    assert main(["--template", str(template), "--level", "2", "--dry-run"], project) == 0
    assert git(project, "status", "--porcelain") == ""


def test_a_kept_file_can_be_compared_with_the_new_one(
    project: Path, template: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "pipelines" / "train.yml").write_text("mine")
    git(project, "commit", "--quiet", "--all", "--message", "edit")
    make_template(template, "2")
    main(["--template", str(template)], project)
    assert (project / "pipelines" / "train.yml").read_text() == "mine"
    assert (project / ".mlops" / "update" / "pipelines" / "train.yml").read_text() == "2"
    compare = "git diff --no-index -- pipelines/train.yml .mlops/update/pipelines/train.yml"
    assert compare in capsys.readouterr().out


def test_the_level_is_raised_and_recorded(project: Path, template: Path) -> None:
    main(["--template", str(template), "--level", "2"], project)
    assert read_origin(project).level == 2


def test_the_recorded_template_stays_when_a_folder_is_used(project: Path, template: Path) -> None:
    record = json.loads((project / ".template.json").read_text())
    (project / ".template.json").write_text(json.dumps({**record, "template": "gh:org/name"}))
    git(project, "commit", "--quiet", "--all", "--message", "edit")
    make_template(template, "2")
    main(["--template", str(template)], project)
    assert read_origin(project).template == "gh:org/name"


def test_a_change_that_is_not_committed_is_refused(project: Path, template: Path) -> None:
    (project / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="1 uncommitted changes; commit or stash"):
        main(["--template", str(template)], project)


def test_a_folder_outside_git_is_refused(project: Path, template: Path) -> None:
    shutil.rmtree(project / ".git")
    with pytest.raises(UserError, match="not a git repository"):
        main(["--template", str(template)], project)


def test_a_lower_level_is_refused(project: Path, template: Path) -> None:
    main(["--template", str(template), "--level", "2"], project)
    with pytest.raises(UserError, match="the project is at level 2; it only rises"):
        main(["--template", str(template), "--level", "1"], project)


def test_an_unknown_source_is_refused(project: Path) -> None:
    with pytest.raises(UserError, match="say where the template is: nox -s update -- --template"):
        main([], project)


def test_a_level_that_is_not_offered_is_refused(project: Path, template: Path) -> None:
    with pytest.raises(UserError, match=r"cannot be rendered: 3 provided for .*maturity_level"):
        main(["--template", str(template), "--level", "3"], project)


def test_a_source_that_is_no_template_is_refused_and_changes_nothing(
    project: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="nowhere: cannot be rendered: A valid repository"):
        main(["--template", str(tmp_path / "nowhere")], project)
    assert git(project, "status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no such file"),
        ("{", "not valid JSON"),
        ('{"template": ""}', "'version' is missing"),
        ('{"template": "", "version": "1", "answers": {}}', "maturity_level: expected"),
    ],
)
def test_a_broken_record_is_refused(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / ".template.json").write_text(text)
    with pytest.raises(UserError, match=message):
        main([], tmp_path)


def test_a_file_that_cannot_be_written_says_how_to_undo(project: Path, template: Path) -> None:
    make_template(template, "2")
    shutil.rmtree(project / "pipelines")
    (project / "pipelines").write_text("a file where a folder was")
    git(project, "commit", "--quiet", "--all", "--message", "edit")
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "edit")
    made = project / "mlops" / "quality" / "machinery.json"
    made.write_text('{"noxfile.py": "0"}')
    git(project, "commit", "--quiet", "--all", "--message", "as if the pipeline were new")
    with pytest.raises(UserError, match=r"stopped half-way.*git restore"):
        main(["--template", str(template)], project)


def test_new_pins_ask_for_a_lock_where_the_project_has_its_own_packages(
    project: Path, template: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "requirements" / "model.in").write_text("numpy\nxgboost\n")
    git(project, "commit", "--quiet", "--all", "--message", "edit")
    make_template(template, "2")
    lock = template / SLUG / "requirements" / "quality.lock"
    lock.write_text("numpy==2.4\n")
    made = template / SLUG / "mlops" / "quality" / "machinery.json"
    listed = {**json.loads(made.read_text()), "requirements/quality.lock": digest(lock)}
    made.write_text(json.dumps(listed))
    main(["--template", str(template)], project)
    assert "nox -s lock && nox" in capsys.readouterr().out
