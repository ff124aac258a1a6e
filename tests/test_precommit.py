"""The Git hooks of a project: they find its .venv by themselves, need no network, and each blocks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import Generate, commit

SYSTEM_PATH = os.pathsep.join(
    {str(Path(shutil.which(tool) or "").parent) for tool in ("git", "sh")}
)
KEY = "AKIA" + "IOSFODNN7EXAMPLQ"
OUTPUT = (
    '{"cells": [{"cell_type": "code", "execution_count": 1, "id": "a", "metadata": {}, "outputs":'
    ' [{"name": "stdout", "output_type": "stream", "text": ["1\\n"]}], "source": ["print(1)"]}],'
    ' "metadata": {}, "nbformat": 4, "nbformat_minor": 5}\n'
)
MODULE = '"""A module."""\n\n'


@dataclass(frozen=True)
class Repository:
    """A project in Git with its hooks installed, and the environment of a shell without .venv."""

    root: Path
    shell: dict[str, str]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.root,
            env=self.shell,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=300,
        )

    def commit(self) -> subprocess.CompletedProcess[str]:
        self.run("git", "add", "--all")
        return self.run("git", "commit", "--message", "change")


@pytest.fixture(scope="module")
def repository(generated: Generate, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    root = tmp_path_factory.mktemp("hooks") / "a project"
    shutil.copytree(generated({}), root)
    (root / ".venv").symlink_to(sys.prefix)
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    # A link is a file to Git, and `.venv/` ignores folders only.
    (root / ".git" / "info" / "exclude").write_text(".venv\n")
    commit(root, "start")
    kept = ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM", "PYTHONDONTWRITEBYTECODE")
    shell = {
        **{name: os.environ[name] for name in kept},
        "PATH": SYSTEM_PATH,
        "HOME": str(tmp_path_factory.mktemp("home")),
        # Nothing listens there: a hook that asks the network fails.
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9"),
    }
    made = Repository(root, shell)
    installed = made.run(".venv/bin/pre-commit", "install")
    assert installed.returncode == 0, installed.stdout
    return made


@pytest.fixture
def clean(repository: Repository) -> Iterator[Repository]:
    head = repository.run("git", "rev-parse", "HEAD").stdout.strip()
    yield repository
    repository.run("git", "reset", "--quiet", "--hard", head)
    repository.run("git", "clean", "--quiet", "-fd")


def test_a_new_project_passes_every_hook(repository: Repository) -> None:
    done = repository.run(".venv/bin/pre-commit", "run", "--all-files")
    assert done.returncode == 0, done.stdout
    assert "Skipped" not in done.stdout


def test_a_good_change_is_committed(clean: Repository) -> None:
    (clean.root / "model" / "extra.py").write_text(f"{MODULE}ANSWER: int = 1\n")
    done = clean.commit()
    assert done.returncode == 0, done.stdout


DEFECTS = {
    "ruff": ("model/extra.py", f"{MODULE}import os\n", "`os` imported but unused"),
    "black": ("model/extra.py", f"{MODULE}ANSWER = [1,2]\n", "would reformat model/extra.py"),
    "mypy": ("model/extra.py", f'{MODULE}ANSWER: int = "one"\n', "Incompatible types"),
    "yamllint": ("data/extra.yml", "name: [\n", "syntax error"),
    "notebooks": ("notebooks/extra.ipynb", OUTPUT, "would have stripped notebooks/extra.ipynb"),
    "large": ("data/extra.bin", "x" * 6_000_000, "data/extra.bin: 6.0 MB"),
    "conflicts": ("notes.md", "<" * 7 + " HEAD\nmine\n", "notes.md:1: a conflict marker"),
    "secrets": ("notes.md", f"the key is {KEY}\n", "notes.md:1: AWS Access Key"),
}


@pytest.mark.parametrize("hook", DEFECTS)
def test_a_defect_blocks_the_commit(clean: Repository, hook: str) -> None:
    name, text, said = DEFECTS[hook]
    (clean.root / name).write_text(text)
    before = clean.run("git", "rev-parse", "HEAD").stdout
    done = clean.commit()
    assert done.returncode != 0
    assert f"- hook id: {hook}\n" in done.stdout
    assert said in done.stdout
    assert KEY not in done.stdout
    assert clean.run("git", "rev-parse", "HEAD").stdout == before


def test_every_hook_has_a_defect_that_it_blocks(repository: Repository) -> None:
    text = (repository.root / ".pre-commit-config.yaml").read_text()
    hooks = [line.split()[-1] for line in text.splitlines() if line.strip().startswith("- id:")]
    assert sorted(hooks) == sorted(DEFECTS)


def test_without_the_environment_the_line_says_what_to_do(clean: Repository) -> None:
    (clean.root / "notes.md").write_text("fine\n")
    clean.run("git", "add", "--all")
    environment, aside = clean.root / ".venv", clean.root.parent / "aside"
    environment.rename(aside)
    try:
        done = clean.run(str(Path(sys.prefix) / "bin" / "pre-commit"), "run", "secrets")
    finally:
        aside.rename(environment)
    assert done.returncode != 0
    assert "there is no .venv yet; run: nox -s lint" in done.stdout
