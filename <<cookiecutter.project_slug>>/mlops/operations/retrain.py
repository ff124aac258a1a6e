"""`nox -s retrain`: measure, decide by the policy, and train, judge and promote where it says so."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import get_args

import filelock
from rich.console import Console

from mlops.deployment import audit_log
from mlops.deployment.desired import repository
from mlops.deployment.desired.environment import ENVIRONMENTS, PROD, environment
from mlops.operations import candidacy
from mlops.operations.follow import what_follows
from mlops.operations.mending import call_a_person, mend
from mlops.operations.monitor import Came, monitor, place, problem_and_split, show
from mlops.operations.new_data import NewData, declare_data
from mlops.operations.package_watch import Place
from mlops.operations.retraining.cause import Data, Signal, Trigger
from mlops.operations.retraining.history import begin, end, history_of
from mlops.operations.retraining.policy import Decision
from mlops.operations.settings import Operations, read_operations
from mlops.operations.situation import remedy_for
from mlops.operations.watch import opened
from mlops.quality.errors import UserError
from mlops.quality.project import ROOT, Project, load_project
from mlops.quality.terminal import console
from mlops.training import provenance

LOCK = "retraining.lock"
_ASKED: tuple[Trigger, ...] = ("person", "code", "data")


def main(arguments: list[str]) -> int:
    """Retrain where the policy says so; 0 where nothing is to be done or it arrived."""
    parser = argparse.ArgumentParser(
        prog="nox -s retrain --",
        description="Measure what an environment served, and decide by its settings what helps: going "
        "back, training anew, or a person. To train anew: declare labelled recent rows as data, train, "
        "compare with the champion on the latest of them, and promote. Exits with 0 where nothing asks "
        "for it or the model arrived, 3 where it waits for its approval, 1 where it was refused.",
    )
    parser.add_argument(
        "environment", nargs="?", choices=ENVIRONMENTS[1:], default=PROD, help=f"default: {PROD}"
    )
    parser.add_argument("--because", metavar="TEXT", help="ask for it, whatever was measured")
    parser.add_argument(
        "--trigger",
        choices=_ASKED,
        default="person",
        help="who asks by --because (default: person)",
    )
    parser.add_argument("--data", choices=get_args(Data), help="what to learn from")
    parser.add_argument(
        "--no-deploy", action="store_true", help="end at the gate: nox -s promote asks for stage"
    )
    parser.add_argument("--dry-run", action="store_true", help="decide, and do nothing")
    options = parser.parse_args(arguments)
    if options.data and not options.because:
        parser.error("--data: say why as well: --because '...'")
    project = load_project(ROOT)
    repository.require_repository(project.root)
    ask = Ask(options.because, options.trigger, options.data) if options.because else None
    how = How(dry_run=options.dry_run, deploys=not options.no_deploy)
    return retrain(project, console(), options.environment, ask, how)


@dataclass(frozen=True)
class Ask:
    """Somebody's call for a retraining: why, who calls, and what to learn from, None as declared."""

    because: str
    trigger: Trigger = "person"
    data: Data | None = None


@dataclass(frozen=True)
class How:
    """How far it goes: `dry_run` only decides, without `deploys` it ends at the gate."""

    dry_run: bool = False
    deploys: bool = True


FULLY = How()


def retrain(
    project: Project, out: Console, name: str, ask: Ask | None = None, how: How = FULLY
) -> int:
    """Measure an environment, decide, and carry it out; returns what the command exits with.

    Raises UserError where another one is under way, and what a failed step raises.
    """
    now = datetime.now(UTC)
    settings = read_operations(environment(project, name), project.contract)
    asked: tuple[Signal, ...] = ()
    if ask:
        asked = (_signal(ask, provenance.author(project.root), now),)
        settings = _on(settings, ask)
    with _alone(project):
        _bury(project, name)
        came = monitor(project, name, now)
        show(out, came, place(project, name))
        chosen = environment(project, name)
        where = opened(project, chosen, settings, problem_and_split(chosen), came.watched.now)
        if ask is None:
            helps = remedy_for(where, came.watched)
            _tell(out, f"remedy {helps.action.replace('_', ' ')}: {helps.rule}", helps.reasons)
            if helps.action not in ("retrain", "nothing"):
                return 0 if how.dry_run else mend(project, out, came.watched, helps, settings)
        decision = what_follows(project, came.watched, settings, asked)
        said = f"policy {decision.action.replace('_', ' ')}: {decision.rule}"
        _tell(out, said, decision.reasons)
        if how.dry_run or decision.action in ("wait", "nothing"):
            return 0
        if decision.action == "call_a_person":
            why = (decision.rule, decision.reasons)
            call_a_person(project, settings, came.watched, decision.topic, why)
            return 0
        return _carry_out(where, out, came, decision, deploys=how.deploys)


def _tell(out: Console, decided: str, reasons: Sequence[str]) -> None:
    for reason in reasons:
        out.print(f"  {reason}", markup=False)
    out.print(decided, markup=False)


def _carry_out(where: Place, out: Console, came: Came, decision: Decision, *, deploys: bool) -> int:
    """Carry a decision out, and log that it began and how it ended."""
    project, cause = where.project, decision.cause
    assert cause is not None  # noqa: S101 - a decision to retrain has one
    name, serving = came.watched.environment, came.watched.serving
    champion = serving.deployment.digest if serving else ""
    begun = begin(project.state, cause, decision.signals, champion, came.watched.now)
    try:
        out.rule("data", align="left")
        data = declare_data(where, cause)
        _show_data(out, data)
        ended = candidacy.stand(project, out, cause, data, deploys=deploys)
    except BaseException as error:
        said = str(error) or type(error).__name__
        end(project.state, begun, "failed", name, said.splitlines()[0][:500])
        raise
    end(project.state, begun, ended.outcome, name, ended.reason)
    colour = "green" if ended.outcome == "won" else "red"
    out.print(f"[{colour}]{ended.outcome}[/] version {ended.version}: ", end="")
    out.print(ended.reason, markup=False)
    return ended.code


def _show_data(out: Console, data: NewData) -> None:
    out.print(f"learns from {data.rows:,} rows: {data.learnt.name}", markup=False)
    out.print(f"is judged by {data.judging:,} later rows: {data.judge.name}", markup=False)
    for note in data.notes:
        out.print(f"  note: {note}", markup=False)
    out.print(f"Git    {data.commit[:10]} declares both", markup=False)


def _signal(ask: Ask, author: str, now: datetime) -> Signal:
    by = author if ask.trigger == "person" else ""
    return Signal(f"{ask.trigger}-{uuid.uuid4()}", ask.trigger, now, reasons=(ask.because,), by=by)


def _on(settings: Operations, ask: Ask) -> Operations:
    """The settings with what was asked to learn from."""
    if ask.data is None:
        return settings
    policy = settings.retraining
    changed = dataclasses.replace(policy, data={**policy.data, ask.trigger: ask.data})
    return dataclasses.replace(settings, retraining=changed)


@contextlib.contextmanager
def _alone(project: Project) -> Iterator[None]:
    """Decide and train with nobody else; a process that dies lets go of it."""
    project.state.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(project.state / LOCK, timeout=0):
            yield
    except filelock.Timeout:
        raise UserError(f"{project.state / LOCK}: another retraining is under way") from None


def _bury(project: Project, name: str) -> None:
    """Say of what runs by the log that it failed: nobody holds the lock, so its process died."""
    for entry in history_of(audit_log.entries(project.state), name):
        if entry.outcome == "running":
            why = "its process ended before it did"
            end(project.state, entry, "failed", name, why)
