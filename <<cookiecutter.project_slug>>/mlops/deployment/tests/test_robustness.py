"""A model that noise or gaps throw off is told from one that they do not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from mlops.deployment.measuring.measure import Measure, Predict
from mlops.deployment.measuring.robustness import robustness
from mlops.deployment.measuring.scored import Scored
from mlops.deployment.tests.scoring import CONTRACT, binary, logistic, named, table, values

Values = NDArray[np.float64]
ROWS = table(300, 7)
TRAINING = table(300, 8)
TRUTH = (ROWS["x"] > 0).astype(int).tolist()


def sturdy(inputs: pd.DataFrame) -> Values:
    """Leans on x alone, of which noise moves few rows across 0."""
    return logistic(inputs)


def brittle(inputs: pd.DataFrame) -> Values:
    """Right for rows as they were learnt, by their last digits; a coin for others."""
    learnt = np.isin(inputs["x"].to_numpy(), ROWS["x"].to_numpy()) & inputs["noise"].notna()
    return np.where(learnt, logistic(inputs), 1 - logistic(inputs))


def measured(
    predict: Predict, scored: Scored | None = None, **changes: float
) -> dict[str, Measure]:
    subject = scored or binary(TRUTH, predict(ROWS).tolist(), ROWS)
    how = {"noise": 0.05, "missing": 0.1, "seed": 0, **changes}
    return named(robustness(subject, predict, TRAINING, **how))  # type: ignore[arg-type]


def test_a_sturdy_model_loses_little_and_a_brittle_one_much() -> None:
    good, bad = measured(sturdy), measured(brittle)
    for name in ("robustness.noise", "robustness.missing"):
        high = good[name].high
        assert high is not None, name
        assert high < 0.05, name
        assert (bad[name].low or 0) > 0.05, name
    assert good["robustness.missing"].value == 0.0
    assert bad["robustness.missing"].value == pytest.approx(0.1, abs=0.03)


def test_a_loss_counts_as_one_where_less_is_better() -> None:
    truth = (2 * ROWS["x"]).tolist()

    def careless(inputs: pd.DataFrame) -> Values:
        return 2 * inputs["x"].to_numpy() + np.where(inputs["noise"].isna(), 10.0, 0.0)

    scored = values(truth, careless(ROWS).tolist(), ROWS)
    bad = named(robustness(scored, careless, TRAINING, noise=0.0, missing=0.1, seed=0))
    # a tenth of the rows is off by 10
    assert bad["robustness.missing"].value == pytest.approx(np.sqrt(10), abs=0.5)
    assert (bad["robustness.missing"].low or 0) > 1
    assert bad["robustness.noise"].value == 0.0


def test_noise_is_in_units_of_the_training_rows_and_keeps_the_contract() -> None:
    seen: list[pd.DataFrame] = []

    def spy(inputs: pd.DataFrame) -> Values:
        seen.append(inputs)
        return logistic(inputs)

    measured(spy, binary(TRUTH, logistic(ROWS).tolist(), ROWS), noise=0.5)
    noisy = seen[0]
    moved = noisy["x"] - ROWS["x"]
    inside = (ROWS["x"].abs() < 2).to_numpy()
    assert moved[inside].std() == pytest.approx(0.5 * TRAINING["x"].std(), rel=0.2)
    assert noisy["x"].between(-5, 5).all()
    assert noisy["age"].dtype == ROWS["age"].dtype
    assert noisy["age"].between(0, 90).all()
    assert (noisy["age"] != ROWS["age"]).mean() > 0.8
    assert noisy["sex"].equals(ROWS["sex"])
    gaps = seen[3]
    assert gaps["noise"].isna().mean() == pytest.approx(0.1, abs=0.05)
    assert not gaps[["x", "age", "sex"]].isna().any(axis=None)
    assert list(noisy.columns) == list(CONTRACT.inputs)


def test_every_type_of_column_may_be_left_out() -> None:
    kinds = {"noise": ROWS["age"], "age": ROWS["x"] > 0, "sex": ROWS["sex"]}
    rows = ROWS.assign(**kinds)
    columns = {
        name: dataclasses.replace(column, missing=True, type="string")
        for name, column in CONTRACT.columns.items()
    }
    contract = dataclasses.replace(CONTRACT, columns=columns, segments={}, protected=())
    seen: list[pd.DataFrame] = []

    def spy(inputs: pd.DataFrame) -> Values:
        seen.append(inputs)
        return np.full(len(inputs), 0.9)

    scored = dataclasses.replace(binary(TRUTH, [0.9] * 300, rows), contract=contract)
    found = measured(spy, scored, missing=0.5)
    assert found["robustness.missing"].value == 0.0
    assert seen[0].isna().mean().between(0.3, 0.7).all()


def test_what_the_contract_does_not_allow_is_not_tried() -> None:
    columns = {
        name: dataclasses.replace(column, missing=False, type="string", range=None)
        for name, column in CONTRACT.columns.items()
    }
    contract = dataclasses.replace(CONTRACT, columns=columns, segments={})
    scored = dataclasses.replace(binary(TRUTH, logistic(ROWS).tolist(), ROWS), contract=contract)
    found = measured(sturdy, scored)
    assert found["robustness.noise"] == Measure(
        "robustness.noise", None, detail="no column holds numbers"
    )
    assert found["robustness.missing"].detail == "no column may be missing"


def test_a_model_that_cannot_take_gaps_is_judged_and_no_crash() -> None:
    def strict(inputs: pd.DataFrame) -> Values:
        if inputs["noise"].isna().any():
            raise ValueError("Input X contains NaN.")
        return logistic(inputs)

    found = measured(strict)
    assert found["robustness.missing"].value is None
    assert "does not answer: Input X contains NaN." in found["robustness.missing"].detail
    assert found["robustness.noise"].value is not None


def test_answers_that_are_no_numbers_are_no_pass() -> None:
    def silent(inputs: pd.DataFrame) -> Values:
        return np.where(inputs["noise"].isna(), np.nan, logistic(inputs))

    found = measured(silent)["robustness.missing"]
    assert found.value is None
    assert "not defined" in found.detail


def test_no_rows_and_one_row_are_no_crash() -> None:
    for number in (0, 1):
        rows = ROWS.head(number)
        scored = binary(TRUTH[:number], logistic(rows).tolist(), rows)
        assert (
            len(robustness(scored, sturdy, TRAINING.head(1), noise=0.1, missing=1.0, seed=0)) == 2
        )


def test_the_same_seed_gives_the_same_figures() -> None:
    assert measured(brittle, seed=3) == measured(brittle, seed=3)
    assert measured(brittle, seed=3) != measured(brittle, seed=4)
