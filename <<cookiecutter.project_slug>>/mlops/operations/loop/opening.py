"""How a play begins: what was asked for, who plays, and what is told before anything happens."""

from __future__ import annotations

import argparse
import os

from rich.console import Console

from mlops.operations.loop import ground as places
from mlops.operations.loop import settings
from mlops.operations.loop.ground import Ground, Person
from mlops.operations.loop.rows import Shift, movable, parted, records, shift_column
from mlops.operations.loop.stage import Stage
from mlops.quality.assets import fetch
from mlops.quality.checks import load_checked
from mlops.quality.errors import UserError
from mlops.quality.project import ROOT, load_project

DEVIATIONS, SHARE, SEED = 5.0, 0.3, 32


def options_of(arguments: list[str]) -> argparse.Namespace:
    """The arguments of the command; raises UserError for a number that cannot be meant."""
    parser = argparse.ArgumentParser(
        prog="nox -s loop --",
        description="The whole loop on this machine, with no account: data, training, gate, stage, "
        "approval, prod, live traffic, an injected shift, detection, retraining, rollout, a worse model "
        "that is refused, a rollback. It plays in a clone of the last commit; your own history, models "
        "and endpoints are not touched.",
    )
    parser.add_argument(
        "--approver", metavar="'NAME <E-MAIL>'", default="", help="who approves (default: you)"
    )
    parser.add_argument("--keep", action="store_true", help="leave the clone and its servers up")
    parser.add_argument("--end", action="store_true", help="end what --keep left up")
    parser.add_argument("--rate", type=float, default=120.0, help="requests a second (120)")
    parser.add_argument("--column", help="what to shift (default: what says most of the label)")
    parser.add_argument(
        "--deviations", type=float, default=DEVIATIONS, help=f"by how much ({DEVIATIONS:g})"
    )
    parser.add_argument("--share", type=float, default=SHARE, help=f"of which rows ({SHARE:g})")
    parser.add_argument(
        "--seed", type=int, default=SEED, help=f"of the rows that are drawn ({SEED})"
    )
    options = parser.parse_args(arguments)
    if not (0 < options.share <= 1 and options.deviations > 0 and options.rate > 0):
        raise UserError("--share: expected 0 to 1; --deviations and --rate: more than 0")
    return options


def committer(approver: str) -> Person:
    """Who commits in the clone: who Git knows, or who approves where it knows nobody."""
    try:
        return places.known_person(ROOT)
    except UserError:
        if not approver:
            raise
        return places.person(approver)


def stage_of(
    ground: Ground, by: Person, approver: Person, options: argparse.Namespace, out: Console
) -> Stage:
    """The stage of a play: its clone with the loop's settings, and the shift that will be injected."""
    from model.data import label  # noqa: PLC0415 - the user's code, once it is needed

    project = load_project(ground.project)
    contract = project.contract
    table = load_checked(fetch(project.asset, project.state / "data"), contract)
    table = records(table, options.seed)
    column = options.column or shift_column(table, contract, label, options.deviations)
    if column not in movable(contract):
        known = ", ".join(movable(contract))
        raise UserError(f"--column {column}: expected an input that is a number: {known}")
    settings.change(ground.project)
    shift = Shift(column, options.deviations, options.share)
    before, after = parted(table, options.seed)
    return Stage(
        ground,
        project,
        by,
        approver,
        dict(os.environ),
        lambda line: out.print(line, markup=False),
        shift,
        len(before),
        len(after),
        rate=options.rate,
        seed=options.seed,
    )


def announce(out: Console, stage: Stage) -> None:
    """Say before anything happens what will be done, and what is not part of it."""
    ground = stage.ground
    out.print(f"plays in a clone of commit {ground.commit[:10]}: {ground.project}", markup=False)
    if ground.uncommitted:
        count = ground.uncommitted
        out.print(
            f"  {count} uncommitted changes are not part of it: commit them first to see them"
        )
    if names := places.unset(os.environ):
        out.print(f"  {', '.join(names)}: not used; the loop starts a server of its own")
    out.print(f"  a commit of its own, '{settings.MESSAGE}', in the clone alone:", markup=False)
    for line in settings.told():
        out.print(f"    {line}", markup=False)
    shift = stage.shift
    out.print(
        f"  the shift is injected: {shift.column} of {shift.share:.0%} of the rows by "
        f"{shift.deviations:g} standard deviations; everything that follows is measured",
        markup=False,
    )
