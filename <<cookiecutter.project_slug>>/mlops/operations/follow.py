"""What follows from a watch: the policy's decision, from what the project's files and logs tell."""

from __future__ import annotations

from mlops.deployment import audit_log
from mlops.deployment.desired.environment import PROD, STAGE, environment
from mlops.deployment.desired.model_file import read_model_file
from mlops.operations.events import log
from mlops.operations.retraining.cause import signals_of
from mlops.operations.retraining.history import history_of
from mlops.operations.retraining.policy import Decision, decide
from mlops.operations.retraining.rules import Available
from mlops.operations.settings import Operations
from mlops.operations.watch import Watched
from mlops.quality.project import Project


def what_follows(project: Project, watched: Watched, settings: Operations) -> Decision:
    """Whether to train anew, by the environment's `retraining` settings; nothing is done."""
    return decide(
        signals_of(tuple(log.events(project.state)), watched.environment),
        history_of(audit_log.entries(project.state), watched.environment),
        watched.now,
        settings.retraining,
        available(project, watched),
        environment=watched.environment,
    )


def available(project: Project, watched: Watched) -> Available:
    """What there is to learn from, and what is to be beaten."""
    serving = watched.serving
    broken = [
        each.reason
        for each in watched.verdicts
        if each.kind == "data_quality" and each.outcome == "breached"
    ]
    return Available(
        new_labels=watched.new_labels,
        broken="; ".join(broken),
        champion=serving.deployment.digest if serving else "",
        trained=watched.trained,
        candidate=_candidate(project),
    )


def _candidate(project: Project) -> str:
    """The model that waits in stage for its approval, in words; empty where none does."""
    stage, prod = (read_model_file(environment(project, name).files) for name in (STAGE, PROD))
    if stage is None or (prod is not None and stage.digest == prod.digest):
        return ""
    return f"version {stage.version}"
