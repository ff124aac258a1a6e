"""The settings of experiments: defaults that are valid, and mistakes that are told in a line."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mlops.operations.experiments.settings import (
    BanditSettings,
    ExperimentSettings,
    ReviewSettings,
    ShadowSettings,
    bandit_settings,
    experiment_settings,
    review_settings,
    shadow_settings,
)
from mlops.quality.errors import UserError


def test_the_defaults_are_valid() -> None:
    assert experiment_settings({}, "s") == ExperimentSettings()
    assert bandit_settings({}, "s") == BanditSettings()
    assert shadow_settings({}, "s") == ShadowSettings()
    assert review_settings({}, "s") == ReviewSettings()


def test_values_are_taken() -> None:
    found = experiment_settings(
        {"share": 0.1, "kind": "value", "guards": {"returns": {"margin": 2, "goal": "higher"}}}, "s"
    )
    assert (found.share, found.unseen) == (0.1, 0.0)
    assert found.guards["returns"].goal == "higher"
    assert ExperimentSettings().unseen == 1.0
    assert review_settings({"margin": None, "rules": {"old": "age > 80"}}, "s").margin is None


@pytest.mark.parametrize(
    ("read", "values", "message"),
    [
        (experiment_settings, {"shares": 0.5}, "s: unknown key 'shares'; did you mean 'share'?"),
        (
            experiment_settings,
            {"share": 1},
            "s: share: expected more than 0 and less than 1, found 1",
        ),
        (experiment_settings, {"alpha": 0.0}, "s: alpha: expected more than 0"),
        (experiment_settings, {"difference": 0}, "s: difference: expected more than 0, found 0"),
        (experiment_settings, {"days": float("nan")}, "s: days: expected more than 0"),
        (experiment_settings, {"hours": -1}, "s: hours: expected 0 or more, found -1"),
        (experiment_settings, {"minimum": 10}, "s: minimum: expected 50 or more, found 10"),
        (experiment_settings, {"unit": " "}, "s: unit: expected a column"),
        (experiment_settings, {"goal": "best"}, "s: goal: 'best' is not one of"),
        (
            experiment_settings,
            {"guards": {"errors": {"margin": 0}}},
            "s: guards: errors: margin: expected more than 0, found 0",
        ),
        (bandit_settings, {"floor": -0.1}, "s: floor: expected 0 to 1, found -0.1"),
        (bandit_settings, {"ceilings": {"a": 2}}, "s: ceilings: a: expected 0 to 1, found 2"),
        (
            bandit_settings,
            {"floors": {"a": 0.5}, "ceilings": {"a": 0.4}},
            "s: a: the floor 0.5 is above the ceiling 0.4",
        ),
        (bandit_settings, {"step": 0}, "s: step: expected more than 0, at most 1, found 0"),
        (bandit_settings, {"minimum": 1}, "s: minimum: expected 2 or more, found 1"),
        (bandit_settings, {"draws": 10}, "s: draws: expected 1000 or more, found 10"),
        (shadow_settings, {"tolerance": -1}, "s: tolerance: expected 0 or more, found -1"),
        (shadow_settings, {"labels": 9}, "s: labels: expected 50 or more, found 9"),
        (review_settings, {"margin": 1.5}, "s: margin: expected 0 to 1, found 1.5"),
        (review_settings, {"per_window": 0}, "s: per_window: expected 1 or more, found 0"),
        (review_settings, {"labellers": 0}, "s: labellers: expected 1 or more, found 0"),
        (review_settings, {"rules": {"a,b": "x > 1"}}, "s: rules: expected a name without commas"),
        (review_settings, {"rules": {"uncertain": "x > 1"}}, "other than uncertain"),
    ],
)
def test_a_mistake_names_place_key_and_value(
    read: Callable[[object, str], object], values: object, message: str
) -> None:
    with pytest.raises(UserError) as caught:
        read(values, "s")
    assert message in str(caught.value)
