"""Who hears of events, over all environments: an outbox belongs to one receiver, whoever declares it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlops.deployment.desired.environment import ENVIRONMENTS, PROD, environment
from mlops.operations.events.settings import Events, Target, Webhook
from mlops.operations.settings import read_operations
from mlops.quality.errors import UserError
from mlops.quality.project import Project


@dataclass(frozen=True)
class Hearers:
    """The sections `events` of all environments, by the environment's name."""

    declared: Mapping[str, Events]

    def of(self, environment: str) -> tuple[Target, ...]:
        """Who hears of an environment's events; of what belongs to none, who hears of prod's."""
        return self.declared.get(environment, self.declared[PROD]).targets

    @property
    def targets(self) -> tuple[Target, ...]:
        """Everybody once; where several environments declare one, prod's limits count."""
        found = {each.name: each for events in self.declared.values() for each in events.targets}
        return tuple(found.values())

    @property
    def give_up_days(self) -> float:
        """After how many days what could not be delivered is given up: the longest of those who tell."""
        days = [events.give_up_days for events in self.declared.values() if events.targets]
        return max(days, default=Events().give_up_days)


def hearers(project: Project) -> Hearers:
    """Who hears of a project's events.

    Raises UserError where settings are wrong, and where one name means two receivers: what waits for
    one would be sent to the other.
    """
    declared = {
        name: read_operations(environment(project, name), project.contract).events
        for name in ENVIRONMENTS
    }
    places: dict[str, tuple[str, tuple[str, str]]] = {}
    for name, events in declared.items():
        for target in events.targets:
            other, there = places.setdefault(target.name, (name, _place(target)))
            if there != _place(target):
                raise UserError(
                    f"environments/{name}/settings.yml: events: '{target.name}' is another receiver "
                    f"in {other}; give it another name"
                )
    return Hearers(declared)


def _place(target: Target) -> tuple[str, str]:
    if isinstance(target, Webhook):
        return target.url, target.secret_env
    return target.repository, target.token_env
