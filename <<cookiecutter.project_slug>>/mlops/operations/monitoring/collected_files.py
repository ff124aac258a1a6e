"""The files of a collection: which ones a window needs, and setting aside those that cannot be read.

What is set aside stays, with the reason beside it, in `collected/.set-aside/`, which no reader looks
into.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mlops.quality.errors import UserError

SET_ASIDE = ".set-aside"
HOUR = timedelta(hours=1)
# A row's time is rounded to microseconds, its hour is not.
MARGIN = timedelta(seconds=1)
# Columns of every collected row, and the types they have.
FACTS = {
    "request_id": pa.string(),
    "row": pa.int32(),
    "time": pa.timestamp("us", tz="UTC"),
    "role": pa.string(),
    "deployment": pa.string(),
    "model_version": pa.string(),
    "model_digest": pa.string(),
    "latency_ms": pa.float32(),
}
_DATE, _HOUR = re.compile(r"date=(\d{4}-\d{2}-\d{2})"), re.compile(r"hour=(\d{2})")


@dataclass(frozen=True)
class SetAside:
    """A file that could not be read: its name below the collection, where it is now, and why."""

    file: str
    place: Path
    reason: str


class NotCollectedError(Exception):
    """A file in the collection that no endpoint wrote, or not whole; the message says what it is."""


def files_between(collected: Path, start: datetime, end: datetime) -> Iterator[Path]:
    """The files that may hold rows from `start` until before `end`, the oldest hour first."""
    for hour, folder in hours(collected):
        if hour + HOUR + MARGIN > start and hour - MARGIN < end:
            yield from files_in(folder)


def hours(collected: Path) -> Iterator[tuple[datetime, Path]]:
    """The hours of a collection with their folders, the oldest first."""
    for day in sorted(collected.glob("date=*")):
        for folder in sorted(day.glob("hour=*")):
            named = _DATE.fullmatch(day.name), _HOUR.fullmatch(folder.name)
            if named[0] and named[1]:
                with suppress(ValueError):
                    moment = f"{named[0][1]}T{named[1][1]}:00:00+00:00"
                    yield datetime.fromisoformat(moment).astimezone(UTC), folder


def files_in(folder: Path) -> list[Path]:
    """The finished files of one hour: those that begin with a dot are being written."""
    found = folder.glob("*.parquet")
    return sorted(path for path in found if not path.name.startswith("."))


def count_rows(path: Path) -> int:
    """How many rows a file holds, by its footer; 0 where it is gone or cannot be read."""
    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, ValueError, pa.ArrowException):
        return 0


def read_collected(path: Path) -> pa.Table | None:
    """The rows of one file; None where it is gone.

    Raises NotCollectedError where its content is not what an endpoint writes, and UserError where
    the file system refuses: that speaks against the machine, not against the file.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None
    try:
        table = pq.ParquetFile(BytesIO(content)).read()
        table.validate(full=True)
    except (OSError, ValueError, MemoryError, pa.ArrowException) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise NotCollectedError(f"not a whole Parquet file: {reason[:200]}") from None
    _check(table)
    return table


def _check(table: pa.Table) -> None:
    for name, kind in FACTS.items():
        places = table.schema.get_all_field_indices(name)
        if len(places) != 1:
            raise NotCollectedError(f"no collected rows: {len(places)} columns '{name}'")
        if (found := table.schema.field(places[0]).type) != kind:
            raise NotCollectedError(f"no collected rows: '{name}' is {found}, expected {kind}")
        if table[name].null_count:
            raise NotCollectedError(f"no collected rows: '{name}' is missing in some")
    if not any(name == "value" or name.startswith("probability.") for name in table.column_names):
        raise NotCollectedError("no collected rows: there is no answer in them")
    digests = table["model_digest"].unique().to_pylist()
    if len(digests) > 1:
        raise NotCollectedError(f"the rows of {len(digests)} packages, expected one in a file")


def set_aside(collected: Path, path: Path, reason: str) -> SetAside:
    """Move a file out of every reader's way, with the reason beside it; nothing is deleted."""
    file = path.relative_to(collected)
    place = collected / SET_ASIDE / file
    number = 1
    while place.exists():
        number += 1
        place = collected / SET_ASIDE / file.with_name(f"{file.stem}.{number}{file.suffix}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # another reader was first
            path.rename(place)
            place.with_name(f"{place.name}.why").write_text(f"{reason}\n", encoding="utf-8")
    except OSError as error:
        said = error.strerror or error
        raise UserError(f"{path}: {reason}; it cannot be moved to {place.parent}: {said}") from None
    return SetAside(file.as_posix(), place, reason)
