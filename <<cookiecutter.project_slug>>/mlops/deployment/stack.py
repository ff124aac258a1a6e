"""`nox -s up` and `nox -s down` from Level 3 on: the MLflow server and every endpoint that Git asks for."""

from __future__ import annotations

import argparse

from mlops.deployment.desired.environment import ENVIRONMENTS, Environment, environment
from mlops.deployment.desired.model_file import read_model_file
from mlops.deployment.desired.settings import Sections
from mlops.deployment.reconcile import reconcile, told
from mlops.deployment.serving import endpoint
from mlops.quality.project import ROOT, load_project
from mlops.quality.terminal import console
from mlops.training import tracking


def main_up(arguments: list[str]) -> int:
    """Start what is not running; 1 where an environment is not as Git says."""
    parser = argparse.ArgumentParser(
        prog="nox -s up --",
        description="Start the project's own MLflow server and the endpoints that Git asks for, or "
        "find the running ones, and print their addresses.",
    )
    parser.parse_args(arguments)
    tracking.main_up([])
    project = load_project(ROOT)
    out = console()
    code = 0
    for name in ENVIRONMENTS[1:]:
        if read_model_file(environment(project, name).files) is None:
            continue
        found = reconcile(project, name, lambda text: out.print(text, markup=False))
        out.print(told(found), markup=False)
        code = code or int(found.state == "refused")
    return code


def main_down(arguments: list[str]) -> int:
    """End every endpoint, requests under way first, and the MLflow server."""
    parser = argparse.ArgumentParser(
        prog="nox -s down --",
        description="End the project's endpoints and its own MLflow server. What they stored stays.",
    )
    parser.parse_args(arguments)
    for name in ENVIRONMENTS:
        # whatever its settings say now: what runs shall end
        if endpoint.stop(Environment(name, ROOT.resolve(), Sections())):
            print(f"the endpoint of {name} has ended")
    return tracking.main_down([])
