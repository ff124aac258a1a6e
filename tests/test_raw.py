"""The project's folder as it lies in the template: unrendered, and yet lintable and testable."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.template import FOLDER, files

TOOLS = Path(sys.executable).parent


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy, so that no cache is left where people generate from; not one byte is rendered."""
    from tests.template import ROOT

    target = tmp_path_factory.mktemp("raw")
    for path in files():
        if path.startswith(f"{FOLDER}/"):
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, target / path)
    return target / FOLDER


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "--no-cache", "."],
        ["black", "--check", "--quiet", "."],
        ["mypy", "--strict", "--cache-dir=.mypy_cache"],
        ["yamllint", "--strict", "."],
        ["lint-imports", "--no-cache"],
        ["pytest", "-q", "-p", "no:cacheprovider"],
    ],
    ids=lambda command: command[0],
)
def test_the_raw_folder_passes(command: list[str], raw: Path) -> None:
    program = str(TOOLS / command[0])
    done = subprocess.run(
        [program, *command[1:]], cwd=raw, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "<< cookiecutter.project_slug >>" in (raw / "project.yml").read_text()
