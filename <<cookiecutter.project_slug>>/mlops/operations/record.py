"""The record of a watch: as plain values, and in MLflow, where its figures become lines over time."""

from __future__ import annotations

import dataclasses
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from mlflow.entities import Metric

from mlops.operations.watch import Watched
from mlops.quality.errors import UserError
from mlops.quality.project import Project
from mlops.training import tracking
from mlops.training.registry import pick, registry

# A run for each package in each environment: a watch adds a point to its lines.
ENVIRONMENT_TAG, DIGEST_TAG = "mlops.environment", "mlops.digest"

# As many metrics as MLflow takes in one call.
_AT_ONCE = 1000


def plain(watched: Watched) -> dict[str, object]:
    """Everything that was found, as JSON can say it: times in ISO 8601, NaN and infinity as None."""
    return cast(dict[str, object], as_json(dataclasses.asdict(watched)))


def as_json(value: object) -> object:
    """A value as JSON can say it; what is of no type that it knows becomes text."""
    if isinstance(value, dict):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def figures(watched: Watched) -> dict[str, float]:
    """The numbers of a watch by the name that they have in MLflow."""
    found: dict[str, float] = {}
    serving = watched.serving
    if serving is not None:
        found |= {"rows": float(serving.rows), "labelled": float(serving.labelled)}
        for finding in (*serving.drift.columns, *serving.drift.answers):
            found[f"drift.{finding.column}.{finding.statistic}"] = finding.effect
        if serving.drift.joint:
            found["drift.joint.auc"] = serving.drift.joint.auc
        found["drift.columns"] = float(sum(each.drifted for each in serving.drift.columns))
        for measure in serving.performance.measures if serving.performance else ():
            if measure.value is not None:
                found[measure.name] = measure.value
    for verdict in watched.verdicts:
        if verdict.value is not None:
            found[verdict.measure] = verdict.value
    found["breaches"] = float(sum(each.outcome == "breached" for each in watched.verdicts))
    return {_name(key): value for key, value in found.items() if math.isfinite(value)}


def _name(key: str) -> str:
    """A name as MLflow takes it."""
    kept = "".join(c if c.isalnum() or c in "_-. :/" else "_" for c in key)
    return kept.strip("_")[:250]


def to_mlflow(project: Project, watched: Watched, report: Path) -> None:
    """Add the figures and the report to the run of the package that serves; none without one."""
    if watched.serving is None:
        return
    with registry(project) as found:
        client = found.client
        name = f"{found.model}-monitoring"
        experiment = tracking.experiment_id(client, name)
        deployed = watched.serving.deployment
        tags = {ENVIRONMENT_TAG: watched.environment, DIGEST_TAG: deployed.digest}
        wanted = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
        known = client.search_runs([experiment], wanted, max_results=1)
        title = f"{watched.environment} v{deployed.version}"
        run = known[0] if known else client.create_run(experiment, tags=tags, run_name=title)
        run_id = run.info.run_id
        moment = int(watched.now.timestamp() * 1000)
        step = int(watched.now.timestamp() // 60)
        points = [Metric(key, value, moment, step) for key, value in figures(watched).items()]
        for first in range(0, len(points), _AT_ONCE):
            client.log_batch(run_id, points[first : first + _AT_ONCE])
        client.log_artifact(run_id, str(report))
        client.set_terminated(run_id)


def last_trained(project: Project) -> datetime | None:
    """When the newest version was registered; None where nothing is, or the registry is away."""
    try:
        with registry(project) as found:
            made = pick(found, None).creation_timestamp
            return datetime.fromtimestamp(made / 1000, UTC)
    except UserError:
        return None
