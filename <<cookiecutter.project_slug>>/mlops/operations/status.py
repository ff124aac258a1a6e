"""`nox -s status` from Level 4 on: as on Level 3, and `--html` writes all environments on one page."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

from mlops.deployment import status
from mlops.deployment.desired.environment import ENVIRONMENTS, environment
from mlops.deployment.status import look
from mlops.operations.monitor import watched_at
from mlops.operations.pages.environments import environments_page
from mlops.operations.pages.timeline import timeline
from mlops.operations.settings import read_operations
from mlops.operations.watch import Watched
from mlops.quality.errors import UserError
from mlops.quality.project import ROOT, Project, load_project
from mlops.quality.tables import replace_text
from mlops.quality.terminal import console

PAGE = "status.html"


def main(arguments: list[str]) -> int:
    """Show every environment, on the terminal or as a page."""
    parser = argparse.ArgumentParser(prog="nox -s status --", add_help=False)
    parser.add_argument("--html", nargs="?", const="", metavar="FILE")
    chosen, rest = parser.parse_known_args(arguments)
    if {"-h", "--help"} & set(rest):
        print("  --html [FILE]  write all environments, with drift, KPI and timeline, as one page")
    if chosen.html is None or {"-h", "--help"} & set(rest):
        return status.main(rest)
    project = load_project(ROOT)
    path = Path(chosen.html) if chosen.html else project.state / PAGE
    replace_text(path, page(project, datetime.now(UTC)))
    console().print(f"page   {path}", markup=False)
    return status.main(rest)


def page(project: Project, now: datetime) -> str:
    """All environments on one page."""
    names = ENVIRONMENTS[1:]
    found = {name: watched for name in names if (watched := _watched(project, name, now))}
    statuses = [look(project, name) for name in names]
    return environments_page(statuses, found, timeline(project.state), now)


def _watched(project: Project, name: str, now: datetime) -> Watched | None:
    """What an environment's window shows; None where nothing was ever deployed there."""
    try:
        chosen = environment(project, name)
        return watched_at(project, chosen, read_operations(chosen, project.contract), now)
    except UserError:
        return None
