"""`nox -s experiment`: what the packages of an environment show of each other; no traffic is changed."""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
from datetime import UTC, datetime, timedelta

from mlops.deployment.desired.environment import ENVIRONMENTS, PROD, environment
from mlops.deployment.desired.model_file import read_model_file
from mlops.deployment.serving.traffic import read_traffic
from mlops.operations.experiment_pair import Shown, shown
from mlops.operations.experiment_told import lines
from mlops.operations.monitor import problem_and_split
from mlops.operations.record import as_json
from mlops.operations.settings import read_operations
from mlops.operations.watch import opened
from mlops.quality.project import ROOT, Project, load_project
from mlops.quality.terminal import console


def main(arguments: list[str]) -> int:
    """Show what is known; with `--check` 1 where a challenger is worse or breaks a guard-rail."""
    parser = argparse.ArgumentParser(
        prog="nox -s experiment --",
        description="Compare what serves in an environment with each other package that got requests or "
        "copies of them there: on copies (shadow A/B), and where both answered live at the same time, "
        "by an always-valid test of KPIs or labels. It only reads. No traffic is changed: what follows "
        "is told with the command that does it.",
    )
    parser.add_argument(
        "environment", nargs="?", default=PROD, help=f"of {', '.join(ENVIRONMENTS)} (default: prod)"
    )
    parser.add_argument(
        "--hours",
        type=_hours,
        metavar="N",
        help="the last N hours (default: the settings' experiment: days)",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="exit with 1 where a challenger is worse or breaks a guard-rail",
    )
    parser.add_argument("--json", action="store_true", help="for machines")
    options = parser.parse_args(arguments)
    found = experiment(load_project(ROOT), options.environment, datetime.now(UTC), options.hours)
    if options.json:
        print(json.dumps(as_json(dataclasses.asdict(found)), indent=1))
    else:
        out = console()
        for line in lines(found):
            out.print(line, markup=False)
    return int(options.check and any(each.is_worse for each in found.pairs))


def experiment(project: Project, name: str, now: datetime, hours: float | None = None) -> Shown:
    """What an environment's packages show of each other in the last hours, or days of its settings.

    Raises UserError for an unknown environment, and for settings or labels that do not fit.
    """
    chosen = environment(project, name)
    settings = read_operations(chosen, project.contract)
    length = timedelta(hours=hours) if hours else timedelta(days=settings.experiment.days)
    start = now - length
    if read_traffic(chosen.folder) is None and read_model_file(chosen.files) is None:
        told = f"nothing to compare: nothing was deployed to {name} yet"
        return Shown(name, project.settings.slug, start, now, notes=(told,))
    place = opened(project, chosen, settings, problem_and_split(chosen), now)
    return shown(dataclasses.replace(place, start=start))


def _hours(text: str) -> float:
    found = float(text)
    if not 0 < found < math.inf:
        raise argparse.ArgumentTypeError(f"expected more than 0, found {text}")
    return found
