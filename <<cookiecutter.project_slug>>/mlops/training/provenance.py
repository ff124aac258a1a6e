"""Who trains, from which commit, and in which environment: asked of Git and the pinned list."""

from __future__ import annotations

import getpass
import os
import platform
import subprocess
from pathlib import Path

from mlops.quality.assets import file_digest

UNKNOWN = "unknown"


def commit(root: Path) -> str:
    """The commit that is checked out, with `-dirty` where tracked files differ or are new.

    `unknown` outside a Git checkout and before the first commit.
    """
    head = _git(root, "rev-parse", "HEAD")
    if not head:
        return UNKNOWN
    return f"{head}-dirty" if _git(root, "status", "--porcelain") else head


def author(root: Path) -> str:
    """The person or service that trains: GitHub's actor, Git's user name, or the login."""
    found = os.environ.get("GITHUB_ACTOR") or _git(root, "config", "user.name")
    try:
        return found or getpass.getuser()
    except (OSError, KeyError):
        return UNKNOWN


def environment_digest(root: Path) -> str:
    """SHA-256 of the pinned list that the environment is made from."""
    return file_digest(root / "requirements" / "training.lock")


def python() -> str:
    """The interpreter's version, such as 3.12.1."""
    return platform.python_version()


def _git(root: Path, *words: str) -> str:
    command = ["git", "-C", str(root), *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
