"""A person's mistake: one clear line and exit code 2, never a traceback."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from typing import NoReturn


class UserError(Exception):
    """Something a person can put right; the message names the place and what was expected."""


def run_main(main: Callable[[list[str]], int]) -> NoReturn:
    """Run a command with the process's arguments and exit with its code.

    A `UserError`, and a file system that refuses, is printed as one line on standard error and
    exits with 2; Ctrl-C exits with 130.
    """
    try:
        code = main(sys.argv[1:])
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        code = 2
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        print(f"error: {place}{error.strerror or error}", file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        print("stopped: the next call goes on from here", file=sys.stderr)
        code = 130
    # what is left goes with the process: looking through it for garbage takes half a second
    gc.freeze()
    sys.exit(code)
