"""Labels that arrive later: read from a folder or a URL, checked, and given.

A file holds `request_id`, `row` (1 where there is no such column), and at least one of: `label`, as
the model's answers name it; the contract's target, from which `model/data.py` makes the label; `kpi`,
a number. `time` may say since when it is known.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops.operations.monitoring.label_values import (
    as_labels,
    as_numbers,
    as_rows,
    as_targets,
    as_times,
    refuse,
)
from mlops.quality.contract import Contract
from mlops.quality.errors import UserError
from mlops.quality.strict import did_you_mean
from mlops.quality.tables import read_table

FOLDER = "labels"
KEY = ["request_id", "row"]
_KINDS = (".csv", ".parquet")


@dataclass(frozen=True)
class Labels:
    """All labels that are there, one for each row of a request.

    `table` has `request_id`, `row`, `label` and `target` (objects, None where not given), `kpi`
    (NaN where not given) and `given` (UTC). `changed` counts values that a later file replaced by
    others.
    """

    table: pd.DataFrame
    files: int = 0
    changed: int = 0

    @property
    def last(self) -> datetime | None:
        """When the newest label was known; None where there is none."""
        if self.table.empty:
            return None
        newest: datetime = self.table["given"].max().to_pydatetime()
        return newest


def no_labels() -> Labels:
    """Labels where nobody has given any."""
    columns: dict[str, object] = {
        "request_id": np.array([], dtype=object),
        "row": np.array([], dtype=np.int64),
        "label": np.array([], dtype=object),
        "target": np.array([], dtype=object),
        "kpi": np.array([], dtype=float),
        "given": pd.Series([], dtype="datetime64[us, UTC]"),
    }
    return Labels(pd.DataFrame(columns))


def read_labels(folder: Path, contract: Contract, known: Sequence[object] = ()) -> Labels:
    """Every label in the CSV and Parquet files of a folder; later files, by name, replace earlier.

    `known` are the labels of the model; empty where it gives values. Raises UserError that names
    file, row and column.
    """
    found = folder.iterdir() if folder.is_dir() else ()
    files = sorted(path for path in found if not path.name.startswith("."))
    if strange := [path for path in files if path.suffix.lower() not in _KINDS]:
        raise UserError(f"{strange[0]}: labels are .csv or .parquet files")
    tables = [_read(path, contract, known) for path in files]
    if not tables:
        return no_labels()
    return _merged(tables)


def check_labels(
    raw: pd.DataFrame, where: str, contract: Contract, known: Sequence[object] = ()
) -> pd.DataFrame:
    """The rows of one file in the form of `Labels.table`, without `given` where it is not told.

    Raises UserError that names `where`, the row and the column.
    """
    allowed = [*KEY, "label", "kpi", "time", contract.target]
    for name in raw.columns:
        if name not in allowed:
            raise UserError(f"{where}: unknown column '{name}'; {did_you_mean(name, allowed)}")
    values = [name for name in ("label", contract.target, "kpi") if name in raw.columns]
    if "request_id" not in raw.columns or not values:
        wanted = f"label, {contract.target} or kpi"
        raise UserError(f"{where}: expected the column request_id, and one of {wanted}")
    if "label" in values and contract.target in values and contract.target != "label":
        raise UserError(f"{where}: give the label or {contract.target} from which it is made")
    number = len(raw)
    nothing: NDArray[np.object_] = np.full(number, None, dtype=object)
    table = pd.DataFrame(
        {
            "request_id": as_ids(raw["request_id"], where),
            "row": as_rows(raw["row"], where) if "row" in raw else np.ones(number, dtype=np.int64),
            "label": as_labels(raw["label"], known, where) if "label" in raw else nothing,
            "target": nothing,
            "kpi": as_numbers(raw["kpi"], "kpi", where) if "kpi" in raw else np.nan,
        }
    )
    if contract.target in values and contract.target != "label":
        table["target"] = as_targets(raw[contract.target], contract, where)
    empty = (table["label"].isna() & table["target"].isna() & table["kpi"].isna()).to_numpy()
    refuse(empty, where, " or ".join(values), lambda _: "expected a value, found nothing")
    _refuse_twice(table, where)
    if "time" in raw:
        table["given"] = as_times(raw["time"], where)
    return table


def give_labels(
    folder: Path,
    raw: pd.DataFrame,
    contract: Contract,
    known: Sequence[object] = (),
    *,
    now: datetime,
    where: str = "labels",
) -> Path:
    """Add labels as one new file, which is checked first and appears whole or not at all.

    What is there already stays; the same labels given again replace themselves. Returns the file.
    """
    if raw.empty:
        raise UserError(f"{where}: there is no label in it")
    check_labels(raw, where, contract, known)
    content = raw.to_csv(index=False, lineterminator="\n").encode()
    digest = hashlib.sha256(content).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{now.astimezone(UTC):%Y-%m-%dT%H-%M-%S-%f}-{digest}.csv"
    draft = folder / f".{path.name}"
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from None
    return path


def as_ids(values: pd.Series, where: str) -> NDArray[np.object_]:
    """Request ids as text."""
    refuse(values.isna().to_numpy(), where, "request_id", lambda _: "is missing")
    return values.astype(str).to_numpy(dtype=object)


def _read(path: Path, contract: Contract, known: Sequence[object]) -> pd.DataFrame:
    written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    raw = read_table(path)
    table = check_labels(raw, str(path), contract, known)
    if "given" not in table:
        table["given"] = pd.NaT
    given = pd.to_datetime(table["given"], utc=True).dt.as_unit("us")
    return table.assign(given=given.fillna(pd.Timestamp(written).as_unit("us")))


def _refuse_twice(table: pd.DataFrame, where: str) -> None:
    again = table.duplicated(KEY).to_numpy()
    if again.any():
        place = int(np.flatnonzero(again)[0])
        same = (table[KEY] == table.loc[place, KEY]).all(axis=1).to_numpy()
        first = int(np.flatnonzero(same)[0]) + 1
        refuse(again, where, "request_id", lambda _: f"given in row {first} already")


def _merged(tables: Sequence[pd.DataFrame]) -> Labels:
    """One row for each key: each value from the last file that gives it."""
    every = pd.concat(tables, ignore_index=True)
    grouped = every.groupby(KEY, sort=False)
    changed = 0
    for name in ("label", "target", "kpi"):
        known = every[every[name].notna()]
        before = known.groupby(KEY, sort=False)[name].shift()
        changed += int((before.notna() & (before != known[name])).sum())
    table = grouped.last().reset_index()
    for name in ("label", "target"):
        table[name] = table[name].astype(object).where(table[name].notna(), None)
    return Labels(table[[*KEY, "label", "target", "kpi", "given"]], len(tables), changed)
