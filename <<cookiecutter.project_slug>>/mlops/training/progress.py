"""The progress of a pipeline on the terminal: a line for each step, and what it does meanwhile."""

from __future__ import annotations

from types import TracebackType

from rich import progress
from rich.console import Console
from rich.markup import escape
from rich.table import Column

from mlops.training.pipeline import Event

_MARKS = {
    "finished": "[green]ran[/]   ",
    "cached": "[blue]cached[/]",
    "failed": "[red]failed[/]",
    "ended": "[yellow]ended[/] ",
}


class Progress:
    """Prints a line as each step ends.

    Below them, on a terminal, each step at work has a spinner, its time and its last words.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._said: dict[str, str] = {}
        self._lines: dict[str, progress.TaskID] = {}
        self._live = progress.Progress(
            progress.SpinnerColumn(),
            progress.TextColumn("[bold]{task.description}[/]"),
            progress.TimeElapsedColumn(),
            progress.TextColumn(
                "{task.fields[said]}",
                markup=False,
                table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1),
            ),
            console=console,
            transient=True,
            expand=True,  # the last column is cut, not the names
            disable=not console.is_terminal,
        )

    def __enter__(self) -> Progress:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def show(self, event: Event) -> None:
        """Show one event of the runner."""
        if event.kind == "started":
            self._lines[event.step] = self._live.add_task(event.step, total=None, said="")
        elif event.kind == "output":
            self._said[event.step] = said = event.text.strip()
            self._live.update(self._lines[event.step], said=said)
        else:
            if event.step in self._lines:
                self._live.remove_task(self._lines.pop(event.step))
                self._live.refresh()  # not a tenth of a second later, below the line that tells it
            self._line(event)

    def _line(self, event: Event) -> None:
        said = self._said.pop(event.step, "") if event.kind == "finished" else ""
        seconds = f"{event.seconds:6.2f} s"
        self._console.print(f"{_MARKS[event.kind]} {event.step:<9} {seconds}  {escape(said)}")
