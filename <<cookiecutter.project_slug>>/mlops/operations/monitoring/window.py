"""The collected rows of a declared window, apart by the package that answered them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mlops.deployment.serving.collected import FOLDER
from mlops.deployment.serving.collection import FINISHED, Role
from mlops.deployment.serving.collection import FOLDER as SPOOL
from mlops.deployment.serving.traffic import position
from mlops.operations.monitoring.clock_jumps import AHEAD, before_start, rows_ahead
from mlops.operations.monitoring.collected_files import (
    NotCollectedError,
    SetAside,
    count_rows,
    files_between,
    read_collected,
    set_aside,
)
from mlops.quality.errors import UserError

MOST_ROWS = 200_000
# What names a row: a copy for another package, or a replay, is another row.
KEY = ["request_id", "row", "role"]


@dataclass(frozen=True)
class Window:
    """The rows of one role from `start` until before `end`, by the digest of the package.

    `parts` holds collection's columns, rows by time. `rows` is how many there were; where that is
    more than what was asked for, `share` of the requests are in `parts`, chosen by their ids, so that
    another reading chooses the same. `duplicates` were left out. `ahead` rows of any role have a time
    that lies ahead of now, `before_start` a time before their worker began: a clock has jumped.
    `waiting` files of the spool are not in the collection yet.
    """

    start: datetime
    end: datetime
    role: Role
    parts: Mapping[str, pd.DataFrame]
    rows: int = 0
    share: float = 1.0
    duplicates: int = 0
    ahead: int = 0
    before_start: int = 0
    waiting: int = 0
    set_aside: tuple[SetAside, ...] = ()

    def notes(self) -> tuple[str, ...]:
        """What a person should know of the reading, a line each."""
        said = []
        if not self.rows:
            said.append(f"no {self.role} row from {_shown(self.start)} to {_shown(self.end)}")
        if self.share < 1:
            kept = sum(map(len, self.parts.values()))
            said.append(f"{kept} of {self.rows} rows were read: {self.share:.1%} of the requests")
        if self.duplicates:
            said.append(f"{self.duplicates} rows with a request id of before were left out")
        if self.ahead:
            said.append(f"{self.ahead} rows lie ahead of now: a clock was wrong, they are left out")
        if self.before_start:
            told = "are older than the worker that wrote them: its clock was put back"
            said.append(f"{self.before_start} rows {told}")
        if self.waiting:
            said.append(f"{self.waiting} files of the spool are not in the collection yet")
        said += [f"set aside: {each.file}: {each.reason}" for each in self.set_aside]
        return tuple(said)


def read_window(
    folder: Path,
    start: datetime,
    end: datetime,
    *,
    now: datetime,
    role: Role = "live",
    most: int = MOST_ROWS,
) -> Window:
    """The rows that the endpoint in `folder` collected from `start` until before `end`.

    At most about `most` rows are held in memory; a file that cannot be read is set aside. Raises
    UserError for a time without a zone, a window that ends before it starts, and a disk that refuses.
    """
    for name, moment in (("start", start), ("end", end), ("now", now)):
        if moment.tzinfo is None:
            raise UserError(f"window: {name}: expected a time with its zone, found {moment}")
    if end <= start:
        raise UserError(f"window: it ends at {end}, which is not after its start, {start}")
    collected = folder / FOLDER
    span = (start, min(end, now + AHEAD))
    files = list(files_between(collected, start, end))
    share = 1.0
    if sum(map(count_rows, files)) > most:
        share = min(1.0, most / max(1, sum(_count(path, span, role) for path in files)))
    aside: list[SetAside] = []
    read = _Read()
    for path in files:
        try:
            if (table := read_collected(path)) is not None:
                read.add(path, table, span, role, share)
        except NotCollectedError as error:
            aside.append(set_aside(collected, path, str(error)))
    parts, duplicates = read.parts()
    return Window(
        start,
        end,
        role,
        parts,
        rows=read.rows,
        share=share,
        duplicates=duplicates,
        ahead=rows_ahead(collected, now),
        before_start=read.before_start,
        waiting=len(list((folder / SPOOL).glob(f"*{FINISHED}"))),
        set_aside=tuple(aside),
    )


def is_sampled(request_id: str, share: float) -> bool:
    """Whether a request is in a sample of that share: the same answer everywhere and always."""
    # not the place that traffic shares use: a sample must not favour one deployment
    return share >= 1 or position(f"window:{request_id}") < share


class _Read:
    """What has been read so far."""

    def __init__(self) -> None:
        self.rows = 0
        self.before_start = 0
        self._tables: dict[str, list[pa.Table]] = {}

    def add(
        self, path: Path, table: pa.Table, span: tuple[datetime, datetime], role: Role, share: float
    ) -> None:
        """Take the rows of a file that belong to the window and the sample."""
        digests = table["model_digest"].unique().to_pylist()
        known = self._tables.get(digests[0]) if digests else None
        if known and known[0].schema.remove_metadata() != table.schema.remove_metadata():
            raise NotCollectedError("other columns than the package's other files have")
        chosen = table.filter(_within(table, span, role))
        self.rows += chosen.num_rows
        self.before_start += before_start(chosen, path)
        if share < 1:
            ids = chosen["request_id"].to_pylist()
            chosen = chosen.filter(pa.array([is_sampled(each, share) for each in ids], pa.bool_()))
        if digests and chosen.num_rows:
            self._tables.setdefault(digests[0], []).append(chosen)

    def parts(self) -> tuple[dict[str, pd.DataFrame], int]:
        """The rows of each package, and how many were there more than once."""
        found: dict[str, pd.DataFrame] = {}
        duplicates = 0
        for digest in sorted(self._tables):
            table = pa.concat_tables(self._tables.pop(digest)).to_pandas()
            table = table.sort_values(["time", "request_id", "row"], kind="stable")
            twice = table.duplicated(KEY)
            duplicates += int(twice.sum())
            found[digest] = table[~twice].reset_index(drop=True)
        return found, duplicates


def _within(table: pa.Table, span: tuple[datetime, datetime], role: Role) -> pa.ChunkedArray:
    start, end = (pa.scalar(moment, pa.timestamp("us", tz="UTC")) for moment in span)
    inside = pc.and_(pc.greater_equal(table["time"], start), pc.less(table["time"], end))
    return pc.and_(inside, pc.equal(table["role"], role))


def _count(path: Path, span: tuple[datetime, datetime], role: Role) -> int:
    try:
        table = read_collected(path)
    except NotCollectedError:
        return 0
    return 0 if table is None else int(pc.sum(_within(table, span, role)).as_py() or 0)


def _shown(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
