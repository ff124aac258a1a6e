"""Where the loop plays: a clone of the project at its last commit, in a folder that goes afterwards."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from mlops.deployment.desired import repository
from mlops.quality.errors import UserError
from mlops.quality.project import load_project
from mlops.quality.tables import replace_text

FOLDER, KEPT, OWNER, PREFIX = "loop", "kept", "owner", "run-"
# What a command of the loop must not take over: another MLflow server, another project's code, the
# repository of a Git hook, an endpoint that tests ask.
_UNSET = ("MLFLOW_", "_MLFLOW_", "GIT_", "MODEL_ENDPOINT", "MLOPS_")
_UNSET_WHOLE = ("PYTHONPATH", "PYTHONSAFEPATH", "PYTHONHOME", "GITHUB_ACTOR")


@dataclass(frozen=True)
class Person:
    """A name and an e-mail address, as Git writes them."""

    name: str
    email: str

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>"


@dataclass(frozen=True)
class Ground:
    """The folder of one play, and in it the cloned project, the logs and the load's own record."""

    folder: Path
    project: Path
    commit: str
    uncommitted: int

    @property
    def logs(self) -> Path:
        """A file for each act with all that its commands printed."""
        return self.folder / "logs"

    @property
    def load(self) -> Path:
        """The load process's folder."""
        return self.folder / "load"

    @property
    def state(self) -> Path:
        """The clone's own folder of everything local."""
        return self.project / ".mlops"


def person(text: str) -> Person:
    """Read `Ada Lovelace <ada@example.org>`; raises UserError where it is not of that form."""
    name, _, rest = text.strip().partition("<")
    email = rest.removesuffix(">").strip()
    good = rest.endswith(">") and "@" in email and not set("<>\n\r\0") & set(name + email)
    if not name.strip() or not good:
        raise UserError(f"--approver: expected 'Name <name@example.org>', found '{text}'")
    return Person(name.strip(), email)


def known_person(root: Path) -> Person:
    """Who commits here; raises UserError where Git does not know."""
    try:
        return Person(*repository.person(root))
    except UserError:
        raise UserError(
            "Git does not know who you are: git config user.name and user.email, "
            "or --approver 'Name <name@example.org>'"
        ) from None


def place(root: Path) -> Path:
    """Where the loop of a project keeps its page and, while it runs, its clone."""
    return root.resolve() / ".mlops" / FOLDER


def prepare(root: Path, by: Person) -> Ground:
    """Clone the project at HEAD; raises UserError where there is no commit.

    What no commit holds is not part of it, but for data that lie beside their definition.
    """
    root = root.resolve()
    try:
        repository.require_repository(root)
    except UserError:
        raise UserError(f"{root}: the loop plays in a clone: git init, and commit, first") from None
    top = Path(repository.git(root, "rev-parse", "--show-toplevel").strip())
    prefix = repository.git(root, "rev-parse", "--show-prefix").strip()
    commit = repository.git(root, "rev-parse", "HEAD").strip()
    changed = repository.git(root, "status", "--porcelain", "--", ".").splitlines()
    parent = place(root)
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=parent, prefix=PREFIX))
    try:
        replace_text(folder / OWNER, f"{os.getpid()}\n")
        clone = folder / "project"
        words = ("clone", "--quiet", "--local", "--no-tags", str(top), str(clone))
        repository.git(parent, *words)
        _configure(clone, by)
        project = clone / prefix
        if not (project / "project.yml").is_file():
            raise UserError(f"{root / 'project.yml'}: no commit holds it; commit it first")
        for each in ("logs", "load"):
            (folder / each).mkdir()
        _bring_data(root, project)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return Ground(folder, project, commit, len(changed))


def environment(by: Person, given: Mapping[str, str]) -> dict[str, str]:
    """The variables of every command of the loop, `by` being who commits."""
    kept = {
        name: value
        for name, value in given.items()
        if not name.startswith(_UNSET) and name not in _UNSET_WHOLE
    }
    who = {f"GIT_{role}_NAME": by.name for role in ("AUTHOR", "COMMITTER")}
    who |= {f"GIT_{role}_EMAIL": by.email for role in ("AUTHOR", "COMMITTER")}
    return {**kept, **who, "PYTHONUNBUFFERED": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}


def unset(given: Mapping[str, str]) -> tuple[str, ...]:
    """The names of the variables of another MLflow server, which the loop does not use."""
    return tuple(sorted(name for name in given if name.startswith("MLFLOW_")))


def abandoned(root: Path) -> list[Path]:
    """The folders of earlier plays whose process died without clearing up, and that nobody keeps."""
    return [each for each in folders(root) if not (each / KEPT).exists() and not _is_owned(each)]


def folders(root: Path) -> list[Path]:
    """The folders of all plays that are there."""
    return sorted(each for each in place(root).glob(f"{PREFIX}*") if each.is_dir())


def _is_owned(folder: Path) -> bool:
    try:
        pid = int((folder / OWNER).read_text(encoding="utf-8"))
        words = psutil.Process(pid).cmdline()
    except (OSError, ValueError, psutil.Error):
        return False
    return any("loop" in word for word in words)


def _configure(clone: Path, by: Person) -> None:
    """The clone's own Git settings: nobody signs, no hook of this machine runs, nothing is pushed."""
    settings = {
        "user.name": by.name,
        "user.email": by.email,
        "commit.gpgsign": "false",
        "core.hooksPath": os.devnull,
        "gc.auto": "0",
    }
    for key, value in settings.items():
        repository.git(clone, "config", key, value)
    repository.git(clone, "remote", "remove", "origin")


def _bring_data(root: Path, project: Path) -> None:
    """Bring along the data where Git does not keep them and no program makes them."""
    asset = load_project(project).asset
    if asset.remote:
        return
    local = asset.definition.parent / asset.path
    try:
        own = root / local.relative_to(project)
    except ValueError:
        return  # a place outside of the project is the same from the clone
    if own.is_file() and not local.exists():
        local.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(own, local)
