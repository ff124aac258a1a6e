"""The documentation builds without a warning, and what it says is there."""

from __future__ import annotations

import importlib.util
import json
import re
import runpy
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline

from tests.template import PROJECT, ROOT, choices

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
    assert "[[TABLE" not in "".join(path.read_text() for path in tmp_path.glob("**/*.html"))


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
            there = (PROJECT / span).exists() or (ROOT / span).exists()
            assert there or made, span


def test_the_offered_levels_are_those_that_the_tables_call_offered() -> None:
    offered = sorted(choices()["maturity_level"])
    for file in (ROOT / "README.md", DOCS / "explanation" / "ladder.md"):
        rows = re.findall(r"^\| (\d)[ |].*\| (\w[\w ]*) \|$", file.read_text(), re.MULTILINE)
        assert [level for level, said in rows if said == "yes"] == offered, file


def test_the_questions_in_the_site_are_those_of_cookiecutter() -> None:
    settings = json.loads((ROOT / "cookiecutter.json").read_text())
    asked = [name for name in settings if not name.startswith("_")]
    assert list(settings["__prompts__"]) == asked
    assert len(asked) <= 6


def test_the_notebook_and_the_project_made_of_it_agree() -> None:
    before = runpy.run_path(str(EXAMPLE / "before.py"))["RESULT"]
    data, features, estimator, metrics = (
        part(name) for name in ("data", "features", "estimator", "metrics")
    )
    table = load_iris(as_frame=True).frame
    table.columns = ["sepal_length", "sepal_width", "petal_length", "petal_width", "species"]
    table = table[table["species"] != 0]
    inputs = [name for name in table.columns if name != "species"]
    training, evaluation = data.split(table, 4)
    candidate, grid = estimator.candidates(4)["logistic_regression"]
    chosen = clone(candidate).set_params(C=grid["C"][0])
    model = make_pipeline(features.features(), chosen)
    model.fit(training[inputs], data.label(training))
    chance = np.asarray(model.predict_proba(evaluation[inputs])[:, 1])
    after = metrics.metrics(data.label(evaluation).to_numpy(), chance)["accuracy"]
    assert 0.8 < before < 1
    assert after == before


def part(name: str) -> ModuleType:
    """One file of the worked example."""
    spec = importlib.util.spec_from_file_location(f"after_{name}", EXAMPLE / "after" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
