"""What the records of a play say: its audit log, its log of events, its registry, what was collected."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mlops.deployment import audit_log
from mlops.deployment.desired.environment import PROD
from mlops.operations.events import log
from mlops.operations.events.event import Event
from mlops.operations.monitoring.collected_files import files_between
from mlops.training import server

Entry = Mapping[str, object]


@dataclass(frozen=True)
class Marked:
    """How far the logs had come at a moment."""

    entries: int
    events: int


@dataclass(frozen=True)
class Figure:
    """A figure of a run of the monitor, with its interval and bound where it has them."""

    time: datetime
    version: str
    name: str
    value: float
    low: float | None = None
    high: float | None = None
    bound: float | None = None
    breached: bool = False


def mark(state: Path) -> Marked:
    """Where the logs end now."""
    return Marked(sum(1 for _ in audit_log.entries(state)), sum(1 for _ in log.events(state)))


def entries(state: Path, since: Marked, event: str, **facts: object) -> list[Entry]:
    """The entries of the audit log after a mark that are of that kind and tell these facts."""
    later = list(audit_log.entries(state))[since.entries :]
    wanted = {"event": event, **facts}
    return [each for each in later if all(each.get(key) == wanted[key] for key in wanted)]


def events(state: Path, since: Marked, kind: str) -> list[Event]:
    """The events after a mark that are of that kind."""
    return [each for each in list(log.events(state))[since.events :] if each.kind == kind]


def registered(project: Path, model: str) -> dict[str, Mapping[str, str]]:
    """The model's versions with their tags, as the play's own MLflow server tells; empty without one."""
    found = server.find(project)
    if found is None:
        return {}
    wanted = quote(f"name='{model}'")
    path = f"/api/2.0/mlflow/model-versions/search?filter={wanted}&max_results=100"
    connection = http.client.HTTPConnection("127.0.0.1", found.port, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        told = json.loads(answer.read())
    except (OSError, ValueError, http.client.HTTPException):
        return {}
    finally:
        connection.close()
    return {
        str(each["version"]): {
            tag["key"]: str(tag.get("value", "")) for tag in each.get("tags", ())
        }
        for each in told.get("model_versions", ())
    }


def is_collected(state: Path, request: str, now: datetime) -> bool:
    """Whether the row of a request to prod lies in its collection."""
    folder = state / "endpoints" / PROD / "collected"
    for path in reversed(list(files_between(folder, now - timedelta(hours=1), now))):
        try:
            found = pq.read_table(path, columns=["request_id"])["request_id"]
        except (OSError, ValueError, pa.ArrowException):
            continue
        if pc.any(pc.equal(found, request)).as_py():
            return True
    return False


def watched(state: Path) -> tuple[Figure, ...]:
    """The figures of the last run of prod's monitor, of what serves: drift by column, performance."""
    path = state / "monitoring" / PROD / "watched.json"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        packages = values["packages"]
        return tuple(_figures(datetime.fromisoformat(values["now"]), packages[0]))
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return ()


def _figures(now: datetime, package: Mapping[str, object]) -> Sequence[Figure]:
    now, found = now.astimezone(UTC), []
    deployment, drift = package["deployment"], package["drift"]
    assert isinstance(deployment, dict)  # noqa: S101 - the monitor wrote it
    assert isinstance(drift, dict)  # noqa: S101
    version = str(deployment["version"])
    for each in drift["columns"]:
        found.append(
            Figure(
                now,
                version,
                f"drift of {each['column']}",
                float(each["effect"]),
                bound=each.get("threshold"),
                breached=bool(each["drifted"]),
            )
        )
    verdicts = package.get("verdicts")
    for each in verdicts if isinstance(verdicts, list) else ():
        if each["kind"] == "performance" and each["value"] is not None:
            named = str(each["measure"]).partition(".")[2]
            found.append(
                Figure(
                    now,
                    version,
                    named,
                    float(each["value"]),
                    each["low"],
                    each["high"],
                    each["before"],
                    each["outcome"] == "breached",
                )
            )
    return found
