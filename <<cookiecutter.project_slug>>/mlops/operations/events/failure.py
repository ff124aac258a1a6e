"""The event of a pipeline that failed, with the end of its log and without the secrets in it."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from mlops.operations.events.event import Event, new_event
from mlops.quality.leaks import find_leaks

# So much of the end of a log is told: lines, and characters of each.
LINES, LONGEST = 20, 500
HIDDEN = "***"
_NAMES_A_SECRET = re.compile(
    r"(?i)secret|token(?!i)|passw|credential|_key|apikey|auth(?!or)|_dsn|_ur[il]$"
)
_IN_ADDRESS = re.compile(r"(://)[^/\s@]+@")
# Shorter values stand in too many other words.
_SHORTEST = 6


def pipeline_failed(
    pipeline: str,
    step: str,
    reason: str,
    log: Sequence[str],
    *,
    source: str,
    now: datetime,
    environment: Mapping[str, str],
) -> Event:
    """The event of a pipeline's failure; `step` is empty where it failed before any.

    `log` is the end of the step's output, `environment` the variables whose secrets must not be told.
    """
    tail = [line.rstrip()[:LONGEST] for line in log][-LINES:]
    data = {
        "pipeline": pipeline,
        "step": step,
        "reasons": [without_secrets(reason, environment)],
        "log": without_secrets("\n".join(tail), environment).splitlines(),
    }
    return new_event("pipeline_failed", "", data, source=source, now=now)


def without_secrets(text: str, environment: Mapping[str, str]) -> str:
    """A text without the values of variables that are named like a secret, without user and password
    in addresses, and without the lines in which detect-secrets recognises something.
    """
    for name, value in environment.items():
        if _NAMES_A_SECRET.search(name):
            for part in (value, *value.split()):
                text = text.replace(part, HIDDEN) if len(part) >= _SHORTEST else text
    lines = _IN_ADDRESS.sub(rf"\1{HIDDEN}@", text).splitlines()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.txt"
        path.write_text("\n".join(lines), encoding="utf-8")
        for leak in find_leaks(path.parent, [Path(path.name)]):
            lines[leak.line - 1] = f"{HIDDEN} ({leak.kind})"
    return "\n".join(lines)
