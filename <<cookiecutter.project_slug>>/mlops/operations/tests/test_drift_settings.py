"""Settings of drift that make no sense are refused with one clear line."""

from __future__ import annotations

import pytest

from mlops.operations.drift.settings import DriftSettings, check_drift_settings
from mlops.quality.errors import UserError
from mlops.quality.strict import parse


def read(values: dict[str, object]) -> DriftSettings:
    settings = parse(DriftSettings, values, "settings.yml: drift")
    check_drift_settings(settings, ["bmi", "sex"], "settings.yml: drift")
    return settings


def test_the_defaults_and_all_keys_are_accepted() -> None:
    assert read({}) == DriftSettings()
    assert read({"joint": None}).joint is None
    given = read({"columns": {"bmi": 0.2}, "exclude": ["sex"], "joint": {"auc": 0.6}})
    assert given.columns == {"bmi": 0.2}
    assert given.joint is not None
    assert given.joint.auc == 0.6


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"alpha": 0}, "drift: alpha: expected more than 0"),
        ({"alpha": 1}, "drift: alpha: expected more than 0"),
        ({"numbers": -0.1}, "drift: numbers: expected 0 or more"),
        ({"categories": 1}, "drift: categories: expected 0 or more"),
        ({"missing": 1.5}, "found 1.5"),
        ({"answers": float("nan")}, "drift: answers: expected 0 or more"),
        ({"columns": {"bmi": 1}}, "drift: columns: bmi: expected 0 or more"),
        ({"columns": {"bmy": 0.1}}, "did you mean 'bmi'"),
        ({"exclude": ["sez"]}, "did you mean 'sex'"),
        ({"minimum_rows": 19}, "minimum_rows: expected 20 or more"),
        ({"joint": {"auc": 0.4}}, "joint: auc: expected 0.5 or more"),
        ({"joint": {"auc": 1}}, "joint: auc: expected 0.5 or more"),
        ({"joint": {"rows": 50}}, "joint: rows: expected 100 or more"),
        ({"threshold": 0.1}, "unknown key 'threshold'"),
    ],
)
def test_what_makes_no_sense_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        read(values)
