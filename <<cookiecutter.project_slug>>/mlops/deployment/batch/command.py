"""`nox -s batch`: score a table with the model that an environment serves."""

from __future__ import annotations

import argparse
from pathlib import Path

from mlops.deployment.batch.run import ROWS, Options, score_files, told
from mlops.deployment.desired.environment import ENVIRONMENTS, PROD, environment
from mlops.deployment.desired.model_file import read_model_file
from mlops.deployment.packaging.store import fetch, is_whole
from mlops.quality.errors import UserError
from mlops.quality.project import ROOT, load_project
from mlops.quality.terminal import console


def main(arguments: list[str]) -> int:
    """Score `--input` into `--output`; a run that was interrupted goes on where it stopped."""
    parser = argparse.ArgumentParser(
        prog="nox -s batch --",
        description="Score a table with the model that an environment serves. Rows that break the "
        "data contract are set aside with the reason; a run that was interrupted goes on.",
    )
    parser.add_argument("--environment", default=PROD, choices=ENVIRONMENTS, help="default: prod")
    parser.add_argument("--input", required=True, help="CSV or Parquet: file, folder, glob or URL")
    parser.add_argument("--output", type=Path, required=True, help="the folder to write to")
    parser.add_argument("--rows", type=int, default=ROWS, help=f"of a part (default: {ROWS})")
    parser.add_argument("--workers", type=int, help="processes (default: one per core)")
    parser.add_argument("--force", action="store_true", help="score anew what is there already")
    given = parser.parse_args(arguments)
    project = load_project(ROOT)
    target = environment(project, given.environment)
    desired = read_model_file(target.files)
    if desired is None:
        raise UserError(f"{target.files / 'model.yml'}: {target.name} has no model: nox -s deploy")
    package = target.packages / desired.digest
    if not is_whole(package, desired.digest):
        package = fetch(project, target.packages, desired)
    options = Options(given.rows, given.workers, given.force, desired.digest)
    out = console()
    found = score_files(package, desired.version, given.input, given.output, options, out)
    out.print(f"{desired}", markup=False)
    out.print(told(found, given.output), markup=False)
    return 0
