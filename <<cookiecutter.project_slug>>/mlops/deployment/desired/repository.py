"""The changes of desired state are commits: what Git is asked for, and the commits that are made."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlops.quality.errors import UserError

# Who commits in a workflow, where Git knows nobody; the number is GitHub's for its own bot.
BOT = ("github-actions[bot]", "41898282+github-actions[bot]@users.noreply.github.com")


@dataclass(frozen=True)
class Change:
    """The last commit that changed a file; `email` and `author` are its author's."""

    commit: str
    author: str
    email: str


def git(root: Path, *words: str, variables: Mapping[str, str] | None = None) -> str:
    """What Git prints, with these variables set; raises UserError with its own words where it fails."""
    known = {**os.environ, **variables} if variables else None
    try:
        done = subprocess.run(
            ["git", *words], cwd=root, env=known, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise UserError("git is not installed; desired state is kept in Git") from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise UserError(f"git {words[0]}: {said[-1] if said else 'failed'}")
    return done.stdout


def person(root: Path) -> tuple[str, str]:
    """Name and e-mail address of who commits here; raises UserError where Git does not know."""
    told = git(root, "var", "GIT_AUTHOR_IDENT").rsplit(" ", 2)[0]
    name, _, email = told.partition(" <")
    return name, email.rstrip(">")


def require_repository(root: Path) -> None:
    """Raise UserError where the project is no Git repository with a commit."""
    try:
        git(root, "rev-parse", "--verify", "HEAD")
    except UserError:
        raise UserError(
            f"{root}: desired state is kept in Git: git init, and commit, first"
        ) from None


def commit(
    root: Path, paths: Sequence[Path], message: str, author: tuple[str, str] | None = None
) -> str:
    """Commit these files alone, whatever else is changed or staged; returns the commit.

    `author` is a name and an address, where it is not who commits.
    """
    names = [path.relative_to(root).as_posix() for path in paths]
    git(root, "add", "--", *names)
    words = ("commit", "--quiet", "--only", "-m", message, "--", *names)
    named = dict(zip(("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL"), author or (), strict=False))
    git(root, *words, variables={**committer(root), **named})
    return git(root, "rev-parse", "HEAD").strip()


def committer(root: Path) -> Mapping[str, str]:
    """Variables that name who commits: none where Git knows, GitHub's bot in a workflow elsewhere."""
    try:
        git(root, "-c", "user.useConfigOnly=true", "var", "GIT_COMMITTER_IDENT")
    except UserError:
        if os.environ.get("GITHUB_ACTIONS") != "true":
            return {}
        named = {"GIT_COMMITTER_NAME": BOT[0], "GIT_COMMITTER_EMAIL": BOT[1]}
        author = {"GIT_AUTHOR_NAME": BOT[0], "GIT_AUTHOR_EMAIL": BOT[1]}
        # whoever is named as the author stays it
        return named | {key: os.environ.get(key) or value for key, value in author.items()}
    return {}


def is_committed(root: Path, path: Path) -> bool:
    """Whether Git holds the file just as it lies there."""
    name = path.relative_to(root).as_posix()
    there = git(root, "ls-files", "--", name).strip()
    return bool(there) and not git(root, "status", "--porcelain", "--", name).strip()


def last_change(root: Path, path: Path) -> Change | None:
    """The last commit that changed a file; None where no commit did."""
    name = path.relative_to(root).as_posix()
    told = git(root, "log", "-1", "--format=%H%x00%an%x00%ae", "--", name).strip()
    return Change(*told.split("\0")) if told else None


def content_before(root: Path, path: Path, commit_id: str) -> str | None:
    """A file as it was before a commit; None where it was not there."""
    name = path.relative_to(root).as_posix()
    try:
        return git(root, "show", f"{commit_id}^:{_prefix(root)}{name}")
    except UserError:
        return None


def _prefix(root: Path) -> str:
    return git(root, "rev-parse", "--show-prefix").strip()
