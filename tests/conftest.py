"""Projects made from a clean copy of the template, each combination of answers once a session."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.template import Answers, copy_template, render

Generate = Callable[[Answers], Path]


@pytest.fixture(scope="session", autouse=True)
def _own_temporary_files() -> Iterator[None]:
    """What tools forget in the temporary folder goes with the tests; cookiecutter leaves hooks there.

    Not below pytest's folder: the path of a socket has no room for that.
    """
    with tempfile.TemporaryDirectory(prefix="t", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)  # PostgreSQL refuses root: another user must get through
        before, os.environ["TMPDIR"], tempfile.tempdir = tempfile.tempdir, folder, folder
        yield
        del os.environ["TMPDIR"]
        tempfile.tempdir = before


@pytest.fixture(scope="session", autouse=True)
def _own_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Git and cookiecutter see nobody's settings, and leave nothing in anybody's home."""
    home = tmp_path_factory.mktemp("home")
    (home / "git").write_text(
        "[user]\n\tname = Somebody\n\temail = somebody@example.org\n"
        "[init]\n\tdefaultBranch = main\n[protocol]\n\tallow = always\n"
    )
    places = {"cookiecutters_dir": str(home / "clones"), "replay_dir": str(home / "replay")}
    (home / "cookiecutter").write_text(json.dumps(places))
    os.environ.update(
        GIT_CONFIG_GLOBAL=str(home / "git"),
        GIT_CONFIG_NOSYSTEM="1",
        COOKIECUTTER_CONFIG=str(home / "cookiecutter"),
        PYTHONDONTWRITEBYTECODE="1",
    )


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean copy of the template, to be read only."""
    return copy_template(tmp_path_factory.mktemp("template") / "mlops-template")


@pytest.fixture(scope="session")
def generated(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Generate:
    """The project of some answers, to be read only: the tests share it."""
    made: dict[tuple[tuple[str, str], ...], Path] = {}

    def generate(answers: Answers) -> Path:
        key = tuple(sorted(answers.items()))
        if key not in made:
            made[key] = render(template, tmp_path_factory.mktemp("project"), answers)
        return made[key]

    return generate


def commit(root: Path, message: str) -> None:
    """Commit everything in `root`, which becomes a Git repository if it is none."""
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "-m", message]):
        subprocess.run(["git", *command], cwd=root, check=True, capture_output=True)
