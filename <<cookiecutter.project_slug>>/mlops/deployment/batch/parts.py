"""The parts of a scored table: each written whole or not at all, each telling what it was made of."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mlops.deployment.batch.scoring import Scored
from mlops.deployment.batch.sources import Source
from mlops.quality.checks import Violation
from mlops.quality.errors import UserError
from mlops.quality.strict import parse
from mlops.quality.tables import replace_text

REJECTED = "_rejected"
SUCCESS = "_SUCCESS.json"
_ORIGIN = b"mlops.batch"
_UNFINISHED = ".unfinished"
_FORCE = "choose another folder, or --force to score all of it anew"
_REASONS = pa.schema(
    [
        ("source", pa.string()),
        ("row", pa.int64()),
        ("column", pa.string()),
        ("rule", pa.string()),
        ("value", pa.string()),
    ]
)


@dataclass(frozen=True)
class Origin:
    """What a part is made of: the package, and which rows of which file.

    `rows` is the number of rows of a chunk; `first` counts the rows of the file before the part.
    """

    digest: str
    version: str
    source: str
    size: int
    stamp: str
    rows: int
    first: int


@dataclass(frozen=True)
class Counts:
    """Rows of a part or of all: read, and rejected for what they break."""

    rows: int
    rejected: int


def origin(source: Source, first: int, rows: int, model: tuple[str, str]) -> Origin:
    """The origin of the part of a source's chunk; `model` is the package's digest and version."""
    return Origin(*model, source.url, source.size, source.stamp, rows, first)


def name(number: int) -> str:
    """The file name of a part."""
    return f"part-{number:05d}.parquet"


def write_part(target: Path, number: int, scored: Scored, made_of: Origin, rows: int) -> Counts:
    """Write a part and what was rejected of its rows; the part comes last and stands for both."""
    counts = Counts(rows, rows - scored.batch.num_rows)
    rejected = target / REJECTED / name(number)
    if scored.violations:
        _write(rejected, _reasons(scored.violations, made_of))
    else:
        rejected.unlink(missing_ok=True)
    told = {"origin": dataclasses.asdict(made_of), "counts": dataclasses.asdict(counts)}
    table = pa.Table.from_batches([scored.batch])
    _write(target / name(number), table.replace_schema_metadata({_ORIGIN: json.dumps(told)}))
    return counts


def earlier(target: Path) -> Mapping[int, tuple[Origin, Counts]]:
    """The parts that lie in a folder, by number; raises UserError for a file that is none."""
    found = {}
    for path in sorted(target.glob("part-*.parquet")):
        try:
            told = json.loads((pq.read_schema(path).metadata or {})[_ORIGIN])
            made_of = parse(Origin, told["origin"], str(path))
            counts = parse(Counts, told["counts"], str(path))
            number = int(path.stem.removeprefix("part-"))
        except (KeyError, TypeError, ValueError, OSError, UserError):
            raise UserError(f"{path}: not a part of a scored table; {_FORCE}") from None
        if not counts.rejected or (target / REJECTED / path.name).is_file():
            found[number] = (made_of, counts)
    return found


def refuse_others(
    found: Mapping[int, tuple[Origin, Counts]], wanted: Collection[Origin], target: Path
) -> None:
    """Raise UserError where an earlier part is none of a run's; `wanted` holds one of each source."""
    sources = {one.source: one for one in wanted}
    for number, (made_of, _) in found.items():
        refuse_other(made_of, sources.get(made_of.source), target / name(number), ("first",))


def refuse_other(
    found: Origin, wanted: Origin | None, path: Path, but_for: tuple[str, ...] = ()
) -> None:
    """Raise UserError where a part was not made of what is wanted; it tells the first difference."""
    if wanted is None:
        raise UserError(f"{path}: made of {found.source}, no file of this run; {_FORCE}")
    for field in dataclasses.fields(Origin):
        here, there = getattr(found, field.name), getattr(wanted, field.name)
        if here != there and field.name not in but_for:
            word = field.name
            raise UserError(f"{path}: made with another {word}: {here}, now {there}; {_FORCE}")


def clear(target: Path) -> None:
    """Delete the parts of an earlier run, and nothing else."""
    for folder in (target, target / REJECTED):
        for path in (*folder.glob("part-*.parquet"), *folder.glob(f".part-*{_UNFINISHED}")):
            path.unlink()
    (target / SUCCESS).unlink(missing_ok=True)


def write_success(target: Path, values: object) -> None:
    """Write the totals, the sign that the table is whole."""
    replace_text(target / SUCCESS, json.dumps(values, indent=1) + "\n")


def _reasons(violations: Sequence[Violation], made_of: Origin) -> pa.Table:
    rows = [
        {
            "source": made_of.source,
            "row": made_of.first + (found.row or 0),
            "column": found.column,
            "rule": found.rule,
            "value": found.value,
        }
        for found in violations
    ]
    return pa.Table.from_pylist(rows, schema=_REASONS)


def _write(path: Path, table: pa.Table) -> None:
    # always the same name: what a killed run leaves is overwritten by the next
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}{_UNFINISHED}")
    pq.write_table(table, temporary)
    temporary.replace(path)
