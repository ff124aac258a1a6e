"""From labelled requests to one outcome for each unit that was assigned to an arm."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from mlops.operations.experiments.sequential import Outcomes
from mlops.quality.errors import UserError

_COLUMNS = ("time", "challenger", "share", "value")


def by_unit(table: pd.DataFrame, *, unit: str, hours: float, now: datetime) -> Outcomes:
    """The outcomes of the units of a table, in the order of each one's first request.

    A row is an answered row: `time` (UTC), `challenger` (whether it answered), `share` (the
    challenger's, in force at that moment), `value` (NaN while unknown) and the column `unit`. Rows
    of one unit share a caller and an arm, so they are one outcome: the mean of what is known of its
    first `hours`, once these are over. What came under another share than the first is left out, of
    both arms alike: there the unit may have changed sides. Raises UserError for a missing column.
    """
    for name in (*_COLUMNS, unit):
        if name not in table.columns:
            raise UserError(f"experiment: there is no column '{name}' to take outcomes from")
    rows = table[table[unit].notna() & table["share"].notna()].sort_values("time", kind="stable")
    group = rows.groupby(unit, sort=False)
    begun, window = group["time"].transform("first"), timedelta(hours=hours)
    first = {name: group[name].transform("first") for name in ("challenger", "share")}
    kept = (rows["time"] <= begun + window) & (rows["share"] == first["share"])
    kept &= rows["challenger"] == first["challenger"]
    kept &= begun + window <= pd.Timestamp(now)
    units = rows[kept].groupby(unit, sort=False)
    return Outcomes(
        units["value"].mean().to_numpy(dtype=float),
        units["challenger"].first().to_numpy(dtype=bool),
        units["share"].first().to_numpy(dtype=float),
    )


def shares_at(times: pd.Series, changes: pd.Series) -> pd.Series:
    """The challenger's share in force at each time; NaN before the first change.

    `changes` holds the share from each moment on, with the moments as its index, growing.
    """
    places = np.searchsorted(changes.index.to_numpy(), times.to_numpy(), side="right") - 1
    values = np.where(places >= 0, changes.to_numpy(dtype=float)[places], np.nan)
    return pd.Series(values, index=times.index)
