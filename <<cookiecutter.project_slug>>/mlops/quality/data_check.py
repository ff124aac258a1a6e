"""`nox -s data`: the project's data against its contract, every violation named."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from mlops.quality.assets import fetch
from mlops.quality.checks import Violation, check_table
from mlops.quality.errors import UserError
from mlops.quality.project import ROOT, load_project
from mlops.quality.tables import read_table, write_csv
from mlops.quality.terminal import console

_ADDED = ("_row", "_reasons")


def main(arguments: list[str]) -> int:
    """Check the data asset of the project, or another table; 0 when it keeps the contract."""
    parser = argparse.ArgumentParser(
        prog="nox -s data --", description="Check a table against the data contract."
    )
    parser.add_argument("--table", type=Path, help="another .csv or .parquet file to check")
    parser.add_argument("--bad-rows", type=Path, help="write the rows that break it to this CSV")
    parser.add_argument("--most", type=_count, default=20, help="violations to list (default: 20)")
    options = parser.parse_args(arguments)

    project = load_project(ROOT)
    path = options.table or fetch(project.asset, project.state / "data")
    if options.bad_rows and options.bad_rows.resolve() == path.resolve():
        raise UserError(f"--bad-rows: {options.bad_rows} is the table that is checked")
    raw = read_table(path)
    violations = check_table(raw, project.contract).violations
    out = console()
    if not violations:
        asset = project.asset
        what = str(path) if options.table else f"{asset.name} version {asset.version}"
        columns = len(project.contract.columns)
        out.print(
            f"[green]ok[/] {escape(what)}: {len(raw)} rows, {columns} columns keep the contract"
        )
        return 0
    _print(out, violations, options.most)
    if options.bad_rows:
        write_csv(_bad_rows(raw, violations), options.bad_rows)
        out.print(f"the rows stand in {options.bad_rows}", markup=False)
    rows = len({violation.row for violation in violations} - {None})
    out.print(f"[red]refused[/] {escape(str(path))}: {len(violations)} violations in {rows} rows")
    return 1


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number from 0, found '{text}'")
    return int(text)


def _print(out: Console, violations: tuple[Violation, ...], most: int) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("row", "column", "rule", "found"):
        table.add_column(heading, overflow="fold")
    for violation in violations[:most]:
        row = "-" if violation.row is None else str(violation.row)
        cells = (row, violation.column, violation.rule, violation.value)
        # Text, because rich would take brackets in the data for its markup.
        table.add_row(*(Text(cell) for cell in cells))
    out.print(table)
    if len(violations) > most:
        out.print(f"... and {len(violations) - most} more, by rule:")
        counts = Counter(f"{violation.column}: {violation.rule}" for violation in violations)
        for rule, count in counts.most_common(most):
            out.print(f"  {count:>6}  {rule}", markup=False)


def _bad_rows(raw: pd.DataFrame, violations: tuple[Violation, ...]) -> pd.DataFrame:
    """The offending rows as they were, with their number and their reasons in front."""
    reasons: dict[int, list[str]] = {}
    for violation in violations:
        if violation.row is not None:
            reasons.setdefault(violation.row, []).append(f"{violation.column}: {violation.rule}")
    # The rows may come from such a file themselves.
    bad = raw.iloc[[row - 1 for row in reasons]].drop(columns=list(_ADDED), errors="ignore")
    bad.insert(0, _ADDED[0], list(reasons))
    bad.insert(1, _ADDED[1], ["; ".join(texts) for texts in reasons.values()])
    return bad
