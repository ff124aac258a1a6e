"""`nox -s level` for Level 4: what is monitored, what is told, and when it was looked at last."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from mlops.deployment import conformance as deployment
from mlops.deployment.desired.environment import PROD, environment
from mlops.operations.events import log
from mlops.operations.events.heartbeat import last_beat, overdue
from mlops.operations.monitor import REPORT, place
from mlops.operations.settings import read_operations
from mlops.operations.watch import beat_of
from mlops.quality import conformance
from mlops.quality.conformance import Demand, Finding
from mlops.quality.project import load_project
from mlops.training import conformance as training


def main(arguments: list[str]) -> int:
    """Look at the evidence for Levels 1 to 4; 0 when every demand is met."""
    demands = (*conformance.DEMANDS, *training.DEMANDS, *deployment.DEMANDS, *DEMANDS)
    return conformance.show(demands, arguments)


def _collected(root: Path) -> Finding:
    chosen = environment(load_project(root), PROD)
    if not chosen.settings.serving.collect:
        return Finding(False, "environments/prod/settings.yml: serving: collect is off")
    files = sum(1 for _ in (chosen.folder / "collected").glob("date=*/hour=*/*.parquet"))
    if not files:
        return Finding(False, "nothing was collected from prod on this machine yet")
    return Finding(True, f"{files} files below {chosen.folder / 'collected'}")


def _monitored(root: Path) -> Finding:
    project = load_project(root)
    chosen = environment(project, PROD)
    hours = read_operations(chosen, project.contract).monitoring.staleness.monitor
    last = last_beat(project.state, beat_of(PROD))
    if last is None:
        return Finding(False, "prod was not monitored on this machine yet: nox -s monitor")
    told = f"last {last:%Y-%m-%d %H:%M} UTC"
    if hours is None:
        return Finding(True, f"{told}; the settings ask for no rhythm")
    pulse = overdue(last, timedelta(hours=hours), datetime.now(UTC), timedelta(0))
    return Finding(not pulse.late, pulse.reason if pulse.late else told)


def _reported(root: Path) -> Finding:
    path = place(load_project(root), PROD) / REPORT
    there = path.is_file()
    return Finding(there, str(path) if there else "there is no report yet: nox -s monitor")


def _told(root: Path) -> Finding:
    project = load_project(root)
    chosen = environment(project, PROD)
    targets = read_operations(chosen, project.contract).events.targets
    known = sum(1 for _ in log.events(project.state))
    if not targets:
        why = "environments/prod/settings.yml: events: nobody hears of them but the log"
        return Finding(False, f"{why}, which holds {known}")
    return Finding(True, f"{', '.join(each.name for each in targets)}; the log holds {known}")


DEMANDS = (
    Demand(4, "Inputs and answers of prod are collected", _collected),
    Demand(4, "Prod is monitored on time", _monitored),
    Demand(4, "A report tells what was found", _reported),
    Demand(4, "Somebody hears of events", _told),
)
