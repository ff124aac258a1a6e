"""The baked ring: what each combination of answers makes, to the last file and byte."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.conftest import Generate
from tests.machinery_lists import YOURS, lists
from tests.template import (
    DELIMITERS,
    PROJECT,
    Answers,
    brought_by_level,
    copy_template,
    is_copied,
    level_of,
    levels,
    offered,
    project_files,
    render,
    text_files,
)

# All that a level may say otherwise than the one below; the rest is equal byte for byte.
DIFFER_BY_LEVEL = {"README.md", "pyproject.toml", ".template.json"}
KEY_FILES = {
    1: {
        "README.md",
        "LICENSE",
        "pyproject.toml",
        "noxfile.py",
        "project.yml",
        ".template.json",
        ".pre-commit-config.yaml",
        ".github/CODEOWNERS",
        ".github/workflows/ci.yml",
        ".github/workflows/audit.yml",
        ".github/actions/setup/action.yml",
        "requirements/model.in",
        "requirements/quality.lock",
        "model/contract.yml",
        "model/estimator.py",
        "data/diabetes.py",
        "data/diabetes.yml",
        "mlops/quality/__main__.py",
        "mlops/quality/machinery.json",
    },
    2: {
        "MLproject",
        "pipelines/train.yml",
        "requirements/training.lock",
        "mlops/training/__main__.py",
        "mlops/training/machinery.json",
        ".github/workflows/train.yml",
    },
    3: {
        "environments/dev/settings.yml",
        "environments/dev/exceptions.yml",
        "pipelines/qualify.yml",
        "requirements/deployment.lock",
        "mlops/deployment/__main__.py",
        "mlops/deployment/machinery.json",
        "tests/model/golden.csv",
        "tests/model/properties.yml",
        "tests/model/relations.yml",
    },
    4: {
        "dashboards/alerts.yml",
        "mlops/operations/__main__.py",
        "mlops/operations/machinery.json",
    },
}
# Files that speak of the tool, since they render the template again or name its package.
MAY_SAY_COOKIECUTTER = {
    "README.md",
    "docs/update.md",
    "mlops/quality/update.py",
    "mlops/quality/tests/test_update.py",
    "mlops/training/tests/test_conformance.py",
    "pyproject.toml",
    "requirements/quality.in",
    "requirements/quality.lock",
    "requirements/training.lock",
    "requirements/deployment.lock",
}

every_answer = pytest.mark.parametrize(
    "answers", offered(), ids=lambda answers: "-".join(answers.values())
)
every_level = pytest.mark.parametrize("level", levels(), ids=lambda level: f"level {level}")


def made(generated: Generate, level: int) -> Path:
    return generated({"maturity_level": str(level)})


def files_in(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


@every_answer
def test_a_project_has_exactly_the_files_of_its_level(
    generated: Generate, answers: Answers
) -> None:
    level = int(answers["maturity_level"])
    expected = {path for path in project_files() if level_of(path) <= level}
    assert files_in(generated(answers)) == expected


@every_level
def test_a_level_has_its_key_files_and_none_of_a_higher_one(
    generated: Generate, level: int
) -> None:
    found = files_in(made(generated, level))
    for floor, names in KEY_FILES.items():
        assert names & found == (names if floor <= level else set())


@pytest.mark.parametrize("level", levels()[:-1], ids=lambda level: f"level {level}")
def test_the_next_level_holds_this_one_byte_for_byte(generated: Generate, level: int) -> None:
    lower, higher = made(generated, level), made(generated, level + 1)
    names = files_in(lower)
    assert names <= files_in(higher)
    changed = {
        name for name in names if (lower / name).read_bytes() != (higher / name).read_bytes()
    }
    assert changed <= DIFFER_BY_LEVEL


@every_level
def test_a_level_below_says_nothing_of_files_that_it_does_not_have(
    generated: Generate, level: int
) -> None:
    root = made(generated, level)
    for name in ("README.md", "pyproject.toml"):
        text = (root / name).read_text()
        for above, paths in brought_by_level().items():
            said = [path for path in paths if path in text and path != "pipelines"]
            assert not said or above <= level, f"{name} of level {level} names {said}"


@every_answer
def test_nothing_of_the_template_is_left_over(generated: Generate, answers: Answers) -> None:
    root = generated(answers)
    for name, text in text_files(root).items():
        if not is_copied(name):
            assert not [mark for mark in DELIMITERS if mark in text], name
        if name not in MAY_SAY_COOKIECUTTER:
            assert "cookiecutter" not in text.lower(), name


@every_level
def test_a_copied_file_arrives_byte_for_byte(generated: Generate, level: int) -> None:
    root = made(generated, level)
    for name in files_in(root):
        if is_copied(name):
            assert (root / name).read_bytes() == (PROJECT / name).read_bytes(), name


@every_answer
def test_every_definition_parses(generated: Generate, answers: Answers) -> None:
    root = generated(answers)
    for name, text in text_files(root).items():
        if name.endswith((".yml", ".yaml")) or name == "MLproject":
            list(yaml.safe_load_all(text))
        elif name.endswith((".json", ".ipynb")):
            json.loads(text)
        elif name.endswith(".toml"):
            tomllib.loads(text)
        elif name.endswith(".py"):
            ast.parse(text)


def test_only_few_files_are_rendered_and_no_program_is() -> None:
    rendered = [path for path in project_files() if not is_copied(path)]
    assert len(rendered) <= 8
    assert not [path for path in rendered if path.endswith((".py", ".sh"))]
    assert not [path for path in rendered if path.startswith((".github/workflows", "mlops"))]


def test_a_name_is_never_a_piece_of_jinja() -> None:
    assert not [path for path in project_files() if any(mark in path for mark in DELIMITERS)]


def test_there_are_fewer_than_ten_conditionals() -> None:
    condition = re.compile(r"(?:<%[-+]?|#%)\s*(?:el)?if\b|<<[^>]*\bif\b")
    rendered = [PROJECT / path for path in project_files() if not is_copied(path)]
    found = [match for path in rendered for match in condition.findall(path.read_text())]
    assert 0 < len(found) < 10


def test_what_tools_leave_behind_is_not_part_of_the_template(tmp_path: Path) -> None:
    names = files_in(copy_template(tmp_path / "template"))
    assert not [name for name in names if re.search(r"__pycache__|_cache/|\.venv/|\.mlops/", name)]


def test_the_lists_of_machinery_are_true() -> None:
    """`python -m tests.machinery_lists` writes them anew."""
    there = {path for path in project_files() if path.endswith("/machinery.json")}
    assert there == set(lists())
    for name, text in lists().items():
        assert (PROJECT / name).read_text() == text, f"{name} is stale"


@every_level
def test_every_file_of_a_project_is_machinery_or_yours(generated: Generate, level: int) -> None:
    root = made(generated, level)
    listed: set[str] = set()
    for path in root.glob("mlops/*/machinery.json"):
        listed |= {path.relative_to(root).as_posix(), *json.loads(path.read_text())}
    assert listed <= files_in(root)
    for name in files_in(root) - listed:
        assert name.startswith(YOURS) or not is_copied(name), name
    for name in listed:
        assert not name.startswith(YOURS), name


def test_a_higher_level_brings_machinery_and_what_is_to_be_declared_for_it() -> None:
    brought = [path for path in project_files() if level_of(path) > 1]
    assert all(is_copied(path) for path in brought)
    declared = [path for path in brought if path.startswith(YOURS)]
    assert all(path.startswith(("environments/", "tests/model/")) for path in declared)


def sessions(root: Path) -> dict[str, str]:
    """The nox sessions of a project with what `nox --list` says of each."""
    # not --json: that leaves out what bare nox does not run
    command = [sys.executable, "-m", "nox", "--list"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    return dict(re.findall(r"^[*-] (\S+) -> (.*)$", done.stdout, re.MULTILINE))


@every_level
def test_nox_list_reads_like_a_manual(generated: Generate, level: int) -> None:
    listed = sessions(made(generated, level))
    assert {"lint", "types", "tests", "data", "format", "audit", "level", "update"} <= set(listed)
    assert ({"train", "up", "down"} <= set(listed)) == (level > 1)
    for name, line in listed.items():
        assert len((line or "").split()) >= 3, name
        assert str(line).endswith("."), name


@every_level
def test_the_commands_in_the_readme_exist(generated: Generate, level: int) -> None:
    root = made(generated, level)
    text = (root / "README.md").read_text()
    lines = re.findall(r"\bnox -s ((?:[a-z]+ ?)+)", text)
    named = {name for line in lines for name in line.split()[:1]}
    assert named
    assert named <= set(sessions(root))


@every_level
def test_the_paths_in_the_readme_exist(generated: Generate, level: int) -> None:
    root = made(generated, level)
    text = (root / "README.md").read_text()
    spans = re.findall(r"`([^`\s]+)`", text) + re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    top = {name.partition("/")[0] for name in project_files()}
    paths = {span for span in spans if span.partition("/")[0] in top and "*" not in span}
    assert len(paths) >= 3
    missing = [path for path in paths if not (root / path).exists()]
    assert not missing


def test_a_second_generation_is_equal(generated: Generate, template: Path, tmp_path: Path) -> None:
    once, again = generated({}), render(template, tmp_path, {})
    assert files_in(once) == files_in(again)
    for name in files_in(once):
        assert (once / name).read_bytes() == (again / name).read_bytes(), name


def test_no_secret_is_found_at_any_level(generated: Generate, tmp_path: Path) -> None:
    """The lint of a project just generated passes: nothing of the machinery looks like a secret."""
    project = Path(shutil.copytree(generated({"maturity_level": "4"}), tmp_path / "project"))
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    subprocess.run(["git", "add", "--all"], cwd=project, check=True)
    command = [sys.executable, "-m", "mlops.quality.committed", "all"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
