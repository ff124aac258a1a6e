"""The properties of properties.yml: on rows, on generated inputs, and by proof."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from sklearn.pipeline import Pipeline

from mlops.deployment.exhaustive import (
    Limits,
    Property,
    Subject,
    load_properties,
    measures,
    verify,
)
from mlops.deployment.measuring.measure import Predict
from mlops.quality.contract import Contract
from mlops.quality.project import load_project

PROPERTIES = load_properties(Path(__file__).parent / "properties.yml", load_project().contract)


@pytest.mark.parametrize("declared", PROPERTIES, ids=lambda declared: declared.name)
def test_the_property_holds_where_it_must(
    declared: Property,
    trained: Pipeline,
    answer: Predict,
    rows: tuple[pd.DataFrame, pd.DataFrame],
    contract: Contract,
) -> None:
    subject = Subject(trained, answer, contract, rows[1][list(contract.inputs)])
    found = verify(declared, subject, Limits(generated=1000))
    (figure,) = measures(found, declared)
    assert figure.value is not None
    assert figure.value >= declared.supported, figure.detail
