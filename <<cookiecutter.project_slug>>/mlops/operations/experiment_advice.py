"""What a verdict would do to the traffic, and the command with which a person does it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlops.deployment.desired.environment import ENVIRONMENTS, PROD, STAGE
from mlops.deployment.serving.traffic import Deployment
from mlops.operations.experiments.verdict import Outcome


@dataclass(frozen=True)
class Standing:
    """How a challenger stands: `desired` holds the digest that each environment's `model.yml` names."""

    environment: str
    challenger: Deployment
    desired: Mapping[str, str]

    @property
    def is_desired(self) -> bool:
        """Whether Git asks for the challenger here."""
        return self.desired.get(self.environment) == self.challenger.digest

    @property
    def serves_alone(self) -> bool:
        """Whether it answers all requests."""
        return self.challenger.share == 1

    @property
    def is_live(self) -> bool:
        """Whether it answers any request."""
        return self.challenger.share > 0


def advice(outcome: Outcome, standing: Standing, *, live: bool) -> str:
    """What follows from a verdict; `live` says whether it is one on live answers, or on copies."""
    if outcome == "challenger better":
        return _go_on(standing, live=live)
    if outcome == "no verdict yet":
        return "leave the traffic as it is, and look again"
    if outcome == "challenger worse":
        return _go_back(standing, f"version {standing.challenger.version} should not serve")
    if standing.serves_alone:
        return f"nothing: version {standing.challenger.version} serves already"
    return _go_back(standing, "the champion stays")


def _go_on(standing: Standing, *, live: bool) -> str:
    name, version = standing.environment, standing.challenger.version
    if standing.serves_alone:
        return f"nothing: version {version} serves already"
    if standing.is_desired and not (standing.is_live or standing.challenger.mirror):
        does = "rolls it out again"
        return f"give version {version} all requests: nox -s reconcile -- {name} --retry {does}"
    if standing.is_desired:
        does = "goes on with its rollout"
        return f"give version {version} all requests: nox -s reconcile -- {name} {does}"
    what = "give version {} all requests" if live else "try version {} on live requests"
    what = what.format(version)
    if name == PROD and standing.desired.get(STAGE) == standing.challenger.digest:
        return f"{what}: nox -s promote -- {PROD}"
    if name == ENVIRONMENTS[0]:
        return f"{what}: nox -s deploy -- --version {version} --to {STAGE}"
    return f"{what}: nox -s deploy -- --version {version} --to {name}"


def _go_back(standing: Standing, why: str) -> str:
    name = standing.environment
    if standing.is_desired:
        return f"{why}: nox -s rollback -- {name}"
    if standing.is_live:
        return f"{why}: nox -s reconcile -- {name} brings back what model.yml names"
    return f"nothing: {why}, and version {standing.challenger.version} answers no request"
