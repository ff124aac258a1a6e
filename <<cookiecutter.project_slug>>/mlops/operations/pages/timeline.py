"""The timeline: the audit log and the log of events as one, the newest first, nothing told twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from mlops.deployment import audit_log, history
from mlops.operations.events import log
from mlops.operations.events.event import Event, Kind
from mlops.operations.pages.moments import Entry, Moment, of_entry, of_event, time_of

__all__ = ["Moment", "timeline"]

# What one log tells and the other too, about the same package: it is shown once.
_SAME: dict[Kind, tuple[str, ...]] = {
    "model_deployed": (history.DEPLOYED,),
    "rolled_back": ("rollback", history.REFUSED),
    "gate_refused": ("gate",),
}
_SAME_WITHIN = timedelta(hours=1)


def timeline(state: Path, limit: int = 200) -> tuple[Moment, ...]:
    """The newest moments of both logs in the folder `state`, the newest first.

    An entry without a time that can be read is passed over.
    """
    entries = list(audit_log.entries(state))
    told = [each for entry in entries if (each := of_entry(entry)) is not None]
    known = _by_digest(entries)
    told += [of_event(event) for event in log.events(state) if not _is_told(event, known)]
    # of the same instant, what was written later comes first
    return tuple(sorted(told, key=lambda each: each.time)[::-1][:limit])


def _is_told(event: Event, told: Mapping[str, Sequence[Entry]]) -> bool:
    """Whether the audit log tells the same of the same package at about the same time."""
    kinds = _SAME.get(event.kind, ())
    target = event.data.get("to")
    # a rollback's entry names what it goes back to, its event what was taken away as well
    digests = [event.data.get("digest"), target.get("digest") if isinstance(target, dict) else None]
    return any(
        entry.get("event") in kinds
        and entry.get("environment", event.subject) == event.subject
        and (when := time_of(entry.get("time"))) is not None
        and abs(event.time - when) <= _SAME_WITHIN
        for digest in digests
        if isinstance(digest, str) and kinds
        for entry in told.get(digest, ())
    )


def _by_digest(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        found.setdefault(str(entry.get("digest") or entry.get("package") or ""), []).append(entry)
    return found
