"""`nox -s deploy`: a model that passed the gate goes to stage, is tested there, approved, and goes to prod."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.console import Console

from mlops.deployment import audit_log, history
from mlops.deployment.approve import approve
from mlops.deployment.desired import approval, repository
from mlops.deployment.desired.environment import (
    ENVIRONMENTS,
    PROD,
    Environment,
    environment,
)
from mlops.deployment.desired.model_file import (
    FILE,
    DesiredModel,
    read_model_file,
    write_model_file,
)
from mlops.deployment.packaging.candidate import PACKAGE_TAG, read_lineage
from mlops.deployment.packaging.store import fetch, is_whole
from mlops.deployment.reconcile import reconcile, told
from mlops.deployment.rollback import revert
from mlops.deployment.rollout.replay import golden_rows
from mlops.deployment.serving import endpoint
from mlops.deployment.serving.keys import read_keys
from mlops.deployment.serving.remote import KEY, URL
from mlops.quality.errors import UserError
from mlops.quality.project import ROOT, Project, load_project
from mlops.quality.terminal import console
from mlops.training import provenance
from mlops.training.record import NOTE_TAG, versions
from mlops.training.registry import pick, registry
from mlops.training.release import GATE_TAG, PASSED

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

# What the command exits with where somebody has to approve first.
WAITS = 3
TESTS = "tests/model"


def main(arguments: list[str]) -> int:
    """Deploy to stage, and with an approval to prod; 3 where the approval is missing."""
    parser = argparse.ArgumentParser(
        prog="nox -s deploy --",
        description="Take the newest version that passed the gate (one that was not judged yet is "
        "qualified first), deploy it to stage, test it there, and with an approval to prod. Exits "
        f"with {WAITS} where the approval is missing and there is no terminal to ask on.",
    )
    parser.add_argument("--version", help="another registered version")
    parser.add_argument(
        "--to", choices=ENVIRONMENTS[1:], default=PROD, help="how far (default: prod)"
    )
    parser.add_argument(
        "--retry", action="store_true", help="roll out again what a guard or a test has put back"
    )
    options = parser.parse_args(arguments)
    project = load_project(ROOT)
    repository.require_repository(project.root)
    for name in ENVIRONMENTS:
        environment(project, name)  # every mistake in a file is told before anything is done
    out = console()
    desired = choose(project, out, options.version)
    if desired is None:
        return 1
    _promote(project, out, ENVIRONMENTS[:1], desired)
    for name in ENVIRONMENTS[1 : ENVIRONMENTS.index(options.to) + 1]:
        target = environment(project, name)
        if read_model_file(target.files) != desired:
            if not _approved(project, out, target, desired):
                return WAITS
            _promote(project, out, (name,), desired)
        if not _arrive(project, out, name, retry=options.retry):
            return 1
    return _summary(project, out, options.to)


def choose(project: Project, out: Console, number: str | None) -> DesiredModel | None:
    """The version to deploy; None where the gate refuses it now. Raises UserError where there is none."""
    with registry(project) as found:
        version = pick(found, number)
    if version.tags.get(GATE_TAG) is None:
        from mlops.deployment import qualify  # noqa: PLC0415 - imports slowly

        out.rule("gate", align="left")
        qualify.main(["--version", str(version.version)])
        with registry(project) as found:
            version = pick(found, str(version.version))
    if version.tags.get(GATE_TAG) == PASSED:
        return desired_of(project, version)
    name = f"{project.settings.slug} version {version.version}"
    why = version.tags.get("mlops.gate_refused", "")
    if number is not None:
        raise UserError(f"{name}: refused by the gate: {why}")
    with registry(project) as found:
        passed = [v for v in versions(found.client, found.model) if v.tags.get(GATE_TAG) == PASSED]
    if not passed:
        out.print(f"{name}: refused by the gate, and no other version has passed it", markup=False)
        return None
    out.print(f"{name}: refused by the gate: {why}", markup=False)
    out.print(f"version {passed[0].version} is the newest that passed", markup=False)
    return desired_of(project, passed[0])


def desired_of(project: Project, version: ModelVersion) -> DesiredModel:
    """What `model.yml` says of a packaged version."""
    return DesiredModel(
        model=project.settings.slug,
        version=str(version.version),
        digest=version.tags[PACKAGE_TAG],
        run=version.run_id or "",
        commit=version.tags.get("mlops.commit", "unknown"),
    )


def _promote(project: Project, out: Console, names: tuple[str, ...], desired: DesiredModel) -> None:
    """Write the environments' `model.yml` and commit them."""
    root = project.root.resolve()
    folders = [root / "environments" / name for name in names]
    changed = [folder / FILE for folder in folders if write_model_file(folder, desired)]
    # a call that was cut short may have written what no commit holds yet
    files = [folder / FILE for folder in folders]
    open_files = [path for path in files if not repository.is_committed(root, path)]
    if not open_files:
        return
    target = names[-1]
    note = promotion_note(project, desired)
    made = repository.commit(root, open_files, f"Deploy {desired} to {target}\n\n{note}".strip())
    out.print(f"Git    {made[:10]} Deploy {desired} to {target}", markup=False)
    audit_log.append(
        project.state,
        "promote",
        {
            "environment": target,
            "version": desired.version,
            "digest": desired.digest,
            "commit": made,
            "files": [path.relative_to(root).as_posix() for path in changed or open_files],
            "note": note,
            "by": provenance.author(root),
        },
    )


