"""`nox -s history`: what served in an environment, at a moment or over time."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Mapping
from datetime import UTC, datetime

from mlops.deployment import history
from mlops.deployment.desired.environment import ENVIRONMENTS, PROD, environment
from mlops.deployment.history import Served
from mlops.quality.errors import UserError
from mlops.quality.project import ROOT, Project, load_project
from mlops.quality.terminal import console


def main(arguments: list[str]) -> int:
    """Show what served; 1 where nothing did."""
    parser = argparse.ArgumentParser(
        prog="nox -s history --",
        description="Show from the audit log what served: in which shares, approved by whom, from "
        "which run, commit and data.",
    )
    parser.add_argument(
        "environment", nargs="?", default=PROD, help=f"of {', '.join(ENVIRONMENTS)} (default: prod)"
    )
    parser.add_argument(
        "--at", metavar="TIME", help="one moment, such as 2026-05-03 or 2026-05-03T14:00 (UTC)"
    )
    parser.add_argument("--json", action="store_true", help="for machines")
    options = parser.parse_args(arguments)
    project = load_project(ROOT)
    name = environment(project, options.environment).name
    if options.at:
        one = history.at(project.state, name, moment(options.at))
        found = [one] if one else []
    else:
        found = history.served(project.state, name)
    told = [tell(project, name, each) for each in found]
    if options.json:
        print(json.dumps(told, indent=1))
    else:
        out = console()
        for each in told:
            out.print(as_text(each), markup=False)
        if not told:
            out.print(f"nothing served in {name}" + (f" at {options.at}" if options.at else " yet"))
    return int(not told)


def moment(text: str) -> datetime:
    """A moment in ISO 8601, in UTC where it names no zone; a day is its end."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(f"--at {text}: expected a time such as 2026-05-03T14:00") from None
    if len(text) == len("2026-05-03"):
        found = found.replace(hour=23, minute=59, second=59, microsecond=999999)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def tell(project: Project, name: str, each: Served) -> dict[str, object]:
    """One change of the traffic with what is known of each package in it."""
    deployments = []
    for deployed in each.deployments:
        entry = history.deployed(project.state, name, deployed.digest) or {}
        keys = ("run", "commit", "data", "data_digest", "trained_by", "approved_by", "approved_at")
        about: Mapping[str, object] = {key: entry.get(key, "") for key in keys}
        deployments.append({**dataclasses.asdict(deployed), **about})
    return {
        "time": each.time,
        "followed": each.followed,
        "revision": each.revision,
        "cause": each.cause,
        "by": each.by,
        "deployments": deployments,
    }


def as_text(told: dict[str, object]) -> str:
    """A change as lines."""
    time = str(told["time"])[:19].replace("T", " ")
    lines = [f"{time}  {told['cause']} (by {told['by']})"]
    if not told["followed"]:
        lines.append("  not confirmed: the log does not say that every worker followed")
    deployments = told["deployments"]
    assert isinstance(deployments, list)  # noqa: S101 - made above
    for each in deployments:
        share = f"{each['share']:.0%}" + (
            f" and {each['mirror']:.0%} copies" if each["mirror"] else ""
        )
        lines.append(f"  {share:>5}  version {each['version']}  {each['digest'][:12]}")
        if each["run"]:
            lines.append(
                f"         run {each['run']}  commit {each['commit'][:10]}  data {each['data']}"
                f"  trained by {each['trained_by']}"
            )
        if each["approved_by"]:
            lines.append(f"         approved by {each['approved_by']} at {each['approved_at']}")
    if not deployments:
        lines.append("  nothing")
    return "\n".join(lines)
