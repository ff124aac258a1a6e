"""What `nox -s qualify` prints of a decision, and what it reads before anything runs."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from rich.console import Console

from mlops.deployment.gate.decision import Decision, Verdict
from mlops.deployment.qualify import check_declared, how_to_except, show
from mlops.deployment.tests.small import CONTRACT
from mlops.quality.errors import UserError
from mlops.quality.project import Project

REFUSED = Verdict("golden.accuracy[g=x]", ">= 0.85", "refuse", "18 of 36", 0.5, 0.4, 0.6, 36)
CROSSING = Verdict(
    "calibration.error", "<= 0.1 (shown)", "pass", "the interval crosses the bound", 0.1, 0.0, 0.2
)
PASSED = Verdict("evaluation.roc_auc", ">= 0.7", "pass", "", 0.8765, 0.8, 0.9, 111)
EXCEPTED = Verdict("robustness.noise", "<= 0.02", "excepted", "accepted by Ada", 0.03)
DECISION = Decision("ab" * 32, False, (REFUSED, CROSSING, PASSED, EXCEPTED), {"speed": "no hurry"})


def printed(*, every: bool = False) -> str:
    out = io.StringIO()
    show(Console(file=out, width=200), DECISION, every=every)
    return out.getvalue()


def test_what_was_refused_excepted_left_open_or_switched_off_is_shown() -> None:
    text = printed()
    assert "4 rules: 2 passed, 1 refused, 1 excepted" in text
    for told in ("golden.accuracy[g=x]", "0.4 to 0.6", ">= 0.85", "accepted by Ada", "no hurry"):
        assert told in text
    assert "calibration.error" in text
    assert "evaluation.roc_auc" not in text


def test_all_shows_what_passed_too() -> None:
    assert "evaluation.roc_auc" in printed(every=True)


def test_the_way_to_an_exception_is_told_for_the_first_refusal() -> None:
    text = how_to_except(DECISION)
    assert "- measure: golden.accuracy[g=x]\n" in text
    assert f"package: {'ab' * 6}\n" in text
    for key in ("by:", "reason:", "until:"):
        assert key in text


def test_what_cannot_be_excepted_is_not_offered() -> None:
    leaking = Verdict("leakage.golden_in_training", "<= 0", "refuse", "golden rows 1", 1.0)
    only = Decision("ab" * 32, False, (leaking,), {})
    assert how_to_except(only) == "No exception is possible for leakage.golden_in_training"
    assert "golden.accuracy" in how_to_except(Decision("ab" * 32, False, (leaking, REFUSED), {}))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """The declarations of a small problem, without anything else of a project."""
    tests, dev = tmp_path / "tests" / "model", tmp_path / "environments" / "dev"
    tests.mkdir(parents=True)
    dev.mkdir(parents=True)
    (tests / "golden.csv").write_text("a,n,m,g,answer\n1.5,2,0.5,x,1\n")
    (tests / "relations.yml").write_text(
        "relations:\n  - {name: more, change: {a: a + 1}, expect: after >= before}\n"
    )
    (tests / "properties.yml").write_text("properties:\n  - {name: sane, output: [0, 1]}\n")
    (dev / "settings.yml").write_text("gate:\n  rules:\n    golden.accuracy: {at_least: 0.8}\n")
    (dev / "exceptions.yml").write_text("exceptions: []\n")
    return cast(Project, SimpleNamespace(root=tmp_path, contract=CONTRACT))


def test_declarations_that_are_right_are_read(project: Project) -> None:
    check_declared(project)


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        (
            "environments/dev/settings.yml",
            "gate:\n  rules:\n    goldn.a: {at_least: 1}\n",
            "golden",
        ),
        ("environments/dev/exceptions.yml", "exceptions:\n  - {measure: a}\n", "package"),
        ("tests/model/relations.yml", "relations:\n  - {name: a, expect: after == 1}\n", "a"),
        ("tests/model/properties.yml", "properties:\n  - {name: b, flip: q}\n", "q"),
        ("tests/model/golden.csv", "a,n,m,g,answer\n150,2,0.5,x,1\n", "range is 0 to 10"),
    ],
)
def test_a_mistake_names_its_file_before_anything_runs(
    file: str, content: str, told: str, project: Project
) -> None:
    (project.root / file).write_text(content)
    with pytest.raises(UserError) as caught:
        check_declared(project)
    assert Path(file).name in str(caught.value)
    assert told in str(caught.value)
