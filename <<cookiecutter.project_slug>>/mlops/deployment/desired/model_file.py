"""`environments/<name>/model.yml`: which model an environment shall serve; written by machines alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from mlops.quality.errors import UserError
from mlops.quality.strict import parse, read_yaml
from mlops.quality.tables import replace_text

FILE = "model.yml"
_HEAD = """\
# Which model is served here. Written by `nox -s deploy` and promoted by copying; `git revert` of the
# commit that changed it, and `nox -s reconcile`, brings the one of before back.
"""
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class DesiredModel:
    """A registered version of a model: its package's digest (SHA-256), its run and its commit."""

    model: str
    version: str
    digest: str
    run: str
    commit: str

    def __str__(self) -> str:
        return f"{self.model} version {self.version} ({self.digest[:12]})"


def read_model_file(folder: Path) -> DesiredModel | None:
    """The model that an environment shall serve; None where it has no file yet."""
    path = folder / FILE
    if not path.exists():
        return None
    return parse_model(read_yaml(path), str(path))


def parse_model(values: object, where: str) -> DesiredModel:
    """The model that a file's values name; raises UserError where they are wrong."""
    found = parse(DesiredModel, values, where)
    if not _DIGEST.fullmatch(found.digest):
        raise UserError(f"{where}: digest: expected 64 hexadecimal digits")
    if not found.version.isdigit():
        raise UserError(f"{where}: version: expected a number in quotes, found '{found.version}'")
    return found


def model_text(desired: DesiredModel) -> str:
    """The file's content."""
    return _HEAD + yaml.safe_dump(vars(desired), sort_keys=False, default_flow_style=False)


def write_model_file(folder: Path, desired: DesiredModel) -> bool:
    """Replace an environment's file; False where it says so already."""
    path = folder / FILE
    text = model_text(desired)
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    replace_text(path, text)
    return True
