"""What every act has: the project's commands, the load process, and the records it is judged by."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NoReturn

from mlops.operations.loop import processes, record, witness
from mlops.operations.loop.ground import Ground, Person, environment
from mlops.operations.loop.processes import Command
from mlops.operations.loop.record import ANSWERS, Answer
from mlops.operations.loop.rows import Shift
from mlops.operations.loop.witness import Entry, Figure, Marked
from mlops.quality.project import Project

# No command of the loop takes so long, even on a busy machine.
TIMEOUT = 900.0
# The lines of a command's output that tell what came of it.
_TELLING = re.compile(
    r"^(registered|passed|refused|approved|won|lost|policy|event|stage \d|put back|"
    r"learns from|is judged by|error:)|drift: found|^(holds|BROKEN) |is now as Git says|: back to "
    r"|may not go to| passed\b.* in |^version |REFUSED"
)
_LONGEST = 150


class ActFailed(Exception):  # noqa: N818 - it is the act that failed, not the code
    """Something did not happen as the loop expects; the message says what."""


@dataclass
class Stage:
    """The play under way. `say` tells the person a line of a command that matters."""

    ground: Ground
    project: Project
    by: Person
    approver: Person
    variables: Mapping[str, str]
    say: Callable[[str], None]
    shift: Shift
    # of how many records the load process tells the truth before the shift, and after it
    told_before: int
    told_after: int
    rate: float = 120.0
    seed: int = 0
    timeout: float = TIMEOUT
    load: subprocess.Popen[bytes] | None = None
    figures: list[Figure] = field(default_factory=list)
    # the versions in the order in which they came, by which acts speak of them
    versions: list[str] = field(default_factory=list)
    act: str = "loop"

    def command(self, verb: str, *words: str, by: Person | None = None) -> Ended:
        """Run one of the project's commands in the clone, as that person."""
        lines: list[str] = []

        def heard(line: str) -> None:
            lines.append(line)
            if _TELLING.search(line.strip()):
                self.say(line.strip()[:_LONGEST])

        since = witness.mark(self.ground.state)
        command = self._command([*verb.split(), *words], by or self.by, self.act)
        code = processes.run(command, self.timeout, heard)
        if code is None:
            raise ActFailed(f"{verb} did not end within {self.timeout:.0f} s")
        return Ended(verb, code, tuple(lines), since)

    def _command(self, words: Sequence[str], by: Person, log: str) -> Command:
        """One of the clone's modules, run by the interpreter that runs this one."""
        return Command(
            [sys.executable, "-m", *words],
            self.ground.project,
            environment(by, self.variables),
            self.ground.logs / f"{log}.log",
        )

    def begin_load(self) -> None:
        """Start the load process; it goes on until `end_load`."""
        words = ["mlops.operations.loop.traffic", str(self.ground.load)]
        words += ["--rate", f"{self.rate:g}", "--seed", str(self.seed)]
        self.load = processes.start(self._command(words, self.by, "load"))

    def end_load(self) -> int | None:
        """End the load process, which writes down what it has; its exit code."""
        return processes.stop(self.load) if self.load is not None else None

    def answers(self) -> tuple[Answer, ...]:
        """What the load process has recorded until now."""
        return record.read(self.ground.load / ANSWERS)

    def wait(self, what: str, is_so: Callable[[], bool], seconds: float = 120.0) -> None:
        """Return once something is so; raises ActFailed where it is not within so many seconds."""
        end = time.monotonic() + seconds
        while not is_so():
            if self.load is not None and self.load.poll() is not None:
                raise ActFailed(f"the load process has ended: {self.ground.logs / 'load.log'}")
            if time.monotonic() > end:
                raise ActFailed(f"{what}: not within {seconds:.0f} s")
            time.sleep(0.2)

    def entries(self, since: Marked, event: str, **facts: object) -> list[Entry]:
        """The entries of the audit log since then that are of that kind and tell these facts."""
        return witness.entries(self.ground.state, since, event, **facts)

    def look(self) -> tuple[Figure, ...]:
        """The figures of the monitor's last run, kept for the end."""
        found = witness.watched(self.ground.state)
        self.figures += [each for each in found if each not in self.figures]
        return found


@dataclass(frozen=True)
class Ended:
    """A command that has ended, what it printed, and where the logs ended when it began."""

    verb: str
    code: int
    lines: tuple[str, ...]
    since: Marked

    def expect(self, *codes: int) -> None:
        """Raise ActFailed for another exit code, with the last words."""
        if self.code not in codes:
            wanted = " or ".join(map(str, codes))
            said = next((line for line in reversed(self.lines) if line.strip()), "it said nothing")
            raise ActFailed(f"{self.verb} exited with {self.code}, expected {wanted}: {said}")


def fail(why: str) -> NoReturn:
    """Say that an act did not come out as the loop expects."""
    raise ActFailed(why)


def expect(holds: object, why: str) -> None:
    """Raise ActFailed unless something holds."""
    if not holds:
        fail(why)


def now() -> datetime:
    """The moment, in UTC."""
    return datetime.now(UTC)
