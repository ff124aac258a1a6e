"""How many steps may run at the same time: as many as there are processors to use."""

from __future__ import annotations

import argparse
import os
import sys


def usable_cpus() -> int:
    """The processors that this process may use, at least 1."""
    if sys.version_info >= (3, 13):
        return os.process_cpu_count() or 1
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def add_jobs_option(parser: argparse.ArgumentParser) -> None:
    """Let a command take `--jobs N`; None where it is not given."""
    parser.add_argument(
        "--jobs",
        type=_count,
        metavar="N",
        help="steps to run at the same time (default: one for each processor)",
    )


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, not '{text}'")
    return int(text)