def promotion_note(project: Project, desired: DesiredModel) -> str:
    """Why the version was made, where its training told; empty where it did not."""
    with registry(project) as found:
        return pick(found, desired.version).tags.get(NOTE_TAG, "")


def _arrive(project: Project, out: Console, name: str, *, retry: bool) -> bool:
    """Reconcile an environment and put the model's tests to it; what fails is reverted."""
    out.rule(name, align="left")
    found = reconcile(project, name, lambda text: out.print(text, markup=False), retry)
    out.print(told(found), markup=False)
    chosen = environment(project, name)
    if found.state == "refused":
        _revert(project, out, chosen, found.reason)
        return False
    tested = {"event": "tested", "digest": found.desired.digest if found.desired else ""}
    if found.state == "unchanged" and any(
        tested.items() <= entry.items() for entry in history.events(project.state, name, "tested")
    ):
        out.print(f"{TESTS} passed here before")
        return True
    out.print(f"{TESTS} over HTTP:")
    if not run_tests(chosen):
        reason = f"the tests of the model fail against {name}"
        # it has served alone, but nobody shall come back to it as to one that held
        about = {"environment": name, "digest": tested["digest"], "reason": reason}
        audit_log.append(project.state, history.REFUSED, about)
        _revert(project, out, chosen, reason)
        return False
    audit_log.append(project.state, "tested", {"environment": name, "digest": tested["digest"]})
    return True


def run_tests(chosen: Environment) -> bool:
    """Put the model's tests to the environment's endpoint; whether they pass."""
    running = endpoint.find(chosen)
    if running is None:
        return False
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider", TESTS]
    with endpoint.own_key(chosen) as headers:
        key = headers.get("Authorization", "").removeprefix("Bearer ")
        variables = {**os.environ, URL: running.url, KEY: key}
        return subprocess.run(command, cwd=chosen.root, env=variables, check=False).returncode == 0


def _revert(project: Project, out: Console, chosen: Environment, reason: str) -> None:
    """Bring Git back to what served, so that nobody rolls the same model out again by accident."""
    try:
        before = revert(project, chosen, reason)
    except UserError as error:
        out.print(f"{chosen.name}: not reverted: {error}", markup=False)
        return
    out.print(f"{chosen.name}: Git is back to {before}", markup=False)
    again = reconcile(project, chosen.name, lambda text: out.print(text, markup=False))
    out.print(told(again), markup=False)


def _approved(project: Project, out: Console, target: Environment, desired: DesiredModel) -> bool:
    """Whether prod may get the model; asks on a terminal, and says how without one."""
    rules = target.settings.approval
    if not rules.required:
        return True
    package = target.packages / desired.digest
    if not is_whole(package, desired.digest):
        package = fetch(project, target.packages, desired)
    author = read_lineage(package).author
    found = approval.look(target.root, target.files, author, datetime.now(UTC))
    why = approval.refusal(desired, found, rules)
    if not why:
        return True
    out.rule("approval", align="left")
    out.print(f"{desired} may not go to {target.name} yet: {why}", markup=False)
    by, email = repository.person(target.root)
    is_author = not rules.author_may_approve and author.lower() in (by.lower(), email.lower())
    which = "" if target.name == PROD else f"{target.name} "
    if sys.stdin.isatty() and approval.may_approve(by, email, rules) and not is_author:
        reason = input(f"{by}, why may it? (nothing: not now) ").strip()
        if reason:
            approve(project, target, desired, reason)
            return True
    out.print(
        f"  nox -s approve -- {which}--reason '...'   by somebody who may approve\n"
        f"  nox -s deploy{' ' * len(which)}                      goes on from here",
        markup=False,
    )
    return False


def _summary(project: Project, out: Console, name: str) -> int:
    """Where it runs, and how to ask it."""
    chosen = environment(project, name)
    running = endpoint.find(chosen)
    desired = read_model_file(chosen.files)
    if running is None or desired is None:
        return 1
    out.rule("served", align="left")
    out.print(f"[green]{name}[/] serves {desired} at {running.url}", soft_wrap=True)
    out.print(f"page   {running.url}/docs\nstate  nox -s status", markup=False)
    rows = golden_rows(project.root, project.contract)
    if rows:
        body = json.dumps({"dataframe_records": rows[:1]})
        key = ""
        if read_keys(chosen.folder):
            key = " -H 'Authorization: Bearer KEY'"
        out.print(
            f"curl {running.url}/invocations -H 'Content-Type: application/json'{key} -d '{body}'",
            markup=False,
            soft_wrap=True,
        )
    return 0
