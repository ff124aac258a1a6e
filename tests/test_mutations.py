"""Whoever switches a part of the gate off in code sees a test of the machinery fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.template import FOLDER

HERE = "mlops/deployment"
# The tests that must fail, the file, what stands there and what a mutant says in its place.
MUTANTS: dict[str, tuple[str, str, str, str]] = {
    "a refusal does not count": (
        "test_gate",
        "gate/decision.py",
        'all(verdict.outcome != "refuse" for verdict in judged)',
        "bool(judged)",
    ),
    "a forgotten group passes": (
        "test_gate",
        "gate/decision.py",
        "    verdicts += _forgotten(measured, gate)\n",
        "",
    ),
    "a rule that finds nothing passes": (
        "test_gate",
        "gate/decision.py",
        "        return [_missing(rule, measured)]",
        "        return []",
    ),
    "the upper bound is not looked at": (
        "test_gate",
        "gate/decision.py",
        "low >= at_least) and (at_most is None or high <= at_most)",
        "low >= at_least)",
    ),
    "the lower bound is not looked at": (
        "test_gate",
        "gate/decision.py",
        "(at_least is None or low >= at_least) and (at_most is None or high <= at_most)",
        "(at_most is None or high <= at_most)",
    ),
    "safe asks for the estimate alone": (
        "test_gate",
        "gate/decision.py",
        '"safe": certain',
        '"safe": kept',
    ),
    "shown never refuses": ("test_gate", "gate/decision.py", '"shown": possible', '"shown": True'),
    "what is not defined passes": (
        "test_gate",
        "gate/decision.py",
        'outcome: Outcome = "none" if rule.absent == "pass" else "refuse"',
        'outcome: Outcome = "none"',
    ),
    "a declared bound may be missing": (
        "test_gate",
        "gate/decision.py",
        "    if limits == (None, None):",
        "    if limits == ():",
    ),
    "leakage may be excepted": (
        "test_gate",
        "gate/decision.py",
        'if verdict.measure.partition(".")[0] in ALWAYS:',
        'if verdict.measure.partition(".")[0] in ():',
    ),
    "an exception never ends": (
        "test_gate",
        "gate/decision.py",
        "if waiver.until < today:",
        "if waiver.until < date.min:",
    ),
    "an exception holds for every package": (
        "test_gate",
        "gate/decision.py",
        "package.startswith(waiver.package)",
        "bool(package)",
    ),
    "leakage may be switched off": (
        "test_gate_settings",
        "gate/settings.py",
        "        if group in ALWAYS:",
        "        if group in ():",
    ),
    "a group is switched off without a reason": (
        "test_gate_settings",
        "gate/settings.py",
        "        if not reason.strip():",
        "        if reason is None:",
    ),
    "an exception need not be committed": (
        "test_gate_settings",
        "gate/settings.py",
        "    if changed or not there:",
        "    if changed is None:",
    ),
    "rows that were learnt from are not found": (
        "test_leakage",
        "measuring/leakage.py",
        "if digest in there]",
        "if digest is there]",
    ),
    "the gap between groups is not measured": (
        "test_fairness",
        "measuring/fairness.py",
        "gap = float(known.max() - known.min())",
        "gap = 0.0",
    ),
    "the champion is the challenger": (
        "test_comparison",
        "measuring/comparison.py",
        "before = challenger.score(champion.predicted, every)",
        "before = now",
    ),
    "no relation is broken": (
        "test_relations",
        "metamorphic/relations.py",
        "share, worst = outcome.broken / outcome.used",
        "share, worst = 0.0",
    ),
    "noise changes nothing": (
        "test_robustness",
        "measuring/robustness.py",
        "drop = before(every) - after(every)",
        "drop = 0.0",
    ),
    "the calibration error is nothing": (
        "test_calibration",
        "measuring/calibration.py",
        "error = float((np.abs(middles - seen) * share).sum())",
        "error = 0.0",
    ),
    "every explanation is stable": (
        "test_explanation",
        "measuring/explanation.py",
        "value = float(spearmanr(one, other).statistic) if varied",
        "value = 1.0 if varied",
    ),
    "every answer takes no time": (
        "test_speed",
        "measuring/speed.py",
        "half, most = (float(value) for value in np.percentile(taken, [50, 99]))",
        "half, most = 0.0, 0.0",
    ),
    "a package weighs nothing": (
        "test_speed",
        "measuring/speed.py",
        "float(sum(sizes.values()))",
        "float(len(sizes) * 0)",
    ),
    "a changed file is not seen": (
        "test_package",
        "packaging/package.py",
        "elif there[path] != manifest.files[path]:",
        "elif there[path] == path:",
    ),
    "any digest will do": (
        "test_package",
        "packaging/package.py",
        "if digest is not None and digest != found:",
        "if digest is not None and digest == found[::-1]:",
    ),
    "what differs is compiled all the same": (
        "test_compilation",
        "packaging/compilation.py",
        "return Parity(len(table), float(by_row[row]), row)",
        "return Parity(len(table), 0.0, row)",
    ),
    "a refused model is released": (
        "test_release",
        "release.py",
        'if state != "passed":',
        'if state == "":',
    ),
}


@pytest.fixture(scope="module")
def raw(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project's folder, in which each mutant lives for one test."""
    target = tmp_path_factory.mktemp("mutants") / "project"
    return Path(shutil.copytree(template / FOLDER, target))


def passes(raw: Path, tests: str) -> bool:
    """Whether the machinery's tests of that name pass."""
    words = ["-x", "-q", "-p", "no:cacheprovider", f"{HERE}/tests/{tests}.py"]
    command = [sys.executable, "-m", "pytest", *words]
    done = subprocess.run(
        command,
        cwd=raw,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.returncode == 0


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_noticed(name: str, raw: Path) -> None:
    tests, file, old, new = MUTANTS[name]
    path = raw / HERE / file
    text = path.read_text()
    assert text.count(old) == 1, f"{file} holds {text.count(old)} times: {old}"
    path.write_text(text.replace(old, new))
    try:
        assert not passes(raw, tests)
    finally:
        path.write_text(text)


@pytest.mark.parametrize("tests", sorted({tests for tests, *_ in MUTANTS.values()}))
def test_they_pass_without_a_mutant(tests: str, raw: Path) -> None:
    assert passes(raw, tests)
