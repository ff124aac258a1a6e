"""Delivery: what waits in the outboxes is sent, each target for itself, and tried again later where it fails.

At least once, with a stable id, in no promised order. Who emits never waits for it.
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

import filelock

from mlops.operations.events import outbox
from mlops.operations.events.github import dispatch
from mlops.operations.events.outbox import Backoff, Entry
from mlops.operations.events.sending import Answer, Request, send
from mlops.operations.events.settings import Target, Webhook
from mlops.operations.events.webhook import signed
from mlops.quality.errors import UserError
from mlops.quality.strict import parse

# The first wait and the longest one, in seconds.
FIRST, LONGEST = 5.0, 3600.0
_STATE, _LOCK = ".backoff.json", ".lock"
# What a target's pass may leave in the way: longer than the longest attempt.
_GRACE = 65.0


@dataclass(frozen=True)
class Attempt:
    """What came of trying to deliver one event."""

    target: str
    event: str
    kind: str
    outcome: Literal["delivered", "postponed", "given_up"]
    reason: str


@dataclass(frozen=True)
class Report:
    """What one pass did. `waiting` counts what is left for each target, also for one that is no longer
    among the targets; `busy` names targets that another process delivers to at this moment; `problems`
    says where the outbox itself could not be read or written.
    """

    attempts: tuple[Attempt, ...]
    waiting: Mapping[str, int]
    busy: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    def of(self, outcome: Literal["delivered", "postponed", "given_up"]) -> tuple[Attempt, ...]:
        """The attempts that ended so."""
        return tuple(each for each in self.attempts if each.outcome == outcome)


@dataclass(frozen=True)
class _Pass:
    state: Path
    now: datetime
    started: float
    seconds: float
    give_up: float
    environment: Mapping[str, str]
    chance: Callable[[], float]
    at_once: bool
    attempts: list[Attempt] = field(default_factory=list)
    busy: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def elapsed(self) -> float:
        return time.monotonic() - self.started

    def moment(self) -> float:
        return self.now.timestamp() + self.elapsed()

    def is_due(self, backoff: Backoff) -> bool:
        return self.at_once or is_due(backoff, self.moment())


def deliver_due(
    state: Path,
    targets: Sequence[Target],
    now: datetime,
    *,
    give_up_days: float = 3.0,
    seconds: float = 60.0,
    environment: Mapping[str, str] = os.environ,
    chance: Callable[[], float] = random.random,
    at_once: bool = False,
) -> Report:
    """Try everything that is due, all targets at the same time, beginning nothing after `seconds`.

    `now` has a zone; `chance` gives the jitter, from 0 to 1. With `at_once`, as after a receiver was
    mended, what waits for its next attempt is due as well. What failed longer than `give_up_days`
    after it was emitted is set aside, and the report says so. Nothing raises: a variable that is not
    set is a reason to try again later, since the event must not be lost.
    """
    give_up = give_up_days * 86400
    run = _Pass(state, now, time.monotonic(), seconds, give_up, environment, chance, at_once)
    threads = [
        threading.Thread(target=_deliver, args=(run, target), daemon=True)
        for target in targets
        if (state / outbox.FOLDER / target.name).is_dir()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, seconds + _GRACE - run.elapsed()))
    waiting = {name: count for name, (count, _) in outbox.counted(state).items() if count}
    return Report(tuple(run.attempts), waiting, tuple(sorted(run.busy)), tuple(run.problems))


def postponed(before: Backoff, now: float, retry_after: float, chance: float) -> Backoff:
    """The wait after one more failure: doubled each time, up to an hour, and never less than asked for.

    Half of it is left to chance, so that many who failed at once do not come back at once (Brooker,
    "Exponential Backoff And Jitter", AWS Architecture Blog, 2015: equal jitter).
    """
    full = min(LONGEST, FIRST * 2.0 ** min(before.failures, 30))
    wait = max(full / 2 + full / 2 * chance, min(retry_after, LONGEST))
    return Backoff(before.failures + 1, now + wait)


def is_due(backoff: Backoff, now: float) -> bool:
    """Whether the wait is over. One that is longer than any wait was written by a clock that has been
    set back since, and must not block.
    """
    return not 0 < backoff.until - now <= LONGEST + 1


def _deliver(run: _Pass, target: Target) -> None:
    folder = run.state / outbox.FOLDER / target.name
    try:
        # ends with its process: nobody has to clean up after one that was killed
        with filelock.FileLock(folder / _LOCK, timeout=0):
            _deliver_all(run, target)
    except filelock.Timeout:
        run.busy.append(target.name)
    except OSError as error:
        run.problems.append(f"{target.name}: {error.strerror or error}")


def _deliver_all(run: _Pass, target: Target) -> None:
    path = run.state / outbox.FOLDER / target.name / _STATE
    receiver = _read_backoff(path)
    if not run.is_due(receiver):
        return
    entries = sorted(outbox.waiting(run.state, target.name), key=lambda each: each.backoff.until)
    for entry in entries:
        if run.elapsed() >= run.seconds:
            return
        if not run.is_due(entry.backoff):
            continue
        answer = _attempt(run, target, entry)
        if answer.fault == "none":
            entry.path.unlink(missing_ok=True)
            if receiver.failures:
                receiver = Backoff()
                path.unlink(missing_ok=True)
            run.attempts.append(_told(target, entry, "delivered", answer.reason))
            continue
        run.attempts.append(_failed(run, target, entry, answer))
        if answer.fault == "receiver":
            # the others would fail as well: one at a time until it is back
            receiver = postponed(receiver, run.moment(), answer.retry_after, run.chance())
            outbox.replace_durably(path, asdict(receiver))
            return


def _failed(run: _Pass, target: Target, entry: Entry, answer: Answer) -> Attempt:
    moment = run.moment()
    if moment - entry.added > run.give_up:
        reason = f"{answer.reason}; {entry.backoff.failures + 1} attempts, given up"
        outbox.write(replace(entry, reason=reason))
        outbox.set_aside(entry.path)
        return _told(target, entry, "given_up", reason)
    backoff = postponed(entry.backoff, moment, answer.retry_after, run.chance())
    outbox.write(replace(entry, backoff=backoff, reason=answer.reason))
    return _told(target, entry, "postponed", answer.reason)


def _attempt(run: _Pass, target: Target, entry: Entry) -> Answer:
    try:
        request = _request(target, entry, run)
    except UserError as error:
        return Answer("receiver", str(error))
    return send(request)


def _request(target: Target, entry: Entry, run: _Pass) -> Request:
    if isinstance(target, Webhook):
        return signed(target, entry.event, int(run.moment()), run.environment)
    return dispatch(target, entry.event, run.environment)


def _told(
    target: Target, entry: Entry, outcome: Literal["delivered", "postponed", "given_up"], why: str
) -> Attempt:
    return Attempt(target.name, entry.event.id, entry.event.kind, outcome, why)


def _read_backoff(path: Path) -> Backoff:
    try:
        return parse(Backoff, json.loads(path.read_bytes()), str(path))
    except (OSError, ValueError, UserError):
        return Backoff()  # lost or broken: to try once too often does no harm
