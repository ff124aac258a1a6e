"""`nox -s update` from one version of this template to the next, in a project that lives."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import commit
from tests.template import FOLDER, copy_template, render

# What the user has made his own; none of it may change.
EDITED = {
    "model/estimator.py": "# mine\n",
    "model/contract.yml": "# mine\n",
    "data/diabetes.yml": "# mine\n",
    "tests/model/test_model.py": "# mine\n",
    "project.yml": "# mine\n",
    "README.md": "Mine.\n",
    "pyproject.toml": "# mine\n",
    "requirements/model.in": "# mine\n",
    "docs/runbook.md": "Mine.\n",
    "audit.yml": "# mine\n",
}
ADDED = {"model/more.py": '"""Mine."""\n', "notebooks/mine.txt": "mine\n"}
NEW_LINE = "\n# of the next version\n"


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    """The template's next version: one file of the machinery is new, one differs, one is gone."""
    template = copy_template(tmp_path / "newer")
    folder = template / FOLDER
    with (folder / "mlops" / "quality" / "tables.py").open("a") as file:
        file.write(NEW_LINE)
    (folder / "mlops" / "quality" / "extra.py").write_text('"""New."""\n')
    (folder / "mlops" / "quality" / "terminal.py").unlink()
    with (folder / "pipelines" / "train.yml").open("a") as file:
        file.write(NEW_LINE)
    listed = folder / "mlops" / "quality" / "machinery.json"
    machinery = json.loads(listed.read_text())
    del machinery["mlops/quality/terminal.py"]
    machinery["mlops/quality/extra.py"] = "0" * 64
    listed.write_text(json.dumps(machinery))
    answers = json.loads((template / "cookiecutter.json").read_text())
    answers["_version"] = "9.9.9"
    (template / "cookiecutter.json").write_text(json.dumps(answers, indent=2))
    return template


@pytest.fixture
def project(tmp_path: Path, template: Path) -> Path:
    """A Level 1 project whose user has worked on it."""
    root = render(template, tmp_path / "life", {"maturity_level": "1", "project_name": "Ada"})
    for name, text in EDITED.items():
        with (root / name).open("a") as file:
            file.write(text)
    for name, text in ADDED.items():
        (root / name).write_text(text)
    commit(root, "Work")
    return root


def update(project: Path, template: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mlops.quality", "update", "--template", str(template)]
    return subprocess.run(
        [*command, *words], cwd=project, capture_output=True, text=True, check=False
    )


def contents(root: Path, names: list[str]) -> dict[str, bytes]:
    return {name: (root / name).read_bytes() for name in names}


def test_the_machinery_is_replaced_and_the_users_files_are_kept(project: Path, newer: Path) -> None:
    mine = contents(project, [*EDITED, *ADDED])
    done = update(project, newer)
    assert done.returncode == 0, done.stdout + done.stderr
    assert contents(project, [*EDITED, *ADDED]) == mine
    assert NEW_LINE in (project / "mlops" / "quality" / "tables.py").read_text()
    assert (project / "mlops" / "quality" / "extra.py").exists()
    assert not (project / "mlops" / "quality" / "terminal.py").exists()
    for told in ("mlops/quality/tables.py", "mlops/quality/extra.py", "mlops/quality/terminal.py"):
        assert told in done.stdout
    recorded = json.loads((project / ".template.json").read_text())
    assert recorded["version"] == "9.9.9"
    assert recorded["answers"]["maturity_level"] == "1"
    assert not (project / "mlops" / "training").exists()


def test_raising_the_level_adds_the_files_of_that_level(project: Path, template: Path) -> None:
    mine = contents(project, [*EDITED, *ADDED])
    done = update(project, template, "--level", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert contents(project, [*EDITED, *ADDED]) == mine
    other = render(template, project.parent / "two", {"maturity_level": "2"})
    for path in sorted(other.rglob("*")):
        name = path.relative_to(other).as_posix()
        if path.is_file() and name.startswith(("mlops/", "pipelines/", ".github/workflows/")):
            assert (project / name).read_bytes() == path.read_bytes(), name
    recorded = json.loads((project / ".template.json").read_text())
    assert recorded["answers"]["maturity_level"] == "2"


def test_a_changed_pipeline_is_kept_and_the_user_is_told(
    project: Path, template: Path, newer: Path
) -> None:
    update(project, template, "--level", "2")
    pipeline = project / "pipelines" / "train.yml"
    pipeline.write_text(pipeline.read_text().replace("seed: 20", "seed: 21"))
    commit(project, "My seed")
    done = update(project, newer)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "seed: 21" in pipeline.read_text()
    assert NEW_LINE not in pipeline.read_text()
    assert "pipelines/train.yml" in done.stdout


def test_uncommitted_changes_are_refused_and_nothing_is_touched(project: Path, newer: Path) -> None:
    (project / "model" / "more.py").write_text('"""Not committed."""\n')
    before = (project / "mlops" / "quality" / "tables.py").read_bytes()
    done = update(project, newer)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert (project / "mlops" / "quality" / "tables.py").read_bytes() == before


def test_the_updated_project_works(project: Path, template: Path) -> None:
    update(project, template, "--level", "2")
    command = [sys.executable, "-m", "mlops.training", "--help"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    check = [sys.executable, "-m", "mlops.training.pipeline", "pipelines/train.yml", "--check"]
    done = subprocess.run(check, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
