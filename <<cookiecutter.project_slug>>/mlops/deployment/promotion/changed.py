"""`nox -s changed`: which environments' files a push has changed, told to the workflow that asks."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from mlops.deployment.desired import repository
from mlops.deployment.desired.environment import ENVIRONMENTS
from mlops.deployment.desired.repository import git
from mlops.quality.errors import UserError
from mlops.quality.project import ROOT
from mlops.quality.terminal import console

# What GitHub names as the commit before the first push of a branch.
_NOTHING = "0" * 40


def main(arguments: list[str]) -> int:
    """Print the environments, and write `NAME=true` or `false` to GITHUB_OUTPUT for each."""
    parser = argparse.ArgumentParser(
        prog="nox -s changed --",
        description="Tell which environments' files differ from those of a commit. Where that "
        "commit is not known, all of them do.",
    )
    parser.add_argument("--since", default="", metavar="COMMIT", help="default: all of them")
    options = parser.parse_args(arguments)
    repository.require_repository(ROOT)
    found = changed(ROOT.resolve(), options.since)
    told = {name: str(name in found).lower() for name in ENVIRONMENTS[1:]}
    for name, state in told.items():
        console().print(f"{name}: {state}")
    if path := os.environ.get("GITHUB_OUTPUT"):
        with Path(path).open("a", encoding="utf-8") as file:
            file.writelines(f"{name}={state}\n" for name, state in told.items())
    return 0


def changed(root: Path, since: str) -> tuple[str, ...]:
    """The environments with a file that differs between a commit and HEAD; all for no commit.

    A commit that is gone, as after a forced push, may have had any file: then all of them as well.
    """
    if since in ("", _NOTHING):
        return ENVIRONMENTS
    if since.startswith("-"):
        raise UserError(f"--since {since}: expected a commit")
    try:
        git(root, "cat-file", "-e", f"{since}^{{commit}}")
    except UserError:
        return ENVIRONMENTS
    found = []
    for name in ENVIRONMENTS:
        folder = f"environments/{name}"
        if git(root, "diff", "--name-only", since, "HEAD", "--", folder).strip():
            found.append(name)
    return tuple(found)
