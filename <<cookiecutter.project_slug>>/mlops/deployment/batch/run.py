"""Score files with a packaged model: `python -m mlops.deployment.batch.run --package FOLDER ...`.

A run that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from mlops.deployment.batch import parts
from mlops.deployment.batch.parts import Counts
from mlops.deployment.batch.processes import Task, cores, make_parts
from mlops.deployment.batch.scoring import Scorer
from mlops.deployment.batch.sources import Source, find_sources, is_below, read_chunks
from mlops.deployment.packaging.package import opened, read_manifest
from mlops.quality.errors import UserError, run_main
from mlops.quality.terminal import console

ROWS = 65_536


@dataclass(frozen=True)
class Options:
    """How to score: rows of a part, processes (None: one per core), and whether to begin anew.

    `digest` is that of the package where the caller knows which it wants.
    """

    rows: int = ROWS
    workers: int | None = None
    force: bool = False
    digest: str | None = None


@dataclass(frozen=True)
class Summary:
    """The totals of a scored table; `seconds` are those of the run that finished it."""

    rows: int
    scored: int
    rejected: int
    parts: int
    seconds: float
    model_version: str
    model_digest: str
    sources: tuple[Source, ...]


@dataclass(frozen=True)
class _Plan:
    """What becomes of which files, with what (digest and version), and what is there of it."""

    sources: tuple[Source, ...]
    target: Path
    rows: int
    model: tuple[str, str]
    earlier: Mapping[int, tuple[parts.Origin, Counts]]

    def origin(self, source: Source, first: int) -> parts.Origin:
        return parts.origin(source, first, self.rows, self.model)

    def check(self) -> None:
        """Refuse parts of another run before anything is written."""
        wanted = [self.origin(source, 0) for source in self.sources]
        parts.refuse_others(self.earlier, wanted, self.target)

    def refuse_beyond(self, count: int) -> None:
        for number in self.earlier:
            if number >= count:
                path = self.target / parts.name(number)
                raise UserError(f"{path}: one part more than there are rows for; --force")


@dataclass
class _Tally:
    """What there is so far. `show` tells a person."""

    show: Callable[[Counts], None]
    rows: int = 0
    rejected: int = 0
    parts: int = 0

    def add(self, counts: Counts) -> None:
        self.rows += counts.rows
        self.rejected += counts.rejected
        self.show(Counts(self.rows, self.rejected))


def score_files(  # noqa: PLR0917 - each is of another kind
    package: Path, version: str, source: str, target: Path, options: Options, out: Console
) -> Summary:
    """Score every row of `source` (path, folder, glob or fsspec URL) into the folder `target`.

    There, part-*.parquet hold the scored rows and _rejected/ why others have no score;
    _SUCCESS.json, with the totals, comes last. Raises UserError for what a person can put right,
    such as a folder with parts of other rows or of another package.
    """
    begin = time.perf_counter()
    workers = _workers(options)
    digest = options.digest or read_manifest(package)[1]
    scorer = Scorer(opened(package, digest), version)
    sources = find_sources(source)
    if inside := [found.url for found in sources if is_below(found, target)]:
        raise UserError(f"{inside[0]}: lies in {target}, the folder that is written to")
    target.mkdir(parents=True, exist_ok=True)
    if options.force:
        parts.clear(target)
    plan = _Plan(sources, target, options.rows, (digest, version), parts.earlier(target))
    plan.check()
    with _shown(out) as show:
        tally = _Tally(show)
        tasks = _tasks(plan, tally)
        made = make_parts(scorer, package, target, tasks, workers)
        # closing ends the processes before anything else happens, Ctrl-C included
        with closing(made):
            for counts in made:
                tally.add(counts)
    plan.refuse_beyond(tally.parts)
    summary = Summary(
        rows=tally.rows,
        scored=tally.rows - tally.rejected,
        rejected=tally.rejected,
        parts=tally.parts,
        seconds=round(time.perf_counter() - begin, 3),
        model_version=version,
        model_digest=digest,
        sources=sources,
    )
    parts.write_success(target, dataclasses.asdict(summary))
    return summary


def _workers(options: Options) -> int:
    if options.rows < 1:
        raise UserError(f"--rows: expected 1 or more, found {options.rows}")
    if options.workers is not None and options.workers < 1:
        raise UserError(f"--workers: expected 1 or more, found {options.workers}")
    return options.workers or cores()


def _tasks(plan: _Plan, tally: _Tally) -> Iterator[Task]:
    """What is left to do; what an earlier run did is counted, and refused if it is not the same."""
    for source in plan.sources:
        for chunk in read_chunks(source, plan.rows):
            number, tally.parts = tally.parts, tally.parts + 1
            made_of = plan.origin(source, chunk.first)
            if number in plan.earlier:
                found, counts = plan.earlier[number]
                parts.refuse_other(found, made_of, plan.target / parts.name(number))
                tally.add(counts)
            else:
                # from here on the table is not whole
                (plan.target / parts.SUCCESS).unlink(missing_ok=True)
                yield Task(number, chunk.batch, made_of)


@contextmanager
def _shown(out: Console) -> Iterator[Callable[[Counts], None]]:
    """A line that keeps counting, on a terminal; nothing elsewhere."""
    if not out.is_terminal:
        yield lambda _: None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=out, transient=True) as progress:
        line = progress.add_task("reading")

        def show(counts: Counts) -> None:
            told = f"{counts.rows:,} rows, {counts.rejected:,} rejected"
            progress.update(line, description=told)

        yield show


def main(arguments: list[str]) -> int:
    """Score `--input` into `--output`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--package", type=Path, required=True, help="the package's folder")
    parser.add_argument("--digest", help="refuse any other package than this one")
    parser.add_argument("--version", required=True, help="the model's version, for the output")
    parser.add_argument("--input", required=True, help="CSV or Parquet: file, folder, glob or URL")
    parser.add_argument("--output", type=Path, required=True, help="the folder to write to")
    parser.add_argument("--rows", type=int, default=ROWS, help=f"of a part (default: {ROWS})")
    parser.add_argument("--workers", type=int, help="processes (default: one per core)")
    parser.add_argument("--force", action="store_true", help="score anew what is there already")
    given = parser.parse_args(arguments)
    options = Options(given.rows, given.workers, given.force, given.digest)
    out = console()
    found = score_files(given.package, given.version, given.input, given.output, options, out)
    out.print(told(found, given.output), markup=False)
    return 0


def told(found: Summary, target: Path) -> str:
    """The totals as one line."""
    aside = f"; {found.rejected:,} rejected, told in {target / parts.REJECTED}"
    return (
        f"{target}: {found.scored:,} of {found.rows:,} rows scored in {found.seconds:.1f} s"
        f"{aside if found.rejected else ''}"
    )


if __name__ == "__main__":
    run_main(main)
