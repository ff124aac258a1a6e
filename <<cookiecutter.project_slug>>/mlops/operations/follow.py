"""What follows from a watch: the policy's decision, from what the project's files and logs tell."""

from __future__ import annotations

from mlops.deployment import audit_log, history
from mlops.deployment.desired.environment import PROD, STAGE, environment
from mlops.deployment.desired.model_file import read_model_file
from mlops.operations.events import log
from mlops.operations.retraining.cause import Signal, signals_of
from mlops.operations.retraining.history import history_of
from mlops.operations.retraining.policy import Decision, decide
from mlops.operations.retraining.rules import Available
from mlops.operations.settings import Operations
from mlops.operations.watch import Watched
from mlops.quality.project import Project

_BROKEN = ("data_quality.refused", "data_quality.missing")


def what_follows(
    project: Project, watched: Watched, settings: Operations, asked: tuple[Signal, ...] = ()
) -> Decision:
    """Whether to train anew, by the environment's `retraining` settings; nothing is done.

    `asked` are signals besides the events: a person's call.
    """
    return decide(
        (*signals_of(tuple(log.events(project.state)), watched.environment), *asked),
        history_of(audit_log.entries(project.state), watched.environment),
        watched.now,
        settings.retraining,
        available(project, watched),
        environment=watched.environment,
    )


def available(project: Project, watched: Watched) -> Available:
    """What there is to learn from, and what is to be beaten."""
    serving = watched.serving
    return Available(
        new_labels=watched.new_labels,
        broken=broken(watched),
        champion=serving.deployment.digest if serving else "",
        trained=watched.trained,
        candidate=_candidate(project),
    )


def broken(watched: Watched) -> str:
    """In which way the data of what serves are broken: requests are refused, or values missing.

    Values that no training row had keep the contract: those are what a retraining learns.
    """
    return "; ".join(
        each.reason
        for each in watched.verdicts
        if each.kind == "data_quality"
        and each.outcome == "breached"
        and each.measure.startswith(_BROKEN)
    )


def _candidate(project: Project) -> str:
    """The model that waits in stage for its approval, in words; empty where none does.

    One that was in prod already does not wait: it was rolled back.
    """
    stage, prod = (read_model_file(environment(project, name).files) for name in (STAGE, PROD))
    if stage is None or (prod is not None and stage.digest == prod.digest):
        return ""
    if history.deployed(project.state, PROD, stage.digest):
        return ""
    return f"version {stage.version}"
