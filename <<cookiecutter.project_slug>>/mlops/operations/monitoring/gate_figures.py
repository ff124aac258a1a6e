"""The figures that a package had at the gate: what the live ones are compared with."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

from mlflow.exceptions import MlflowException

from mlops.deployment.gate.decision import Decision
from mlops.deployment.measuring.measure import Measure, read_measures, write_measures
from mlops.deployment.measuring.performance import performance
from mlops.deployment.measuring.scored import Scored
from mlops.deployment.steps.record import read_decision
from mlops.quality.errors import UserError
from mlops.training.registry import Registry

FILE = "gate.json"


def measured_again(evaluated: Scored, cache: Path) -> Mapping[str, Measure]:
    """The gate's figures of performance on its own evaluation rows, by name.

    Measured as the gate does, with its seed, and cached in the folder `cache` of the package.
    """
    path = cache / FILE
    try:
        return {measure.name: measure for measure in read_measures(path)}
    except (OSError, ValueError, UserError):
        pass
    whole = dataclasses.replace(
        evaluated, contract=dataclasses.replace(evaluated.contract, segments={})
    )
    found = performance(whole, "evaluation")
    draft = path.with_name(f".{path.name}")
    write_measures(found, draft)
    draft.replace(path)
    return {measure.name: measure for measure in found}


def recorded(found: Registry, run_id: str, digest: str) -> Mapping[str, Measure]:
    """The figures that the gate ruled on, as the run of the version keeps them; empty without."""
    place = f"gate/{digest[:12]}/decision.json"
    with tempfile.TemporaryDirectory() as folder:
        try:
            file = found.client.download_artifacts(run_id, place, folder)
            decision: Decision = read_decision(Path(file))
        except (MlflowException, OSError, json.JSONDecodeError):
            return {}
    return {
        verdict.measure: Measure(
            verdict.measure, verdict.value, verdict.low, verdict.high, verdict.rows
        )
        for verdict in decision.verdicts
        if verdict.value is not None
    }
