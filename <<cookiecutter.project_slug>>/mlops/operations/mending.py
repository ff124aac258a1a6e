"""What is done where no retraining helps: going back, or calling a person."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from mlops.deployment.desired.environment import environment
from mlops.deployment.reconcile import reconcile, told
from mlops.deployment.rollback import revert
from mlops.operations.events import log
from mlops.operations.events.event import new_event, source_of, stable_id
from mlops.operations.events.outbox import emit
from mlops.operations.retraining.remedy import Remedy
from mlops.operations.settings import Operations
from mlops.operations.watch import Watched
from mlops.quality.project import Project


def mend(
    project: Project, out: Console, watched: Watched, helps: Remedy, settings: Operations
) -> int:
    """Roll back where the settings allow it without a person, and call one otherwise."""
    if helps.action == "roll_back" and helps.automatic:
        chosen = environment(project, watched.environment)
        before = revert(project, chosen, "; ".join(helps.reasons))
        out.print(f"{chosen.name}: back to {before}", markup=False)
        found = reconcile(project, chosen.name, lambda text: out.print(text, markup=False))
        out.print(told(found), markup=False)
        return int(found.state == "refused")
    digest = watched.serving.deployment.digest if watched.serving else ""
    topic = f"{watched.environment}:{helps.action}:{helps.rule}:{digest}"
    call_a_person(project, settings, watched, topic, (helps.rule, helps.reasons))
    out.print("a person is needed: it is told as an event", markup=False)
    return 0


def call_a_person(
    project: Project,
    settings: Operations,
    watched: Watched,
    topic: str,
    why: tuple[str, Sequence[str]],
) -> None:
    """Tell that a person is needed, once for each topic; `why` is the rule and its reasons."""
    source = source_of(project.settings.owner, project.settings.slug)
    event_id = stable_id("person_needed", topic)
    data = {"rule": why[0], "reasons": list(why[1])}
    now, name = watched.now, watched.environment
    event = new_event("person_needed", name, data, source=source, now=now, event_id=event_id)
    if not log.known(project.state, event.id):
        emit(project.state, event, settings.events.targets)
