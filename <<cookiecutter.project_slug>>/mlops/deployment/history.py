"""What the audit log tells of an environment: what served when, in which shares, and why."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mlops.deployment import audit_log
from mlops.deployment.serving.traffic import Deployment, Progress, Traffic
from mlops.quality.errors import UserError
from mlops.quality.strict import parse

# Written before the traffic changes, and once every worker follows it.
CHANGED, FOLLOWED = "traffic", "traffic_followed"
DEPLOYED, REFUSED, APPROVED = "deployed", "rollout_refused", "approve"


@dataclass(frozen=True)
class Served:
    """The traffic of an environment from one moment on; times are in ISO 8601.

    `followed` is when every worker had taken it over; empty where the log does not say so.
    """

    time: str
    revision: int
    cause: str
    by: str
    deployments: tuple[Deployment, ...]
    rollout: Progress | None
    followed: str


def events(state: Path, environment: str, *kinds: str) -> Iterator[Mapping[str, object]]:
    """The entries of an environment, the oldest first; of these kinds where any are named."""
    for entry in audit_log.entries(state):
        if entry.get("environment") == environment and (not kinds or entry.get("event") in kinds):
            yield entry


def served(state: Path, environment: str) -> list[Served]:
    """Every change of an environment's traffic, the oldest first."""
    found: list[Served] = []
    for entry in events(state, environment, CHANGED, FOLLOWED):
        if entry["event"] == CHANGED:
            found.append(_served(entry))
        elif found and found[-1].revision == entry["revision"]:
            found[-1] = dataclasses.replace(found[-1], followed=str(entry["time"]))
    return found


def at(state: Path, environment: str, moment: datetime) -> Served | None:
    """What served at a moment; None where nothing was deployed yet."""
    before = [
        each for each in served(state, environment) if datetime.fromisoformat(each.time) <= moment
    ]
    return before[-1] if before else None


def deployed(state: Path, environment: str, digest: str) -> Mapping[str, object] | None:
    """The last entry that says that a package served an environment alone.

    None where it never did, and where it was put back since.
    """
    entries = events(state, environment, DEPLOYED, REFUSED)
    last = next((e for e in reversed(list(entries)) if e.get("digest") == digest), None)
    return last if last is not None and last["event"] == DEPLOYED else None


def approved(state: Path, environment: str, digest: str) -> Mapping[str, str]:
    """Who approved a package, when and why, as its deployments told last; empty texts where none did."""
    keys = ("approved_by", "approved_at", "approval_reason")
    for entry in reversed(list(events(state, environment, DEPLOYED))):
        if entry.get("digest") == digest and entry.get("approved_by"):
            return {key: str(entry.get(key, "")) for key in keys}
    return dict.fromkeys(keys, "")


def last_deployed(state: Path, environment: str) -> Mapping[str, object] | None:
    """The last entry that says that a package serves an environment alone; None where none does."""
    entries = list(events(state, environment, DEPLOYED))
    return entries[-1] if entries else None


def refused(state: Path, environment: str, digest: str) -> str:
    """Why the last rollout of a package was put back; empty where none was, or it went well since."""
    for entry in reversed(list(events(state, environment, DEPLOYED, REFUSED))):
        if entry.get("digest") == digest:
            return str(entry.get("reason", "")) if entry["event"] == REFUSED else ""
    return ""


def as_traffic(last: Served, environment: str, model: str) -> Traffic:
    """The traffic as the log knows it, where the file itself is lost."""
    return Traffic(last.revision, environment, model, last.deployments, rollout=last.rollout)


def _served(entry: Mapping[str, object]) -> Served:
    values = entry.get("deployments")
    where = f"{audit_log.FILE}: {entry.get('time')}"
    if not isinstance(values, list):
        raise UserError(f"{where}: deployments: expected a list")
    progress = entry.get("rollout")
    return Served(
        time=str(entry["time"]),
        revision=int(str(entry["revision"])),
        cause=str(entry.get("cause", "")),
        by=str(entry.get("by", "")),
        deployments=tuple(parse(Deployment, value, where) for value in values),
        rollout=parse(Progress, progress, where) if progress else None,
        followed="",
    )
