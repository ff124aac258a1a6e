"""The retraining policy: from what happened and what was tried to a decision with its reasons.

Pure: no clock, no files, no server. What was answered is known by its id and not by its time, so no clock
makes the same thing happen twice; what lies ahead of `now` holds nothing up for long (`rules.began_within`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from mlops.operations.retraining.cause import Cause, Data, Signal, cause_of
from mlops.operations.retraining.history import Retraining
from mlops.operations.retraining.rules import RULES, Available, Case
from mlops.operations.retraining.settings import Policy

__all__ = ["RULES", "Available", "Decision", "decide"]

Action = Literal["retrain", "wait", "call_a_person", "nothing"]


@dataclass(frozen=True)
class Decision:
    """What to do, the rule that decided it, and what every rule said until then.

    `signals` are the ids of all that is answered by it. `topic` is the same as long as the situation
    is, so that a person is called once. Without a signal, `data` and `cause` are None.
    """

    action: Action
    rule: str
    reasons: tuple[str, ...]
    data: Data | None = None
    cause: Cause | None = None
    signals: tuple[str, ...] = ()
    topic: str = ""


def decide(
    signals: Sequence[Signal],
    history: Sequence[Retraining],
    now: datetime,
    policy: Policy,
    available: Available,
    *,
    environment: str,
) -> Decision:
    """Whether to train anew, on what and why. `history` is in the order in which it was written.

    A person's call is not held up by rules of time and success (cool-down, budget, did not help), but
    by those of fact: one that runs, broken data, and labels that are not there.
    """
    due = _scheduled(history, now, policy, available)
    pending, reasons = _pending((*signals, *due), history, now, policy, available.champion)
    if not pending:
        return Decision("nothing", "trigger", (*reasons, "nothing asks for a retraining"))
    case = Case(pending, history, now, policy, available, _data(pending, policy))
    cause = cause_of(pending, case.data, environment)
    ids = tuple(signal.id for signal in pending)
    reasons.append(f"trigger: {', '.join(cause.triggers)}")
    for name, rule in RULES.items():
        said = rule(case)
        reasons.append(f"{name.replace('_', ' ')}: {said.reason}")
        if said.action:
            topic = f"{environment}:{name}:{said.about}"
            return Decision(said.action, name, tuple(reasons), case.data, cause, ids, topic)
    return Decision("retrain", "trigger", tuple(reasons), case.data, cause, ids)


def _pending(
    signals: Sequence[Signal],
    history: Sequence[Retraining],
    now: datetime,
    policy: Policy,
    champion: str,
) -> tuple[tuple[Signal, ...], list[str]]:
    """What still asks for an answer, and why the rest does not."""
    answered = {each for entry in history for each in entry.signals}
    found: dict[str, Signal] = {}
    left: dict[str, int] = {}
    for signal in signals:
        days = (now - signal.time) / timedelta(days=1)
        if signal.id in answered:
            why = "answered by a retraining before"
        elif champion and signal.digest not in ("", champion):
            why = "it speaks of another model than the one to be beaten"
        elif signal.trigger not in (*policy.triggers, "person", "schedule"):
            why = f"{signal.trigger} is no trigger here"
        elif policy.expires_days is not None and days > policy.expires_days:
            why = f"older than {policy.expires_days:g} days"
        else:
            found.setdefault(signal.id, signal)
            continue
        left[why] = left.get(why, 0) + 1
    return tuple(found.values()), [f"{count} left out: {why}" for why, count in left.items()]


def _scheduled(
    history: Sequence[Retraining], now: datetime, policy: Policy, available: Available
) -> tuple[Signal, ...]:
    """The schedule's signal, where one is due; its id is the same until something is trained."""
    if policy.every_days is None:
        return ()
    last = history[-1].started if history else available.trained
    if last is not None and abs(now - last) < timedelta(days=policy.every_days):
        return ()
    since = last.astimezone(UTC).isoformat() if last else "never"
    reason = f"every {policy.every_days:g} days; last: {since}"
    return (Signal(f"schedule-{since}", "schedule", now, reasons=(reason,)),)


def _data(pending: Sequence[Signal], policy: Policy) -> Data:
    """What all of them are answered by: both, unless they agree on one."""
    wanted = {policy.data.get(signal.trigger, "both") for signal in pending}
    return wanted.pop() if len(wanted) == 1 else "both"
