"""`nox -s labels`: take in what turned out to be true of the requests that an environment answered."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

from mlops.deployment.desired.environment import ENVIRONMENTS, environment
from mlops.deployment.serving.traffic import read_traffic
from mlops.operations.monitor import problem_and_split
from mlops.operations.monitoring.labels import FOLDER, give_labels
from mlops.operations.monitoring.training_rows import labels_of, reference_of
from mlops.operations.settings import read_operations
from mlops.quality.errors import UserError
from mlops.quality.project import ROOT, load_project
from mlops.quality.tables import read_table
from mlops.quality.terminal import console


def main(arguments: list[str]) -> int:
    """Check a table of labels and add it to an environment's; nothing is added where one is wrong."""
    parser = argparse.ArgumentParser(
        prog="nox -s labels --",
        description="Add labels to an environment's. The table (CSV or Parquet) has request_id, row "
        "where requests had several, and label, the contract's target, or kpi.",
    )
    parser.add_argument("environment", choices=ENVIRONMENTS[1:])
    parser.add_argument("table", type=Path)
    options = parser.parse_args(arguments)
    project = load_project(ROOT)
    chosen = environment(project, options.environment)
    if read_operations(chosen, project.contract).monitoring.labels:
        place = chosen.files / "settings.yml"
        raise UserError(f"{place}: monitoring: labels: they lie elsewhere; add them there")
    traffic = read_traffic(chosen.folder)
    if traffic is None or not traffic.deployments:
        raise UserError(f"{chosen.name}: nothing was deployed here yet: nox -s deploy")
    problem, split = problem_and_split(chosen)
    digest = max(traffic.deployments, key=lambda each: each.share).digest
    about = reference_of(project, chosen.packages, digest, split)
    raw = read_table(options.table)
    path = give_labels(
        chosen.folder / FOLDER,
        raw,
        about.contract,
        labels_of(about, problem),
        now=datetime.now(UTC),
        where=str(options.table),
    )
    console().print(f"{len(raw):,} labels: {path}", markup=False)
    return 0
