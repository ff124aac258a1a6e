"""Shares are those that can be worked out by hand, and a model that leans on chance is unstable."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from mlops.deployment.measuring.column_codes import column_codes
from mlops.deployment.measuring.explanation import EXACT, ROWS, Explanation, explain
from mlops.deployment.measuring.measure import Predict
from mlops.deployment.measuring.scored import Scored
from mlops.deployment.tests.scoring import CONTRACT, binary, labels, named, table, values
from mlops.quality.contract import Column, Contract

Values = NDArray[np.float64]
TRAINING, EVALUATION = table(200, 1), table(90, 2)


def linear(inputs: pd.DataFrame) -> Values:
    """Of the values above: 3 x - 1 age/10 + 2 for sex m, and nothing for the noise."""
    sex = (inputs["sex"] == "m").to_numpy(dtype=float)
    return (
        3 * inputs["x"].to_numpy(dtype=float) - inputs["age"].to_numpy(dtype=float) / 10 + 2 * sex
    )


def explained(predict: Predict, scored: Scored | None = None, seed: int = 0) -> Explanation:
    subject = scored or values([0.0] * 90, predict(EVALUATION).tolist(), EVALUATION)
    return explain(subject, predict, TRAINING, seed=seed)


def test_the_shares_of_a_linear_model_are_its_terms() -> None:
    found = explained(linear)
    background = TRAINING.sample(30, random_state=0)
    for example in found.examples:
        row = EVALUATION.iloc[example.row - 1]
        expected = {
            "x": 3 * (row["x"] - background["x"].mean()),
            "noise": 0.0,
            "age": -(row["age"] - background["age"].mean()) / 10,
            "sex": 2 * ((row["sex"] == "m") - (background["sex"] == "m").mean()),
        }
        assert example.shares == pytest.approx(expected, abs=1e-6)
        assert example.base == pytest.approx(linear(background).mean())
        assert example.answer == pytest.approx(example.base + sum(example.shares.values()))
        assert example.values["sex"] == row["sex"]
        assert example.values["age"] == str(row["age"])


def test_the_columns_are_ranked_by_what_they_weigh() -> None:
    found = explained(linear)
    ranked = sorted(found.importance, key=lambda name: -found.importance[name])
    assert ranked == ["x", "age", "sex", "noise"]
    assert found.importance["noise"] == pytest.approx(0.0, abs=1e-9)
    assert found.importance["x"] == pytest.approx(7.5, rel=0.2)


def test_the_highest_the_lowest_and_the_doubtful_answer_are_explained() -> None:
    def chance(inputs: pd.DataFrame) -> Values:
        return np.asarray(1 / (1 + np.exp(-linear(inputs))))

    told = chance(EVALUATION)
    found = explained(chance, binary([0, 1] * 45, told.tolist(), EVALUATION))
    rows = {example.why: example.row - 1 for example in found.examples}
    assert rows == {
        "the highest answer": told.argmax(),
        "the lowest answer": told.argmin(),
        "nearest to the threshold": np.abs(told - 0.5).argmin(),
    }
    assert "nearest to the median answer" in {e.why for e in explained(linear).examples}


def test_a_model_of_few_reasons_is_stable_and_one_of_chance_is_not() -> None:
    found = named(explained(linear).measures)["explanation.stability"]
    assert (found.value or 0) > 0.9
    assert found.detail == "of the 3 strongest columns 3 are the same"
    assert found.rows == ROWS
    ranks = []
    for seed in range(3):
        chance = np.random.default_rng(seed)

        def guess(inputs: pd.DataFrame, chance: np.random.Generator = chance) -> Values:
            return chance.random(len(inputs))

        subject = binary([0, 1] * 45, [0.4] * 90, EVALUATION)
        ranks.append(named(explained(guess, subject, seed).measures)["explanation.stability"].value)
    assert min(rank if rank is not None else 0 for rank in ranks) < 0.6


def test_what_does_not_add_up_is_shown() -> None:
    good = named(explained(linear).measures)["explanation.additivity"]
    assert good.value == pytest.approx(0.0, abs=1e-9)
    calls = np.random.default_rng(0)
    moody = named(
        explained(lambda inputs: linear(inputs) + calls.normal(0, 5, len(inputs))).measures
    )["explanation.additivity"]
    assert (moody.value or 0) > 0.5


def test_answers_that_no_column_changes_have_no_stability() -> None:
    found = named(explained(lambda inputs: np.full(len(inputs), 0.3)).measures)
    assert found["explanation.stability"].value is None
    assert found["explanation.stability"].detail == "no column changes any answer"


def test_of_more_labels_the_most_frequent_one_is_explained() -> None:
    def three(inputs: pd.DataFrame) -> Values:
        second = 1 / (1 + np.exp(-inputs["x"].to_numpy(dtype=float) - 3))
        return np.column_stack([(1 - second) / 2, second, (1 - second) / 2])

    found = explained(three, labels([1] * 90, three(EVALUATION).tolist(), EVALUATION))
    assert named(found.measures)["explanation.additivity"].detail == "of the probability of 1"
    assert max(found.importance, key=lambda name: found.importance[name]) == "x"
    highest = next(example for example in found.examples if example.why == "the highest answer")
    assert highest.row - 1 == EVALUATION["x"].argmax()


def many(columns: int) -> tuple[Contract, pd.DataFrame]:
    names = [f"c{number}" for number in range(columns)]
    declared = {name: Column("number", name) for name in names}
    contract = dataclasses.replace(
        CONTRACT,
        columns={**declared, "answer": CONTRACT.columns["answer"]},
        segments={},
        protected=(),
        task="regression",
    )
    random = np.random.default_rng(0)
    return contract, pd.DataFrame(random.normal(size=(20, columns)), columns=names)


def test_many_columns_are_explained_by_permutations() -> None:
    contract, rows = many(EXACT + 4)

    def weighed(inputs: pd.DataFrame) -> Values:
        return np.asarray(inputs.to_numpy(dtype=float) @ np.arange(EXACT + 4.0))

    scored = dataclasses.replace(
        values([0.0] * 20, weighed(rows).tolist(), rows), contract=contract
    )
    found = explain(scored, weighed, rows, seed=0)
    assert named(found.measures)["explanation.additivity"].value == pytest.approx(0.0, abs=1e-9)
    assert found.importance["c0"] == pytest.approx(0.0, abs=1e-9)
    assert found.importance[f"c{EXACT + 3}"] > found.importance["c3"]


def test_one_column_is_explained_too() -> None:
    contract, rows = many(1)
    scored = dataclasses.replace(values([0.0] * 20, rows["c0"].tolist(), rows), contract=contract)
    found = explain(scored, lambda inputs: inputs["c0"].to_numpy(dtype=float), rows, seed=0)
    assert named(found.measures)["explanation.stability"].value == 1.0


@pytest.mark.parametrize("part", ["rows to explain", "training rows"])
def test_without_rows_nothing_is_explained(part: str) -> None:
    rows = EVALUATION.head(0) if part == "rows to explain" else EVALUATION
    training = TRAINING if part == "rows to explain" else TRAINING.head(0)
    scored = values([0.0] * len(rows), [0.0] * len(rows), rows)
    found = explain(scored, linear, training, seed=0)
    assert [measure.value for measure in found.measures] == [None, None]
    assert found.measures[0].detail == f"there are no {part}"


def test_the_same_seed_gives_the_same_explanation() -> None:
    assert explained(linear, seed=2) == explained(linear, seed=2)


def test_the_model_is_asked_with_the_types_that_it_knows(capfd: pytest.CaptureFixture[str]) -> None:
    kinds: set[tuple[str, ...]] = set()

    def spy(inputs: pd.DataFrame) -> Values:
        kinds.add(tuple(str(kind) for kind in inputs.dtypes))
        assert set(inputs["sex"]) <= {"f", "m"}
        return linear(inputs)

    explained(spy)
    assert kinds == {tuple(str(kind) for kind in EVALUATION[list(CONTRACT.inputs)].dtypes)}
    assert "%|" not in capfd.readouterr().err


EVERY_TYPE = pd.DataFrame(
    {
        "whole": np.array([3, 1, 2], dtype=np.int64),
        "gaps": [1.5, np.nan, 2.5],
        "text": pd.Series(["b", None, "a"], dtype=object),
        "new text": pd.Series(["b", None, "a"], dtype="str"),
        "truth": [True, False, True],
        "truth with gaps": pd.Series([True, None, False], dtype=object),
        "moment": pd.to_datetime(["2026-01-02", "NaT", "2026-01-01"]).as_unit("us"),
    }
)


def test_every_type_of_column_is_encoded_and_decoded() -> None:
    codes = column_codes(EVERY_TYPE)
    numbers = codes.encode(EVERY_TYPE)
    assert numbers.shape == (3, 7)
    assert numbers.dtype == float
    assert np.isnan(numbers[1]).tolist() == [False, True, True, True, False, True, True]
    pd.testing.assert_frame_equal(codes.decode(numbers), EVERY_TYPE)
