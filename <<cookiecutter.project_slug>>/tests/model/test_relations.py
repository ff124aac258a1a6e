"""The relations that relations.yml declares hold for the model, on its data and on generated rows."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from mlops.deployment.inputs.generation import generate
from mlops.deployment.measuring.measure import Predict
from mlops.deployment.metamorphic.relations import (
    MetamorphicRelation,
    check_relation,
    counterexample,
    load_relations,
)
from mlops.deployment.metamorphic.shrinking import searched, shrink
from mlops.quality.contract import Contract
from mlops.quality.project import load_project

RELATIONS = load_relations(Path(__file__).with_name("relations.yml"), load_project().contract)


@pytest.fixture(scope="module")
def sources(table: pd.DataFrame, contract: Contract) -> pd.DataFrame:
    """The inputs of the data, and as many again or more that are drawn from the contract."""
    inputs = table[list(contract.inputs)]
    drawn = generate(contract, 1000, 0, reference=inputs).table
    return pd.concat([inputs, drawn], ignore_index=True)


@pytest.mark.parametrize("relation", RELATIONS, ids=lambda relation: relation.name)
def test_the_answers_move_as_declared(
    relation: MetamorphicRelation,
    answer: Predict,
    contract: Contract,
    sources: pd.DataFrame,
    table: pd.DataFrame,
) -> None:
    inputs = table[list(contract.inputs)]
    outcome = check_relation(relation, answer, sources, contract, 0)
    if relation.allowed * (outcome.used + 1) < 1:  # one more that breaks it would be one too many
        outcome = searched(outcome, answer, contract, inputs)
    assert outcome.used, "no input and its follow-up keep the contract"
    if outcome.broken > relation.allowed * outcome.used:
        worst = shrink(relation, answer, contract, inputs, outcome) or outcome
        pytest.fail(counterexample(worst), pytrace=False)
