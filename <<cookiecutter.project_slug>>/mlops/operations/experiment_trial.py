"""A trial: two packages that both answered live, by what came of their answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np
import pandas as pd

from mlops.operations.experiment_rows import LABEL, VALUE, answer_of
from mlops.operations.experiment_times import Span, Times, share_at
from mlops.operations.experiments.bandit import Allocation, allocate, arm
from mlops.operations.experiments.outcomes import by_unit
from mlops.operations.experiments.sequential import Epoch, Outcomes
from mlops.operations.experiments.settings import BanditSettings, ExperimentSettings
from mlops.operations.experiments.verdict import Evidence, Verdict, gather, judge
from mlops.quality.errors import UserError
from mlops.quality.strict import did_you_mean

Measured = Literal["kpi", "accuracy", "absolute_error"]
CHAMPION, CHALLENGER = "champion", "challenger"
# The same outcomes give the same shares.
_SEED = 0


@dataclass(frozen=True)
class Rules:
    """The settings that a trial goes by; `where` names their file."""

    experiment: ExperimentSettings
    bandit: BanditSettings
    where: str


@dataclass(frozen=True)
class Trial:
    """What a trial has shown.

    `unit` is the column whose values count once. `rows` were answered in common times, by champion and
    challenger; `outside` rows of both were not.
    `allocation` is what a bandit would give, or why it would give nothing.
    """

    measured: Measured
    unit: str
    spans: tuple[Span, ...]
    rows: tuple[int, int]
    outside: int
    evidence: Evidence
    verdict: Verdict
    allocation: Allocation | str


def trial(
    champion: pd.DataFrame,
    challenger: pd.DataFrame,
    times: Times,
    epochs: tuple[Epoch, ...],
    rules: Rules,
    *,
    share: float,
    now: datetime,
) -> Trial:
    """Judge two packages by their live rows, which have `truth` and `kpi`.

    KPIs go before labels. `epochs` are the counts of failed requests, `share` is the challenger's at
    present. Raises UserError where the settings do not fit what was collected.
    """
    both = (champion.assign(challenger=False), challenger.assign(challenger=True))
    parts = [each.assign(share=share_at(each["time"], times.spans)) for each in both]
    inside = [each[each["share"].notna()] for each in parts]
    measured = _measured(inside)
    tables = [_values(each, rules) for each in inside]
    outside = sum(len(part) - len(kept) for part, kept in zip(parts, inside, strict=True))
    fitted = _fitted(measured, rules)
    settings = fitted.experiment
    table = pd.concat(tables, ignore_index=True)
    outcomes = _outcomes(table, measured, settings, now)
    if measured == "kpi":
        _check_kpi(outcomes, rules)
    guards: dict[str, Outcomes | tuple[Epoch, ...]] = {
        name: _outcomes(table, name, settings, now)
        for name in table.columns.intersection(list(settings.guards))
        if name != measured and table[name].notna().any()
    }
    if any(each.champion + each.challenger for each in epochs):
        guards["error_rate"] = epochs
    days = (now - times.spans[0].start).total_seconds() / 86400
    evidence = gather(outcomes, guards, settings, share=share, days=days)
    rows = (len(inside[0]), len(inside[1]))
    allocation = _allocation(outcomes, fitted, share or times.spans[-1].share)
    verdict = judge(evidence, settings)
    spans, unit = times.spans, settings.unit
    return Trial(measured, unit, spans, rows, outside, evidence, verdict, allocation)


def _measured(parts: list[pd.DataFrame]) -> Measured:
    if any(each["kpi"].notna().any() for each in parts):
        return "kpi"
    return "absolute_error" if all(answer_of(each) == VALUE for each in parts) else "accuracy"


def _fitted(measured: Measured, rules: Rules) -> Rules:
    """The rules with what the kind of a figure says by itself; a KPI's kind is for people to say."""
    if measured == "kpi":
        return rules
    kinds: Mapping[str, str] = {"kind": "share", "goal": "higher"}
    if measured == "absolute_error":
        kinds = {"kind": "value", "goal": "lower"}
    return dataclasses.replace(
        rules,
        experiment=dataclasses.replace(rules.experiment, **kinds),  # type: ignore[arg-type]
        bandit=dataclasses.replace(rules.bandit, **kinds),  # type: ignore[arg-type]
    )


def _values(rows: pd.DataFrame, rules: Rules) -> pd.DataFrame:
    """The figures of each row, by the names that the settings' guard-rails give them."""
    unit = rules.experiment.unit
    column = next((name for name in (unit, f"input.{unit}") if name in rows), "")
    if not column:
        inputs = [str(name)[len("input.") :] for name in rows if str(name).startswith("input.")]
        raise UserError(
            f"{rules.where}: experiment: unit: no column '{unit}' is collected; "
            f"{did_you_mean(unit, ['request_id', *inputs])}"
        )
    truth, answer = rows["truth"], answer_of(rows)
    known = truth.notna().to_numpy()
    found = rows[["time", "challenger", "share", "request_id", "kpi"]].copy()
    found["unit"] = rows[column]
    found["slow_rate"] = (rows["latency_ms"] > rules.experiment.slow_ms).astype(float)
    for name in ("accuracy", "absolute_error"):
        found[name] = np.nan
    if answer == LABEL:
        right = (rows[LABEL].astype(object) == truth).to_numpy(dtype=float)
        found["accuracy"] = np.where(known, right, np.nan)
    elif answer == VALUE:
        off = (rows[VALUE].astype(float) - truth.astype(float)).abs()
        found["absolute_error"] = off
    return found


def _outcomes(
    table: pd.DataFrame, name: str, settings: ExperimentSettings, now: datetime
) -> Outcomes:
    """A figure of each unit; how long an answer took is each request's own, and known at once."""
    named = table.assign(value=table[name].astype(float))
    if name == "slow_rate":
        return by_unit(named, unit="request_id", hours=0.0, now=now)
    return by_unit(named, unit="unit", hours=settings.hours, now=now)


def _check_kpi(outcomes: Outcomes, rules: Rules) -> None:
    if rules.experiment.kind == "share" and (wrong := _beyond(outcomes)) is not None:
        raise UserError(
            f"{rules.where}: experiment: kind: a share has KPIs from 0 to 1, found {wrong:g}; "
            "write kind: value"
        )


def _beyond(outcomes: Outcomes) -> float | None:
    """The first value that no share can have."""
    known = outcomes.value[np.isfinite(outcomes.value)]
    wrong = known[(known < 0) | (known > 1)]
    return float(wrong[0]) if len(wrong) else None


def _allocation(outcomes: Outcomes, rules: Rules, share: float) -> Allocation | str:
    settings = rules.bandit
    if settings.kind == "share" and (wrong := _beyond(outcomes)) is not None:
        return f"the settings' bandit has kind: share, but a KPI is {wrong:g}: write kind: value"
    for name in (*settings.floors, *settings.ceilings):
        if name not in (CHAMPION, CHALLENGER):
            expected = f"expected {CHAMPION} or {CHALLENGER}"
            raise UserError(f"{rules.where}: bandit: floors, ceilings: {name}: {expected}")
    new = outcomes.challenger
    arms = [
        arm(CHAMPION, outcomes.value[~new], 1 - outcomes.share[~new]),
        arm(CHALLENGER, outcomes.value[new], outcomes.share[new]),
    ]
    return allocate(arms, {CHAMPION: 1 - share, CHALLENGER: share}, settings, _SEED)
