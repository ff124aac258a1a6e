"""One outcome for each unit that was assigned, whatever its callers and the shares did since."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from mlops.operations.experiments.outcomes import by_unit, shares_at
from mlops.operations.experiments.sequential import Outcomes
from mlops.quality.errors import UserError

START = datetime(2026, 3, 1, tzinfo=UTC)


def table(*rows: tuple[str, float, bool, float, float]) -> pd.DataFrame:
    """Unit, hours since the start, whether the challenger answered, its share, the value."""
    found = pd.DataFrame(rows, columns=["user", "hour", "challenger", "share", "value"])
    found["time"] = pd.Timestamp(START) + pd.to_timedelta(found.pop("hour"), unit="h")
    return found


def taken(rows: pd.DataFrame, hours: float = 24, now: float = 100) -> Outcomes:
    return by_unit(rows, unit="user", hours=hours, now=START + timedelta(hours=now))


def test_rows_of_one_unit_are_one_outcome() -> None:
    rows = table(
        ("b", 2, True, 0.5, 1.0), ("a", 1, False, 0.5, 1.0), ("b", 3, True, 0.5, 0.0),
        ("b", 30, True, 0.5, 0.0), ("b", 4, True, 0.5, np.nan),
    )  # fmt: skip
    found = taken(rows)
    assert found.value.tolist() == [1.0, 0.5]
    assert found.challenger.tolist() == [False, True]


def test_a_unit_counts_once_its_time_is_over() -> None:
    rows = table(("a", 0, False, 0.5, 1.0), ("b", 5, True, 0.5, 1.0))
    assert len(taken(rows, now=28.9).value) == 1
    assert len(taken(rows, now=29).value) == 2


def test_what_came_after_a_change_of_shares_is_left_out_of_both_arms() -> None:
    rows = table(
        ("stays", 0, True, 0.5, 0.0), ("stays", 2, True, 0.9, 1.0),
        ("moves", 1, False, 0.5, 0.0), ("moves", 2, True, 0.9, 1.0),
        ("new", 3, True, 0.9, 1.0),
    )  # fmt: skip
    found = taken(rows)
    assert found.value.tolist() == [0.0, 0.0, 1.0]
    assert found.share.tolist() == [0.5, 0.5, 0.9]


def test_what_the_other_arm_answered_does_not_count_for_the_first() -> None:
    rows = table(("a", 0, True, 0.5, 1.0), ("a", 1, False, 0.5, 0.0))
    found = taken(rows)
    assert (found.value.tolist(), found.challenger.tolist()) == ([1.0], [True])


def test_what_is_not_labelled_stays_unknown() -> None:
    assert np.isnan(taken(table(("a", 0, False, 0.5, np.nan))).value).all()


def test_before_the_first_share_there_was_no_experiment() -> None:
    rows = table(("a", 0, False, np.nan, 1.0), ("a", 1, True, 0.5, 0.0))
    found = taken(rows)
    assert (found.value.tolist(), found.challenger.tolist()) == ([0.0], [True])


def test_a_missing_column_is_named() -> None:
    with pytest.raises(UserError, match="no column 'customer' to take outcomes from"):
        by_unit(table(("a", 0, False, 0.5, 1.0)), unit="customer", hours=0, now=START)


def test_the_share_in_force_is_the_last_one_set() -> None:
    times = pd.Series(pd.to_datetime(["2026-03-01", "2026-03-02", "2026-03-04"], utc=True))
    set_at = pd.to_datetime(["2026-03-02", "2026-03-03"], utc=True)
    found = shares_at(times, pd.Series([0.1, 0.5], index=set_at))
    assert np.isnan(found[0])
    assert found[1:].tolist() == [0.1, 0.5]
