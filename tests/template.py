"""The template as its tests see it: its files, the answers it offers, and a project made from it."""

from __future__ import annotations

import ast
import fnmatch
import itertools
import json
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import cast

from cookiecutter.main import cookiecutter

ROOT = Path(__file__).resolve().parents[1]
FOLDER = "<<cookiecutter.project_slug>>"
PROJECT = ROOT / FOLDER
POST_GEN = ROOT / "hooks" / "post_gen_project.py"
# What a rendered file must hold no more of.
DELIMITERS = ("<<", ">>", "<%", "%>", "<#", "#>", "#%")

Answers = dict[str, str]


@cache
def files() -> tuple[str, ...]:
    """What a clone of the template holds, by its path; files that Git does not know yet as well."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return tuple(sorted(path for path in listed.split("\0") if path and (ROOT / path).is_file()))


def project_files() -> list[str]:
    """The files of the project's folder, by their path in it."""
    return [path.removeprefix(f"{FOLDER}/") for path in files() if path.startswith(f"{FOLDER}/")]


def copy_template(target: Path) -> Path:
    """A clean copy, without what tools leave behind in a folder that people work in."""
    for path in files():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, target / path)
    return target


def settings() -> dict[str, object]:
    """`cookiecutter.json` as it is written."""
    return cast(dict[str, object], json.loads((ROOT / "cookiecutter.json").read_text()))


def choices() -> dict[str, list[str]]:
    """Every question that offers a choice, with what it offers."""
    return {
        key: value
        for key, value in settings().items()
        if isinstance(value, list) and not key.startswith("_")
    }


def offered() -> list[Answers]:
    """Every combination of the offered choices."""
    return [
        dict(zip(choices(), answers, strict=True))
        for answers in itertools.product(*choices().values())
    ]


def levels() -> list[int]:
    """The maturity levels that are offered, from the lowest."""
    return sorted(int(level) for level in choices()["maturity_level"])


def brought_by_level() -> dict[int, list[str]]:
    """The post_gen hook's table: the paths that each level adds to the one below."""
    for statement in ast.parse(POST_GEN.read_text()).body:
        if ast.unparse(statement).startswith("BROUGHT_BY_LEVEL = "):
            return cast(dict[int, list[str]], ast.literal_eval(cast(ast.Assign, statement).value))
    raise AssertionError(f"{POST_GEN} has no table BROUGHT_BY_LEVEL")


def level_of(path: str) -> int:
    """The lowest level whose projects have this file."""
    for level, brought in sorted(brought_by_level().items(), reverse=True):
        if any(path == folder or path.startswith(f"{folder}/") for folder in brought):
            return level
    return 1


def is_copied(path: str) -> bool:
    """Whether a file of the project arrives byte for byte, without being rendered."""
    patterns = cast(list[str], settings()["_copy_without_render"])
    parts = Path(path).parts
    whole = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    return any(fnmatch.fnmatch(part, pattern) for part in whole for pattern in patterns)


def render(
    template: Path | str, output: Path, answers: Mapping[str, str], overwrite: bool = False
) -> Path:
    """The project that these answers make, in a new folder below `output`."""
    state = output / ".cookiecutter"
    made = cookiecutter(
        str(template),
        no_input=True,
        extra_context=dict(answers),
        output_dir=str(output),
        overwrite_if_exists=overwrite,
        default_config={"cookiecutters_dir": str(state), "replay_dir": str(state)},
    )
    shutil.rmtree(state)
    return Path(made)


def text_files(root: Path) -> dict[str, str]:
    """The content of each file of a project by its path; Git's own and binary ones left out."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_file() and not name.startswith(".git/"):
            try:
                found[name] = path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue
    return found
