"""`nox -s status`: for each environment what Git asks for, what serves, and whether they differ."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from mlops.deployment import history
from mlops.deployment.desired.environment import ENVIRONMENTS, environment
from mlops.deployment.desired.model_file import DesiredModel, read_model_file
from mlops.deployment.packaging.package import changes
from mlops.deployment.rollout.stages import options as serving_options
from mlops.deployment.serving import endpoint
from mlops.deployment.serving.traffic import Deployment, Traffic, read_traffic
from mlops.quality.errors import UserError
from mlops.quality.project import ROOT, Project, load_project
from mlops.quality.terminal import console


@dataclass(frozen=True)
class Status:
    """One environment. `differences` are a line each; none where all is as Git says."""

    environment: str
    desired: DesiredModel | None
    traffic: tuple[Deployment, ...] = ()
    health: str = ""
    url: str = ""
    approver: str = ""
    since: str = ""
    differences: tuple[str, ...] = field(default=())


def main(arguments: list[str]) -> int:
    """Show every environment; with `--check` 1 where one differs from Git."""
    parser = argparse.ArgumentParser(
        prog="nox -s status --",
        description="Show what each environment shall serve, what it serves, and since when.",
    )
    parser.add_argument("--check", action="store_true", help="exit with 1 on any difference")
    parser.add_argument("--json", action="store_true", help="for machines")
    chosen = parser.parse_args(arguments)
    project = load_project(ROOT)
    found = [look(project, name) for name in ENVIRONMENTS[1:]]
    if chosen.json:
        print(json.dumps([dataclasses.asdict(each) for each in found], indent=1))
    else:
        show(console(), found)
    return int(chosen.check and any(each.differences for each in found))


def look(project: Project, name: str) -> Status:
    """One environment's status; what cannot be read is a difference."""
    try:
        chosen = environment(project, name)
        desired = read_model_file(chosen.files)
    except UserError as error:
        return Status(name, None, differences=(str(error),))
    try:
        traffic = read_traffic(chosen.folder)
    except UserError as error:
        return Status(name, desired, differences=(str(error),))
    running = endpoint.find(chosen)
    health = endpoint.is_ready(running) or "ready" if running else "not running"
    entry = history.deployed(project.state, name, _serving_digest(traffic))
    found: list[str] = []
    if desired is None:
        if running:
            found.append("Git names no model, but the endpoint runs")
    else:
        found += _differences(desired, traffic)
        if traffic and traffic.options != serving_options(chosen.settings.serving):
            found.append("settings.yml is not taken over yet")
        if health != "ready":
            found.append(f"the endpoint: {health}")
        if running:
            if why := endpoint.is_elsewhere(running, chosen.settings.serving):
                found.append(why)
            there, wanted = len(endpoint.workers(running)), chosen.settings.serving.workers
            if there != wanted:
                found.append(f"{there} workers, expected {wanted}")
            found += [each.error for each in endpoint.following(running) if each.error]
        for each in traffic.deployments if traffic else ():
            found += _package(chosen.packages / each.digest, each.digest)
        if why := history.refused(project.state, name, desired.digest):
            found.append(f"put back: {why}")
    return Status(
        name,
        desired,
        traffic.deployments if traffic and running else (),
        health if running or desired else "",
        running.url if running else "",
        _text(entry, "approved_by"),
        _text(entry, "time"),
        tuple(found),
    )


def show(out: Console, found: list[Status]) -> None:
    """Print the environments as a table, and what differs."""
    table = Table(title="Environments", title_justify="left")
    for heading in (
        "environment",
        "Git asks for",
        "serves",
        "health",
        "approved by",
        "since",
        "at",
    ):
        table.add_column(heading)
    for each in found:
        traffic = "\n".join(_share(deployed) for deployed in each.traffic)
        asked = f"v{each.desired.version} {each.desired.digest[:12]}" if each.desired else "nothing"
        mark = "[yellow]![/] " if each.differences else ""
        table.add_row(
            f"{mark}{each.environment}",
            asked,
            traffic or "nothing",
            each.health,
            each.approver.replace("[", r"\["),
            each.since[:19],
            each.url,
        )
    out.print(table)
    for each in found:
        for line in each.differences:
            out.print(f"{each.environment}: {line}", markup=False)
    if any(each.differences for each in found):
        out.print("`nox -s reconcile` brings what serves in line with Git")


def _differences(desired: DesiredModel, traffic: Traffic | None) -> list[str]:
    if traffic is None or not traffic.deployments:
        return [f"nothing is deployed, Git asks for {desired}"]
    if traffic.rollout:
        return [f"a rollout is under way, or was cut short, at stage {traffic.rollout.stage + 1}"]
    found = []
    for each in traffic.deployments:
        wanted = 1.0 if each.digest == desired.digest else 0.0
        if each.share != wanted:
            what = f"version {each.version} ({each.digest[:12]})"
            found.append(f"{what} gets {each.share:.0%} of the traffic, Git says {wanted:.0%}")
        if each.mirror:
            found.append(f"version {each.version} gets copies, though no rollout is under way")
    if desired.digest not in {each.digest for each in traffic.deployments}:
        found.append(f"{desired} is not deployed")
    return found


def _package(folder, digest: str) -> list[str]:  # type: ignore[no-untyped-def]
    try:
        return [f"package {digest[:12]}: {line}" for line in changes(folder, digest)]
    except UserError as error:
        return [str(error)]


def _serving_digest(traffic: Traffic | None) -> str:
    serving = traffic.serving() if traffic else None
    return serving.digest if serving else ""


def _text(entry: Mapping[str, object] | None, key: str) -> str:
    return str(entry.get(key, "")) if entry else ""


def _share(each: Deployment) -> str:
    copies = f", {each.mirror:.0%} copies" if each.mirror else ""
    warm = " (warm)" if not each.share and not each.mirror else f" {each.share:.0%}{copies}"
    return f"v{each.version} {each.digest[:12]}{warm}"
