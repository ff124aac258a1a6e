"""What is new in the audit log becomes events: emitted once, and delivered within seconds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import filelock

from mlops.deployment import audit_log
from mlops.operations.events import log
from mlops.operations.events.delivery import Report, deliver_due
from mlops.operations.events.event import Event, source_of
from mlops.operations.events.of_audit import BRINGING, events_of
from mlops.operations.events.outbox import emit, replace_durably
from mlops.operations.targets import Hearers, hearers
from mlops.operations.training_events import registered
from mlops.operations.waiting import waiting
from mlops.quality.project import Project

# Below the folder of the project's state.
MARKER, _LOCK = "events/told.json", "events/told.lock"
# What is older is not told where it is not known how far was told: it is nobody's news.
NEWS = timedelta(days=7)
# How long a command may be held up: no attempt begins after the first, none takes longer than the
# second.
DELIVERY_SECONDS, ATTEMPT_SECONDS = 1.5, 2.5
_LOCK_SECONDS = 10.0


def tell(project: Project, now: datetime, more: Sequence[Event] = ()) -> Report:
    """Emit what is new since the last call, and `more`, and deliver what is due within seconds.

    Raises UserError where the settings are wrong; then nothing counts as told.
    """
    known = hearers(project)
    state = project.state
    (state / _LOCK).parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(state / _LOCK, timeout=_LOCK_SECONDS):
        _emit_new(state, more, known)
        entries = tuple(audit_log.entries(state))
        first = _told(state, entries)
        since = now - NEWS if first is None else None
        found = _news(project, entries, first or 0, now, since)
        _emit_new(state, found, known)
        replace_durably(state / MARKER, {"entries": len(entries), "last": _digest(entries)})
    return deliver_shortly(state, known)


def _news(
    project: Project,
    entries: Sequence[Mapping[str, object]],
    first: int,
    now: datetime,
    since: datetime | None,
) -> tuple[Event, ...]:
    """The events of the entries from `first` on, and of a version that was registered lately."""
    source = source_of(project.settings.owner, project.settings.slug)
    brought = any(each.get("event") in BRINGING for each in entries[first:])
    waits = waiting(project, now) if brought else ()
    found = events_of(entries, first, waits, source=source, since=since)
    version = registered(project, source, now - NEWS)
    return (version, *found) if version else found


def _emit_new(state: Path, events: Iterable[Event], known: Hearers) -> None:
    for event in events:
        if not log.known(state, event.id):
            emit(state, event, known.of(event.subject))


def deliver_shortly(state: Path, known: Hearers) -> Report:
    """Deliver what is due without holding a command up; what is slow or down is left to later."""
    quick = [replace(each, seconds=min(each.seconds, ATTEMPT_SECONDS)) for each in known.targets]
    now = datetime.now(UTC)
    return deliver_due(state, quick, now, give_up_days=known.give_up_days, seconds=DELIVERY_SECONDS)


def _told(state: Path, entries: Sequence[Mapping[str, object]]) -> int | None:
    """How many entries are told; None where that is not known, or it was another log."""
    try:
        values = json.loads((state / MARKER).read_bytes())
        count, last = values["entries"], values["last"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    is_count = isinstance(count, int) and 0 <= count <= len(entries)
    return count if is_count and _digest(entries[:count]) == last else None


def _digest(entries: Sequence[Mapping[str, object]]) -> str:
    """The SHA-256 of the last entry; empty without one."""
    if not entries:
        return ""
    return hashlib.sha256(json.dumps(entries[-1], sort_keys=True).encode()).hexdigest()
