"""Whether the model treats groups alike in a window: the gate's figures, on live rows with labels."""

from __future__ import annotations

from dataclasses import dataclass

from mlops.deployment.gate.decision import fits
from mlops.deployment.measuring.fairness import fairness
from mlops.deployment.measuring.group_figures import GroupFigures
from mlops.deployment.measuring.measure import Measure
from mlops.deployment.measuring.scored import Scored
from mlops.operations.monitoring.settings import FairnessLimits
from mlops.operations.monitoring.verdict import Verdict, bounded


@dataclass(frozen=True)
class LiveFairness:
    """The differences between groups and each group's figures, and what is said of them."""

    measures: tuple[Measure, ...]
    groups: tuple[GroupFigures, ...]
    verdicts: tuple[Verdict, ...]


def live_fairness(judged: Scored, limits: FairnessLimits, *, seed: int) -> LiveFairness:
    """The gate's figures of fairness with a verdict for each that has a bound.

    A difference breaches its bound where its whole interval is beyond. A difference that is not
    defined, as of groups that are too small, has no verdict; a contract without protected columns has
    none at all.
    """
    found = fairness(judged, limits.group, seed)
    verdicts: list[Verdict] = []
    for measure in found.measures if judged.contract.protected else ():
        bounds = [limit for name, limit in limits.at_most.items() if fits(name, measure.name)]
        if bounds:
            verdicts += bounded("fairness", measure, None, min(bounds))
    return LiveFairness(found.measures, found.groups, tuple(verdicts))
