"""`nox -s monitor`: measure what an environment served, tell what is beyond its bounds, keep the record."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from mlops.deployment.desired.environment import ENVIRONMENTS, PROD, Environment, environment
from mlops.deployment.packaging.candidate import read_lineage
from mlops.operations import exposition, record
from mlops.operations.breaches import breaches, events
from mlops.operations.drift.verdict import Drift
from mlops.operations.events import log
from mlops.operations.events.delivery import deliver_due
from mlops.operations.events.event import Event, source_of
from mlops.operations.events.heartbeat import beat
from mlops.operations.events.outbox import emit
from mlops.operations.follow import what_follows
from mlops.operations.monitoring.labelled import Problem
from mlops.operations.monitoring.training_rows import Split
from mlops.operations.monitoring.verdict import Verdict
from mlops.operations.pages.report import report_page
from mlops.operations.retraining.policy import Decision
from mlops.operations.settings import Operations, read_operations
from mlops.operations.watch import Watched, beat_of, opened, watch
from mlops.quality.errors import UserError
from mlops.quality.project import ROOT, Project, load_project
from mlops.quality.tables import replace_text
from mlops.quality.terminal import console

FOLDER, REPORT, FIGURES = "monitoring", "report.html", "watched.json"
_MARKS = {"holds": "[green]holds[/]", "breached": "[red]breached[/]", "no_verdict": "[dim]open[/]"}


def main(arguments: list[str]) -> int:
    """Monitor environments; with `--check` 1 where something is beyond its bounds."""
    parser = argparse.ArgumentParser(
        prog="nox -s monitor --",
        description="Measure what an environment served in its window: drift, data quality, "
        "performance, fairness, service, staleness. Breaches become events, and the policy says what "
        "follows.",
    )
    parser.add_argument(
        "environments", nargs="*", default=[PROD], metavar="ENVIRONMENT", help=f"default: {PROD}"
    )
    parser.add_argument("--check", action="store_true", help="exit with 1 on any breach")
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.add_argument("--no-mlflow", action="store_true", help="do not record it in MLflow")
    options = parser.parse_args(arguments)
    project = load_project(ROOT)
    for name in options.environments:
        if name not in ENVIRONMENTS:
            parser.error(f"there is no environment '{name}'")
    out = console()
    found = []
    for name in options.environments:
        came = monitor(project, name, datetime.now(UTC), mlflow=not options.no_mlflow)
        found.append(came.watched)
        if not options.json:
            show(out, came, place(project, name))
    if options.json:
        print(json.dumps([record.plain(each) for each in found], indent=1))
    breached = any(breaches(each) for each in found)
    return int(options.check and breached)


@dataclass(frozen=True)
class Came:
    """What came of a run of the monitor: what was found, the events that are new, what follows.

    `unrecorded` says why MLflow has no record of it, and is empty where it has one.
    """

    watched: Watched
    new: tuple[Event, ...]
    decision: Decision
    unrecorded: str = ""


def monitor(project: Project, name: str, now: datetime, *, mlflow: bool = True) -> Came:
    """Watch one environment, and tell what came of it; a server that is away holds nothing up."""
    chosen = environment(project, name)
    settings = read_operations(chosen, project.contract)
    trained = record.last_trained(project) if mlflow else None
    watched = watched_at(project, chosen, settings, now, trained)
    state = project.state
    source = source_of(project.settings.owner, project.settings.slug)
    new = tuple(each for each in events(watched, source) if not log.known(state, each.id))
    for event in new:
        emit(state, event, settings.events.targets)
    folder = place(project, name)
    folder.mkdir(parents=True, exist_ok=True)
    replace_text(folder / FIGURES, json.dumps(record.plain(watched), indent=1) + "\n")
    decision = what_follows(project, watched, settings)
    page = report_page(watched, tuple(log.events(state)), decision)
    replace_text(folder / REPORT, page)
    exposition.write_metrics(watched, chosen.folder)
    unrecorded = "not asked for"
    if mlflow:
        try:
            record.to_mlflow(project, watched, folder / REPORT)
            unrecorded = ""
        except UserError as error:
            unrecorded = str(error)
    beat(state, beat_of(name), now)
    targets, days = settings.events.targets, settings.events.give_up_days
    if targets:
        deliver_due(state, targets, datetime.now(UTC), give_up_days=days)
    return Came(watched, new, decision, unrecorded)


def watched_at(
    project: Project,
    chosen: Environment,
    settings: Operations,
    now: datetime,
    trained: datetime | None = None,
) -> Watched:
    """The environment's window that ends now, by the user's own functions."""
    return watch(opened(project, chosen, settings, problem_and_split(chosen), now), trained)


def problem_and_split(chosen: Environment) -> tuple[Problem, Split]:
    """The user's functions, with the metric that decides as the newest package tells it."""
    from model import metrics as user  # noqa: PLC0415 - the user's code, once it is needed
    from model.data import label, split  # noqa: PLC0415

    packages = sorted(chosen.packages.glob("*/lineage.json"), key=lambda p: p.stat().st_mtime)
    if not packages:
        raise UserError(f"{chosen.name}: nothing was deployed on this machine yet: nox -s deploy")
    facts = read_lineage(packages[-1].parent)
    threshold = float(getattr(user, "THRESHOLD", 0.5))
    return Problem(label, user.metrics, facts.metric, facts.goal, threshold), split


