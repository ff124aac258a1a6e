"""What is scored: CSV and Parquet files, here or behind an fsspec URL, read in bounded memory."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

import fsspec
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from mlops.quality.errors import UserError

KINDS = (".csv", ".parquet")
# How much of a CSV file is parsed at once; a row must fit into it.
_BLOCK_BYTES = 4 << 20


@dataclass(frozen=True)
class Source:
    """One file and what tells it from another: its size in bytes, and its ETag or time of change."""

    url: str
    size: int
    stamp: str


@dataclass(frozen=True)
class Chunk:
    """Consecutive rows of a source; `first` counts the rows before them."""

    source: Source
    first: int
    batch: pa.RecordBatch


def find_sources(given: str) -> tuple[Source, ...]:
    """The files that a path, a folder, a glob or an fsspec URL names, in the order of their names.

    Raises UserError where there are none, or where the file system is not known or refuses.
    """
    with _told(given):
        system, path = fsspec.core.url_to_fs(given)
        if system.isfile(path):
            found = [path]
            if PurePosixPath(path).suffix.lower() not in KINDS:
                raise UserError(f"{given}: expected a .csv or .parquet file")
        elif system.isdir(path):
            root = path.rstrip("/")
            found = [name for name in system.find(root) if _is_data(name[len(root) :])]
        else:
            found = [name for name in system.glob(path) if _is_data(f"/{PurePosixPath(name).name}")]
        local = isinstance(system, LocalFileSystem)
        sources = tuple(
            Source(name if local else system.unstrip_protocol(name), *_identity(system.info(name)))
            for name in sorted(found)
        )
    if not sources:
        raise UserError(f"{given}: names no .csv or .parquet file")
    return sources


def read_chunks(source: Source, rows: int) -> Iterator[Chunk]:
    """The rows of a file, `rows` at a time; the last chunk may hold fewer.

    CSV columns are text, and "" is missing. Raises UserError where the file is no table.
    """
    with _told(source.url), fsspec.open(source.url, "rb") as file:
        is_csv = source.url.lower().endswith(".csv")
        first = 0
        batches = _csv_batches(file, source.url) if is_csv else _parquet_batches(file, rows)
        for batch in _of_size(batches, rows):
            yield Chunk(source, first, batch)
            first += batch.num_rows


def _is_data(path: str) -> bool:
    """Whether a path below a folder names a table: nothing hidden, nothing that a job keeps aside."""
    parts = [part for part in path.split("/") if part]
    return path.lower().endswith(KINDS) and not any(part.startswith((".", "_")) for part in parts)


def _identity(info: dict[str, object]) -> tuple[int, str]:
    keys = ("ETag", "etag", "md5Hash", "mtime", "LastModified", "last_modified", "created")
    stamp = next((str(info[key]) for key in keys if info.get(key)), "")
    return int(str(info.get("size") or 0)), stamp


@contextmanager
def _told(where: str) -> Iterator[None]:
    """What the file system and Arrow raise, in one line."""
    try:
        yield
    except (OSError, ValueError, ImportError, pa.ArrowException) as error:
        # Arrow's own errors derive from ValueError and OSError
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"{where}: cannot be read: {reason}") from None


def _parquet_batches(file: IO[bytes], rows: int) -> Iterator[pa.RecordBatch]:
    yield from pq.ParquetFile(file).iter_batches(batch_size=rows)


def _csv_batches(file: IO[bytes], where: str) -> Iterator[pa.RecordBatch]:
    names = _header(file, where)
    file.seek(0)
    reader = pyarrow.csv.open_csv(
        file,
        # on one thread an error tells its line
        read_options=pyarrow.csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES),
        parse_options=pyarrow.csv.ParseOptions(
            newlines_in_values=True, ignore_empty_lines=len(names) > 1
        ),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        ),
    )
    yield from reader


def _header(file: IO[bytes], where: str) -> list[str]:
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        names = next(csv.reader(text, strict=True), None)
    except csv.Error as error:
        raise UserError(f"{where}: not a table: {error}") from None
    finally:
        # the file itself is read again
        text.detach()
    if not names:
        raise UserError(f"{where}: the file is empty")
    for number, name in enumerate(names, start=1):
        if not name.strip():
            raise UserError(f"{where}: the header gives column {number} no name")
        if names.count(name) > 1:
            raise UserError(f"{where}: the header names column '{name}' twice")
    return names


def _of_size(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of exactly `rows`, but for the last."""
    waiting: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        start = 0
        while count + batch.num_rows - start >= rows:
            taken = rows - count
            yield _joined([*waiting, batch.slice(start, taken)])
            start, waiting, count = start + taken, [], 0
        if start < batch.num_rows:
            waiting.append(batch.slice(start))
            count += batch.num_rows - start
    if waiting:
        yield _joined(waiting)


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)


def is_below(source: Source, folder: Path) -> bool:
    """Whether a source lies in `folder`, so that writing there would change what is read."""
    here = "://" not in source.url
    return here and Path(source.url).resolve().is_relative_to(folder.resolve())
