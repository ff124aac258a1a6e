"""`nox -s rollback`: revert the last change of an environment's `model.yml`, and reconcile."""

from __future__ import annotations

import argparse

import yaml

from mlops.deployment import audit_log
from mlops.deployment.desired import repository
from mlops.deployment.desired.environment import ENVIRONMENTS, PROD, Environment, environment
from mlops.deployment.desired.model_file import (
    FILE,
    DesiredModel,
    parse_model,
    read_model_file,
    write_model_file,
)
from mlops.deployment.reconcile import reconcile, told
from mlops.quality.errors import UserError
from mlops.quality.project import ROOT, Project, load_project
from mlops.quality.terminal import console
from mlops.training import provenance


def main(arguments: list[str]) -> int:
    """Go back to what the environment served before."""
    parser = argparse.ArgumentParser(
        prog="nox -s rollback --",
        description="Revert the last commit that changed environments/<name>/model.yml, and reconcile.",
    )
    parser.add_argument(
        "environment", nargs="?", default=PROD, help=f"of {', '.join(ENVIRONMENTS)} (default: prod)"
    )
    options = parser.parse_args(arguments)
    project = load_project(ROOT)
    target = environment(project, options.environment)
    out = console()
    before = revert(project, target, f"asked for by {provenance.author(project.root)}")
    out.print(f"{target.name}: back to {before}", markup=False)
    found = reconcile(project, target.name, lambda text: out.print(text, markup=False))
    out.print(told(found), markup=False)
    return int(found.state == "refused")


def revert(project: Project, target: Environment, why: str) -> DesiredModel:
    """Write and commit what an environment's `model.yml` said before its last change.

    Raises UserError where there was nothing before.
    """
    root = target.root
    path = target.files / FILE
    repository.require_repository(root)
    if not repository.is_committed(root, path):
        raise UserError(f"{path}: has changes that no commit holds; commit or undo them first")
    last = repository.last_change(root, path)
    assert last is not None  # noqa: S101 - it is committed
    text = repository.content_before(root, path, last.commit)
    if text is None:
        raise UserError(f"{path}: nothing was served before {read_model_file(target.files)}")
    before = parse_model(yaml.safe_load(text), f"{path} before {last.commit[:10]}")
    write_model_file(target.files, before)
    message = f"Roll {target.name} back to {before}\n\nThis reverts {last.commit}: {why}"
    made = repository.commit(root, [path], message)
    audit_log.append(
        project.state,
        "rollback",
        {
            "environment": target.name,
            "version": before.version,
            "digest": before.digest,
            "commit": made,
            "why": why,
            "by": provenance.author(project.root),
        },
    )
    return before
