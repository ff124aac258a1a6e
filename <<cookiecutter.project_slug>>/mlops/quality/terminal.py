"""The console that every command prints to."""

from __future__ import annotations

import sys

from rich.console import Console

# Where output goes to a file or a pipe there is no window to fit into.
_PIPE_WIDTH = 160


def console() -> Console:
    """A console as wide as the window, or wide enough for a table where there is none."""
    return Console(
        highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _PIPE_WIDTH
    )
