"""Roll back or retrain: from what was measured to a remedy with its reasons.

Pure. Going back helps where the deployment did the harm; learning anew helps where the world has changed;
neither helps where the data are broken.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from mlops.operations.retraining.settings import Remedies

Action = Literal["roll_back", "retrain", "mend_data", "call_a_person", "nothing"]


@dataclass(frozen=True)
class Situation:
    """What is known of what serves.

    `performance`: of its answers, against what is declared; `unknown` with too few labels.
    `against_previous`: it and the model before, on the same labelled rows. `drift`: of the inputs or the
    answers. `failing`: errors or latency beyond their bounds. `broken_data`: in which way the data break
    their contract. `deployed_for`: how long it serves alone; None where that is not known. `previous`:
    there is a model to go back to. `came_back`: it serves because of a rollback.
    """

    performance: Literal["lost", "kept", "unknown"] = "unknown"
    against_previous: Literal["worse", "not_worse", "unknown"] = "unknown"
    drift: bool = False
    failing: bool = False
    broken_data: str = ""
    deployed_for: timedelta | None = None
    previous: bool = True
    came_back: bool = False


@dataclass(frozen=True)
class Remedy:
    """What helps, and whether it may be done without a person.

    A retraining is always `automatic`: its policy decides when, and prod has its approval.
    """

    action: Action
    automatic: bool
    rule: str
    reasons: tuple[str, ...]


def remedy(situation: Situation, settings: Remedies) -> Remedy:
    """The first rule that fits decides."""
    suffers = situation.failing or situation.performance == "lost"
    if situation.broken_data and (suffers or situation.drift):
        why = f"the data break their contract: {situation.broken_data}"
        other = "another model would get the same rows, and this is nothing to learn from"
        return Remedy("mend_data", False, "broken_data", (why, other))
    if situation.failing:
        return _failing(situation, settings)
    if situation.performance == "lost":
        return _lost(situation, settings)
    if situation.drift:
        known = {"kept": "its performance is kept", "unknown": "its performance is not known yet"}
        why = f"inputs or answers have drifted, {known[situation.performance]}"
        return Remedy(
            "retrain", True, "drift", (why, "the model before learnt nothing of it either")
        )
    return Remedy("nothing", True, "nothing", ("nothing was lost and nothing has drifted",))


def _failing(situation: Situation, settings: Remedies) -> Remedy:
    why = "errors or latency are beyond their bounds"
    if _is_new(situation, settings):
        return _back(situation, settings, "failing_new", (why, _since(situation)))
    old = "it served well before: another model would fail as well"
    return Remedy("call_a_person", False, "failing_old", (why, old))


def _lost(situation: Situation, settings: Remedies) -> Remedy:
    why = "its performance is below what is declared"
    if situation.against_previous == "worse":
        than = "on the same rows the model before is better"
        return _back(situation, settings, "worse_than_previous", (why, than))
    if situation.against_previous == "not_worse":
        than = "on the same rows the model before is no better"
        return Remedy("retrain", True, "lost_like_previous", (why, than))
    if not _is_new(situation, settings):
        since = "it served well before: the world has changed"
        return Remedy("retrain", True, "lost_old", (why, since))
    if situation.drift and not situation.previous:
        first = "the world has changed as well, and there is no model to go back to"
        return Remedy("retrain", True, "lost_first", (why, first))
    if situation.drift:
        both = "the model and the world changed at once, and which of them did it is not known"
        return Remedy("call_a_person", False, "lost_new_and_drift", (why, both))
    alone = f"{_since(situation)}, and nothing else has changed"
    return _back(situation, settings, "lost_new", (why, alone))


def _back(situation: Situation, settings: Remedies, rule: str, reasons: tuple[str, ...]) -> Remedy:
    if not situation.previous:
        none = "there is no model to go back to"
        return Remedy("call_a_person", False, rule, (*reasons, none))
    if situation.came_back:
        again = "it is itself what was rolled back to: going to and fro helps nobody"
        return Remedy("call_a_person", False, rule, (*reasons, again))
    automatic = settings.automatic_rollback
    may = "the settings allow it without a person" if automatic else "the settings ask for a person"
    return Remedy("roll_back", automatic, rule, (*reasons, may))


def _is_new(situation: Situation, settings: Remedies) -> bool:
    """Whether a deployment is recent; one of the future is not known to be."""
    age = situation.deployed_for
    return age is not None and timedelta(0) <= age <= timedelta(hours=settings.watch_hours)


def _since(situation: Situation) -> str:
    hours = situation.deployed_for / timedelta(hours=1) if situation.deployed_for else 0.0
    return f"it was deployed {hours:.3g} h ago"
