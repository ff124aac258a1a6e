"""Which answers people look at, and what their labels come to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from mlops.operations.experiments.review import Answer, Label, choose, resolve
from mlops.operations.experiments.settings import ReviewSettings
from mlops.quality.errors import UserError

NONE = ReviewSettings(margin=None)


def answers(probability: list[float], **inputs: Sequence[object]) -> pd.DataFrame:
    """Collected live rows: the probability of label 1, and inputs."""
    number = len(probability)
    return pd.DataFrame(
        {
            "request_id": [f"r{place}" for place in range(number)],
            "row": 1,
            "time": pd.date_range("2026-03-01", periods=number, freq="s", tz="UTC"),
            "role": "live",
            "probability.0": 1 - np.array(probability),
            "probability.1": probability,
            "label": [int(each > 0.5) for each in probability],
            **{f"input.{name}": values for name, values in inputs.items()},
        }
    )


def chosen(table: pd.DataFrame, settings: ReviewSettings) -> dict[str, str]:
    found = choose(table, settings)
    return dict(zip(found["request_id"], found["why"], strict=True))


def test_answers_in_the_uncertain_band_are_chosen() -> None:
    table = answers([0.39, 0.4, 0.5, 0.6, 0.61, 0.95])
    assert chosen(table, ReviewSettings(margin=0.2)) == dict.fromkeys(
        ("r1", "r2", "r3"), "uncertain"
    )
    assert chosen(table, NONE) == {}


def test_of_several_labels_the_two_most_probable_count() -> None:
    table = answers([0.45, 0.2]).assign(
        **{"probability.0": [0.1, 0.1], "probability.2": [0.45, 0.7]}
    )
    assert list(chosen(table, ReviewSettings(margin=0.1))) == ["r0"]


def test_a_rule_chooses_and_a_missing_value_meets_none() -> None:
    rules = {"old": "age > 80", "sure": "probability_1 >= 0.9"}
    table = answers([0.9, 0.1, 0.95, 0.2], age=[81.0, 82.0, np.nan, 20.0])
    assert chosen(table, ReviewSettings(margin=None, rules=rules)) == {
        "r0": "old,sure",
        "r1": "old",
        "r2": "sure",
    }


def test_a_rule_of_a_regression_may_speak_of_the_value() -> None:
    table = answers([0.1, 0.2]).drop(columns=["probability.0", "probability.1", "label"])
    rules = {"large": "value > 100"}
    found = chosen(table.assign(value=[99.0, 101.0]), ReviewSettings(rules=rules))
    assert found == {"r1": "large"}


def test_copies_replays_and_ids_that_came_twice_are_not_chosen() -> None:
    table = answers([0.5] * 5)
    table.loc[0, "role"] = "mirror"
    table.loc[1, "role"] = "replay"
    table.loc[2, "request_id"] = "r3"
    assert list(chosen(table, ReviewSettings())) == ["r4"]


def test_no_more_than_a_window_allows_and_the_same_ones_each_time() -> None:
    table = answers([0.5] * 500)
    settings = ReviewSettings(per_window=20)
    first = set(chosen(table, settings))
    assert len(first) == 20
    assert set(chosen(table.sample(frac=1, random_state=3), settings)) == first
    # a sample, not the first that came
    places = [int(name[1:]) for name in first]
    assert min(places) < 150
    assert max(places) > 350
    # who is chosen does not depend on the others: each of the half was among the whole's or is new
    assert first & set(table["request_id"][:250]) <= set(chosen(table[:250], settings))


def test_what_a_rule_names_goes_before_what_is_uncertain() -> None:
    table = answers([0.5] * 50, age=[90.0] * 5 + [20.0] * 45)
    settings = ReviewSettings(per_window=6, rules={"old": "age > 80"})
    found = chosen(table, settings)
    assert sum("old" in why for why in found.values()) == 5
    assert len(found) == 6


def test_an_empty_window_gives_nothing() -> None:
    assert choose(answers([0.5])[:0], ReviewSettings(rules={"sure": "probability_1 > 1"})).empty


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("agee > 80", "review: rules: old: there is no column 'agee'; did you mean 'age'?"),
        ("city > 80", "review: rules: old: there is no column 'city'"),
        ("age", "review: rules: old: expected a comparison"),
        ("__import__('os') == 1", "review: rules: old: only + - * / abs() are known"),
    ],
)
def test_a_rule_that_cannot_be_read_is_named(text: str, message: str) -> None:
    table = answers([0.5], age=[20.0], city=["Bonn"])
    with pytest.raises(UserError) as caught:
        choose(table, ReviewSettings(rules={"old": text}))
    assert message in str(caught.value)


def labels(*given: tuple[str, Answer]) -> list[Label]:
    return [Label(label, by, f"2026-03-0{day}") for day, (by, label) in enumerate(given, 1)]


@pytest.mark.parametrize(
    ("given", "labellers", "state", "label"),
    [
        (labels(), 1, "open", None),
        (labels(("ann", 1)), 1, "resolved", 1),
        (labels(("ann", 1)), 2, "open", None),
        (labels(("ann", 1), ("ann", 1)), 2, "open", None),
        (labels(("ann", 1), ("bob", 1)), 2, "resolved", 1),
        (labels(("ann", 1), ("bob", 0)), 1, "unresolved", None),
        (labels(("ann", 1), ("bob", 0), ("eve", 0)), 1, "resolved", 0),
        (labels(("ann", 1), ("bob", 0), ("ann", 0)), 2, "resolved", 0),
        (labels(("ann", 1), ("bob", True)), 2, "unresolved", None),
        (labels(("ann", "x"), ("bob", "y"), ("eve", "z")), 3, "unresolved", None),
    ],
)
def test_labels_come_to_a_majority_or_to_none(
    given: list[Label], labellers: int, state: str, label: Answer | None
) -> None:
    found = resolve(given, labellers)
    assert (found.state, found.label) == (state, label)


def test_who_agreed_and_when_is_told() -> None:
    found = resolve(labels(("eve", 0), ("bob", 1), ("ann", 0)), 3)
    assert (found.by, found.at) == (("ann", "eve"), "2026-03-03")
