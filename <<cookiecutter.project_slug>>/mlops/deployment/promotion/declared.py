"""The data that a version learnt from, where their declaration is not in the default branch yet.

A retraining declares its rows in a commit of its own, on the machine that trains. A promotion
brings that commit along, so that the model's commit and data can be found from Git alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from mlops.deployment.desired.repository import committer, git
from mlops.quality.errors import UserError

_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Declared:
    """What a promotion has to bring besides: `commit`, which changes `paths`; nothing for none.

    `unknown` says that the version's commit is missing there and brings more than data, so that it
    stays where it is: a person has to see to it.
    """

    commit: str = ""
    paths: tuple[str, ...] = ()
    unknown: bool = False


def declared(root: Path, base: str, trained: str) -> Declared:
    """What the commit that a version was trained from has that `base` has not.

    A commit that is not here, such as that of another machine, is not judged.
    """
    if not _COMMIT.fullmatch(trained) or not _is(root, "cat-file", "-e", f"{trained}^{{commit}}"):
        return Declared()
    if is_within(root, trained, base):
        return Declared()
    if not _is(root, "merge-base", trained, base):
        return Declared(unknown=True)
    begun = git(root, "merge-base", trained, base).strip()
    told = git(root, "diff", "--name-only", "-z", "--diff-filter=d", begun, trained)
    every = git(root, "diff", "--name-only", "-z", begun, trained)
    paths = tuple(path for path in told.split("\0") if path)
    data = git(root, "rev-parse", "--show-prefix").strip() + "data/"
    is_data = all(path.startswith(data) and path.endswith(".yml") for path in paths)
    if not paths or told != every or not is_data:
        return Declared(unknown=True)
    return Declared(trained, paths)


def begin(root: Path, base: str, found: Declared) -> str:
    """The commit to build a promotion on: `base`, with what is to be brought merged into it.

    Raises UserError where both have declared the same otherwise.
    """
    if not found.commit:
        return base
    if is_within(root, base, found.commit):
        return found.commit
    try:
        told = git(root, "merge-tree", "--write-tree", base, found.commit)
    except UserError:
        named = ", ".join(found.paths)
        raise UserError(f"{named}: main has declared the same data otherwise since") from None
    tree, message = told.split()[0], f"Merge {found.commit[:10]}, which declares data"
    words = ("commit-tree", tree, "-p", base, "-p", found.commit, "-m", message)
    return git(root, *words, variables=committer(root)).strip()


def is_within(root: Path, commit: str, other: str) -> bool:
    """Whether a commit is in the history of another; no commit is in every history."""
    return not commit or _is(root, "merge-base", "--is-ancestor", commit, other)


def _is(root: Path, *words: str) -> bool:
    try:
        git(root, *words)
    except UserError:
        return False
    return True
