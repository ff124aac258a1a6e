"""What became of each retraining, as the audit log tells it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Literal, get_args

from mlops.deployment import audit_log
from mlops.operations.retraining.cause import Cause, tags

STARTED, ENDED = "retraining", "retraining_ended"
# won: promoted to stage; lost: worse than the champion on recent data; refused: by another rule of the
# gate; failed: no candidate came of it.
Outcome = Literal["running", "won", "lost", "refused", "failed"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


@dataclass(frozen=True)
class Retraining:
    """One retraining. `signals` are the ids of all that asked for it, `champion` the digest of the
    package that it was to beat; `by_people`: a person or a change of the code asked for it.
    """

    id: str
    started: datetime
    outcome: Outcome = "running"
    signals: tuple[str, ...] = ()
    champion: str = ""
    by_people: bool = False


def begin(
    state: Path, cause: Cause, signals: tuple[str, ...], champion: str, now: datetime
) -> Retraining:
    """Log that a retraining begins, and why; it is on the disk when this returns."""
    by_people = any(trigger in ("person", "code") for trigger in cause.triggers)
    found = Retraining(str(uuid.uuid4()), now, "running", signals, champion, by_people)
    facts = {
        "environment": cause.environment,
        "id": found.id,
        "started": now.isoformat(),
        "signals": list(signals),
        "champion": champion,
        "by_people": by_people,
        "cause": tags(cause),
    }
    audit_log.append(state, STARTED, facts)
    return found


def end(
    state: Path, retraining: Retraining, outcome: Outcome, environment: str, reason: str
) -> None:
    """Log what became of it."""
    facts = {
        "environment": environment,
        "id": retraining.id,
        "outcome": outcome,
        "reason": reason,
    }
    audit_log.append(state, ENDED, facts)


def history_of(entries: Iterable[Mapping[str, object]], environment: str) -> tuple[Retraining, ...]:
    """An environment's retrainings in the order of their entries, whatever a clock did meanwhile.

    An entry that is not of the form that `begin` writes is passed over.
    """
    found: dict[str, Retraining] = {}
    for entry in entries:
        name = str(entry.get("id", ""))
        if entry.get("environment") != environment or not name:
            continue
        if entry.get("event") == STARTED:
            begun = _begun(name, entry)
            if begun is not None:
                found[name] = begun
        elif entry.get("event") == ENDED and name in found:
            known: Outcome = "failed"
            outcome = next((each for each in OUTCOMES if each == entry.get("outcome")), known)
            found[name] = replace(found[name], outcome=outcome)
    return tuple(found.values())


def _begun(name: str, entry: Mapping[str, object]) -> Retraining | None:
    signals = entry.get("signals")
    try:
        started = datetime.fromisoformat(str(entry.get("started")))
    except ValueError:
        return None
    if not isinstance(signals, list) or started.tzinfo is None:
        return None
    champion, by_people = str(entry.get("champion", "")), entry.get("by_people") is True
    return Retraining(name, started, "running", tuple(map(str, signals)), champion, by_people)
