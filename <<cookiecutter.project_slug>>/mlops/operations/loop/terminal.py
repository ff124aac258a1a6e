"""The play on the terminal: a line for each act as it ends, and at the end the timeline and the figures."""

from __future__ import annotations

from datetime import datetime

from rich.console import Console
from rich.status import Status
from rich.table import Table
from rich.text import Text

from mlops.operations.loop import record
from mlops.operations.loop.story import Act, Story

_STYLES = {"good": "green", "bad": "red", "open": "yellow", "note": "dim"}


class Telling:
    """Prints acts as they go; on a terminal, the act under way has a spinner with its last words."""

    def __init__(self, console: Console, began: datetime) -> None:
        self._console, self._began = console, began
        self._status: Status | None = None
        self._title = ""

    def begins(self, title: str) -> None:
        """An act begins."""
        self._title = title
        if self._console.is_terminal:
            self._status = self._console.status(Text(title, style="bold"))
            self._status.start()

    def says(self, line: str) -> None:
        """A line of a command that matters."""
        self._console.print(Text(f"           {line}", style="dim"))
        if self._status:
            self._status.update(Text.assemble((self._title, "bold"), f"  {line[:60]}"))

    def ends(self, act: Act) -> None:
        """An act has ended."""
        self.stop()
        after = (act.end - self._began).total_seconds()
        mark = ("ok    ", "green") if act.outcome == "done" else ("FAILED", "bold red")
        line = Text.assemble(f"{after:6.1f} s  ", mark, " ", (act.title, "bold"))
        line.append(f"  ({act.seconds:.1f} s)  {act.why}")
        self._console.print(line)

    def stop(self) -> None:
        """No act is under way any more."""
        if self._status:
            self._status.stop()
            self._status = None


def show(console: Console, story: Story) -> None:
    """The timeline as a table, and the figures of the whole play."""
    began = story.acts[0].start if story.acts else None
    table = Table(box=None, pad_edge=False, title="What happened, and why", title_justify="left")
    for heading in ("after", "where", "what", "why"):
        table.add_column(heading, justify="right" if heading == "after" else "left")
    for each in story.moments:
        after = f"{(each.time - began).total_seconds():.1f} s" if began else ""
        what = Text(each.what, style=_STYLES[each.level])
        table.add_row(after, each.environment or "-", what, Text(_cut(each.text)))
    console.print()
    console.print(table)
    console.print()
    for name, value in figures(story):
        console.print(Text.assemble((f"{name:<9}", "bold"), value))


def figures(story: Story) -> tuple[tuple[str, str], ...]:
    """The whole play in figures, from the load's own record."""
    answers = story.answers
    lost = len(record.failed(answers))
    steps = [each for each in record.seconds(answers) if each.p99 is not None]
    worst = max((each.p99 for each in steps if each.p99 is not None), default=0.0)
    took = sorted(each.latency_ms for each in answers if not each.failed)
    middle = f"{took[len(took) // 2]:.1f} ms" if took else "not known"
    parts = ", ".join(
        f"version {each} answered {count:,}" for each, count in record.versions(answers).items()
    )
    return (
        ("requests", f"{len(answers):,}; {parts or 'nobody asked'}"),
        ("failed", f"{lost:,}"),
        ("latency", f"{middle} in the middle; 99% within {worst:.1f} ms in the worst second"),
        ("time", f"{story.seconds:.0f} s in {len(story.acts)} acts"),
    )


def _cut(text: str, most: int = 110) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."
