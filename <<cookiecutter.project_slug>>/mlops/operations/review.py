"""`nox -s review`: which answers people shall look at, and what they say of them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from mlops.deployment.desired import repository
from mlops.deployment.desired.environment import ENVIRONMENTS, PROD, environment
from mlops.operations import review_person
from mlops.operations.experiments.review import Answer
from mlops.operations.experiments.review_queue import (
    Key,
    Queue,
    give_label,
    give_labels,
    read_queue,
)
from mlops.operations.experiments.review_value import asked, value_of
from mlops.operations.monitor import problem_and_split
from mlops.operations.monitoring.answered import kept_columns
from mlops.operations.pages.review import Asking, review_page
from mlops.operations.review_round import (
    Desk,
    Standing,
    hand_over,
    open_desk,
    standings,
    take,
    waiting,
)
from mlops.operations.review_table import read_given, write_queue
from mlops.operations.settings import read_operations
from mlops.operations.watch import opened
from mlops.quality.errors import UserError
from mlops.quality.project import ROOT, Project, load_project
from mlops.quality.tables import replace_text
from mlops.quality.terminal import console

PAGE = "review.html"
_TAKE = "take"


def main(arguments: list[str]) -> int:
    """Take answers into the queue, show it, or take what people say of them."""
    parser = _parser()
    if not arguments or arguments[0] not in (*_ACTIONS, "-h", "--help"):
        arguments = [_TAKE, *arguments]
    options = parser.parse_args(arguments)
    if options.action == "label" and (options.item is None) != (options.value is None):
        parser.error("label: give ID[:ROW] and the value, or neither and be asked")
    project, out, now = load_project(ROOT), console(), datetime.now(UTC)
    desk = open_named(project, options.environment, now)
    _ACTIONS[options.action](desk, out, options)
    if options.action != "export":
        _hand_over(desk, out)
    if getattr(options, "html", False):
        path = write_page(desk)
        out.print(f"page {path}", markup=False)
    return 0


def open_named(project: Project, name: str, now: datetime) -> Desk:
    """The desk of an environment of that name, with its window that ends now."""
    chosen = environment(project, name)
    settings = read_operations(chosen, project.contract)
    return open_desk(opened(project, chosen, settings, problem_and_split(chosen), now))


def write_page(desk: Desk) -> Path:
    """Write the queue as a page beside its file; returns where it lies."""
    path = desk.path.with_name(PAGE)
    name, contract = desk.place.environment.name, desk.place.project.contract
    about = Asking(name, contract, desk.labellers, derived=is_derived(desk))
    replace_text(path, review_page(_standings(desk), about, desk.place.now))
    return path


def is_derived(desk: Desk) -> bool:
    """Whether what the model learns is made from the contract's target, as far as its rows are here."""
    part = desk.reference.training
    if part is None:
        return False
    target = part.table[desk.reference.contract.target]
    return not bool((desk.place.problem.label(part.table).to_numpy() == target.to_numpy()).all())


def find_key(queue: Queue, text: str) -> Key:
    """The item that `ID` or `ID:ROW` names; raises UserError for none, and for several rows of one."""
    rows = sorted(row for request, row in queue.items if request == text)
    if len(rows) == 1:
        return text, rows[0]
    if rows:
        told = ", ".join(f"{text}:{row}" for row in rows)
        raise UserError(f"{text}: several rows of it are in the queue; say which: {told}")
    request, _, row = text.rpartition(":")
    if row.isascii() and row.isdigit() and (request, int(row)) in queue.items:
        return request, int(row)
    raise UserError(f"{text}: this is not in the review queue: nox -s review")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nox -s review --",
        description="Human review. Without an action, or with take: put the answers that the settings' "
        "review section names into the queue, and show what waits. label, export and import take what "
        "people say; what they agree on becomes a label of the environment.",
        epilog="nox -s review -- take --help, and so on, tells of an action's options.",
    )
    actions = parser.add_subparsers(dest="action", metavar="take | label | export | import")
    some = {"choices": ENVIRONMENTS[1:], "default": PROD, "help": f"default: {PROD}"}
    one = actions.add_parser(_TAKE, help="choose answers, and show what waits")
    one.add_argument("environment", nargs="?", **some)  # type: ignore[arg-type]
    one.add_argument("--html", action="store_true", help="write the queue as a page")
    one = actions.add_parser("label", help="say what is true; without arguments, be asked")
    one.add_argument("item", nargs="?", metavar="ID[:ROW]")
    one.add_argument("value", nargs="?", metavar="VALUE", help="of the contract's target")
    one.add_argument("--by", metavar="NAME", help="who says so; default: as Git knows you")
    one.add_argument("--note", default="", metavar="TEXT")
    one.add_argument("--in", dest="environment", **some)  # type: ignore[arg-type]
    one = actions.add_parser("export", help="write what waits as a table for a spreadsheet")
    one.add_argument("table", type=Path, metavar="FILE.csv")
    one.add_argument("--in", dest="environment", **some)  # type: ignore[arg-type]
    one = actions.add_parser("import", help="read labels back; nothing is taken where one is wrong")
    one.add_argument("table", type=Path, metavar="FILE.csv")
    one.add_argument("--by", required=True, metavar="NAME", help="who says so")
    one.add_argument("--in", dest="environment", **some)  # type: ignore[arg-type]
    return parser


