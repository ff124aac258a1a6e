"""Roll back or retrain: every rule and its counterpart."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Literal, get_args

import pytest

from mlops.operations.retraining.remedy import Action, Situation, remedy
from mlops.operations.retraining.settings import Remedies, parse_remedies
from mlops.quality.errors import UserError

ASKS, ALONE = Remedies(), Remedies(automatic_rollback=True)
NEW, OLD = timedelta(hours=2), timedelta(days=9)
LOST = Situation(performance="lost", deployed_for=NEW)


@pytest.mark.parametrize(
    ("situation", "action", "rule"),
    [
        (Situation(), "nothing", "nothing"),
        (Situation(broken_data="bmi below 0"), "nothing", "nothing"),
        (replace(LOST, broken_data="bmi below 0"), "mend_data", "broken_data"),
        (Situation(drift=True, broken_data="bmi below 0"), "mend_data", "broken_data"),
        (Situation(failing=True, broken_data="x", deployed_for=NEW), "mend_data", "broken_data"),
        (Situation(failing=True, deployed_for=NEW), "roll_back", "failing_new"),
        (Situation(failing=True, deployed_for=OLD), "call_a_person", "failing_old"),
        (Situation(failing=True, performance="lost"), "call_a_person", "failing_old"),
        (LOST, "roll_back", "lost_new"),
        (replace(LOST, drift=True), "call_a_person", "lost_new_and_drift"),
        (replace(LOST, deployed_for=OLD), "retrain", "lost_old"),
        (replace(LOST, deployed_for=OLD, drift=True), "retrain", "lost_old"),
        (replace(LOST, deployed_for=None), "retrain", "lost_old"),
        (replace(LOST, against_previous="worse"), "roll_back", "worse_than_previous"),
        (
            replace(LOST, against_previous="worse", deployed_for=OLD, drift=True),
            "roll_back",
            "worse_than_previous",
        ),
        (replace(LOST, against_previous="not_worse"), "retrain", "lost_like_previous"),
        (Situation(against_previous="worse", performance="kept"), "nothing", "nothing"),
        (Situation(drift=True), "retrain", "drift"),
        (Situation(drift=True, performance="kept"), "retrain", "drift"),
        (replace(LOST, previous=False), "call_a_person", "lost_new"),
        (replace(LOST, came_back=True), "call_a_person", "lost_new"),
    ],
)
def test_a_situation_and_its_remedy(situation: Situation, action: str, rule: str) -> None:
    found = remedy(situation, ASKS)
    assert (found.action, found.rule) == (action, rule)
    assert found.reasons


def test_too_few_labels_are_no_verdict() -> None:
    assert remedy(replace(LOST, performance="unknown"), ALONE).action == "nothing"


def test_right_after_a_deployment_ends_with_the_settings_hours() -> None:
    day = replace(LOST, deployed_for=timedelta(hours=24))
    assert remedy(day, ASKS).action == "roll_back"
    later = replace(LOST, deployed_for=timedelta(hours=24, seconds=1))
    assert remedy(later, ASKS).action == "retrain"
    assert remedy(later, Remedies(watch_hours=48)).action == "roll_back"
    ahead = replace(LOST, deployed_for=timedelta(seconds=-1))
    assert (
        remedy(ahead, ASKS).action == "retrain"
    ), "a deployment of the future is not known to be new"


def every_situation() -> list[Situation]:
    flags = (False, True)
    performances: tuple[Literal["lost", "kept", "unknown"], ...] = ("lost", "kept", "unknown")
    comparisons: tuple[Literal["worse", "not_worse", "unknown"], ...] = (
        "worse",
        "not_worse",
        "unknown",
    )
    ages = (None, -NEW, NEW, OLD)
    return [
        Situation(performance, against, drift, failing, broken, age, previous, came_back)
        for performance, against, drift, failing, broken, age, previous, came_back in product(
            performances,
            comparisons,
            flags,
            flags,
            ("", "broken"),
            ages,
            flags,
            flags,
        )
    ]


def test_in_every_situation_a_rollback_is_automatic_only_where_the_settings_say_so() -> None:
    seen: set[str] = set()
    for situation in every_situation():
        asked, alone = remedy(situation, ASKS), remedy(situation, ALONE)
        seen.add(asked.action)
        assert (asked.action, asked.rule) == (alone.action, alone.rule)
        if asked.action == "roll_back":
            assert (asked.automatic, alone.automatic) == (False, True)
            assert situation.previous
            assert not situation.came_back
            assert not situation.broken_data
        if asked.action in ("call_a_person", "mend_data"):
            assert not asked.automatic
    assert seen == set(get_args(Action))


def test_in_every_situation_broken_data_are_neither_learnt_from_nor_rolled_back_for() -> None:
    for situation in every_situation():
        if situation.broken_data:
            assert remedy(situation, ALONE).action in ("mend_data", "nothing")


def test_settings_are_read() -> None:
    assert parse_remedies({}, "here") == ASKS
    assert parse_remedies({"automatic_rollback": True}, "here") == ALONE
    with pytest.raises(UserError, match="here: watch_hours: expected more than 0, found 0"):
        parse_remedies({"watch_hours": 0}, "here")
    with pytest.raises(UserError, match="did you mean 'automatic_rollback'"):
        parse_remedies({"automatic_rolback": True}, "here")
