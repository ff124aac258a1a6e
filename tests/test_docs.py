"""The documentation builds without a warning, and what it says is there."""

from __future__ import annotations

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lived_in import TOOLS, Done, Life
from tests.template import PROJECT, ROOT, choices, render

DOCS = ROOT / "docs"
EXAMPLE = DOCS / "examples" / "notebook_to_project"
PAGES = sorted(DOCS.glob("**/*.md"))
TEXTS = [*PAGES, ROOT / "README.md", PROJECT / "README.md", *PROJECT.glob("docs/**/*.md")]
FOLDERS = "model data mlops pipelines requirements tests notebooks docs hooks benchmarks .github"


def test_the_site_builds_in_strict_mode(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    built = {
        path.relative_to(tmp_path).with_suffix("").as_posix() for path in tmp_path.glob("**/*.html")
    }
    assert {page.relative_to(DOCS).with_suffix("").as_posix() for page in PAGES} <= built
    page = (tmp_path / "reference" / "commands.html").read_text()
    assert "Run the training pipeline and register the model" in page
    assert "usage: nox -s train -- [-h]" in page
    page = (tmp_path / "reference" / "pipelines.html").read_text()
    assert "distributed jobs are not supported" in page
    every = "".join(path.read_text() for path in tmp_path.glob("**/*.html"))
    assert not re.search(r"\[\[(TABLE|HELP)", every)
    assert not re.search(r'(src|href)="(https?:)?//[^"]*\.(js|css)', every), "needs a network"


def test_a_page_that_cuts_from_a_missing_file_breaks_the_build(tmp_path: Path) -> None:
    from markdown import markdown
    from pymdownx.snippets import SnippetMissingError

    with pytest.raises(SnippetMissingError):
        markdown(
            '--8<-- "model/gone.py"',
            extensions=["pymdownx.snippets"],
            extension_configs={"pymdownx.snippets": {"check_paths": True}},
        )
    assert "check_paths: true" in (ROOT / "mkdocs.yml").read_text()


def sessions() -> set[str]:
    """The sessions of a project and of this repository, by the functions of their noxfiles."""
    found: set[str] = set()
    for file in (PROJECT / "noxfile.py", ROOT / "noxfile.py"):
        found |= set(re.findall(r"@nox\.session.*\n\s*def (\w+)", file.read_text()))
    return found


@pytest.mark.parametrize("page", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix()[-40:])
def test_every_command_in_a_page_exists(page: Path) -> None:
    known = sessions()
    for words in re.findall(r"nox -s ((?:[a-z]+ ?)+)", page.read_text()):
        first, *more = words.split()
        assert first in known, f"nox -s {first}"
        if f"nox -s {words.strip()}\n" in page.read_text():
            assert set(more) <= known, words


@pytest.mark.parametrize("page", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix()[-40:])
def test_every_path_in_a_page_exists(page: Path) -> None:
    for span in re.findall(r"`([^`\s]+)`", page.read_text()):
        if span.partition("/")[0] in FOLDERS.split() and "/" in span and not set(span) & set("*<$"):
            made = span == "data/diabetes.csv"
            there = any((base / span).exists() for base in (PROJECT, ROOT, EXAMPLE / "after"))
            assert there or made, span


def test_the_offered_levels_are_those_that_the_tables_call_offered() -> None:
    offered = sorted(choices()["maturity_level"])
    for file in (ROOT / "README.md", DOCS / "explanation" / "ladder.md"):
        rows = re.findall(r"^\| (\d)[ |].*\| (\w[\w ,]*) \|$", file.read_text(), re.MULTILINE)
        assert [level for level, said in rows if said.startswith("yes")] == offered, file


def test_the_questions_in_the_site_are_those_of_cookiecutter() -> None:
    settings = json.loads((ROOT / "cookiecutter.json").read_text())
    asked = [name for name in settings if not name.startswith("_")]
    assert list(settings["__prompts__"]) == asked
    assert len(asked) <= 6


# What a tutorial's command prints, by the file that shows it; the words follow `nox -s`.
TUTORIAL = {
    "data": ["data"],
    "refused": ["data", "--table", "new.csv"],
    "train": ["train"],
    "release": ["release"],
    "again": ["train"],
    "changed": ["train"],
    "reproduce": ["reproduce"],
    "lineage": ["lineage"],
    "level": ["level"],
    "version": ["data"],
}


def test_the_tutorial_prints_what_it_shows(life: Life) -> None:
    """With UPDATE_EXAMPLES=1 the shown outputs are written anew."""
    shown = DOCS / "examples" / "tutorial"
    for name, words in TUTORIAL.items():
        before(name, life)
        printed = run(life, *words).output.replace(str(life.root), "/home/you/disease-progression")
        lines = [line.rstrip() for line in printed.strip().splitlines()]
        if name == "again":
            lines = lines[:6]
        if name == "level":
            lines = lines[-1:]
        text = "\n".join(lines) + "\n"
        if os.environ.get("UPDATE_EXAMPLES"):
            (shown / f"{name}.txt").write_text(text)
        assert form((shown / f"{name}.txt").read_text()) == form(text), name
    assert {path.stem for path in shown.glob("*.txt")} == set(TUTORIAL)


def before(name: str, life: Life) -> None:
    """What the page, or the one on data, tells to do before a command."""
    page = (DOCS / "tutorial" / "first-project.md").read_text()
    if name == "refused":
        (copy,) = re.findall(r"^sed .*$", page, re.MULTILINE)
        assert life.run("bash", "-c", copy).code == 0
    elif name == "train":
        (life.root / "new.csv").unlink()
    elif name == "changed":
        new, old = re.findall(r'`("line__C": \[.*?\])`', page)
        life.replace("model/estimator.py", old, new)
        life.commit("Try other strengths of regularisation")
    elif name == "level":
        assert life.run(str(TOOLS / "pre-commit"), "install").code == 0
    elif name == "version":
        life.replace("data/diabetes.csv", "32.1", "32.2")


def form(text: str) -> list[str]:
    """A text without what differs from machine to machine: figures, digests, names, widths."""
    text = re.sub(r"\b[0-9a-f]{10,}\b", "N", text)
    text = re.sub(r"[+-]?\d+(\.\d+)*", "N", text)
    text = re.sub(r"(author +).*", r"\1somebody", text)
    return [" ".join(line.split()) for line in re.sub("[━─]+", "-", text).splitlines()]


def run(life: Life, session: str, *words: str) -> Done:
    """What a session runs, in these tests' environment."""
    floor = "quality" if session == "data" else "training"
    return life.run(sys.executable, "-m", f"mlops.{floor}", session, *words)


@pytest.fixture
def life(template: Path, tmp_path: Path) -> Iterator[Life]:
    """A project with the default answers, committed."""
    life = Life(render(template, tmp_path, {}))
    life.run("git", "init", "--quiet")
    life.commit("Start")
    yield life
    run(life, "down")


def test_the_notebook_and_the_project_made_of_it_agree(life: Life) -> None:
    accuracy = runpy.run_path(str(EXAMPLE / "before.py"))["RESULT"]
    assert 0.8 < accuracy < 1
    for folder in ("model", "data"):
        shutil.copytree(EXAMPLE / "after" / folder, life.root / folder, dirs_exist_ok=True)
    life.replace("project.yml", "data/diabetes.yml", "data/iris.yml")
    checked = run(life, "data")
    assert "iris version 1: 100 rows, 5 columns keep the contract" in checked.output
    for old, new in {
        "azureml:diabetes:1": "azureml:iris:1",
        "../data/diabetes.yml": "../data/iris.yml",
        "seed: 20": "seed: 4",
        "metric: roc_auc": "metric: accuracy",
    }.items():
        life.replace("pipelines/train.yml", old, new)
    life.commit("Bring the notebook in")
    trained = run(life, "train")
    assert trained.code == 0, trained.output
    assert f"30 rows: accuracy {accuracy:.4f}\n" in trained.output


def test_the_machinery_takes_the_types_of_the_worked_example() -> None:
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--cache-dir",
        os.devnull,
        "model",
        "data/iris.py",
    ]
    done = subprocess.run(
        [*command, "--config-file", str(PROJECT / "pyproject.toml")],
        cwd=EXAMPLE / "after",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_every_example_is_shown() -> None:
    pages = "".join(page.read_text() for page in PAGES)
    for path in (DOCS / "examples").glob("**/*"):
        if path.is_file() and path.name != "__init__.py" and "__pycache__" not in path.parts:
            assert f'--8<-- "{path.relative_to(ROOT).as_posix()}"' in pages, path


def test_what_is_not_in_the_machinery_breaks_the_build() -> None:
    hooks = runpy.run_path(str(DOCS / "hooks.py"))
    with pytest.raises(KeyError):
        hooks["on_page_markdown"]("[[TABLE: gone]]")
    with pytest.raises(ModuleNotFoundError):
        hooks["on_page_markdown"]("[[HELP: mlops.quality.gone]]")
    assert hooks["on_page_markdown"]("no mark") == "no mark"
