"""Tables in files: CSV and Parquet in, CSV out."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pandas as pd

from mlops.quality.errors import UserError


def read_table(path: Path) -> pd.DataFrame:
    """The table in a CSV or Parquet file, columns as they stand there (CSV: text, "" is missing).

    Types are given by the contract, not guessed from the values. Raises UserError where the file
    is missing, empty, broken or of another kind.
    """
    kind = path.suffix.lower()
    if kind not in (".csv", ".parquet"):
        raise UserError(f"{path}: expected a .csv or .parquet file")
    try:
        if kind == ".parquet":
            return pd.read_parquet(path)
        _refuse_repeated(path)
        # Not the default list of missing values: "NA" may be a category.
        table = pd.read_csv(
            path, dtype=str, keep_default_na=False, na_values=[""], skip_blank_lines=False
        )
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except pd.errors.EmptyDataError:
        raise UserError(f"{path}: the file is empty") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 at byte {error.start}") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a table: {str(error).strip().splitlines()[0]}") from None
    if not isinstance(table.index, pd.RangeIndex):
        # pandas takes surplus fields of every row for an index, silently
        raise UserError(f"{path}: the rows have more fields than the header names")
    return table


def _refuse_repeated(path: Path) -> None:
    """Refuse a column that is named twice, which pandas would rename silently."""
    header = pd.read_csv(path, header=None, nrows=1, dtype=str, keep_default_na=False)
    names = header.iloc[0].tolist()
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"{path}: the header names column '{name}' twice")


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
