"""The rules of the retraining policy: each says whether it holds a retraining up, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from mlops.operations.retraining.cause import Data, Signal
from mlops.operations.retraining.history import Retraining
from mlops.operations.retraining.settings import Policy

_WEEK = timedelta(days=7)
_LOSSES = ("lost", "refused")


@dataclass(frozen=True)
class Available:
    """What there is to learn from, and what is to be beaten.

    `new_labels`: labelled rows since the champion's training. `broken`: in which way recent data break
    their contract; empty where they keep it. `champion`: its digest, trained at `trained`. `candidate`:
    a model that won and waits for its approval, in words.
    """

    new_labels: int
    broken: str = ""
    champion: str = ""
    trained: datetime | None = None
    candidate: str = ""


@dataclass(frozen=True)
class Case:
    """What every rule looks at. `pending` is what asks, `data` what would be learnt from."""

    pending: tuple[Signal, ...]
    history: Sequence[Retraining]
    now: datetime
    policy: Policy
    available: Available
    data: Data

    def asked_by(self, *triggers: str) -> bool:
        """Whether one of these asks."""
        return any(signal.trigger in triggers for signal in self.pending)


@dataclass(frozen=True)
class Said:
    """What a rule says; `action` is "" where it holds nothing up."""

    reason: str
    action: Literal["", "wait", "call_a_person"] = ""
    about: str = ""


def began_within(
    history: Sequence[Retraining], now: datetime, span: timedelta
) -> tuple[Retraining, ...]:
    """What began less than `span` from now, the last that was written first.

    An entry that lies more than `span` ahead of now, or of one that was written after it, tells that
    the clock was set back since: how long ago it and all before it were is not known, and they do not
    count. One that lies less far ahead counts, for machines differ a little. So a clock that is set back
    holds a start up at most twice as long as the rule says, and lets each rule count anew at most once.
    """
    found, latest = [], now
    for entry in reversed(history):
        if entry.started - latest > span:
            break
        latest = min(latest, entry.started)
        if abs(now - entry.started) < span:
            found.append(entry)
    return tuple(found)


def _one_at_a_time(case: Case) -> Said:
    if not case.policy.one_at_a_time:
        return Said("not asked for")
    # an earlier one that never ended has been given up, or none would have begun after it
    if not case.history or case.history[-1].outcome != "running":
        return Said("none is running")
    entry, longest = case.history[-1], case.policy.longest_hours
    began = f"one runs since {entry.started.isoformat(timespec='seconds')}"
    if abs(case.now - entry.started) < timedelta(hours=longest):
        return Said(began, "wait", entry.id)
    late = f"{began}, which is not within {longest:g} h"
    if case.asked_by("person"):
        return Said(f"{late}; a person asked for another one")
    return Said(f"{late}: look whether it died", "call_a_person", entry.id)


def _one_candidate(case: Case) -> Said:
    if not case.policy.one_candidate:
        return Said("not asked for")
    if not case.available.candidate:
        return Said("no candidate waits")
    if case.asked_by("person", "code"):
        return Said("people asked for another one")
    said = f"{case.available.candidate} waits for its approval"
    return Said(said, "wait", case.available.candidate)


def _did_not_help(case: Case) -> Said:
    if case.policy.not_helped is None:
        return Said("not asked for")
    if case.asked_by("person", "code"):
        return Said("people asked for it")
    lost = _losses(case.history, case.available.champion)
    said = f"{lost} of {case.policy.not_helped} losses in a row against this champion"
    if lost < case.policy.not_helped:
        return Said(said)
    about = next(entry.id for entry in reversed(case.history) if entry.outcome in _LOSSES)
    return Said(f"{said}; more of the same will not help", "call_a_person", about)


def _losses(history: Sequence[Retraining], champion: str) -> int:
    """How often in a row it did not help, up to the last time that people asked for it."""
    count = 0
    for entry in reversed(history):
        if entry.champion != champion or entry.outcome == "won":
            break
        count += entry.outcome in _LOSSES
        if entry.by_people:
            break
    return count


def _cool_down(case: Case) -> Said:
    if case.policy.cool_down_hours is None:
        return Said("not asked for")
    if case.asked_by("person"):
        return Said("a person asked for it")
    span = timedelta(hours=case.policy.cool_down_hours)
    near = began_within(case.history, case.now, span)
    if not near:
        return Said(f"none began within {case.policy.cool_down_hours:g} h")
    began = near[0].started.isoformat(timespec="seconds")
    said = f"one began at {began}, within {case.policy.cool_down_hours:g} h"
    return Said(said, "wait", near[0].id)


def _budget(case: Case) -> Said:
    if case.policy.per_week is None:
        return Said("not asked for")
    if case.asked_by("person"):
        return Said("a person asked for it")
    spent = began_within(case.history, case.now, _WEEK)
    said = f"{len(spent)} of {case.policy.per_week} within seven days"
    if len(spent) < case.policy.per_week:
        return Said(said)
    return Said(said, "wait", spent[0].id)


def _sound_data(case: Case) -> Said:
    if not case.policy.sound_data:
        return Said("not asked for")
    if case.data == "old":
        return Said("recent data are not learnt from")
    if not case.available.broken:
        return Said("recent data keep their contract")
    said = f"{case.available.broken}; mend the data first"
    return Said(said, "call_a_person", case.available.broken)


def _labels(case: Case) -> Said:
    if case.policy.new_labels is None:
        return Said("not asked for")
    if case.data == "old":
        return Said("recent data are not learnt from")
    said = f"{case.available.new_labels} of {case.policy.new_labels} new labelled rows"
    if case.available.new_labels >= case.policy.new_labels:
        return Said(said)
    first = min(case.pending, key=lambda signal: signal.time)
    patience = case.policy.label_days
    if patience is not None and abs(case.now - first.time) > timedelta(days=patience):
        late = f"{said}, {patience:g} days after the first signal"
        return Said(f"{late}: look why no labels come", "call_a_person", first.id)
    return Said(said, "wait", first.id)


# In the order in which they are asked; the first that holds a retraining up decides.
RULES: dict[str, Callable[[Case], Said]] = {
    "one_at_a_time": _one_at_a_time,
    "one_candidate": _one_candidate,
    "did_not_help": _did_not_help,
    "cool_down": _cool_down,
    "budget": _budget,
    "sound_data": _sound_data,
    "labels": _labels,
}
