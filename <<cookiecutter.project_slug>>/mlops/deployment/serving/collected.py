"""Collected requests as Parquet: `collected/date=.../hour=.../*.parquet`, a row for each row answered.

A finished file of the spool becomes the files of its name, and is deleted after that; one that was
cut short by a crash is done the same way, so that nothing is written twice or forgotten.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson
import psutil

from mlops.deployment.serving import collection
from mlops.deployment.serving.collection import FINISHED, UNFINISHED
from mlops.quality.contract import Column, Contract, load_contract

FOLDER = "collected"
LOOK_SECONDS = 1.0
log = logging.getLogger("mlops.collection")


@dataclass(frozen=True)
class Entry:
    """Requests that were answered together, as `collection.line` wrote them."""

    requests: Sequence[str]
    counts: Sequence[int]
    latency: Sequence[float]
    role: str
    time: float
    deployment: str
    version: str
    digest: str
    columns: Mapping[str, Sequence[object]]
    values: Sequence[object]
    labels: Sequence[object] | None


class Keeper(threading.Thread):
    """Turns the spool into Parquet while the endpoint runs, at the lowest priority."""

    def __init__(self, folder: Path, packages: Path) -> None:
        super().__init__(name="keeper", daemon=True)
        self._folder, self._packages = folder, packages
        self._ended = threading.Event()

    def run(self) -> None:
        """Look for finished files until the end."""
        with suppress(OSError, AttributeError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        while not self._ended.wait(LOOK_SECONDS):
            keep(self._folder, self._packages)

    def end(self) -> None:
        """Do what is left, once the workers have ended."""
        self._ended.set()
        self.join()
        keep(self._folder, self._packages)


def keep(folder: Path, packages: Path) -> None:
    """Write what the spool of an endpoint holds, but for what a living worker still appends to."""
    for path in sorted((folder / collection.FOLDER).glob(f"*{UNFINISHED}")):
        if not psutil.pid_exists(int(path.name.split("-")[1])):
            path.rename(path.with_suffix(FINISHED))
    for path in sorted((folder / collection.FOLDER).glob(f"*{FINISHED}")):
        try:
            _write(path, folder / FOLDER, packages)
            path.unlink()
        except Exception:
            # tried again later: the endpoint goes on
            log.exception("%s: cannot be kept", path)


def _write(path: Path, target: Path, packages: Path) -> None:
    import pyarrow.parquet as pq  # noqa: PLC0415 - late: the workers start meanwhile

    for (hour, digest), entries in _parts(path).items():
        folder = target / hour
        folder.mkdir(parents=True, exist_ok=True)
        contract = load_contract(packages / digest / "contract.yml")
        name = f"{path.stem}-{digest[:12]}.parquet"
        draft = folder / f".{name}"
        pq.write_table(as_table(entries, contract), draft, compression="zstd")
        draft.replace(folder / name)


def _parts(path: Path) -> Mapping[tuple[str, str], list[Entry]]:
    found: dict[tuple[str, str], list[Entry]] = {}
    for told in path.read_bytes().splitlines():
        try:
            entry = Entry(*orjson.loads(told))
        except (orjson.JSONDecodeError, TypeError):
            continue  # a crash cut it off
        hour = datetime.fromtimestamp(entry.time, UTC).strftime("date=%Y-%m-%d/hour=%H")
        found.setdefault((hour, entry.digest), []).append(entry)
    return found


def as_table(entries: Sequence[Entry], contract: Contract):  # type: ignore[no-untyped-def]
    """The rows of requests to one package as an Arrow table."""
    import pyarrow as pa  # noqa: PLC0415

    counts = [count for entry in entries for count in entry.counts]

    def repeated(values: Iterable[object]) -> list[object]:
        """A value of each request, for each of its rows."""
        return [value for value, n in zip(values, counts, strict=True) for _ in range(n)]

    def of_each(name: str) -> list[object]:
        """A fact of requests that were answered together, for each of their rows."""
        return repeated(getattr(entry, name) for entry in entries for _ in entry.counts)

    moments = [round(float(str(moment)) * 1e6) for moment in of_each("time")]
    milliseconds = repeated(round(each * 1e3, 4) for entry in entries for each in entry.latency)
    rows = [number for count in counts for number in range(1, count + 1)]
    columns: dict[str, pa.Array] = {
        "request_id": pa.array(repeated(each for entry in entries for each in entry.requests)),
        "row": pa.array(rows, pa.int32()),
        "time": pa.array(moments, pa.timestamp("us", tz="UTC")),
        "role": pa.array(of_each("role")),
        "deployment": pa.array(of_each("deployment")),
        "model_version": pa.array(of_each("version")),
        "model_digest": pa.array(of_each("digest")),
        "latency_ms": pa.array(milliseconds, pa.float32()),
    }
    for name in contract.inputs:
        if contract.columns[name].collect != "never":
            given = [value for entry in entries for value in entry.columns[name]]
            columns[f"input.{name}"] = _array(given, contract.columns[name])
    values = [value for entry in entries for value in entry.values]
    if values and isinstance(values[0], list):
        for number, part in enumerate(zip(*values, strict=True)):
            columns[f"probability.{number}"] = pa.array(part, pa.float64())
    else:
        columns["value"] = pa.array(values, pa.float64())
    if entries[0].labels is not None:
        columns["label"] = pa.array([label for entry in entries for label in entry.labels or ()])
    return pa.table(columns)


def _array(values: Sequence[object], column: Column):  # type: ignore[no-untyped-def]
    import pyarrow as pa  # noqa: PLC0415

    if column.collect == "hashed" or column.type not in _BUILDS:
        return pa.array(values, pa.string())
    build = _BUILDS[column.type]
    kinds = {"number": pa.float64(), "integer": pa.int64(), "boolean": pa.bool_()}
    return pa.array([None if v is None else build(v) for v in values], kinds[column.type])


_BUILDS: Mapping[str, Callable[[object], object]] = {
    "number": float,  # type: ignore[dict-item]
    "integer": int,  # type: ignore[dict-item]
    "boolean": bool,
}
