"""Signs in a collection that a clock has jumped: rows ahead of now, rows older than their writer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from mlops.operations.monitoring.collected_files import (
    HOUR,
    NotCollectedError,
    count_rows,
    files_in,
    hours,
    read_collected,
)

# How far ahead of now a time may lie: clocks are never quite alike.
AHEAD = timedelta(seconds=60)
_MOMENT = pa.timestamp("us", tz="UTC")


def before_start(table: pa.Table, path: Path) -> int:
    """How many rows are older than the start of the worker that the file's name tells."""
    try:
        began = datetime.fromtimestamp(int(path.name.split("-")[0], 16) / 1000, UTC) - AHEAD
    except (ValueError, OverflowError, OSError):
        return 0
    moment = pa.scalar(began, _MOMENT)
    return int(pc.sum(pc.less(table["time"], moment)).as_py() or 0)


def rows_ahead(collected: Path, now: datetime) -> int:
    """How many rows lie ahead of now: in later hours by their footers, in this hour by their time."""
    found, limit = 0, pa.scalar(now + AHEAD, _MOMENT)
    for hour, folder in hours(collected):
        if hour > now + AHEAD:
            found += sum(map(count_rows, files_in(folder)))
        elif hour + HOUR > now + AHEAD:
            found += sum(_later(path, limit) for path in files_in(folder))
    return found


def _later(path: Path, limit: pa.Scalar) -> int:
    try:
        table = read_collected(path)
    except NotCollectedError:
        return 0
    return 0 if table is None else int(pc.sum(pc.greater(table["time"], limit)).as_py() or 0)
