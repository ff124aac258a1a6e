"""The progress of a pipeline on the terminal: a line for each step, and what it does meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from mlops.training.pipeline import Event


class Progress:
    """Prints a line as each step ends; on a terminal, a spinner shows the step's last words."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None
        self._said = ""

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def show(self, event: Event, before: Callable[[str], None]) -> None:
        """Show one event of the runner; `before` is called with each step that is about to run."""
        if event.kind == "started":
            if self._console.is_terminal:
                self._status = self._console.status(f"[bold]{event.step}[/]")
                self._status.start()
            before(event.step)
        elif event.kind == "output":
            self._said = event.text.strip()
            if self._status:
                self._status.update(f"[bold]{event.step}[/] {escape(event.text.strip()[:100])}")
        else:
            self._stop()
            self._line(event)

    def _line(self, event: Event) -> None:
        marks = {
            "finished": "[green]ran[/]   ",
            "cached": "[blue]cached[/]",
            "failed": "[red]failed[/]",
        }
        said = self._said if event.kind == "finished" else ""
        seconds = f"{event.seconds:6.2f} s"
        self._console.print(f"{marks[event.kind]} {event.step:<9} {seconds}  {escape(said)}")
        self._said = ""

    def _stop(self) -> None:
        if self._status:
            self._status.stop()
            self._status = None
