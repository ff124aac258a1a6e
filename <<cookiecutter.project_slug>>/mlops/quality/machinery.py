"""Which files are machinery, and what an update does with each: replace, add, remove or keep.

`mlops/<floor>/machinery.json` lists the floor's files with their SHA-256 as the template made them.
What no list names is yours.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mlops.quality.errors import UserError

# Replaced even where somebody changed it; any other machinery only where nobody did.
REPLACED = ("mlops/", ".github/actions/", ".github/workflows/", "noxfile.py")
REPLACED_LISTS = ("requirements/quality.in", "requirements/training.in")


@dataclass(frozen=True)
class Change:
    """What an update does with one file, by its path in the project, and why."""

    path: str
    kind: Literal["added", "replaced", "removed", "kept"]
    reason: str


def digest(path: Path) -> str:
    """The SHA-256 of a text file; one checked out with CRLF counts as the same."""
    return hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()


def read_lists(root: Path) -> Mapping[str, str]:
    """Every machinery file of the floors that a project has, with its digest when it was made.

    The lists themselves are machinery too. Raises UserError where there is none or one is broken.
    """
    found: dict[str, str] = {}
    for path in sorted(root.glob("mlops/*/machinery.json")):
        try:
            found |= json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, TypeError):
            raise UserError(f"{path}: expected a JSON object of paths and digests") from None
        found[path.relative_to(root).as_posix()] = digest(path)
    if not found:
        raise UserError(f"{root / 'mlops'}: no floor has a machinery.json; is this such a project?")
    return found


def plan(project: Path, rendered: Path) -> list[Change]:
    """What turns `project` into the template version in `rendered`, files that stay equal left out.

    Reads both folders and changes neither.
    """
    old, new = read_lists(project), read_lists(rendered)
    changes = []
    for path in sorted({*old, *new}):
        made = old.get(path)
        if path in new:
            change = _offered(path, made, project / path, digest(rendered / path))
        else:
            change = _withdrawn(path, made, project / path)
        if change:
            changes.append(change)
    return changes


def _offered(path: str, made: str | None, mine: Path, offered: str) -> Change | None:
    always = path.startswith(REPLACED) or path in REPLACED_LISTS
    if not mine.exists():
        if made is None or always:
            return Change(path, "added", "new" if made is None else "it was missing")
        return Change(path, "kept", "you removed it")
    if not mine.is_file():
        return Change(path, "kept", "a folder of yours is in its place")
    current = digest(mine)
    if current == offered:
        return None
    if made is None:
        return Change(path, "kept", "a file of yours is in its place")
    if current == made:
        return Change(path, "replaced", "")
    if always:
        return Change(path, "replaced", "your change to it is in Git")
    return Change(path, "kept", "you changed it")


def _withdrawn(path: str, made: str | None, mine: Path) -> Change | None:
    if not mine.is_file():
        return None
    if digest(mine) == made:
        return Change(path, "removed", "the template no longer has it")
    return Change(path, "kept", "the template no longer has it, and you changed it")
