"""The files that are, or may become, part of the repository."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

# Without Git nobody says what is ignored; these hold no work of a person.
_NOT_OURS = {"__pycache__", "node_modules"}
_OURS_THOUGH_HIDDEN = {".github"}


def tracked_files(root: Path) -> list[Path]:
    """Every file below `root` that Git tracks or would add, relative to `root`, sorted.

    Where Git or a repository is missing: all files outside hidden folders and caches.
    """
    listed = _git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    if listed is None:
        return sorted(_walk(root))
    found = {Path(name) for name in listed.split("\0") if name}
    return sorted(path for path in found if (root / path).is_file())


def stored_elsewhere(root: Path, files: Sequence[Path]) -> set[Path]:
    """Those of `files` whose content Git LFS keeps outside the repository."""
    names = "\0".join(path.as_posix() for path in files)
    answer = _git(root, "check-attr", "-z", "--stdin", "filter", text=names) if files else None
    words = (answer or "").split("\0")
    values = zip(words[0::3], words[2::3], strict=False)
    return {Path(name) for name, value in values if value == "lfs"}


def _git(root: Path, *arguments: str, text: str = "") -> str | None:
    command = ["git", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, input=text.encode(), capture_output=True, check=False)
    except FileNotFoundError:
        return None
    return os.fsdecode(done.stdout) if done.returncode == 0 else None


def _walk(root: Path) -> list[Path]:
    found: list[Path] = []
    for folder, below, names in os.walk(root):
        below[:] = [name for name in below if _is_ours(name)]
        found += [(Path(folder) / name).relative_to(root) for name in names]
    return found


def _is_ours(folder: str) -> bool:
    hidden = folder.startswith(".") and folder not in _OURS_THOUGH_HIDDEN
    return not hidden and folder not in _NOT_OURS
