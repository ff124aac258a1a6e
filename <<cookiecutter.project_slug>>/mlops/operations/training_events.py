"""What a training or a gate's run leaves besides the audit log: a new version, or a step that failed."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from mlops.operations.events import log
from mlops.operations.events.event import Event, new_event, source_of, stable_id
from mlops.operations.events.failure import LINES, pipeline_failed
from mlops.quality.errors import UserError
from mlops.quality.project import Project
from mlops.training import server, tracking
from mlops.training.pipeline import StepFailed, load_pipeline
from mlops.training.run import PIPELINE, REGISTERING

# The pipelines that a command runs, by its verb; of others a failed step tells which.
PIPELINES = {"train": PIPELINE, "qualify": "pipelines/qualify.yml"}


@dataclass(frozen=True)
class _Registered:
    version: str
    run: str
    digest: str
    time: datetime


def registered(project: Project, source: str, since: datetime) -> Event | None:
    """The event of the version that the last training made, where it made one since then.

    None where it is told already.
    """
    made = _last_registered(project)
    if made is None or made.time < since:
        return None
    model = project.settings.slug
    told_id = stable_id("model_registered", source, model, made.version, made.run)
    if log.known(project.state, told_id):
        return None
    data = {
        "model": model,
        "version": made.version,
        "run": made.run,
        "model_digest": made.digest,
        "metrics": _metrics(project, made.run),
        "reasons": [f"version {made.version} of {model} was registered"],
    }
    return new_event("model_registered", "", data, source=source, now=made.time, event_id=told_id)


def _last_registered(project: Project) -> _Registered | None:
    """What the registering step of the last training wrote."""
    path = project.state / "cache" / "effects" / REGISTERING / "outputs" / "registered"
    try:
        values = json.loads(path.read_bytes())
        if values["new"] is not True:
            return None
        made = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        return _Registered(
            str(values["version"]), str(values["run_id"]), str(values["digest"]), made
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _metrics(project: Project, run_id: str) -> Mapping[str, float]:
    """The run's figures, where the server is there; none otherwise: it is not started for them."""
    own = server.find(project.root)
    uri = tracking.external_uri() or (own.uri if own else "")
    with suppress(UserError):
        if uri:
            tracking.check_reachable(uri, timeout=2.0)
            with tracking.one_line_errors(uri):
                return dict(tracking.client(uri).get_run(run_id).data.metrics)
    return {}


def failed(
    project: Project, verb: str, failure: StepFailed | UserError, now: datetime
) -> Event | None:
    """The event of a pipeline that failed; None where a command without one made a mistake."""
    source = source_of(project.settings.owner, project.settings.slug)
    if isinstance(failure, UserError):
        if verb not in PIPELINES:
            return None
        reason = str(failure)
        return pipeline_failed(
            PIPELINES[verb], "", reason, (), source=source, now=now, environment=os.environ
        )
    lines: list[str] = []
    with suppress(OSError):
        lines = failure.log.read_text(encoding="utf-8", errors="replace").splitlines()[-LINES:]
    # its text goes on with the end of the output, and with a path of this machine
    reason = (
        str(failure).partition("; the end of its output:")[0].partition("; it printed nothing")[0]
    )
    pipeline = PIPELINES.get(verb) or _pipeline_with(project, failure.step)
    return pipeline_failed(
        pipeline, failure.step, reason, lines, source=source, now=now, environment=os.environ
    )


def _pipeline_with(project: Project, step: str) -> str:
    for path in PIPELINES.values():
        with suppress(UserError):
            if step in load_pipeline(project.root / path).jobs:
                return path
    return ""
