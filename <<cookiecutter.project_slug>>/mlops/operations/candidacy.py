"""A retraining from its declared data to a candidate in stage: train, gate, deploy."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from rich.console import Console

from mlops.deployment import audit_log, deploy, qualify
from mlops.deployment.deploy import WAITS
from mlops.operations.new_data import NewData
from mlops.operations.retraining.cause import Cause, tags, text
from mlops.operations.retraining.history import Outcome
from mlops.quality.project import Project
from mlops.training.record import NOTE_TAG
from mlops.training.registry import pick, registry
from mlops.training.run import REGISTERING, show, train

# What a run's tags and a command's words may hold of names that come from data.
_PLAIN = re.compile(r"[^\w ,.:()%-]")


@dataclass(frozen=True)
class Ended:
    """What became of a retraining, and why. `code` is what the command exits with."""

    outcome: Outcome
    version: str
    reason: str
    code: int


def stand(
    project: Project, out: Console, cause: Cause, data: NewData, *, deploys: bool = True
) -> Ended:
    """Train on the data, let the gate decide, and deploy what passed as far as approvals let it.

    Without `deploys` it ends at the gate: where promotions are pull requests, one follows.

    The cause goes into the tags of the run and the version, and into the text of the promotion.
    """
    out.rule("train", align="left")
    declared = {"data": data.learnt.path, "asset": str(data.learnt.asset.definition)}
    results = train(project, out, declared, one_line(cause))
    show(project, out, results)
    number = json.loads(results[REGISTERING].outputs["registered"].read_text())["version"]
    _tag(project, number, cause, data)
    out.rule("gate", align="left")
    passed = qualify.main(["--version", number]) == 0
    if not passed:
        refused = _refused(project, number)
        lost = any(name.startswith("champion.") for name in refused)
        return Ended("lost" if lost else "refused", number, ", ".join(refused), 1)
    if not deploys:
        return Ended("won", number, "it passed the gate, and is to be promoted", 0)
    code = deploy.main(["--version", number])
    if code not in (0, WAITS):
        why = "a guard or the tests of the model have put it back; see nox -s history"
        return Ended("refused", number, why, code)
    where = "it waits in stage for its approval" if code == WAITS else "it serves prod"
    return Ended("won", number, where, code)


def one_line(cause: Cause) -> str:
    """The cause for the run's own tag, of characters that any command line takes."""
    columns = f": {', '.join(cause.columns[:5])}" if cause.columns else ""
    by = f" by {cause.by}" if cause.by else ""
    found = f"{', '.join(cause.triggers)}{by} in {cause.environment}, {cause.data} data{columns}"
    return _PLAIN.sub("_", found)


def _tag(project: Project, number: str, cause: Cause, data: NewData) -> None:
    """Tell the run and the version why they were made."""
    told = tags(cause)
    learnt = f"Learnt from {data.rows} rows ({data.learnt.name})"
    judged = f"{learnt}, judged by {data.judging} recent ones ({data.judge.name})."
    with registry(project) as found:
        run = pick(found, number).run_id or ""
        for key, value in told.items():
            found.client.set_tag(run, key, value)
            found.client.set_model_version_tag(found.model, number, key, value)
        note = f"{text(cause)}{judged}\n"
        found.client.set_model_version_tag(found.model, number, NOTE_TAG, note)


def _refused(project: Project, number: str) -> tuple[str, ...]:
    """The names of the rules that refused a version when it was judged last."""
    for entry in reversed(list(audit_log.entries(project.state))):
        if entry.get("event") == "gate" and entry.get("version") == number:
            refused = entry.get("refused")
            return tuple(map(str, refused)) if isinstance(refused, dict) else ()
    return ()
