"""Exactly what changed runs again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlops.quality.errors import UserError
from mlops.training.pipeline import load_pipeline, pipeline_outputs
from mlops.training.tests.pipeline.conftest import Project

ALL = ["clean", "scale", "total"]


def test_the_first_run_runs_all_and_the_second_nothing(project: Project) -> None:
    assert project.ran() == ALL
    assert project.ran() == []
    results = project.results()
    total = pipeline_outputs(load_pipeline(project.pipeline), results)["total"]
    assert total.read_text(encoding="utf-8") == "12"
    assert results[0].log.read_text(encoding="utf-8") == "3 rows\n"


CHANGES = {
    "a parameter": ("pipeline.yml", "factor: 2", "factor: 3", ["scale", "total"]),
    "a data row": ("rows.txt", "3", "4", ALL),
    "a data row that the first step drops": ("rows.txt", "\n\n", "\n\n\n", ["clean"]),
    "a line of one step": ("code/steps/scale.py", "rows = [", "rows = [+", ["scale"]),
    "a line of one step that matters": ("code/steps/scale.py", "[int(", "[1 + int(", ALL[1:]),
    "a line of a module that two import": ("code/steps/numbers.py", "int(x)", "int(x) ", ALL[:2]),
    "the package's own module": ("code/steps/__init__.py", "", "# all import it", ALL),
    "a command": ("total.yml", "steps.total", "steps.total ", ["total"]),
    "an unread key": ("total.yml", 'version: "1"', 'version: "2"', []),
    "a limit": ("pipeline.yml", "./clean.yml", "./clean.yml\n    limits: {timeout: 60}", []),
}


@pytest.mark.parametrize(("name", "old", "new", "expected"), CHANGES.values(), ids=CHANGES)
def test_a_change_runs_exactly_the_steps_it_concerns(
    project: Project, name: str, old: str, new: str, expected: list[str]
) -> None:
    project.results()
    project.edit(name, old, new)
    assert project.ran() == expected
    assert project.ran() == []


def test_a_new_module_that_nothing_imports_changes_nothing(project: Project) -> None:
    project.results()
    project.write("code/steps/idle.py", "1 / 0")
    assert project.ran() == []


def test_a_file_that_is_not_python_concerns_every_step_unless_it_is_ignored(
    project: Project,
) -> None:
    project.results()
    project.write("code/settings.json", "{}")
    assert project.ran() == ALL
    project.write("code/.amlignore", "settings.json\n.amlignore\n")
    project.write("code/settings.json", "{1}")
    assert project.ran() == []


def test_going_back_finds_the_old_results(project: Project) -> None:
    project.results()
    assert project.ran(factor="5") == ["scale", "total"]
    assert project.ran() == []
    assert project.ran(factor="5") == []


def test_other_packages_run_all_again(project: Project) -> None:
    project.results()
    project.environment_digest = "other"
    assert project.ran() == ALL


def test_force_and_force_rerun_run_all_again(project: Project) -> None:
    project.results()
    assert project.ran(force=True) == ALL
    assert project.ran() == []
    project.edit("pipeline.yml", "type: pipeline", "type: pipeline\nsettings: {force_rerun: true}")
    assert project.ran() == ALL


@pytest.mark.parametrize("damage", ["overwritten", "removed"])
def test_a_damaged_result_is_made_again(project: Project, damage: str) -> None:
    output = project.results()[0].outputs["rows"]
    if damage == "overwritten":
        output.write_text("0", encoding="utf-8")
    else:
        output.unlink()
    assert project.ran() == ["clean"]
    assert project.ran() == []


def test_a_restored_store_is_used_although_its_times_differ(project: Project) -> None:
    for result in project.results():
        for output in result.outputs.values():
            for file in [output, *output.rglob("*")]:
                os.utime(file, (1, 1))
    assert project.ran() == []


def test_a_step_that_is_not_deterministic_always_runs_and_keeps_its_latest_result(
    project: Project,
) -> None:
    project.edit("scale.yml", "name: scale", "name: scale\nis_deterministic: false")
    project.results()
    assert project.ran() == ["scale"]
    kept = project.results()[1]
    assert kept.log == project.store.resolve() / "effects" / "scale" / "log.txt"
    assert (kept.outputs["folder"] / "rows.txt").read_text(encoding="utf-8") == "2\n4\n6"


def test_an_asset_is_found_through_its_name_and_version(project: Project) -> None:
    project.edit("pipeline.yml", "path: rows.txt", "path: azureml:rows:3")
    with pytest.raises(UserError, match="azureml:rows:3: no such asset"):
        project.results()
    asked: list[str] = []

    def resolve(name: str, version: str) -> Path:
        asked.append(f"{name} {version}")
        return project.folder / "rows.txt"

    project.resolve_asset = resolve
    assert project.ran() == ALL
    assert set(asked) == {"rows 3"}


def test_data_can_be_replaced_from_the_command_line(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write("elsewhere/few.txt", "7\n")
    monkeypatch.chdir(project.folder / "elsewhere")
    assert project.ran(rows="few.txt") == ["clean", "scale", "total"]
