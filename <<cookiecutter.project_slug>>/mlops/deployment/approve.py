"""`nox -s approve`: a person lets the model that stage serves into prod, and says why."""

from __future__ import annotations

import argparse
import os
import sys
from datetime import UTC, datetime

from mlops.deployment import audit_log, history
from mlops.deployment.desired import approval, repository
from mlops.deployment.desired.environment import ENVIRONMENTS, PROD, Environment, environment
from mlops.deployment.desired.model_file import FILE, DesiredModel, read_model_file
from mlops.quality.errors import UserError
from mlops.quality.project import ROOT, Project, load_project
from mlops.quality.terminal import console


def main(arguments: list[str]) -> int:
    """Record an approval and commit it."""
    parser = argparse.ArgumentParser(
        prog="nox -s approve --",
        description="Approve the model that stage serves for prod (or that of dev for stage): who, "
        "when, which digest and why, as a file in Git beside the environment's model.yml.",
    )
    parser.add_argument(
        "environment", nargs="?", choices=ENVIRONMENTS[1:], default=PROD, help="default: prod"
    )
    parser.add_argument("--reason", default="", help="why; asked for where there is a terminal")
    parser.add_argument(
        "--from-github",
        action="store_true",
        help="in a workflow: record who approved this deployment at GitHub, or merged it, for what "
        "the environment's model.yml says",
    )
    parser.add_argument("--digest", help="its first digits, to be sure which model is meant")
    options = parser.parse_args(arguments)
    project = load_project(ROOT)
    root = project.root.resolve()
    repository.require_repository(root)
    if options.from_github:
        return _from_github(project, environment(project, options.environment))
    before = ENVIRONMENTS[ENVIRONMENTS.index(options.environment) - 1]
    desired = read_model_file(root / "environments" / before)
    if desired is None:
        where = f"environments/{before}/model.yml"
        raise UserError(f"{where}: there is nothing to approve: nox -s deploy")
    if options.digest and not desired.digest.startswith(options.digest):
        raise UserError(f"--digest {options.digest}: {before} has {desired}")
    reason = options.reason.strip()
    if not reason and sys.stdin.isatty():
        reason = input(f"Why may {desired} go to {options.environment}? ").strip()
    if not reason:
        raise UserError("say why: nox -s approve -- --reason '...'")
    record = approve(project, environment(project, options.environment), desired, reason)
    _show(desired, options.environment, record)
    return 0


def _from_github(project: Project, target: Environment) -> int:
    """Record the approval that GitHub knows of, of what Git asks the environment to serve."""
    from mlops.deployment.promotion.approver import approver  # noqa: PLC0415 - asks the network

    desired = read_model_file(target.files)
    if desired is None:
        raise UserError(f"{target.files / FILE}: there is nothing to approve")
    if history.deployed(project.state, target.name, desired.digest):
        console().print(f"{desired} served {target.name} before: nothing to approve", markup=False)
        return 0
    found = approver(os.environ, target.name)
    reason = f"{found.reason} ({found.url})"
    record = approve(project, target, desired, reason, person=(found.name, found.email))
    _show(desired, target.name, record)
    return 0


def _show(desired: DesiredModel, name: str, record: approval.Approval) -> None:
    console().print(
        f"approved {desired} for {name} by {record.by} <{record.email}>, until {record.until}",
        markup=False,
    )


def approve(
    project: Project,
    target: Environment,
    desired: DesiredModel,
    reason: str,
    person: tuple[str, str] | None = None,
) -> approval.Approval:
    """Write, commit and log the approval; raises UserError for somebody who may not approve.

    `person` is a name and an address, where it is not who commits here.
    """
    by, email = person or repository.person(target.root)
    rules = target.settings.approval
    if not approval.may_approve(by, email, rules):
        where = target.files / "settings.yml"
        raise UserError(f"{by} <{email}> is not among the approvers in {where}")
    record = approval.make_approval(
        desired, by, email, reason, now=datetime.now(UTC), days=rules.days
    )
    path = approval.write_approval(target.files, record)
    message = f"Approve {desired} for {target.name}\n\n{reason}"
    made = repository.commit(target.root, [path], message, person)
    audit_log.append(
        project.state,
        history.APPROVED,
        {"environment": target.name, **vars(record), "commit": made},
    )
    return record
