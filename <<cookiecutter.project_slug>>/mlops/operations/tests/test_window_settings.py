"""What people may decide for the monitor: defaults that hold, and mistakes that are named."""

from __future__ import annotations

import re

import pytest

from mlops.operations.monitoring.settings import Monitoring, check_monitoring
from mlops.quality.errors import UserError
from mlops.quality.strict import parse

WHERE = "settings.yml: monitoring"


def read(values: dict[str, object]) -> Monitoring:
    found = parse(Monitoring, values, WHERE)
    check_monitoring(found, WHERE)
    return found


def test_everything_has_a_default_and_can_be_switched_off() -> None:
    assert read({}) == Monitoring()
    off: dict[str, object] = {
        "quality": {"missing": None, "unseen": None, "beyond": None, "refused": None},
        "performance": {"worse_by": None},
        "service": {"error_rate": None, "latency_ms": None},
        "staleness": {"traffic": None, "labels": None, "training": None, "monitor": None},
    }
    assert read(off).quality.missing is None


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"window_hours": 0}, "window_hours: expected more than 0, found 0"),
        ({"window_hours": float("nan")}, "window_hours: expected more than 0, found nan"),
        ({"rows": -1}, "rows: expected more than 0"),
        ({"window_hours": 1, "step_hours": 2}, "step_hours: expected at most window_hours"),
        ({"quality": {"missing": 1.5}}, "quality: missing: expected 0 to 1, found 1.5"),
        ({"quality": {"mising": 0.1}}, "unknown key 'mising'; did you mean 'missing'"),
        ({"quality": {"rows": 0}}, "quality: rows: expected more than 0"),
        ({"performance": {"labels": 0}}, "performance: labels: expected more than 0"),
        ({"performance": {"most": 10}}, "performance: most: expected at least as many as labels"),
        ({"performance": {"worse_by": 0}}, "performance: worse_by: expected more than 0"),
        ({"performance": {"bounds": {"accuracy": {}}}}, "accuracy: expected at_least or at_most"),
        ({"performance": {"kpi": {"at_least": 2, "at_most": 1}}}, "kpi: at_least is more than"),
        ({"performance": {"kpi": {"at_least": float("inf")}}}, "at_least: expected a number"),
        ({"fairness": {"group": 0}}, "fairness: group: expected more than 0"),
        ({"fairness": {"at_most": {"fairness.x": -1}}}, "at_most: fairness.x: expected 0 or more"),
        ({"service": {"latency_ms": 0}}, "service: latency_ms: expected more than 0"),
        ({"service": {"latency_quantile": 2}}, "service: latency_quantile: expected 0 to 1"),
        ({"staleness": {"traffic": 0}}, "staleness: traffic: expected more than 0"),
        ({"staleness": {"clock_seconds": -1}}, "clock_seconds: expected 0 or more"),
    ],
)
def test_a_mistake_names_its_key(values: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=re.escape(said)) as error:
        read(values)
    assert str(error.value).startswith(WHERE)
