"""What a watch found, for Prometheus: a file of metrics that the endpoint's `/metrics` shows as well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from mlops.deployment.serving.metrics import MORE
from mlops.operations.monitoring.verdict import Verdict
from mlops.operations.watch import Watched

FILE = "monitor.prom"


def write_metrics(watched: Watched, folder: Path) -> None:
    """Replace the monitor's metrics in the endpoint's folder."""
    path = folder / MORE / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    write_to_textfile(str(path), registry(watched))


def registry(watched: Watched) -> CollectorRegistry:
    """The metrics of one watch."""
    found = CollectorRegistry()
    environment = {"environment": watched.environment}

    def gauge(name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"mlops_{name}", text, ["environment", *labels], registry=found)

    gauge("monitor_last_run_timestamp_seconds", "When the monitor ran last").labels(
        **environment
    ).set(watched.now.timestamp())
    about = ("kind", "measure", "column")
    breached = gauge("monitor_breached", "1 where a measure is beyond its bound", *about)
    judged = gauge("monitor_judged", "1 where there was enough to judge a measure", *about)
    value = gauge("monitor_value", "A measure of the window", "measure", "column")
    for key, verdicts in _by_place(watched.verdicts).items():
        place = dict(zip(about, key, strict=True)) | environment
        # a measure with two bounds has two verdicts
        breached.labels(**place).set(any(each.outcome == "breached" for each in verdicts))
        judged.labels(**place).set(any(each.outcome != "no_verdict" for each in verdicts))
        if verdicts[0].value is not None:
            of = {"measure": place["measure"], "column": place["column"], **environment}
            value.labels(**of).set(verdicts[0].value)
    serving = watched.serving
    if serving is not None:
        rows = gauge("monitor_rows", "Rows of the window", "version")
        rows.labels(version=serving.deployment.version, **environment).set(serving.rows)
        labelled = gauge("monitor_labelled_rows", "Rows of the window with a label", "version")
        labelled.labels(version=serving.deployment.version, **environment).set(serving.labelled)
        effect = gauge("drift_effect", "How far a column moved from 0 to 1", "column", "statistic")
        drifted = gauge("drift_drifted", "1 where a column has drifted", "column", "statistic")
        for finding in (*serving.drift.columns, *serving.drift.answers):
            which = {**environment, "column": finding.column, "statistic": finding.statistic}
            effect.labels(**which).set(finding.effect)
            drifted.labels(**which).set(finding.drifted)
        if joint := serving.drift.joint:
            auc = gauge("drift_joint_auc", "How well window and training rows can be told apart")
            auc.labels(**environment).set(joint.auc)
            both = gauge("drift_joint_drifted", "1 where all columns together have drifted")
            both.labels(**environment).set(joint.drifted)
    return found


def _by_place(verdicts: Sequence[Verdict]) -> Mapping[tuple[str, str, str], list[Verdict]]:
    found: dict[tuple[str, str, str], list[Verdict]] = {}
    for each in verdicts:
        found.setdefault((each.kind, each.measure, each.column), []).append(each)
    return found
