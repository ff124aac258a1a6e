"""Staleness: what did not happen for too long, and what a clock that jumps must not be taken for."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta

import pytest

from mlops.operations.monitoring.settings import StalenessLimits
from mlops.operations.monitoring.staleness import Last, staleness
from mlops.operations.monitoring.verdict import Verdict
from mlops.operations.tests.collected_cases import HOUR, NOON

LIMITS = StalenessLimits(traffic=24, labels=48, training=100, monitor=3)
FRESH = Last(
    serving=NOON - 500 * HOUR,
    traffic=NOON - HOUR,
    labels=NOON - 40 * HOUR,
    training=NOON - 90 * HOUR,
    monitor=NOON - HOUR,
)
WHAT = ("traffic", "labels", "training", "monitor")


def judge(**changed: datetime | None) -> dict[str, Verdict]:
    return by_name(dataclasses.replace(FRESH, **changed), LIMITS)


def by_name(last: Last, limits: StalenessLimits) -> dict[str, Verdict]:
    return {v.measure.partition(".")[2]: v for v in staleness(last, NOON, limits)}


def test_all_is_fresh() -> None:
    assert {name: verdict.outcome for name, verdict in judge().items()} == dict.fromkeys(
        WHAT, "holds"
    )


@pytest.mark.parametrize("what", WHAT)
def test_what_did_not_happen_for_too_long_breaches(what: str) -> None:
    hours = getattr(LIMITS, what)
    found = judge(**{what: NOON - (hours + 1) * HOUR})
    assert {name for name, v in found.items() if v.outcome == "breached"} == {what}
    assert found[what].value == hours + 1
    assert f"expected every {hours} h" in found[what].reason
    assert judge(**{what: NOON - hours * HOUR})[what].outcome == "holds"
    off = StalenessLimits(**{**vars(LIMITS), what: None})
    assert what not in by_name(Last(), off)


@pytest.mark.parametrize("what", WHAT)
def test_a_time_ahead_of_now_is_a_clock_that_jumped(what: str) -> None:
    found = judge(**{what: NOON + timedelta(hours=2)})[what]
    assert (found.outcome, found.value) == ("no_verdict", None)
    assert "2.0 h ahead of now: a clock has jumped" in found.reason
    little = judge(**{what: NOON + timedelta(seconds=30)})[what]
    assert (little.outcome, little.value) == ("holds", 0.0)


def test_a_model_that_serves_since_an_hour_does_not_lack_traffic() -> None:
    young = judge(serving=NOON - HOUR, traffic=None, labels=None)
    assert (young["traffic"].outcome, young["labels"].outcome) == ("holds", "no_verdict")
    old_traffic = judge(serving=NOON - HOUR, traffic=NOON - 400 * HOUR)["traffic"]
    assert (old_traffic.outcome, old_traffic.value) == ("holds", 1.0)
    assert "the last before that" in old_traffic.reason
    long = judge(traffic=None)["traffic"]
    assert (long.outcome, long.value) == ("breached", 500)


def test_where_nothing_serves_or_nothing_was_asked_there_is_no_verdict() -> None:
    nothing = judge(serving=None, traffic=None, labels=None)
    assert nothing["traffic"].reason == "nothing serves"
    assert nothing["labels"].reason == "there was no traffic to label"
    assert {nothing["traffic"].outcome, nothing["labels"].outcome} == {"no_verdict"}


def test_labels_that_never_came_breach_once_there_was_time_for_them() -> None:
    assert judge(labels=None)["labels"].outcome == "breached"
    assert judge(labels=None, serving=NOON - 40 * HOUR)["labels"].outcome == "holds"


def test_the_first_run_of_the_monitor_and_no_training_have_no_verdict() -> None:
    found = judge(monitor=None, training=None)
    assert found["monitor"].reason == "never a run of the monitor"
    assert {found["monitor"].outcome, found["training"].outcome} == {"no_verdict"}
