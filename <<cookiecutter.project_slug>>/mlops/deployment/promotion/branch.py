"""The branch of a promotion: made from the remote's own, pushed, and nothing else is touched.

The user's branch, index and files stay as they are: the commit is made in a work tree of its own,
in a temporary folder that holds only the files that change.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from mlops.deployment.desired.model_file import (
    FILE,
    DesiredModel,
    model_text,
    parse_model,
    write_model_file,
)
from mlops.deployment.desired.repository import committer, git
from mlops.deployment.promotion.declared import Declared, is_within
from mlops.quality.errors import UserError

# Hooks are for what people commit; in the temporary work tree their tools are not there.
_NO_HOOKS = ("-c", "core.hooksPath=/dev/null")


@dataclass(frozen=True)
class Change:
    """One environment's `model.yml`: `path` in the repository, and the model of before, if any."""

    environment: str
    path: str
    before: DesiredModel | None


@dataclass(frozen=True)
class Remote:
    """A remote of the checkout in `root`, and the variables that let Git in."""

    root: Path
    name: str
    variables: Mapping[str, str]

    def tip(self, branch: str) -> str:
        """The commit of a remote branch, which is here when this returns; empty where there is none."""
        ref = f"refs/heads/{branch}"
        told = self._git("ls-remote", self.name, ref).split()
        if not told:
            return ""
        self._git("fetch", "--quiet", "--no-tags", self.name, ref)
        return git(self.root, "rev-parse", "FETCH_HEAD").strip()

    def push(self, commit: str, branch: str, before: str) -> None:
        """Have a remote branch be that commit, if it still is `before` (empty: not there)."""
        ref = f"refs/heads/{branch}"
        lease = f"--force-with-lease={ref}:{before}"
        try:
            self._git(*_NO_HOOKS, "push", "--quiet", lease, self.name, f"{commit}:{ref}")
        except UserError as error:
            said = str(error).partition(": ")[2]
            raise UserError(
                f"git push {self.name} {branch}: {said} (a token needs contents: write)"
            ) from None

    def _git(self, *words: str) -> str:
        return git(self.root, *words, variables=self.variables)


def branch_name(target: str, desired: DesiredModel) -> str:
    """The branch of a promotion: the same for the same version, so that a second call finds it."""
    return f"promote/{target}-v{desired.version}"


def changes(root: Path, commit: str, names: Sequence[str], desired: DesiredModel) -> list[Change]:
    """Which environments' files would change on a commit; none where they say so already."""
    found = []
    for name in names:
        path = model_path(root, name)
        text = _content(root, commit, path)
        if text != model_text(desired):
            before = parse_model(yaml.safe_load(text), f"{path} of {commit[:10]}") if text else None
            found.append(Change(name, path, before))
    return found


def model_path(root: Path, name: str) -> str:
    """An environment's `model.yml`, as the repository names it."""
    prefix = git(root, "rev-parse", "--show-prefix").strip()
    return f"{prefix}environments/{name}/{FILE}"


def is_as_wanted(
    root: Path,
    tip: str,
    base: str,
    *,
    names: Sequence[str],
    wanted: DesiredModel,
    declared: Declared,
) -> bool:
    """Whether a branch brings just this promotion to `base`, and can be merged there.

    It cannot where `base` has got another model in one of the files since the branch began.
    """
    if not tip or changes(root, tip, names, wanted):
        return False
    try:
        begun = git(root, "merge-base", tip, base).strip()
    except UserError:
        return False
    paths = [model_path(root, name) for name in names]
    others = git(root, "diff", "--name-only", begun, tip).split("\n")
    same = not git(root, "diff", "--name-only", begun, base, "--", *paths).strip()
    found = {path for path in others if path}
    return same and is_within(root, declared.commit, tip) and found <= {*paths, *declared.paths}


def make_commit(
    root: Path, begin: str, found: Sequence[Change], desired: DesiredModel, message: str
) -> str:
    """A commit on top of `begin` that writes the environments' files; no branch here points to it."""
    with _work_tree(root, begin) as folder:
        for change in found:
            write_model_file(folder / Path(change.path).parent, desired)
        git(folder, "add", "--force", "--", *[change.path for change in found])
        words = (*_NO_HOOKS, "commit", "--quiet", "-m", message)
        git(folder, *words, variables=committer(root))
        return git(folder, "rev-parse", "HEAD").strip()


@contextmanager
def _work_tree(root: Path, commit: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="promotion-") as temporary:
        folder = Path(temporary) / "tree"
        git(
            root,
            *_NO_HOOKS,
            "worktree",
            "add",
            "--quiet",
            "--detach",
            "--no-checkout",
            str(folder),
            commit,
        )
        try:
            # the index as the commit has it; files that nobody changes are not written
            git(folder, "read-tree", "HEAD")
            yield folder
        finally:
            git(root, "worktree", "remove", "--force", str(folder))


def _content(root: Path, commit: str, path: str) -> str:
    """A file of a commit; empty where it is not there."""
    if not git(root, "ls-tree", "--name-only", "--full-tree", commit, "--", path).strip():
        return ""
    return git(root, "show", f"{commit}:{path}")
