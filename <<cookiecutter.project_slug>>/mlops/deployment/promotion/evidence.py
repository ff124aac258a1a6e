"""What the registry and the audit log know of a version that is to be promoted."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow.exceptions import MlflowException

from mlops.deployment import history
from mlops.deployment.desired.model_file import DesiredModel
from mlops.deployment.gate.decision import Decision
from mlops.deployment.packaging.candidate import PACKAGE_TAG
from mlops.deployment.promotion.branch import Change
from mlops.deployment.promotion.declared import Declared
from mlops.deployment.promotion.text import Figure, Origin, Proposal
from mlops.deployment.reconcile import REFUSED_TAG
from mlops.deployment.steps.record import read_decision
from mlops.quality.errors import UserError
from mlops.quality.project import Project
from mlops.training.record import CHAMPION, NOTE_TAG, aliased, versions
from mlops.training.registry import Registry, pick
from mlops.training.release import GATE_TAG, PASSED

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion


def passed(found: Registry, number: str | None) -> ModelVersion:
    """The version of that number, or the newest, that passed the gate; raises UserError."""
    if number is not None:
        version = pick(found, number)
        _require_passed(found, version)
        return version
    pick(found, None)
    for version in versions(found.client, found.model):
        if version.tags.get(GATE_TAG) == PASSED:
            return version
    raise UserError(f"{found.model}: no version has passed the gate yet: nox -s train qualify")


def of_desired(found: Registry, desired: DesiredModel) -> ModelVersion:
    """The version that a `model.yml` names; raises UserError where the registry says otherwise."""
    version = pick(found, desired.version)
    _require_passed(found, version)
    sealed = version.tags[PACKAGE_TAG]
    if sealed != desired.digest:
        name = f"{found.model} version {desired.version}"
        raise UserError(f"{name} is package {sealed[:12]} here, Git says {desired.digest[:12]}")
    return version


def gather(
    project: Project,
    found: Registry,
    version: ModelVersion,
    desired: DesiredModel,
    *,
    target: str,
    changes: tuple[Change, ...],
    declared: Declared,
    before: str,
    run_url: str = "",
) -> Proposal:
    """All that the text tells. `before` is the environment that the model was tested in, if any."""
    client, tags = found.client, version.tags
    run = client.get_run(version.run_id or "")
    champion = aliased(client, found.model, CHAMPION)
    known = dict(client.get_run(champion.run_id or "").data.metrics) if champion else {}
    data = run.data
    return Proposal(
        target=target,
        desired=desired,
        changes=changes,
        cause=tags.get(NOTE_TAG, "") or tags.get("mlops.cause", ""),
        champion=str(champion.version) if champion else "",
        figures=_figures(data.metrics, known, data.params.get("metric", "")),
        decision=_decision(found, version),
        judged_by=tags.get("mlops.gate_by", ""),
        exceptions=tags.get("mlops.gate_exceptions", ""),
        origin=Origin(
            tags.get("mlops.commit", "unknown"),
            tags.get("mlops.data", "unknown"),
            tags.get("mlops.data_digest", "unknown"),
            tags.get("mlops.author", "unknown"),
            data.params.get("algorithm", "unknown"),
        ),
        declared=declared,
        tested=_tested(project, before, desired),
        put_back=tags.get(REFUSED_TAG, ""),
        run_url=run_url,
    )


def _require_passed(found: Registry, version: ModelVersion) -> None:
    name, state = f"{found.model} version {version.version}", version.tags.get(GATE_TAG)
    if state is None:
        raise UserError(f"{name}: the gate has not judged it yet: nox -s qualify")
    if state != PASSED:
        raise UserError(
            f"{name}: refused by the gate: {version.tags.get('mlops.gate_refused', '')}"
        )


def _figures(
    mine: Mapping[str, float], champions: Mapping[str, float], first: str
) -> tuple[Figure, ...]:
    """All metrics of the version by name, the one that was searched by before the others."""
    names = sorted(mine, key=lambda name: (not first or first not in name, name))
    return tuple(Figure(name, mine[name], champions.get(name)) for name in names)


def _decision(found: Registry, version: ModelVersion) -> Decision | None:
    """The gate's verdicts, which `record` keeps with the run; None where they are not there."""
    place = f"gate/{version.tags[PACKAGE_TAG][:12]}/decision.json"
    with tempfile.TemporaryDirectory() as folder:
        try:
            got = found.client.download_artifacts(version.run_id or "", place, folder)
            return read_decision(Path(got))
        except (MlflowException, OSError, json.JSONDecodeError):
            return None


def _tested(project: Project, environment: str, desired: DesiredModel) -> str:
    """The environment and when the tests of the model passed there, as this machine's log says."""
    if not environment:
        return ""
    for entry in reversed(list(history.events(project.state, environment, "tested"))):
        if entry.get("digest") == desired.digest:
            return f"{environment} at {str(entry.get('time', ''))[:19]}"
    return ""
