"""Heartbeats: who runs on a schedule says so, and somebody else notices when it no longer does."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mlops.operations.events import log
from mlops.operations.events.event import Event, new_event, stable_id
from mlops.operations.events.outbox import replace_durably

FOLDER = "heartbeats"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")


@dataclass(frozen=True)
class Pulse:
    """Whether something is overdue, and why. `silent` is since when, in seconds; None where not known."""

    late: bool
    reason: str
    silent: float | None = None


def overdue(last_run: datetime | None, every: timedelta, now: datetime, grace: timedelta) -> Pulse:
    """Whether what should run `every` so often is more than `grace` late. Times have a zone.

    A last run that lies further ahead than `grace` was written by a clock that has been set back since,
    or that is wrong. How long ago it was nobody knows, and believing it would hide a monitor that
    stopped for as long as the clock jumped: so it counts as late until the next run. A clock that jumps
    ahead gives one false alarm, which the next run ends.
    """
    if last_run is None:
        return Pulse(True, "it has never run")
    silent = (now - last_run).total_seconds()
    if silent < -grace.total_seconds():
        return Pulse(True, f"its last run lies {_long(-silent)} ahead of this clock")
    if silent > (every + grace).total_seconds():
        return Pulse(True, f"silent for {_long(silent)}, expected every {_words(every)}", silent)
    return Pulse(False, f"ran {_long(max(silent, 0.0))} ago", max(silent, 0.0))


def allowed(every: timedelta) -> timedelta:
    """How late may be what should run `every` so often, where nobody says otherwise."""
    return every / 2


def beat(state: Path, name: str, now: datetime) -> None:
    """Write down that `name` ran to its end just now; replaces what stood there, whatever it said."""
    path = _path(state, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_durably(path, {"time": now.astimezone(UTC).isoformat()})


def last_beat(state: Path, name: str) -> datetime | None:
    """When `name` last ran; None where it never did, or its file is broken."""
    try:
        values = json.loads(_path(state, name).read_bytes())
        found = datetime.fromisoformat(values["time"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return found if found.tzinfo else None


def watch(
    state: Path,
    name: str,
    every: timedelta,
    now: datetime,
    *,
    source: str,
    environment: str,
    grace: timedelta | None = None,
    beats: Path | None = None,
) -> Event | None:
    """The staleness event of what is overdue; None where it is not, or where that was told before.

    One event for each silence: its id is that of the last run. Without `grace` half of `every` is
    allowed. `beats` is the state's folder that holds the heartbeat, where that is another machine's.
    """
    last = last_beat(beats or state, name)
    pulse = overdue(last, every, now, grace if grace is not None else allowed(every))
    if not pulse.late:
        return None
    told = stable_id("staleness", source, environment, name, last.isoformat() if last else "never")
    if log.known(state, told):
        return None
    data = {
        "what": name,
        "last_run": last.isoformat() if last else None,
        "every_seconds": every.total_seconds(),
        "reasons": [f"{name}: {pulse.reason}"],
    }
    return new_event("staleness", environment, data, source=source, now=now, event_id=told)


def _path(state: Path, name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise ValueError(f"a heartbeat's name is small letters, digits and hyphens, not '{name}'")
    return state / FOLDER / f"{name}.json"


def _long(seconds: float) -> str:
    return _words(timedelta(seconds=math.floor(seconds)))


def _words(span: timedelta) -> str:
    seconds = span.total_seconds()
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s"
