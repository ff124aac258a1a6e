"""Around a command: whatever came of it, what is new is told when it ends."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from mlops.quality.errors import UserError
from mlops.quality.project import ROOT, load_project
from mlops.training.pipeline import StepFailed


@contextmanager
def telling(verb: str) -> Iterator[None]:
    """Run a command inside; whatever comes of it, what is new is told then.

    What goes wrong in telling is one line on standard error: the command's own end stays as it was.
    """
    try:
        yield
    except SystemExit:
        raise  # help, or a call that nobody understood: nothing was done
    except (StepFailed, UserError) as failure:
        _tell(verb, failure)
        raise
    except BaseException:
        _tell(verb, None)
        raise
    _tell(verb, None)


def _tell(verb: str, failure: StepFailed | UserError | None) -> None:
    try:
        # not before: a command that only prints its help does not wait for it
        from mlops.operations.news import tell  # noqa: PLC0415
        from mlops.operations.training_events import failed  # noqa: PLC0415

        project = load_project(ROOT)
        now = datetime.now(UTC)
        event = failed(project, verb, failure, now) if failure else None
        report = tell(project, now, (event,) if event else ())
        for name in sorted({each.target for each in report.of("postponed")}):
            print(f"note: events wait for '{name}': nox -s deliver", file=sys.stderr)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - whatever it is, see above
        # one that the command itself ends with is not said twice
        if str(error) != str(failure):
            said = str(error).splitlines() or [type(error).__name__]
            print(f"warning: events were not told: {said[0]}", file=sys.stderr)
