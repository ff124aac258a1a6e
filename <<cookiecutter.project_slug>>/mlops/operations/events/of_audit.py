"""Events of what the audit log tells, each with an id made from its entry: told twice, it is one event.

Pure: entries in, events out. What waits for an approval the caller knows, from Git.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from mlops.deployment import history
from mlops.deployment.desired.environment import ENVIRONMENTS, PROD
from mlops.deployment.desired.model_file import DesiredModel
from mlops.operations.events.event import Event, Kind, new_event, stable_id

GATE, PROMOTED, ROLLBACK, NOT_LET_IN = "gate", "promote", "rollback", "refused"
# Entries after which somebody's approval may be needed.
BRINGING = (PROMOTED, history.DEPLOYED, NOT_LET_IN)

Entry = Mapping[str, object]
Package = Mapping[str, str]


@dataclass(frozen=True)
class Waiting:
    """A model that may not enter an environment before somebody approves it, and why."""

    environment: str
    model: DesiredModel
    why: str

    @property
    def command(self) -> str:
        """What approves it."""
        which = "" if self.environment == PROD else f"{self.environment} "
        return f"nox -s approve -- {which}--reason '...'"


@dataclass
class _Past:
    """What the entries so far tell of one environment: versions by digest, and what came last."""

    versions: dict[str, str] = field(default_factory=dict)
    wanted: str = ""
    served: list[str] = field(default_factory=list)
    cause: str = ""
    put_back: str = ""

    def package(self, digest: str) -> Package | None:
        return {"version": self.versions.get(digest, ""), "digest": digest} if digest else None

    def learn(self, entry: Entry) -> None:
        kind, digest = entry.get("event"), _text(entry, "digest")
        if digest and _text(entry, "version"):
            self.versions[digest] = _text(entry, "version")
        if kind in (PROMOTED, ROLLBACK):
            self.wanted = digest
        if kind in (PROMOTED, history.DEPLOYED):
            self.put_back = ""
        if kind == history.CHANGED:
            self.cause = _text(entry, "cause")
        if kind == history.DEPLOYED:
            self.served = [each for each in self.served if each != digest] + [digest]
        if kind == history.REFUSED:
            self.put_back = _text(entry, "reason")
            self.served = [each for each in self.served if each != digest]


def events_of(
    entries: Sequence[Entry],
    first: int,
    waiting: Sequence[Waiting],
    *,
    source: str,
    since: datetime | None = None,
) -> tuple[Event, ...]:
    """The events of the entries from number `first` on; those before tell what served until then.

    Entries before `since`, and those without a time, become none. `waiting` is what waits for an
    approval now: each model is told once for each environment.
    """
    past: dict[str, _Past] = {}
    found: dict[str, Event] = {}
    for number, entry in enumerate(entries):
        known = past.setdefault(_text(entry, "environment"), _Past())
        if number >= first and (moment := _time(entry)) and not (since and moment < since):
            for event in _events(entry, known, waiting, source, moment):
                found.setdefault(event.id, event)
        known.learn(entry)
    return tuple(found.values())


def _events(
    entry: Entry, past: _Past, waiting: Sequence[Waiting], source: str, moment: datetime
) -> list[Event]:
    environment = _text(entry, "environment")
    if environment not in ("", *ENVIRONMENTS):
        return []
    found = []
    if (rule := _RULES.get(_text(entry, "event"))) and (told := rule(entry, past)):
        kind, data = told
        spelt = json.dumps(entry, sort_keys=True, default=str)
        told_id = stable_id("audit", source, kind, spelt)
        found.append(
            new_event(kind, environment, data, source=source, now=moment, event_id=told_id)
        )
    found += [
        _approval(each, source, moment)
        for each in waiting
        if each.model.digest == entry.get("digest") and _brings(entry, each.environment)
    ]
    return found


def _brings(entry: Entry, environment: str) -> bool:
    """Whether an entry brings a model to where it needs an approval of the environment."""
    if entry.get("environment") == environment:
        return entry.get("event") == NOT_LET_IN
    there = entry.get("environment") == before(environment)
    return there and entry.get("event") in (PROMOTED, history.DEPLOYED)


def before(environment: str) -> str:
    """From where models come into an environment; empty for the first."""
    number = ENVIRONMENTS.index(environment)
    return ENVIRONMENTS[number - 1] if number else ""


def _approval(waiting: Waiting, source: str, moment: datetime) -> Event:
    model, name = waiting.model, waiting.environment
    data = {
        "model": model.model,
        "version": model.version,
        "digest": model.digest,
        "run": model.run,
        "from": before(name),
        "command": waiting.command,
        "reasons": [f"{model} may not go to {name} yet: {waiting.why}: {waiting.command}"],
    }
    told_id = stable_id("approval_needed", source, name, model.digest)
    return new_event("approval_needed", name, data, source=source, now=moment, event_id=told_id)


def _gate(entry: Entry, _: _Past) -> tuple[Kind, dict[str, object]] | None:
    if entry.get("passed") is not False:
        return None
    refused = entry.get("refused")
    pairs = refused.items() if isinstance(refused, Mapping) else ()
    reasons = [f"{name}: {why}" for name, why in pairs]
    about = _kept(entry, "model", "version", "commit", "by")
    return "gate_refused", {**about, "digest": _text(entry, "package"), "reasons": reasons}


def _deployed(entry: Entry, past: _Past) -> tuple[Kind, dict[str, object]]:
    keys = ("model", "version", "digest", "run", "commit", "data", "approved_by", "approval_reason")
    approved = _text(entry, "approved_by")
    by = f", approved by {approved}: {_text(entry, 'approval_reason')}" if approved else ""
    where, cause = _text(entry, "environment"), past.cause
    reason = f"version {_text(entry, 'version')} serves {where} alone: {cause or 'deployed'}{by}"
    return "model_deployed", {**_kept(entry, *keys, "by"), "cause": cause, "reasons": [reason]}


def _put_back(entry: Entry, past: _Past) -> tuple[Kind, dict[str, object]]:
    digest = _text(entry, "digest")
    versions = {**past.versions, digest: _text(entry, "version") or past.versions.get(digest, "")}
    before_it = [each for each in past.served if each != digest]
    known = _Past(versions)
    return _rolled_back(
        entry, known.package(digest), known.package(before_it[-1] if before_it else ""), "reason"
    )


def _rollback(entry: Entry, past: _Past) -> tuple[Kind, dict[str, object]] | None:
    if past.put_back and past.put_back == _text(entry, "why"):
        return None  # the same told by Git: the guard's or the tests' own entry came before
    target = {"version": _text(entry, "version"), "digest": _text(entry, "digest")}
    away = past.wanted or (past.served[-1] if past.served else "")
    return _rolled_back(entry, past.package(away), target, "why")


def _rolled_back(
    entry: Entry, away: Package | None, target: Package | None, why: str
) -> tuple[Kind, dict[str, object]]:
    named = [
        f"version {each['version'] or each['digest'][:12]}" if each else ""
        for each in (away, target)
    ]
    told = f"{_text(entry, 'environment')}: back from {named[0] or 'a model'} to {named[1] or 'nothing'}"
    data: dict[str, object] = {
        **_kept(entry, "by", "commit"),
        "version": away["version"] if away else "",
        "digest": away["digest"] if away else "",
        "from": away,
        "to": target,
        "reasons": [f"{told}: {_text(entry, why)}"],
    }
    return "rolled_back", data


_RULES: Mapping[str, Callable[[Entry, _Past], tuple[Kind, dict[str, object]] | None]] = {
    GATE: _gate,
    history.DEPLOYED: _deployed,
    history.REFUSED: _put_back,
    ROLLBACK: _rollback,
}


def _kept(entry: Entry, *keys: str) -> dict[str, object]:
    return {key: _text(entry, key) for key in keys}


def _text(entry: Entry, key: str) -> str:
    value = entry.get(key)
    return "" if value is None else str(value)


def _time(entry: Entry) -> datetime | None:
    try:
        found = datetime.fromisoformat(_text(entry, "time"))
    except ValueError:
        return None
    return found if found.tzinfo else None
