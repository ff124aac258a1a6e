"""Refused answers: one clear line each, and nothing is left behind."""

from __future__ import annotations

import ast
import json
import re
import shutil
import sys
import tempfile
import tomllib
from pathlib import Path

import pytest
import yaml
from cookiecutter.exceptions import FailedHookException

from tests.template import ROOT, Answers, brought_by_level, levels, render

LETTERS = "expected 1 to 40 lower-case letters, digits and single hyphens, a letter first"
ABSOLUTE = Path(tempfile.gettempdir(), "absolute-slug")
GITHUB = "expected a GitHub name"
CHARACTERS = "no quotes, \\, <, > or control characters"

REFUSED = {
    "name: empty": ("project_name", "", "expected 1 to 80 characters"),
    "name: only spaces": ("project_name", "   ", "expected 1 to 80 characters"),
    "name: space in front": ("project_name", " Churn", "no space around"),
    "name: too long": ("project_name", "a" * 81, "expected 1 to 80 characters"),
    "name: double quote": ("project_name", 'My "best" model', CHARACTERS),
    "name: apostrophe": ("project_name", "Anna's model", CHARACTERS),
    "name: backslash": ("project_name", "back\\slash", CHARACTERS),
    "name: line break": ("project_name", "two\nlines", CHARACTERS),
    "name: control character": ("project_name", "bell\x07", CHARACTERS),
    "name: invisible direction mark": ("project_name", "a\u202eb", CHARACTERS),
    "name: markup": ("project_name", "<b>Churn</b>", CHARACTERS),
    "slug: empty": ("project_slug", "", LETTERS),
    "slug: capital": ("project_slug", "Churn", LETTERS),
    "slug: space": ("project_slug", "my churn", LETTERS),
    "slug: underscore": ("project_slug", "my_churn", LETTERS),
    "slug: digit first": ("project_slug", "2churn", LETTERS),
    "slug: hyphen first": ("project_slug", "-churn", LETTERS),
    "slug: hyphen last": ("project_slug", "churn-", LETTERS),
    "slug: two hyphens": ("project_slug", "my--churn", LETTERS),
    "slug: line break at the end": ("project_slug", "churn\n", LETTERS),
    "slug: not ASCII": ("project_slug", "größe", LETTERS),
    "slug: quotes": ("project_slug", "\"'", LETTERS),
    "slug: triple quotes": ("project_slug", '"""', LETTERS),
    "slug: too long": ("project_slug", "a" * 41, LETTERS),
    "slug: longer than a file name": ("project_slug", "a" * 300, LETTERS),
    "slug: path separator": ("project_slug", "a/b", LETTERS),
    "slug: deep path": ("project_slug", "a/b/c", LETTERS),
    "slug: backslash": ("project_slug", "a\\b", LETTERS),
    "slug: this folder": ("project_slug", ".", LETTERS),
    "slug: parent folder": ("project_slug", "..", LETTERS),
    "slug: beside": ("project_slug", "../beside", LETTERS),
    "slug: absolute": ("project_slug", str(ABSOLUTE), LETTERS),
    "slug: keyword": ("project_slug", "class", "reserved"),
    "slug: keyword with a capital": ("project_slug", "none", "reserved"),
    "slug: machinery": ("project_slug", "mlops", "reserved"),
    "slug: user's package": ("project_slug", "model", "reserved"),
    "slug: tests": ("project_slug", "test", "reserved"),
    "slug: device": ("project_slug", "nul", "reserved"),
    "slug: port": ("project_slug", "com1", "reserved"),
    "owner: empty": ("owner", "", GITHUB),
    "owner: space": ("owner", "my org", GITHUB),
    "owner: path": ("owner", "my/org", GITHUB),
    "owner: at": ("owner", "@my-org", GITHUB),
    "owner: hyphen last": ("owner", "my-org-", GITHUB),
    "owner: too long": ("owner", "a" * 40, GITHUB),
    "owner: code": ("owner", '"); import os; ("', GITHUB),
}


@pytest.mark.parametrize("overwrite", [False, True], ids=["new", "with -f"])
@pytest.mark.parametrize("refused", REFUSED.values(), ids=REFUSED.keys())
def test_a_refused_answer_gets_its_line_and_leaves_nothing(
    template: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    refused: tuple[str, str, str],
    overwrite: bool,
) -> None:
    question, answer, reason = refused
    output = tmp_path / "output"
    output.mkdir()
    with pytest.raises(FailedHookException):
        render(template, output, {"project_slug": "churn", question: answer}, overwrite)
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert lines[0].startswith(f"error: {question}: ")
    assert reason in lines[0]
    assert [path.name for path in output.iterdir()] == [".cookiecutter"]
    assert list(tmp_path.iterdir()) == [output]
    assert not ABSOLUTE.exists()


