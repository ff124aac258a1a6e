"""What a pipeline shows of itself, on a terminal and elsewhere."""

from __future__ import annotations

import io
import re

from rich.console import Console

from mlops.training.pipeline import Event
from mlops.training.progress import Progress

RUN = [
    Event("split", "cached", "", 0.01),
    Event("left", "started"),
    Event("right", "started"),
    Event("left", "output", "[1] of left\n"),
    Event("right", "output", "of right"),
    Event("left", "finished", "", 2.0),
    Event("right", "failed", "exit code 1", 3.0),
]


def shown(events: list[Event], *, is_terminal: bool, width: int = 60) -> str:
    file = io.StringIO()
    console = Console(
        file=file,
        force_terminal=is_terminal,
        width=width,
        highlight=False,
        soft_wrap=True,
        _environ={"TERM": "xterm"},
    )
    with Progress(console) as progress:
        for event in events:
            progress.show(event)
    return file.getvalue()


def test_without_a_terminal_each_step_is_a_line_as_it_ends() -> None:
    assert shown([*RUN, Event("other", "ended", "", 1.0)], is_terminal=False).splitlines() == [
        "cached split       0.01 s  ",
        "ran    left        2.00 s  [1] of left",
        "failed right       3.00 s  ",
        "ended  other       1.00 s  ",
    ]


def test_a_terminal_shows_all_that_run_with_their_last_words() -> None:
    text = shown([*RUN[:5], Event("other", "cached")], is_terminal=True)
    last = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", text).split("cached other")[1].splitlines()
    assert [line for line in last if "left" in line and "[1] of left" in line]
    assert [line for line in last if "right" in line and "of right" in line]


def test_a_terminal_shows_no_longer_what_has_ended() -> None:
    text = shown([*RUN[:6], Event("other", "cached")], is_terminal=True)
    last = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", text).split("cached other")[1]
    assert "right" in last
    assert "left" not in last


def test_words_too_long_for_the_terminal_are_cut_and_names_are_not() -> None:
    events = [
        Event("left", "started"),
        Event("left", "output", "word " * 100),
        Event("other", "cached"),
    ]
    text = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", shown(events, is_terminal=True))
    last = text.split("cached other")[1].splitlines()
    assert [line for line in last if " left 0:00:00 word word" in line and "…" in line], last
    assert max(len(part) for line in text.splitlines() for part in line.split("\r")) <= 60
