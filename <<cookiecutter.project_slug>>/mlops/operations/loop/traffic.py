"""The load process: `python -m mlops.operations.loop.traffic FOLDER`, live traffic until SIGTERM.

It asks prod's endpoint at a steady rate, records every answer in FOLDER, and gives the truth of a part
of them some seconds later. `shift.json` in FOLDER, replaced atomically, switches the shift on.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from mlops.deployment.desired.environment import PROD, Environment, environment
from mlops.deployment.serving import endpoint
from mlops.operations.loop import record
from mlops.operations.loop.calls import Caller
from mlops.operations.loop.record import ANSWERS, CONTROL, GIVEN, Answer
from mlops.operations.loop.rows import Row, Shift, Stream, parted, records
from mlops.operations.monitoring.labels import FOLDER, give_labels
from mlops.quality.assets import fetch
from mlops.quality.checks import load_checked
from mlops.quality.contract import Contract
from mlops.quality.errors import UserError, run_main
from mlops.quality.project import ROOT, load_project
from mlops.quality.strict import parse
from mlops.quality.tables import replace_text

# How often the answers are written down and the control file is looked at, in seconds.
FLUSH = 0.2
# How often truth is given, and how long after the answer at least, in seconds.
GIVE, LATE = 1.0, 1.0
# A load process that fell behind catches up with so many seconds of requests at most.
BEHIND = 1.0


def main(arguments: list[str]) -> int:
    """Ask until SIGTERM, or until the process that started this one has ended."""
    parser = argparse.ArgumentParser(prog="python -m mlops.operations.loop.traffic")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rate", type=float, default=120.0, help="requests a second")
    parser.add_argument(
        "--truth", type=float, default=0.5, help="share of the requests whose truth is told later"
    )
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    if not options.rate > 0 or not 0 <= options.truth <= 1:
        raise UserError("--rate: expected more than 0; --truth: expected 0 to 1")
    project = load_project(ROOT)
    table = load_checked(fetch(project.asset, project.state / "data"), project.contract)
    table = records(table, options.seed)
    prod = environment(project, PROD)
    load = Load(
        options.folder, prod, project.contract, streams(table, project.contract, options.seed)
    )
    ended = _asked_to_end()
    parent = os.getppid()
    load.run(options.rate, options.truth, lambda: bool(ended) or os.getppid() != parent)
    return 0


@dataclass(frozen=True)
class Streams:
    """The rows of which truth is told before the shift and after it, and the rest.

    Truth is told of each record once: those that are learnt from and those that judge are others.
    """

    before: Stream
    after: Stream
    rest: Stream


def streams(table: pd.DataFrame, contract: Contract, seed: int) -> Streams:
    """The streams of a load process; the same seed means the same rows in the same order."""
    one, other = parted(table, seed)
    return Streams(
        Stream(one, contract, seed),
        Stream(other, contract, seed + 1),
        Stream(table, contract, seed + 2),
    )


class Load:
    """Live traffic to an environment."""

    def __init__(
        self, folder: Path, prod: Environment, contract: Contract, streams: Streams
    ) -> None:
        self._folder, self._contract, self._streams = folder, contract, streams
        self._told = streams.before
        self._labels = prod.folder / FOLDER
        self._caller = Caller(lambda: address(prod))
        self._waiting: deque[tuple[float, str, object]] = deque()
        self._given, self._control = 0, ""
        self._untold = len(self._told)
        # ids of another run of this process must not be taken for these
        self._run = f"loop-{os.getpid()}"

    def run(self, rate: float, truth: float, is_over: Callable[[], bool]) -> None:
        """Ask at `rate` requests a second until it is over; the record is whole when this returns."""
        self._folder.mkdir(parents=True, exist_ok=True)
        number, due = 0, time.monotonic()
        flushed = given = due
        answers: list[Answer] = []
        with (self._folder / ANSWERS).open("a", encoding="utf-8") as file:
            try:
                while not is_over():
                    self._pause(due)
                    is_turn = int((number + 1) * truth) > int(number * truth)
                    answers.append(self._ask(number, labelled=is_turn and self._untold > 0))
                    number += 1
                    now = time.monotonic()
                    due = max(due + 1 / rate, now - BEHIND)
                    if now - flushed >= FLUSH:
                        record.write(file, answers)
                        answers, flushed = [], now
                        self._follow()
                    if now - given >= GIVE:
                        self._give(time.time() - LATE)
                        given = now
            finally:
                record.write(file, answers)
                self._caller.close()
                self._give(float("inf"))

    def _pause(self, due: float) -> None:
        wait = due - time.monotonic()
        if wait > 0:
            time.sleep(wait)

    def _ask(self, number: int, *, labelled: bool) -> Answer:
        row: Row = (self._told if labelled else self._streams.rest).next()
        answer = self._caller.ask(row, f"{self._run}-{number}", labelled=labelled)
        self._untold -= labelled
        if answer.labelled:
            self._waiting.append((answer.time, answer.request, row.target))
        return answer

    def _follow(self) -> None:
        """Take over what the control file says, where that is new."""
        path = self._folder / CONTROL
        said = path.read_text(encoding="utf-8") if path.is_file() else ""
        if said != self._control:
            self._control = said
            shift = read_shift(path)
            self._told = self._streams.after
            for stream in (self._told, self._streams.rest):
                stream.shift(shift)
            self._untold = len(self._told)

    def _give(self, until: float) -> None:
        """Tell the truth of what was answered before `until`, in seconds since 1970."""
        told = []
        while self._waiting and self._waiting[0][0] <= until:
            told.append(self._waiting.popleft())
        if not told:
            return
        names = {"request_id": [each[1] for each in told]}
        raw = pd.DataFrame({**names, self._contract.target: [each[2] for each in told]})
        give_labels(self._labels, raw, self._contract, now=datetime.now(UTC))
        self._given += len(told)
        replace_text(self._folder / GIVEN, json.dumps({"labels": self._given}) + "\n")


def write_shift(folder: Path, shift: Shift | None) -> None:
    """Switch a shift on, or off again, in the traffic of the load process of a folder."""
    text = json.dumps(asdict(shift) if shift else None)
    replace_text(folder / CONTROL, text + "\n")


def read_shift(path: Path) -> Shift | None:
    """The shift that a control file asks for; None without a file, or where it says null."""
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise UserError(f"{path}: not valid JSON") from None
    return None if values is None else parse(Shift, values, str(path))


def address(prod: Environment) -> tuple[str, int] | None:
    """Where an environment's endpoint listens; None where none runs."""
    found = endpoint.find(prod)
    return (found.host, found.running.port) if found else None


def _asked_to_end() -> list[int]:
    """A list that is no longer empty once this process is asked to end."""
    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _frame: asked.append(received))
    return asked


if __name__ == "__main__":
    run_main(main)
