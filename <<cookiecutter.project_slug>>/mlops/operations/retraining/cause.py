"""The cause of a retraining: what travels into the run's tags, the promotion's text and the audit log."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, get_args

from mlops.operations.events.event import Event

Trigger = Literal[
    "data_drift", "prediction_drift", "performance", "data", "code", "schedule", "person"
]
TRIGGERS: tuple[Trigger, ...] = get_args(Trigger)
Data = Literal["old", "recent", "both"]

PREFIX = "retraining."
# How much of each list and text is kept: MLflow's run tags hold 8,000 characters, and a quoted one
# may need two for each.
MOST, LONGEST = 20, 180


@dataclass(frozen=True)
class Signal:
    """Something that asks for a retraining.

    `id` is the same whenever the same thing asks again. `columns` are those concerned, `rows` how many
    were looked at, `reasons` the figures in words, `by` who asks, where that is a person. `digest` is that
    of the package it speaks of, where it speaks of one.
    """

    id: str
    trigger: Trigger
    time: datetime
    columns: tuple[str, ...] = ()
    rows: int = 0
    reasons: tuple[str, ...] = ()
    by: str = ""
    digest: str = ""


@dataclass(frozen=True)
class Cause:
    """Why a model was trained anew: all signals together, cut to a bounded size.

    `signals` are their ids and `first` the time of the oldest; `more_columns` and `more_reasons` say how
    many were left out.
    """

    triggers: tuple[Trigger, ...]
    signals: tuple[str, ...]
    first: datetime
    columns: tuple[str, ...]
    more_columns: int
    rows: int
    reasons: tuple[str, ...]
    more_reasons: int
    by: str
    data: Data
    environment: str


def signals_of(events: Sequence[Event], environment: str) -> tuple[Signal, ...]:
    """The signals among an environment's events; kinds that no retraining answers are left out.

    They read `columns`, `rows`, `reasons` and `digest` of an event's data, and pass over what is not of
    that form.
    """
    return tuple(
        Signal(
            event.id,
            trigger,
            event.time,
            _texts(event.data.get("columns")),
            _whole(event.data.get("rows")),
            _texts(event.data.get("reasons")),
            digest=digest if isinstance(digest := event.data.get("digest"), str) else "",
        )
        for event in events
        for trigger in TRIGGERS
        if event.subject == environment and trigger == event.kind
    )


def cause_of(signals: Sequence[Signal], data: Data, environment: str) -> Cause:
    """The cause that one or more signals are. `rows` is the largest of theirs: windows overlap."""
    columns = tuple(dict.fromkeys(_short(name) for each in signals for name in each.columns))
    reasons = tuple(dict.fromkeys(_short(text) for each in signals for text in each.reasons))
    return Cause(
        triggers=tuple(dict.fromkeys(each.trigger for each in signals)),
        signals=tuple(_short(each.id) for each in signals[-MOST:]),
        first=min(each.time for each in signals).astimezone(UTC),
        columns=columns[:MOST],
        more_columns=max(0, len(columns) - MOST),
        rows=max(each.rows for each in signals),
        reasons=reasons[:MOST],
        more_reasons=max(0, len(reasons) - MOST),
        by=_short(", ".join(dict.fromkeys(each.by for each in signals if each.by))),
        data=data,
        environment=environment,
    )


def tags(cause: Cause) -> dict[str, str]:
    """The cause as tags of a run, each of at most 8,000 characters; `from_tags` reads them back."""
    return {
        PREFIX + "triggers": _listed(cause.triggers),
        PREFIX + "signals": _listed(cause.signals),
        PREFIX + "first": cause.first.isoformat(),
        PREFIX + "columns": _listed(cause.columns),
        PREFIX + "more_columns": str(cause.more_columns),
        PREFIX + "rows": str(cause.rows),
        PREFIX + "reasons": _listed(cause.reasons),
        PREFIX + "more_reasons": str(cause.more_reasons),
        PREFIX + "by": cause.by,
        PREFIX + "data": cause.data,
        PREFIX + "environment": cause.environment,
    }


def from_tags(found: Mapping[str, str]) -> Cause | None:
    """The cause that a run's tags tell; None where they tell none, or not a whole one."""

    def items(name: str) -> tuple[str, ...]:
        return tuple(map(str, json.loads(found[PREFIX + name])))

    try:
        return Cause(
            triggers=tuple(each for name in items("triggers") for each in TRIGGERS if each == name),
            signals=items("signals"),
            first=datetime.fromisoformat(found[PREFIX + "first"]),
            columns=items("columns"),
            more_columns=int(found[PREFIX + "more_columns"]),
            rows=int(found[PREFIX + "rows"]),
            reasons=items("reasons"),
            more_reasons=int(found[PREFIX + "more_reasons"]),
            by=found[PREFIX + "by"],
            data=next(each for each in get_args(Data) if each == found[PREFIX + "data"]),
            environment=found[PREFIX + "environment"],
        )
    except (KeyError, ValueError, TypeError, StopIteration):
        return None


def text(cause: Cause) -> str:
    """The cause in Markdown, for a promotion. Names and reasons stand as code: none of it is markup."""
    why = " and ".join(name.replace("_", " ") for name in cause.triggers)
    by = f", asked for by {_code(cause.by)}" if cause.by else ""
    since = cause.first.isoformat(timespec="seconds")
    data = {"old": "the old data", "recent": "recent data", "both": "old and recent data"}
    lines = [
        f"Trained anew because of {why} in {cause.environment or 'the project'}{by}, "
        f"on {data[cause.data]}. First told at {since}."
    ]
    if cause.columns:
        more = f" and {cause.more_columns} more" if cause.more_columns else ""
        lines.append(f"Columns: {', '.join(map(_code, cause.columns))}{more}.")
    if cause.rows:
        lines.append(f"Rows looked at: {cause.rows:,}.")
    for reason in cause.reasons:
        lines.append(f"- {_code(reason)}")
    if cause.more_reasons:
        lines.append(f"- and {cause.more_reasons} more")
    lines.append(f"Events: {', '.join(map(_code, cause.signals))}.")
    return "\n".join(lines) + "\n"


def _listed(values: Sequence[str]) -> str:
    return json.dumps(list(values), ensure_ascii=False)


def _short(value: str) -> str:
    """One line of a bounded length, of characters that any tag and text can hold."""
    line = " ".join("".join(each if each.isprintable() else " " for each in value).split())
    return line if len(line) <= LONGEST else line[: LONGEST - 3] + "..."


def _code(value: str) -> str:
    return "`" + value.replace("`", "'") + "`"


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, Mapping | Sequence):
        return tuple(each for each in value if isinstance(each, str))
    return ()


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
