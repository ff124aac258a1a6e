"""An event as a CloudEvent 1.0: what happened, where, when, with the figures that say why.

The JSON form is the structured mode of the JSON event format, `application/cloudevents+json`
(https://github.com/cloudevents/spec, version 1.0.2).
"""

from __future__ import annotations

import json
import math
import numbers
import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal, get_args

import numpy as np

from mlops.quality.errors import UserError
from mlops.quality.strict import parse, refuse_unknown

Kind = Literal[
    "data_drift",
    "prediction_drift",
    "performance",
    "fairness",
    "service",
    "data_quality",
    "staleness",
    "model_registered",
    "gate_refused",
    "approval_needed",
    "person_needed",
    "model_deployed",
    "rolled_back",
    "pipeline_failed",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
# `.internal` is reserved for private use, so that no domain's owner can claim these names.
PREFIX = "internal.mlops."
CONTENT_TYPE = "application/cloudevents+json"
# Intermediaries forward 64 KiB, and GitHub takes less than 64 KB with a wrapping of its own.
LIMIT = 60_000
# The type system's String: no control characters, no noncharacters, no lone surrogates.
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
# It becomes a header and a part of what is signed, whose parts are joined by dots.
_ID = re.compile(r"[A-Za-z0-9_:-]{1,100}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)")


@dataclass(frozen=True)
class Event:
    """What happened. `subject` is the environment, empty where there is none; `time` has a zone.

    `data` holds what JSON can say: text, numbers, truth values, None, and lists and mappings of them.
    """

    id: str
    source: str
    kind: Kind
    subject: str
    time: datetime
    data: Mapping[str, object]

    @property
    def type(self) -> str:
        """The kind under its reverse-domain prefix."""
        return PREFIX + self.kind


@dataclass(frozen=True)
class _Written:
    """An event as its JSON spells it."""

    specversion: str
    id: str
    source: str
    type: str
    time: str
    subject: str = ""
    datacontenttype: str = "application/json"
    data: Mapping[str, object] | None = None


def source_of(owner: str, slug: str) -> str:
    """The `source` of all of a project's events."""
    return f"https://github.com/{owner}/{slug}"


def stable_id(*parts: str) -> str:
    """An id that is the same whenever the same thing is told again, as after a crash."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "\n".join(parts)))


def new_event(
    kind: Kind,
    environment: str,
    data: Mapping[str, object],
    *,
    source: str,
    now: datetime,
    event_id: str = "",
) -> Event:
    """An event of this moment, with a random id where none is given.

    NaN and infinity, which JSON does not know, become None; numpy's numbers become plain ones. Data
    that are too large are cut, and say so under `shortened`. Raises ValueError for a value that the
    standard forbids and TypeError for data that JSON cannot hold.
    """
    plain = {str(key): _plain(value) for key, value in data.items()}
    event = Event(
        event_id or str(uuid.uuid4()), source, kind, environment, now.astimezone(UTC), plain
    )
    if now.tzinfo is None:
        raise ValueError("time: expected a zone")
    if mistake := _mistake(event):
        raise ValueError(mistake)
    for most in (300, 100, 30, 10, 3, 0):
        if len(to_json(event)) <= LIMIT:
            break
        cut = {key: _cut(value, most) for key, value in plain.items()}
        kept = dict(sorted(cut.items(), key=lambda item: len(str(item[1])))[:300])
        event = Event(event.id, source, kind, environment, event.time, {**kept, "shortened": True})
    return event


def to_json(event: Event) -> str:
    """The event in one line of ASCII, so that its length is its size in bytes."""
    values = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.type,
        **({"subject": event.subject} if event.subject else {}),
        "time": event.time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": event.data,
    }
    return json.dumps(values, allow_nan=False, separators=(",", ":"))


def from_json(text: str | bytes, where: str) -> Event:
    """The event that a text holds; raises UserError that names the place, key and what was expected."""
    try:
        values = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise UserError(f"{where}: not valid JSON") from None
    found = parse(_Written, values, where)
    if found.specversion != "1.0":
        raise UserError(f"{where}: specversion: expected 1.0, found '{found.specversion}'")
    if found.datacontenttype != "application/json":
        raise UserError(f"{where}: datacontenttype: expected application/json")
    if not found.type.startswith(PREFIX):
        raise UserError(f"{where}: type: expected {PREFIX}..., found '{found.type}'")
    kind = next((each for each in KINDS if PREFIX + each == found.type), None)
    if kind is None:
        refuse_unknown([found.type.removeprefix(PREFIX)], KINDS, f"{where}: type")
    assert kind is not None  # noqa: S101 - refused above
    time = _time(found.time, f"{where}: time")
    data = {key: _plain(value) for key, value in (found.data or {}).items()}
    event = Event(found.id, found.source, kind, found.subject, time, data)
    if mistake := _mistake(event):
        raise UserError(f"{where}: {mistake}")
    return event


def of_kinds(events: Iterable[Event], kinds: Iterable[Kind]) -> tuple[Event, ...]:
    """Those of these kinds, in their order."""
    wanted = set(kinds)
    return tuple(event for event in events if event.kind in wanted)


def _mistake(event: Event) -> str:
    if not _ID.fullmatch(event.id):
        return "id: expected 1 to 100 letters, digits, hyphens, colons and underscores"
    for name in ("source", "subject"):
        if _FORBIDDEN.search(getattr(event, name)):
            return f"{name}: a character that no CloudEvent may hold"
    if not event.source or " " in event.source:
        return "source: expected a URI without spaces"
    return "" if event.kind in KINDS else f"type: '{event.kind}' is not a kind of event"


def _time(text: str, where: str) -> datetime:
    try:
        if _TIME.fullmatch(text):
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    expected = "a time such as 2026-05-03T14:00:00Z (RFC 3339)"
    raise UserError(f"{where}: expected {expected}, found '{text[:40]}'")


def _refuse_constant(name: str) -> object:
    raise ValueError(name)


def _plain(value: object) -> object:
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        number = float(value)
        return number if math.isfinite(number) else None
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, bytes | bytearray):
        return [_plain(item) for item in value]
    raise TypeError(f"data: {type(value).__name__} is nothing that JSON can hold")


def _cut(value: object, most: int) -> object:
    """At most so many items of each list and mapping, and a hundred times as many characters."""
    if isinstance(value, str):
        return value[: 100 * most]
    if isinstance(value, Mapping):
        return {key: _cut(item, most) for key, item in list(value.items())[:most]}
    if isinstance(value, list):
        return [_cut(item, most) for item in value[:most]]
    return value
