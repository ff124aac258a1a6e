"""`nox -s probe`: put the tests of the model to an environment's running endpoint."""

from __future__ import annotations

import argparse

from mlops.deployment import audit_log, history, rollback
from mlops.deployment.deploy import TESTS, run_tests
from mlops.deployment.desired.environment import ENVIRONMENTS, PROD, environment
from mlops.deployment.desired.model_file import read_model_file
from mlops.deployment.serving import endpoint
from mlops.deployment.serving.traffic import read_traffic
from mlops.quality.errors import UserError
from mlops.quality.project import ROOT, Project, load_project
from mlops.quality.terminal import console


def main(arguments: list[str]) -> int:
    """Test what an environment serves; 1 where a test fails."""
    parser = argparse.ArgumentParser(
        prog="nox -s probe --",
        description=f"Run {TESTS} against an environment's address, and log how that went. What "
        "fails is rolled back, as by nox -s rollback, and not rolled out again by itself.",
    )
    parser.add_argument(
        "environment", nargs="?", choices=ENVIRONMENTS[1:], default=PROD, help="default: prod"
    )
    options = parser.parse_args(arguments)
    project = load_project(ROOT)
    if probe(project, options.environment):
        return 0
    try:
        rollback.main([options.environment])
    except UserError as error:
        console().print(f"{options.environment}: not rolled back: {error}", markup=False)
    return 1


def probe(project: Project, name: str) -> bool:
    """Whether the tests pass against an endpoint that serves what Git says; raises UserError."""
    chosen = environment(project, name)
    desired = read_model_file(chosen.files)
    running = endpoint.find(chosen)
    if desired is None or running is None:
        raise UserError(f"{name}: nothing serves there to be tested: nox -s reconcile -- {name}")
    traffic = read_traffic(chosen.folder)
    serving = traffic.serving() if traffic else None
    if serving is None or serving.digest != desired.digest:
        raise UserError(f"{name} does not serve {desired} alone: nox -s reconcile -- {name}")
    about = {"environment": name, "digest": desired.digest}
    console().print(f"{TESTS} against {running.url}:", markup=False)
    if run_tests(chosen):
        audit_log.append(project.state, "tested", about)
        return True
    reason = f"the tests of the model fail against {name}"
    audit_log.append(project.state, history.REFUSED, {**about, "reason": reason})
    return False