def place(project: Project, name: str) -> Path:
    """Where the report of an environment lies."""
    return project.state / FOLDER / name


def show(out: Console, came: Came, folder: Path) -> None:
    """Print what was measured, what is new, and what follows."""
    watched, serving = came.watched, came.watched.serving
    what = f"version {serving.deployment.version}" if serving else "nothing serves"
    rows = f"{serving.rows:,} rows, {serving.labelled:,} with a label" if serving else "no rows"
    since = f"{watched.start:%Y-%m-%d %H:%M} to {watched.now:%H:%M} UTC"
    out.print(f"[bold]{watched.environment}[/]: {watched.model}, {what}; {since}: {rows}")
    for note in watched.notes:
        out.print(f"  note: {note}", markup=False)
    if serving:
        _show_drift(out, serving.drift)
        if serving.why:
            out.print(f"  reference: {serving.why}", markup=False)
    table = Table(box=None, pad_edge=False)
    for heading in ("measure", "", "figure", "why"):
        table.add_column(heading)
    for verdict in _first(watched.verdicts):
        figure = "" if verdict.value is None else f"{verdict.value:.4g}"
        reason = verdict.reason.replace("[", r"\[")
        name = verdict.measure.replace("[", r"\[")
        table.add_row(name, _MARKS[verdict.outcome], figure, reason)
    out.print(table)
    for event in came.new:
        reasons = event.data.get("reasons")
        first = str(reasons[0]) if isinstance(reasons, list) and reasons else ""
        out.print(f"event {event.kind}: {first}", markup=False)
    if came.unrecorded:
        out.print(f"MLflow has no record of it: {came.unrecorded}", markup=False)
    decided = came.decision.action.replace("_", " ")
    out.print(f"policy {decided}: {came.decision.reasons[-1]}", markup=False)
    out.print(f"report {folder / REPORT}", markup=False)


def _first(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """What is breached first, then what is open; of what holds, no column for itself."""
    order = {"breached": 0, "no_verdict": 1, "holds": 2}
    told = [each for each in verdicts if each.outcome != "holds" or not each.column]
    return sorted(told, key=lambda each: order[each.outcome])


def _show_drift(out: Console, drift: Drift) -> None:
    if drift.unjudged:
        out.print(f"  drift: [dim]open[/]: {drift.unjudged}")
        return
    if not drift.reasons:
        out.print(f"  drift: [green]none[/] in {len(drift.columns)} comparisons")
    for reason in drift.reasons:
        out.print("  drift: [red]found[/]:", reason.replace("[", r"\["))
