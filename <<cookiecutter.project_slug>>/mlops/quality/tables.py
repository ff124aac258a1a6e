"""Tables in files: CSV and Parquet in, CSV out."""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from mlops.quality.errors import UserError


def read_table(path: Path) -> pd.DataFrame:
    """The table in a CSV or Parquet file, columns as they stand there (CSV: text, "" is missing).

    Types are given by the contract, not guessed from the values. Raises UserError where the file
    is missing, empty, broken or of another kind, and where a row of a CSV file has more or fewer
    values than the header has names: a file that was cut off would pass for missing values.
    """
    kind = path.suffix.lower()
    if kind not in (".csv", ".parquet"):
        raise UserError(f"{path}: expected a .csv or .parquet file")
    if not path.is_file():
        raise UserError(f"{path}: " + ("is a folder" if path.is_dir() else "no such file"))
    try:
        return _read_parquet(path) if kind == ".parquet" else _read_csv(path)
    except UnicodeDecodeError:
        raise UserError(f"{path}: line {_first_not_utf8(path)} is not UTF-8") from None
    except (OSError, ValueError, csv.Error, pa.ArrowException) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"{path}: not a table: {reason}") from None


def _read_csv(path: Path) -> pd.DataFrame:
    width = _check_shape(path)
    # Not the default list of missing values: "NA" may be a category.
    return pd.read_csv(
        path,
        dtype=str,
        encoding="utf-8-sig",
        keep_default_na=False,
        na_values=[""],
        skip_blank_lines=width > 1,
    )


def _check_shape(path: Path) -> int:
    """The number of columns, once every row is known to have as many values.

    pandas renames repeated columns, fills short rows and takes surplus values for an index, all
    without a word.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file, strict=True)
        header = next(rows, None)
        if header is None:
            raise UserError(f"{path}: the file is empty")
        _refuse_names(path, header)
        width = len(header)
        for row in rows:
            # A blank line holds no row, or the one missing value of a single column.
            if len(row) != width and row:
                raise UserError(
                    f"{path}: line {rows.line_num}: expected {width} values as in the header, "
                    f"found {len(row)}"
                )
    return width


def _read_parquet(path: Path) -> pd.DataFrame:
    _refuse_names(path, pq.read_schema(path).names)
    table: pd.DataFrame = pq.read_table(path).to_pandas()
    # An index that pandas wrote is a column like all others where it has a name.
    named = [name for name in table.index.names if name is not None]
    table = table.reset_index(level=named) if named else table
    return table.reset_index(drop=True).set_axis([str(name) for name in table.columns], axis=1)


def _refuse_names(path: Path, names: Sequence[str]) -> None:
    for number, name in enumerate(names, start=1):
        if not name.strip():
            raise UserError(f"{path}: the header gives column {number} no name")
        if names.count(name) > 1:
            raise UserError(f"{path}: the header names column '{name}' twice")
    if not names:
        raise UserError(f"{path}: the header names no column")


def _first_not_utf8(path: Path) -> int:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return 1


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV with Unix line ends; the file appears whole or not at all."""
    replace_text(path, table.to_csv(index=False, lineterminator="\n"))


def replace_text(path: Path, text: str) -> None:
    """Replace a file's content in one step, so that a reader sees the old or the new, never half.

    Raises UserError where the folder cannot be written.
    """
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from None
