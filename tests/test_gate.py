"""Every rule of the shipped gate refuses a real model, and good ones pass."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import Generate
from tests.template import PROJECT, ROOT

SETTINGS = Path("environments/dev/settings.yml")


@dataclass(frozen=True)
class Decided:
    """The decision on a case, and the folder with all that led to it."""

    decision: Mapping[str, Any]
    out: Path

    @property
    def refused(self) -> set[str]:
        """The figures for which it was refused."""
        return refusals(self.decision)


Judged = Callable[[str], Decided]
# The cases of tests/gate/cases.py, each with the rules of the shipped settings that must refuse it.
GOOD = ("good", "better_than_the_champion")
BAD: Mapping[str, tuple[str, ...]] = {
    "worse": (
        "golden.accuracy",
        "golden.error_rate[*",
        "evaluation.roc_auc",
        "evaluation.accuracy",
        "evaluation.error_rate[*",
    ),
    "always_yes": ("golden.false_positive_rate", "evaluation.false_positive_rate"),
    "always_no": ("golden.false_negative_rate", "evaluation.false_negative_rate"),
    "worse_than_the_champion": ("champion.*",),
    "behind_the_times": ("champion.*",),
    "unfair": ("fairness.accuracy*",),
    "selects_by_sex": (
        "fairness.recall*",
        "fairness.false_positive_rate*",
        "fairness.selection_rate*",
    ),
    "leaking": ("leakage.*",),
    "broken_data": ("provenance.*",),
    "of_unknown_origin": ("provenance.*",),
    "overfitted": ("calibration.error", "properties.*"),
    "knows_the_answers": ("robustness.noise", "properties.*"),
    "bmi_the_wrong_way_round": ("relations.*", "properties.*"),
    "rests_on_what_may_be_missing": ("robustness.missing",),
    "every_column_alike": ("explanation.stability",),
    "rounds_otherwise": ("compile.difference*",),
    "too_slow_and_too_large": ("package.bytes", "speed.single_row_p99_ms"),
    "tampered": ("package.changed_files",),
}
# All that is said against some of them: no other rule has anything to say.
ALL = {
    "behind_the_times": {"champion.roc_auc"},
    "leaking": {"leakage.evaluation_in_training", "leakage.golden_in_training"},
    "of_unknown_origin": {
        "provenance.other_contract",
        "provenance.other_training_rows",
        "provenance.uncommitted_changes",
    },
    "tampered": {"package.changed_files"},
}


def refusals(decision: Mapping[str, Any]) -> set[str]:
    """The figures for which a decision refuses."""
    return {v["measure"] for v in decision["verdicts"] if v["outcome"] == "refuse"}


def rules() -> list[str]:
    """The rules of the shipped settings, as they are written."""
    return list(yaml.safe_load((PROJECT / SETTINGS).read_text())["gate"]["rules"])


def fits(rule: str, name: str) -> bool:
    """Whether a rule speaks of a figure."""
    return re.fullmatch(".*".join(map(re.escape, rule.split("*"))), name) is not None


@pytest.fixture(scope="module")
def project(generated: Generate, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of Level 3 with its data."""
    root = tmp_path_factory.mktemp("gate") / "project"
    shutil.copytree(generated({"maturity_level": "3"}), root)
    subprocess.run([sys.executable, "data/diabetes.py"], cwd=root, check=True)
    return root


@pytest.fixture(scope="module")
def judged(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """The decision on a case, made by the project's own steps, each once."""
    made: dict[str, Decided] = {}

    def judge(case: str) -> Decided:
        if case not in made:
            out = tmp_path_factory.mktemp(case) / "out"
            done = subprocess.run(
                [sys.executable, "-m", "tests.gate.judge", case, str(out)],
                cwd=project,
                env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(project)])},
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            made[case] = Decided(json.loads((out / "decision" / "decision.json").read_text()), out)
        return made[case]

    return judge


@pytest.mark.parametrize("case", GOOD)
def test_a_good_model_passes(case: str, judged: Judged) -> None:
    found = judged(case)
    assert found.refused == set()
    assert found.decision["passed"] is True


@pytest.mark.parametrize("case", BAD)
def test_a_bad_model_is_refused_by_the_rules_that_speak_of_it(case: str, judged: Judged) -> None:
    found = judged(case)
    assert found.decision["passed"] is False
    broken = {rule for rule in rules() if any(fits(rule, name) for name in found.refused)}
    assert broken >= set(BAD[case])
    assert ALL.get(case, found.refused) == found.refused
    card = (found.out / "decision" / "model_card.html").read_text()
    assert all(name in card for name in found.refused)


@pytest.mark.parametrize("case", BAD)
def test_rules_with_bounds_that_are_nonsense_no_longer_refuse_it(
    case: str, judged: Judged, project: Path
) -> None:
    """So the test above fails for whoever switches a rule off."""
    out = judged(case).out
    settings = yaml.safe_load((PROJECT / SETTINGS).read_text())
    for rule in BAD[case]:
        settings["gate"]["rules"][rule] = {"at_most": 1e9, "absent": "pass"}
    (out / "nonsense.yml").write_text(yaml.safe_dump(settings))
    (out / "again").mkdir(exist_ok=True)
    names = ("compiled", "performance", "behaviour", "verification", "speed", "package")
    words = [f"--{name}={out / name}" for name in names]
    words += [f"--settings={out / 'nonsense.yml'}", f"--decision={out / 'again'}"]
    words += ["--exceptions=environments/dev/exceptions.yml", "--today=2026-01-01"]
    step = [sys.executable, "-m", "mlops.deployment.steps.decide", *words]
    subprocess.run(step, cwd=project, check=True, capture_output=True)
    refused = refusals(json.loads((out / "again" / "decision.json").read_text()))
    assert not {name for rule in BAD[case] for name in refused if fits(rule, name)}


def test_a_model_in_its_flavour_is_told_in_the_card(judged: Judged) -> None:
    card = (judged("too_slow_and_too_large").out / "decision" / "model_card.md").read_text()
    assert "served in its MLflow flavour" in card


def test_every_shipped_rule_is_the_reason_of_a_refusal() -> None:
    assert {rule for broken in BAD.values() for rule in broken} == set(rules())


def test_the_cases_are_all_there_are() -> None:
    text = (ROOT / "tests" / "gate" / "cases.py").read_text()
    assert set(re.findall(r"^def (\w+)\(rows: Rows\) -> Trial:", text, re.MULTILINE)) == {
        *GOOD,
        *BAD,
    }
