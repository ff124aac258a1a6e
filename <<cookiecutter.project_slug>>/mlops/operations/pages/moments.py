"""Entries of the audit log and events in plain words: what happened, and whether it is good news."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from mlops.deployment import history
from mlops.operations.events.event import Event, Kind
from mlops.operations.pages.shown import percent
from mlops.operations.pages.style import Level
from mlops.operations.retraining import history as retraining
from mlops.operations.retraining.cause import from_tags

Entry = Mapping[str, object]
LONGEST = 400
_EVENTS: dict[Kind, tuple[Level, str]] = {
    "data_drift": ("bad", "data drift"),
    "prediction_drift": ("bad", "answers drifted"),
    "performance": ("bad", "performance"),
    "data_quality": ("bad", "data quality"),
    "fairness": ("bad", "fairness"),
    "service": ("bad", "service"),
    "staleness": ("bad", "stale"),
    "model_registered": ("note", "registered"),
    "gate_refused": ("bad", "gate refused"),
    "approval_needed": ("open", "approval needed"),
    "person_needed": ("open", "person called"),
    "model_deployed": ("good", "deployed"),
    "rolled_back": ("bad", "rolled back"),
    "pipeline_failed": ("bad", "pipeline failed"),
}


@dataclass(frozen=True)
class Moment:
    """Something that happened. `what` names it in a word or two; `environment` may be empty."""

    time: datetime
    environment: str
    what: str
    text: str
    level: Level


def of_event(event: Event) -> Moment:
    """An event in words: its reasons, or the version or columns that it names."""
    level, what = _EVENTS[event.kind]
    said = _texts(event.data.get("reasons")) or _texts(event.data.get("reason"))
    if not said and (columns := _texts(event.data.get("columns"))):
        said = [f"columns {', '.join(columns)}"]
    if not said and event.data.get("version"):
        said = [f"version {event.data['version']}"]
    if not said and event.data.get("digest"):
        said = [f"package {_digest(event.data)}"]
    return Moment(event.time, event.subject, what, _cut("; ".join(said)), level)


def of_entry(entry: Entry) -> Moment | None:
    """An entry of the audit log in words; None for one that says nothing of its own, or has no time."""
    kind, when = str(entry.get("event", "")), time_of(entry.get("time"))
    if when is None or kind == history.FOLLOWED:
        return None
    level, what, text = _WORDS.get(kind, _other)(entry)
    return Moment(when, str(entry.get("environment", "")), what, _cut(text), level)


def _gate(entry: Entry) -> tuple[Level, str, str]:
    if entry.get("passed"):
        return "good", "gate passed", f"{_version(entry)} passed the gate"
    refused = entry.get("refused")
    why = [f"{m}: {r}" for m, r in refused.items()] if isinstance(refused, Mapping) else []
    return "bad", "gate refused", f"{_version(entry)} was refused: {'; '.join(why)}"


def _traffic(entry: Entry) -> tuple[Level, str, str]:
    found = entry.get("deployments")
    parts = found if isinstance(found, list) else []
    shares = [_share(each) for each in parts if isinstance(each, Mapping)]
    return "note", "traffic", f"{entry.get('cause', '')}: {', '.join(shares) or 'nothing serves'}"


def _share(each: Entry) -> str:
    share, mirror = each.get("share"), each.get("mirror")
    told = f"version {each.get('version')} "
    if isinstance(mirror, int | float) and mirror > 0:
        return f"{told}gets copies of {percent(mirror)}"
    if isinstance(share, int | float) and share > 0:
        return f"{told}answers {percent(share)}"
    return f"{told}is kept warm"


def _stage(entry: Entry) -> tuple[Level, str, str]:
    verdicts = entry.get("verdicts")
    said = [str(each) for each in verdicts.values()] if isinstance(verdicts, Mapping) else []
    number = entry.get("stage")
    shown = number + 1 if isinstance(number, int) else "?"
    return "note", "stage watched", f"stage {shown}: {'; '.join(said)}"


def _deployed(entry: Entry) -> tuple[Level, str, str]:
    approved = entry.get("approved_by")
    by = f", approved by {approved}" if approved else ""
    return "good", "deployed", f"{_version(entry)} serves alone{by}"


def _retraining(entry: Entry) -> tuple[Level, str, str]:
    tags = entry.get("cause")
    texts = {str(k): str(v) for k, v in tags.items()} if isinstance(tags, Mapping) else {}
    found = from_tags(texts)
    if found is None:
        return "note", "retraining", "a retraining began"
    why = " and ".join(each.replace("_", " ") for each in found.triggers)
    by = f", asked for by {found.by}" if found.by else ""
    said = f"a retraining began because of {why}{by}"
    return "note", "retraining", ": ".join(filter(None, [said, "; ".join(found.reasons)]))


def _ended(entry: Entry) -> tuple[Level, str, str]:
    outcome = str(entry.get("outcome", ""))
    level: Level = "good" if outcome == "won" else "bad"
    return level, f"retraining {outcome}", _joined(entry, "reason")


def _other(entry: Entry) -> tuple[Level, str, str]:
    what = str(entry.get("event", "")).replace("_", " ") or "entry"
    return "note", what, _joined(entry, "version", "reason", "why", "by")


_WORDS: dict[str, Callable[[Entry], tuple[Level, str, str]]] = {
    "gate": _gate,
    "release": lambda e: ("good", "released", f"{_version(e)} was released by {e.get('by')}"),
    "promote": lambda e: ("note", "promoted", f"Git asks for {_version(e)}, by {e.get('by')}"),
    history.APPROVED: lambda e: (
        "good",
        "approved",
        f"{_version(e)} by {e.get('by')} <{e.get('email')}>: {e.get('reason')}",
    ),
    history.CHANGED: _traffic,
    "stage": _stage,
    history.DEPLOYED: _deployed,
    history.REFUSED: lambda e: (
        "bad",
        "put back",
        f"{_version(e)} was put back: {e.get('reason')}",
    ),
    "refused": lambda e: ("bad", "refused", f"{_version(e)} was not let in: {e.get('reason')}"),
    "tested": lambda e: ("good", "tested", f"package {_digest(e)} passed the tests of the model"),
    "rollback": lambda e: ("open", "rolled back", f"back to {_version(e)}: {e.get('why')}"),
    "key": lambda e: (
        "note",
        "API key",
        f"key {e.get('key')} was {'withdrawn' if e.get('withdrawn') else 'made'} by {e.get('by')}",
    ),
    "replay": lambda e: (
        "note",
        "replay",
        f"{e.get('requests')} golden requests were sent: {e.get('why')}",
    ),
    retraining.STARTED: _retraining,
    retraining.ENDED: _ended,
}


def time_of(value: object) -> datetime | None:
    """A time of a log, in UTC where it has no zone; None where it cannot be read."""
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _version(entry: Entry) -> str:
    version = entry.get("version")
    return f"version {version}" if version else f"package {_digest(entry)}"


def _digest(entry: Entry) -> str:
    return str(entry.get("digest", ""))[:12] or "not named"


def _joined(entry: Entry, *keys: str) -> str:
    return ", ".join(f"{key} {entry[key]}" for key in keys if entry.get(key))


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list | tuple | Mapping):
        return [each for each in value if isinstance(each, str)]
    return []


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
