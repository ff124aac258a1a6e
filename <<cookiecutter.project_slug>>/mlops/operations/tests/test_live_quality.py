"""Missing, new and extreme values are told from chance, and refusals from few callers."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlops.deployment.packaging.reference import reference
from mlops.deployment.tests.small import CONTRACT, INPUTS, rows
from mlops.operations.monitoring.column_reference import (
    ColumnReference,
    read_reference,
    with_rows,
)
from mlops.operations.monitoring.quality import data_quality
from mlops.operations.monitoring.settings import QualityLimits
from mlops.operations.monitoring.verdict import Share, Verdict, difference, share_risen
from mlops.quality.contract import Column, Contract
from mlops.quality.errors import UserError

LIMITS = QualityLimits()
NONE_REFUSED = Share(0, 1000)
WIDE = dataclasses.replace(
    CONTRACT,
    columns={
        **CONTRACT.columns,
        "g": Column("string", "g", categories=("x", "y", "z"), missing=True),
        "k": Column("integer", "k", categories=(1, 2, 3), missing=True),
        "t": Column("string", "a text"),
        "b": Column("boolean", "b"),
        "d": Column("datetime", "d"),
    },
)


def wide(number: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    days = pd.to_datetime("2026-01-01") + pd.to_timedelta(random.integers(0, 300, number), "D")
    table = rows(number, seed).assign(
        k=random.choice([1.0, 2.0, np.nan], number),
        t=[f"t{n}" for n in random.integers(0, 80, number)],
        b=random.random(number) < 0.5,
        d=days.as_unit("us"),
    )
    table["g"] = table["g"].astype(object)
    return table[list(WIDE.inputs)]


def known(tmp_path: Path, table: pd.DataFrame, contract: Contract) -> dict[str, ColumnReference]:
    found = reference(table, np.zeros(len(table)), contract)
    (tmp_path / "reference.json").write_text(json.dumps(found))
    return read_reference(tmp_path)


def judge(
    tmp_path: Path,
    now: pd.DataFrame,
    limits: QualityLimits = LIMITS,
    contract: Contract = WIDE,
    refused: Share | None = NONE_REFUSED,
) -> dict[str, Verdict]:
    training = wide(2000, 1)
    before = with_rows(known(tmp_path, training, WIDE), training)
    verdicts = data_quality(now, contract, before, refused, limits)
    found = {verdict.measure: verdict for verdict in verdicts}
    assert len(found) == len(verdicts)
    return found


def breached(found: dict[str, Verdict]) -> set[str]:
    return {name for name, verdict in found.items() if verdict.outcome == "breached"}


def test_rows_like_the_training_rows_hold(tmp_path: Path) -> None:
    found = judge(tmp_path, wide(500, 2))
    assert {verdict.outcome for verdict in found.values()} == {"holds"}
    assert set(found) == {
        *(f"data_quality.missing[{name}]" for name in WIDE.inputs),
        *(f"data_quality.unseen[{name}]" for name in "gktb"),
        *(f"data_quality.beyond[{name}]" for name in "anm"),
        "data_quality.refused",
    }


def test_more_missing_values_breach(tmp_path: Path) -> None:
    now = wide(500, 2)
    now.loc[:99, "m"] = np.nan
    found = judge(tmp_path, now)
    assert breached(found) == {"data_quality.missing[m]"}
    verdict = found["data_quality.missing[m]"]
    assert verdict.column == "m"
    assert verdict.value == pytest.approx(now["m"].isna().mean())
    assert verdict.before == pytest.approx(wide(2000, 1)["m"].isna().mean())
    assert "are missing" in verdict.reason
    assert breached(judge(tmp_path, now, QualityLimits(missing=None))) == set()


def test_fewer_missing_values_are_no_breach(tmp_path: Path) -> None:
    assert breached(judge(tmp_path, wide(500, 2).fillna({"m": 0.0, "k": 1.0}))) == set()


@pytest.mark.parametrize(("column", "value"), [("g", "z"), ("k", 3.0), ("t", "never seen")])
def test_values_that_no_training_row_had_breach_and_are_shown(
    column: str, value: str | float, tmp_path: Path
) -> None:
    now = wide(500, 2)
    now.loc[:149, column] = value
    found = judge(tmp_path, now)
    assert breached(found) == {f"data_quality.unseen[{column}]"}
    shown = str(value).removesuffix(".0")
    assert f"'{shown}' 1" in found[f"data_quality.unseen[{column}]"].reason


def test_texts_that_the_package_does_not_keep_need_the_training_rows(tmp_path: Path) -> None:
    training = wide(2000, 1)
    package = known(tmp_path, training, WIDE)
    found = {v.measure: v for v in data_quality(wide(500, 2), WIDE, package, None, LIMITS)}
    verdict = found["data_quality.unseen[t]"]
    assert verdict.outcome == "no_verdict"
    assert f"{package['t'].others} training rows are not known" in verdict.reason
    assert len(with_rows(package, training)["t"].texts or ()) == 80


def test_new_texts_are_expected_where_half_of_all_came_once(tmp_path: Path) -> None:
    training, now = wide(2000, 1), wide(500, 2)
    for table, start in ((training, 0), (now, 5000)):
        names = np.arange(len(table)) + start
        table["t"] = np.where(names % 2, [f"new{n}" for n in names], "often")
    before = with_rows(known(tmp_path, training, WIDE), training)
    found = {v.measure: v for v in data_quality(now, WIDE, before, None, LIMITS)}
    assert found["data_quality.unseen[t]"].outcome == "holds"
    assert found["data_quality.unseen[t]"].before == 0.5


def test_a_truth_value_that_is_new_breaches(tmp_path: Path) -> None:
    table = wide(2000, 1).assign(b=True)
    before = known(tmp_path, table, WIDE)
    now = wide(500, 2)
    found = data_quality(now, WIDE, before, None, LIMITS)
    assert "data_quality.unseen[b]" in {v.measure for v in found if v.outcome == "breached"}
    same = data_quality(now.assign(b=True), WIDE, before, None, LIMITS)
    assert "data_quality.unseen[b]" not in {v.measure for v in same if v.outcome == "breached"}


def test_numbers_beyond_the_training_rows_breach_and_moments_do_not(tmp_path: Path) -> None:
    now = wide(500, 2)
    now.loc[:39, "a"] = 11.0
    now["d"] = now["d"] + pd.Timedelta(days=2000)
    found = judge(tmp_path, now)
    assert breached(found) == {"data_quality.beyond[a]"}
    assert "now 0.0" in found["data_quality.beyond[a]"].reason
    assert "to 11" in found["data_quality.beyond[a]"].reason
    assert breached(judge(tmp_path, now, QualityLimits(beyond=None))) == set()


def test_the_ends_of_the_training_rows_are_not_beyond(tmp_path: Path) -> None:
    table = wide(2000, 1)
    table["a"] = 1 / 3 + table["a"] / 3
    before = known(tmp_path, table, WIDE)
    now = wide(500, 2).assign(a=[table["a"].max(), table["a"].min()] * 250)
    verdicts = data_quality(now, WIDE, before, None, LIMITS)
    assert next(v for v in verdicts if v.measure == "data_quality.beyond[a]").value == 0


def test_too_few_rows_have_no_verdict(tmp_path: Path) -> None:
    now = wide(99, 2)
    now["m"] = np.nan
    found = judge(tmp_path, now, refused=Share(90, 99))
    assert {verdict.outcome for verdict in found.values()} == {"no_verdict"}
    assert found["data_quality.refused"].reason == "99 requests; 100 are needed"
    assert judge(tmp_path, now[:0])["data_quality.missing[m]"].outcome == "no_verdict"


def test_a_hashed_column_can_only_be_missing(tmp_path: Path) -> None:
    columns = {**WIDE.columns, "g": dataclasses.replace(WIDE.columns["g"], collect="hashed")}
    contract = dataclasses.replace(WIDE, columns=columns)
    now = wide(500, 2)
    now["g"] = "0123456789abcdef"
    assert "data_quality.unseen[g]" not in judge(tmp_path, now, contract=contract)
    now["g"] = None
    assert breached(judge(tmp_path, now, contract=contract)) == {"data_quality.missing[g]"}


@pytest.mark.parametrize(
    ("refused", "outcome"),
    [
        (Share(90, 1000), "breached"),
        (Share(50, 1000), "holds"),
        (Share(9, 100), "holds"),  # nine of a hundred may be chance
        (None, "no_verdict"),
    ],
)
def test_refused_requests(refused: Share | None, outcome: str, tmp_path: Path) -> None:
    found = judge(tmp_path, wide(500, 2), refused=refused)
    assert found["data_quality.refused"].outcome == outcome
    without = judge(tmp_path, wide(500, 2), QualityLimits(refused=None), refused=refused)
    assert "data_quality.refused" not in without


def test_chance_alone_hardly_ever_breaches(tmp_path: Path) -> None:
    before = known(tmp_path, rows(300, 1)[INPUTS], CONTRACT)
    alarms = 0
    for seed in range(200):
        now = rows(120, 1000 + seed)[INPUTS]
        alarms += any(
            verdict.outcome == "breached"
            for verdict in data_quality(now, CONTRACT, before, None, LIMITS)
        )
    assert alarms <= 2


def test_differences_of_shares_are_newcombes() -> None:
    # Newcombe, Statistics in Medicine 17 (1998), table II, method 10: (a) 56/70 - 48/80, (b) 9/10 - 3/10
    assert share_risen(Share(56, 70), Share(48, 80)) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert share_risen(Share(9, 10), Share(3, 10)) == pytest.approx((0.1705, 0.8090), abs=5e-5)
    # and of nothing against nothing, everything is possible
    assert share_risen(Share(0, 0), Share(0, 0)) == (-1.0, 1.0)
    assert difference((1.0, 1.0, 1.0), (0.25, 0.25, 0.25)) == (0.75, 0.75)


@pytest.mark.parametrize("text", ["", "{}", '{"rows": 3, "columns": {"a": {}}}'])
def test_a_broken_reference_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "reference.json").write_text(text)
    with pytest.raises(UserError, match="not a reference"):
        read_reference(tmp_path)
