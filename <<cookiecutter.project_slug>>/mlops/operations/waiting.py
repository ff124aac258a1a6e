"""What waits for an approval, as Git and the audit log tell it now."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime

from mlops.deployment import history
from mlops.deployment.desired import approval
from mlops.deployment.desired.environment import ENVIRONMENTS, Environment, environment
from mlops.deployment.desired.model_file import DesiredModel, read_model_file
from mlops.operations.events.of_audit import Waiting, before
from mlops.quality.project import Project


def waiting(project: Project, now: datetime) -> tuple[Waiting, ...]:
    """What waits for an approval: a model that one environment has and the next may not get yet."""
    found = []
    for name in ENVIRONMENTS[1:]:
        target = environment(project, name)
        model = read_model_file(target.root / "environments" / before(name))
        rules = target.settings.approval
        if model is None or not rules.required or _has(project, name, model):
            continue
        seen = approval.look(target.root, target.files, _author(target, model), now)
        if why := approval.refusal(model, seen, rules):
            found.append(Waiting(name, model, why))
    return tuple(found)


def _author(target: Environment, model: DesiredModel) -> str:
    """Who trained a model; empty where its package is not on this machine: reconcile looks again."""
    # not by packaging.candidate, which imports MLflow: this runs after each command
    with suppress(OSError, ValueError, KeyError, TypeError):
        path = target.packages / model.digest / "lineage.json"
        return str(json.loads(path.read_bytes())["author"])
    return ""


def _has(project: Project, name: str, model: DesiredModel) -> bool:
    desired = read_model_file(environment(project, name).files)
    is_wanted = desired is not None and desired.digest == model.digest
    return is_wanted and history.deployed(project.state, name, model.digest) is not None