def _take(desk: Desk, out: Console, _: argparse.Namespace) -> None:
    new = take(desk)
    _queue(desk, out)
    name = desk.place.environment.name
    out.print(f"{name}: {new} new in the queue {desk.path}", markup=False)
    for note in desk.window.notes():
        out.print(f"  note: {note}", markup=False)
    if kept := kept_columns(desk.reference.contract, "hashed", "never"):
        told = "not collected as it is, so the labels judge but nothing is learnt from them"
        out.print(f"  note: {', '.join(kept)}: {told}", markup=False)
    review_person.show_queue(out, _standings(desk), desk.labellers)
    _show_asked(desk, out)


def _label(desk: Desk, out: Console, options: argparse.Namespace) -> None:
    by = options.by or repository.person(desk.place.project.root)[0]
    if options.item is not None:
        key = find_key(_queue(desk, out), options.item)
        contract = desk.place.project.contract
        value = value_of(options.value, contract, f"{options.item}: {contract.target}")
        before = read_queue(desk.path).items[key]
        after = give_label(desk.path, key, value, by, desk.place.now, note=options.note)
        told = "said so already" if len(after.labels) == len(before.labels) else "says"
        out.print(f"{options.item}: {by} {told}: {contract.target} {value}", markup=False)
        return
    if not sys.stdin.isatty():
        raise UserError("there is no terminal to ask on: nox -s review -- label ID[:ROW] VALUE")
    round_of(desk, out, by)


def round_of(desk: Desk, out: Console, by: str, ask: Callable[[str], str] = input) -> int:
    """Ask a person for one label after the other; returns how many they gave."""
    found = waiting(_standings(desk), by)
    _show_asked(desk, out)

    def give(each: Standing, value: Answer) -> None:
        give_label(desk.path, each.key, value, by, datetime.now(UTC))

    number = review_person.ask_each(out, found, desk.place.project.contract, give, ask)
    out.print(f"{by} labelled {number} of {len(found)}", markup=False)
    return number


def _export(desk: Desk, out: Console, options: argparse.Namespace) -> None:
    found = waiting(_standings(desk))
    write_queue(options.table, found, desk.place.project.contract)
    out.print(f"{len(found)} wait for a label: {options.table}", markup=False)
    _show_asked(desk, out)


def _import(desk: Desk, out: Console, options: argparse.Namespace) -> None:
    contract, now = desk.place.project.contract, desk.place.now
    given = read_given(options.table, _queue(desk, out), contract, options.by, now)
    new = give_labels(desk.path, given)
    out.print(f"{len(given)} labels by {options.by}, {new} of them new", markup=False)


def _show_asked(desk: Desk, out: Console) -> None:
    out.print(f"asked for: {asked(desk.place.project.contract)}", markup=False)
    if is_derived(desk):
        told = "the model's label is made from it; the label alone is not enough to learn from"
        out.print(f"  {told}", markup=False)


def _hand_over(desk: Desk, out: Console) -> None:
    found = hand_over(desk)
    if len(found.table):
        name = desk.place.environment.name
        out.print(f"{len(found.table)} became labels of {name}", markup=False)
    for request, row in found.kept:
        told = "people say otherwise than what is known from elsewhere, which stays"
        out.print(f"  note: {request}:{row}: {told}", markup=False)


def _queue(desk: Desk, out: Console) -> Queue:
    queue = read_queue(desk.path)
    for number in queue.unreadable:
        out.print(f"  note: {desk.path}: line {number} cannot be read", markup=False)
    return queue


def _standings(desk: Desk) -> tuple[Standing, ...]:
    return standings(read_queue(desk.path), desk.labellers)


_ACTIONS: dict[str, Callable[[Desk, Console, argparse.Namespace], None]] = {
    _TAKE: _take,
    "label": _label,
    "export": _export,
    "import": _import,
}
