"""`nox -s level` for Level 3, as far as the gate: the package, what was verified, the decision."""

from __future__ import annotations

import json
from pathlib import Path

from mlops.deployment import audit_log
from mlops.deployment.gate.settings import SETTINGS, load_settings
from mlops.quality import conformance
from mlops.quality.conformance import Demand, Finding
from mlops.quality.project import load_project
from mlops.training import conformance as training

_CARD = ".mlops/qualify/model_card.html"


def main(arguments: list[str]) -> int:
    """Look at the evidence for Levels 1 to 3; 0 when every demand is met."""
    demands = (*conformance.DEMANDS, *training.DEMANDS, *DEMANDS)
    return conformance.show(demands, arguments)


def _last(root: Path) -> dict[str, object] | None:
    state = load_project(root).state
    decisions = [entry for entry in audit_log.entries(state) if entry.get("event") == "gate"]
    return dict(decisions[-1]) if decisions else None


def _packaged(root: Path) -> Finding:
    last = _last(root)
    if last is None:
        return Finding(False, "no model was packaged here yet: nox -s qualify")
    return Finding(True, f"version {last['version']} is package {str(last['package'])[:12]}")


def _gated(root: Path) -> Finding:
    gate = load_settings(root / SETTINGS).gate
    without = ", ".join(gate.without)
    told = f"{len(gate.rules)} rules in {SETTINGS}"
    return Finding(True, told + (f", none for {without}" if without else ""))


def _decided(root: Path) -> Finding:
    last = _last(root)
    if last is None:
        return Finding(False, "the gate has not decided here yet: nox -s qualify")
    word = "passed" if last["passed"] else f"refused for {json.dumps(last['refused'])[:80]}"
    return Finding(bool(last["passed"]), f"version {last['version']} {word}, {last['time']}")


def _told(root: Path) -> Finding:
    there = (root / _CARD).is_file()
    return Finding(there, _CARD if there else "there is no model card yet: nox -s qualify")


DEMANDS = (
    Demand(3, "A gate with declared rules is on", _gated),
    Demand(3, "The model is packaged once, under a digest", _packaged),
    Demand(3, "The last model was verified and passed the gate", _decided),
    Demand(3, "A model card tells what was verified and where it holds", _told),
)
