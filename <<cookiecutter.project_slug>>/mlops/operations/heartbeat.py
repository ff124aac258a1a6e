"""`nox -s heartbeat`: notice a monitor that did not run. A monitor that stopped cannot tell it itself."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mlops.deployment.desired.environment import ENVIRONMENTS, PROD, environment
from mlops.deployment.desired.model_file import read_model_file
from mlops.operations.events.delivery import deliver_due
from mlops.operations.events.event import source_of
from mlops.operations.events.heartbeat import Pulse, allowed, last_beat, overdue, watch
from mlops.operations.events.outbox import emit
from mlops.operations.settings import read_operations
from mlops.operations.targets import Hearers, hearers
from mlops.operations.watch import beat_of
from mlops.quality.errors import UserError
from mlops.quality.project import ROOT, Project, load_project
from mlops.quality.terminal import console


def main(arguments: list[str]) -> int:
    """Look at the monitors' heartbeats; with `--check` 1 where one is late."""
    parser = argparse.ArgumentParser(
        prog="nox -s heartbeat --",
        description="Look when each environment was monitored last, and tell a staleness event where "
        "that is longer ago than its settings' monitoring.staleness.monitor and half of it. Have it "
        "run by another schedule than the monitor's.",
    )
    parser.add_argument(
        "environments",
        nargs="*",
        metavar="ENVIRONMENT",
        help=f"default: {PROD}, and others whose settings name monitoring.staleness.monitor",
    )
    parser.add_argument(
        "--state",
        type=Path,
        help="the folder .mlops of the machine that monitors, mounted or copied (default: this one's)",
    )
    parser.add_argument("--check", action="store_true", help="exit with 1 where a monitor is late")
    options = parser.parse_args(arguments)
    project = load_project(ROOT)
    for name in options.environments:
        if name not in ENVIRONMENTS:
            parser.error(f"there is no environment '{name}'")
    if options.state and not options.state.is_dir():
        raise UserError(f"--state {options.state}: there is no such folder")
    known = hearers(project)
    rhythms = expected(project, options.environments)
    pulses = look(project, rhythms, datetime.now(UTC), known, options.state or project.state)
    out = console()
    for name, pulse in pulses.items():
        out.print(f"{name}: {'LATE: ' if pulse.late else ''}{pulse.reason}", markup=False)
    if not pulses:
        out.print("nothing is to be monitored: no environment has a model and a rhythm")
    deliver_due(project.state, known.targets, datetime.now(UTC), give_up_days=known.give_up_days)
    return int(options.check and any(pulse.late for pulse in pulses.values()))


def expected(project: Project, asked: Sequence[str] = ()) -> dict[str, timedelta]:
    """How often each environment should be monitored.

    Without `asked`: prod, and others whose settings name a bound of their own, since nobody has to
    monitor those. An environment without a model in Git, or with the bound null, has no rhythm.
    """
    found = {}
    for name in asked or ENVIRONMENTS:
        chosen = environment(project, name)
        hours = read_operations(chosen, project.contract).monitoring.staleness.monitor
        own = chosen.settings.monitoring.get("staleness")
        is_meant = bool(asked) or name == PROD or (isinstance(own, dict) and "monitor" in own)
        if is_meant and hours is not None and read_model_file(chosen.files) is not None:
            found[name] = timedelta(hours=hours)
    return found


def look(
    project: Project, rhythms: dict[str, timedelta], now: datetime, known: Hearers, beats: Path
) -> dict[str, Pulse]:
    """The pulse of each environment's monitor; a silence is told once. `beats` holds the heartbeats."""
    source = source_of(project.settings.owner, project.settings.slug)
    found = {}
    for name, every in rhythms.items():
        beat = beat_of(name)
        found[name] = overdue(last_beat(beats, beat), every, now, allowed(every))
        event = watch(project.state, beat, every, now, source=source, environment=name, beats=beats)
        if event is not None:
            emit(project.state, event, known.of(name))
    return found
