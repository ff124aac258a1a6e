"""Approvals: a file beside `model.yml` that says who let which digest into an environment, and why.

What is checked here holds wherever reconcile runs. That the person is who the commit says, only
signed commits and branch protection prove.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import yaml

from mlops.deployment.desired import repository
from mlops.deployment.desired.model_file import DesiredModel
from mlops.deployment.desired.repository import Change
from mlops.deployment.desired.settings import Approving
from mlops.quality.errors import UserError
from mlops.quality.strict import parse, read_yaml
from mlops.quality.tables import replace_text

FILE = "approval.yml"
_HEAD = """\
# Who approved what. Written by `nox -s approve`; a record that was edited is refused.
"""


@dataclass(frozen=True)
class Approval:
    """One approval; times are in ISO 8601. `seal` is SHA-256 of all the rest."""

    model: str
    version: str
    digest: str
    by: str
    email: str
    at: str
    until: str
    reason: str
    seal: str


def make_approval(
    desired: DesiredModel, by: str, email: str, reason: str, *, now: datetime, days: int
) -> Approval:
    """The approval of a model by a person."""
    values = {
        "model": desired.model,
        "version": desired.version,
        "digest": desired.digest,
        "by": by,
        "email": email,
        "at": now.isoformat(timespec="seconds"),
        "until": (now + timedelta(days=days)).isoformat(timespec="seconds"),
        "reason": reason,
    }
    return Approval(**values, seal=_seal(values))


def write_approval(folder: Path, approval: Approval) -> Path:
    """Replace an environment's approval; returns its file."""
    path = folder / FILE
    replace_text(path, _HEAD + yaml.safe_dump(vars(approval), sort_keys=False))
    return path


def read_approval(folder: Path) -> Approval | None:
    """An environment's approval; None where it has none."""
    path = folder / FILE
    return parse(Approval, read_yaml(path), str(path)) if path.exists() else None


@dataclass(frozen=True)
class Approved:
    """What is known when an approval is judged: the record, and the commit that holds it.

    `author` trained the candidate; `change` is None where the record is not committed as it lies
    there.
    """

    record: Approval | None
    change: Change | None
    author: str
    now: datetime


def refusal(desired: DesiredModel, found: Approved, rules: Approving) -> str:
    """Why a model may not enter the environment; empty where it may."""
    record, change = found.record, found.change
    if record is None:
        return "nobody has approved it yet"
    if record.seal != _seal({k: v for k, v in vars(record).items() if k != "seal"}):
        return "the record of the approval was edited"
    if record.digest != desired.digest or record.version != desired.version:
        return (
            f"the approval is of version {record.version} ({record.digest[:12]}), not of this one"
        )
    if change is None:
        return "the record of the approval is not committed as it lies there"
    if change.email.lower() != record.email.lower():
        return f"the approval of {record.email} was committed by {change.email}"
    if not may_approve(record.by, record.email, rules):
        return f"{record.by} <{record.email}> is not among the approvers"
    if not rules.author_may_approve and found.author.lower() in _names(record.by, record.email):
        return f"{record.by} trained this model and may not approve it"
    try:
        at, until = datetime.fromisoformat(record.at), datetime.fromisoformat(record.until)
    except ValueError:
        return "the record of the approval has a time that is none"
    if found.now > until or until - at > timedelta(days=rules.days):
        return f"the approval has expired ({record.until})"
    return ""


def may_approve(by: str, email: str, rules: Approving) -> bool:
    """Whether a person is among the approvers, by name or by e-mail address."""
    listed = {name.lower() for name in rules.approvers}
    return "*" in listed or bool(listed & _names(by, email))


def look(root: Path, folder: Path, author: str, now: datetime) -> Approved:
    """What is known of an environment's approval; a file that cannot be read counts as none."""
    try:
        record = read_approval(folder)
    except UserError:
        record = None
    path = folder / FILE
    change = None
    if record is not None and repository.is_committed(root, path):
        change = repository.last_change(root, path)
    return Approved(record, change, author, now)


def _names(by: str, email: str) -> set[str]:
    return {by.lower(), email.lower()}


def _seal(values: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
