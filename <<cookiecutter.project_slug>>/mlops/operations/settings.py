"""Level 4's sections of an environment's `settings.yml`, each read strictly; none has to be there."""

from __future__ import annotations

from dataclasses import dataclass

from mlops.deployment.desired.environment import Environment
from mlops.operations.drift.settings import DriftSettings, check_drift_settings
from mlops.operations.events.settings import Events, parse_events
from mlops.operations.experiments.settings import (
    BanditSettings,
    ExperimentSettings,
    ReviewSettings,
    ShadowSettings,
    bandit_settings,
    experiment_settings,
    review_settings,
    shadow_settings,
)
from mlops.operations.monitoring.settings import Monitoring, check_monitoring
from mlops.operations.retraining.settings import Policy, Remedies, parse_policy, parse_remedies
from mlops.quality.contract import Contract
from mlops.quality.strict import parse


@dataclass(frozen=True)
class Operations:
    """What people decide for the operation of one environment."""

    monitoring: Monitoring
    drift: DriftSettings
    events: Events
    retraining: Policy
    remedy: Remedies
    experiment: ExperimentSettings
    bandit: BanditSettings
    shadow: ShadowSettings
    review: ReviewSettings


def read_operations(environment: Environment, contract: Contract) -> Operations:
    """The sections of an environment; raises UserError that names file, key and what was expected."""
    found = environment.settings
    path = environment.files / "settings.yml"

    def where(section: str) -> str:
        return f"{path}: {section}"

    monitoring = parse(Monitoring, found.monitoring, where("monitoring"))
    check_monitoring(monitoring, where("monitoring"))
    drift = parse(DriftSettings, found.drift, where("drift"))
    check_drift_settings(drift, contract.inputs, where("drift"))
    return Operations(
        monitoring,
        drift,
        parse_events(found.events, where("events")),
        parse_policy(found.retraining, where("retraining")),
        parse_remedies(found.remedy, where("remedy")),
        experiment_settings(found.experiment, where("experiment")),
        bandit_settings(found.bandit, where("bandit")),
        shadow_settings(found.shadow, where("shadow")),
        review_settings(found.review, where("review")),
    )