def test_several_refused_answers_get_a_line_each(
    template: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bad = {"project_name": '"', "project_slug": "A", "owner": "-"}
    with pytest.raises(FailedHookException):
        render(template, tmp_path, bad)
    said = capfd.readouterr().err
    assert [line.split(": ")[1] for line in said.splitlines() if "error: " in line] == list(bad)


def test_a_refusal_leaves_an_existing_project_as_it_is(template: Path, tmp_path: Path) -> None:
    (tmp_path / "churn").mkdir()
    (tmp_path / "churn" / "mine.txt").write_text("mine")
    with pytest.raises(FailedHookException):
        render(template, tmp_path, {"project_slug": "churn", "owner": "@"}, overwrite=True)
    assert [path.name for path in (tmp_path / "churn").iterdir()] == ["mine.txt"]


ACCEPTED = {
    "one letter": {"project_slug": "a"},
    "longest slug": {"project_slug": "a" * 40},
    "digits and hyphens": {"project_slug": "a1-2b"},
    "a word that holds a keyword": {"project_slug": "classes"},
    "longest name": {"project_name": "a" * 80, "project_slug": "a"},
    "punctuation": {"project_name": "R&D: 100% {sure} #1, $5 @ home!", "project_slug": "a"},
    "not Latin": {"project_name": "糖尿病", "project_slug": "a"},
    "owner with capitals": {"owner": "My-Org2"},
    "longest owner": {"owner": "a" * 39},
}


@pytest.mark.parametrize("answers", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_an_accepted_answer_makes_files_that_parse(
    template: Path, tmp_path: Path, answers: Answers
) -> None:
    root = render(template, tmp_path, answers)
    recorded = json.loads((root / ".template.json").read_text())["answers"]
    project = yaml.safe_load((root / "project.yml").read_text())
    package = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert answers.items() <= recorded.items()
    assert project["name"] == recorded["project_name"]
    assert project["slug"] == package["name"] == recorded["project_slug"]
    assert project["owner"] == recorded["owner"]


@pytest.mark.parametrize("level", levels())
def test_the_next_three_commands_are_printed(
    template: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], level: int
) -> None:
    root = render(template, tmp_path, {"maturity_level": str(level)})
    commands = [line.strip() for line in capfd.readouterr().out.splitlines() if line[:2] == "  "]
    assert len(commands) == 3
    assert commands[0] == f"cd {root}"
    assert commands[1].startswith("git init")
    assert commands[2] == "nox"


@pytest.mark.parametrize("path", [path for paths in brought_by_level().values() for path in paths])
def test_a_path_of_the_table_that_does_not_exist_fails_the_generation(
    template: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], path: str
) -> None:
    other = shutil.copytree(template, tmp_path / "template")
    gone = next(other.glob("*cookiecutter.project_slug*")) / path
    if gone.is_dir():
        shutil.rmtree(gone)
    else:
        gone.unlink()
    (tmp_path / "output").mkdir()
    with pytest.raises(FailedHookException):
        render(other, tmp_path / "output", {"maturity_level": "1"})
    error = "error: hooks/post_gen_project.py: no such path: "
    told = [line for line in capfd.readouterr().err.splitlines() if line.startswith(error)]
    # of a folder, also what the table names inside it
    assert path in told[0].removeprefix(error).split(", ")
    assert [found.name for found in (tmp_path / "output").iterdir()] == [".cookiecutter"]


@pytest.mark.parametrize("hook", ["pre_gen_project.py", "post_gen_project.py"])
def test_a_hook_is_short_and_needs_nothing_but_python(hook: str) -> None:
    text = (ROOT / "hooks" / hook).read_text()
    table = re.search(r"^BROUGHT_BY_LEVEL = \{.*?^\}", text, re.MULTILINE | re.DOTALL)
    code = text.replace(table.group(), "") if table else text
    assert len(code.splitlines()) <= 45
    imported = {
        name
        for node in ast.walk(ast.parse(text))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [str(node.module)] if isinstance(node, ast.ImportFrom) else []
        )
    }
    assert imported <= sys.stdlib_module_names
    assert not imported & {"subprocess", "urllib", "socket", "http", "os"}
