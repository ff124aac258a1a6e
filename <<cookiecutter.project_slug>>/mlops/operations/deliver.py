"""`nox -s deliver`: deliver the events that wait, and show which do, for whom, and why."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table

from mlops.operations.events import outbox
from mlops.operations.events.delivery import deliver_due
from mlops.operations.events.outbox import Entry
from mlops.operations.events.settings import Target
from mlops.operations.targets import hearers
from mlops.quality.project import ROOT, load_project
from mlops.quality.terminal import console

# What waits longer was not held up by a short outage.
LONG = timedelta(hours=1)


@dataclass(frozen=True)
class Outbox:
    """What waits for one target. `oldest` is since when, `error` why the last attempt failed;
    `declared` says that the settings still name it.
    """

    target: str
    declared: bool
    waiting: int = 0
    given_up: int = 0
    oldest: datetime | None = None
    error: str = ""


def main(arguments: list[str]) -> int:
    """Deliver what is due; with `--check` 1 where something waits for long or was given up."""
    parser = argparse.ArgumentParser(
        prog="nox -s deliver --",
        description="Deliver the events that are due, and show what waits for each receiver.",
    )
    parser.add_argument(
        "--now", action="store_true", help="try also what waits for its next attempt"
    )
    parser.add_argument(
        "--again", action="store_true", help="put back first what was given up, and try it now"
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help=f"exit with 1 where something waits longer than {LONG.seconds // 60} min or was given up",
    )
    options = parser.parse_args(arguments)
    project = load_project(ROOT)
    known = hearers(project)
    out = console()
    if options.again:
        for target in known.targets:
            outbox.retry_failed(project.state, target.name)
    report = deliver_due(
        project.state,
        known.targets,
        datetime.now(UTC),
        give_up_days=known.give_up_days,
        at_once=options.now or options.again,
    )
    for attempt in report.attempts:
        said = f"{attempt.outcome.replace('_', ' ')}: {attempt.kind} to {attempt.target}"
        out.print(f"{said}: {attempt.reason}", markup=False)
    for name in report.busy:
        out.print(f"{name}: another process delivers at this moment", markup=False)
    for problem in report.problems:
        out.print(f"not read or written: {problem}", markup=False)
    found = outboxes(project.state, known.targets)
    show(out, found, datetime.now(UTC))
    wrong = [*held_up(found, datetime.now(UTC)), *report.problems]
    for reason in held_up(found, datetime.now(UTC)):
        out.print(reason, markup=False)
    return int(options.check and bool(wrong))


def outboxes(state: Path, targets: Sequence[Target]) -> tuple[Outbox, ...]:
    """What waits for each target: those of the settings, and those that were among them once."""
    counted = outbox.counted(state)
    declared = [each.name for each in targets]
    names = [*declared, *(name for name in counted if name not in declared)]
    return tuple(
        _outbox(state, name, name in declared, counted.get(name, (0, 0))) for name in names
    )


def held_up(found: Sequence[Outbox], now: datetime) -> tuple[str, ...]:
    """What a person should look at, in words: what waits longer than `LONG`, and what was given up."""
    said = []
    for each in found:
        if each.oldest and now - each.oldest > LONG:
            hours = (now - each.oldest) / timedelta(hours=1)
            said.append(f"{each.target}: {each.waiting} wait, the oldest for {hours:.1f} h")
        if each.given_up:
            said.append(f"{each.target}: {each.given_up} given up: nox -s deliver -- --again")
    return tuple(said)


def show(out: Console, found: Sequence[Outbox], now: datetime) -> None:
    """Print what waits as a table."""
    if not found:
        out.print("nobody hears of events: environments/*/settings.yml: events")
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("receiver", "waiting", "oldest", "given up", "last error"):
        table.add_column(heading, justify="right" if heading in ("waiting", "given up") else "left")
    for each in found:
        name = each.target if each.declared else f"{each.target} (no longer in the settings)"
        since = (
            f"{max(now - each.oldest, timedelta(0)) // timedelta(minutes=1)} min"
            if each.oldest
            else ""
        )
        error = each.error.replace("[", r"\[")
        table.add_row(name, str(each.waiting), since, str(each.given_up), error)
    out.print(table)


def _outbox(state: Path, name: str, declared: bool, counts: tuple[int, int]) -> Outbox:
    entries: list[Entry] = list(outbox.waiting(state, name))
    failing = [each for each in entries if each.reason]
    last = max(failing, key=lambda each: each.backoff.until, default=None)
    oldest = min((each.added for each in entries), default=None)
    return Outbox(
        name,
        declared,
        len(entries),
        counts[1],
        datetime.fromtimestamp(oldest, UTC) if oldest is not None else None,
        last.reason if last else "",
    )
