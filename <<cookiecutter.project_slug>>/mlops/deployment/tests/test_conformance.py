"""`nox -s level` at Level 3: met by what was done, missing without it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from mlops.deployment import audit_log, conformance
from mlops.quality.conformance import Finding

GATE = "gate:\n  rules:\n    golden.accuracy: {at_least: 0.8}\n  without: {speed: no hurry}\n"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose gate is declared and has not decided yet."""
    state = SimpleNamespace(state=tmp_path / ".mlops")
    monkeypatch.setattr(conformance, "load_project", lambda _: state)
    folder = tmp_path / "environments" / "dev"
    folder.mkdir(parents=True)
    (folder / "settings.yml").write_text(GATE)
    return tmp_path


def look(root: Path, text: str) -> Finding:
    (demand,) = [demand for demand in conformance.DEMANDS if text in demand.text]
    return demand.look(root)


def decide(root: Path, *, passed: bool) -> None:
    refused = {} if passed else {"golden.accuracy": "beyond the bound"}
    facts = {"version": "3", "package": "ab" * 32, "passed": passed, "refused": refused}
    audit_log.append(root / ".mlops", "gate", facts)


def test_the_rules_and_what_is_off_are_told(root: Path) -> None:
    found = look(root, "gate with declared rules")
    assert found.met
    assert "1 rules" in found.evidence
    assert "none for speed" in found.evidence


@pytest.mark.parametrize("text", ["packaged once", "passed the gate", "model card"])
def test_nothing_is_met_before_a_model_was_judged(text: str, root: Path) -> None:
    found = look(root, text)
    assert not found.met
    assert "nox -s qualify" in found.evidence


def test_the_last_decision_counts(root: Path) -> None:
    decide(root, passed=True)
    assert look(root, "passed the gate").met
    assert "package abababababab" in look(root, "packaged once").evidence
    decide(root, passed=False)
    found = look(root, "passed the gate")
    assert not found.met
    assert "golden.accuracy" in found.evidence


def test_the_card_must_be_there(root: Path) -> None:
    card = root / ".mlops" / "qualify" / "model_card.html"
    card.parent.mkdir(parents=True)
    card.write_text("<html>")
    assert look(root, "model card").met
