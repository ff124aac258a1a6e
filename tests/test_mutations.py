"""Whoever switches a gate, a guard or a rule off in code sees a test of the machinery fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.template import FOLDER

HERE = "mlops"
Mutant = tuple[str, str, str, str]
# The tests that must fail, the file, what stands there and what a mutant says in its place.
GATE: dict[str, Mutant] = {
    "a refusal does not count": (
        "deployment/test_gate",
        "deployment/gate/decision.py",
        'all(verdict.outcome != "refuse" for verdict in judged)',
        "bool(judged)",
    ),
    "a forgotten group passes": (
        "deployment/test_gate",
        "deployment/gate/decision.py",
        "    verdicts += _forgotten(measured, gate)\n",
        "",
    ),
    "a rule that finds nothing passes": (
        "deployment/test_gate",
        "deployment/gate/decision.py",
        "        return [_missing(rule, measured)]",
        "        return []",
    ),
    "the upper bound is not looked at": (
        "deployment/test_gate",
        "deployment/gate/decision.py",
        "low >= at_least) and (at_most is None or high <= at_most)",
        "low >= at_least)",
    ),
    "the lower bound is not looked at": (
        "deployment/test_gate",
        "deployment/gate/decision.py",
        "(at_least is None or low >= at_least) and (at_most is None or high <= at_most)",
        "(at_most is None or high <= at_most)",
    ),
    "safe asks for the estimate alone": (
        "deployment/test_gate",
        "deployment/gate/decision.py",
        '"safe": certain',
        '"safe": kept',
    ),
    "shown never refuses": (
        "deployment/test_gate",
        "deployment/gate/decision.py",
        '"shown": possible',
        '"shown": True',
    ),
    "what is not defined passes": (
        "deployment/test_gate",
        "deployment/gate/decision.py",
        'outcome: Outcome = "none" if rule.absent == "pass" else "refuse"',
        'outcome: Outcome = "none"',
    ),
    "a declared bound may be missing": (
        "deployment/test_gate",
        "deployment/gate/decision.py",
        "    if limits == (None, None):",
        "    if limits == ():",
    ),
    "leakage may be excepted": (
        "deployment/test_gate",
        "deployment/gate/decision.py",
        'if verdict.measure.partition(".")[0] in ALWAYS:',
        'if verdict.measure.partition(".")[0] in ():',
    ),
    "an exception never ends": (
        "deployment/test_gate",
        "deployment/gate/decision.py",
        "if waiver.until < today:",
        "if waiver.until < date.min:",
    ),
    "an exception holds for every package": (
        "deployment/test_gate",
        "deployment/gate/decision.py",
        "package.startswith(waiver.package)",
        "bool(package)",
    ),
    "leakage may be switched off": (
        "deployment/test_gate_settings",
        "deployment/gate/settings.py",
        "        if group in ALWAYS:",
        "        if group in ():",
    ),
    "a group is switched off without a reason": (
        "deployment/test_gate_settings",
        "deployment/gate/settings.py",
        "        if not reason.strip():",
        "        if reason is None:",
    ),
    "an exception need not be committed": (
        "deployment/test_gate_settings",
        "deployment/gate/settings.py",
        "    if changed or not there:",
        "    if changed is None:",
    ),
    "rows that were learnt from are not found": (
        "deployment/test_leakage",
        "deployment/measuring/leakage.py",
        "if digest in there]",
        "if digest is there]",
    ),
    "the gap between groups is not measured": (
        "deployment/test_fairness",
        "deployment/measuring/fairness.py",
        "gap = float(known.max() - known.min())",
        "gap = 0.0",
    ),
    "the champion is the challenger": (
        "deployment/test_comparison",
        "deployment/measuring/comparison.py",
        "before = challenger.score(champion.predicted, every)",
        "before = now",
    ),
    "no relation is broken": (
        "deployment/test_relations",
        "deployment/metamorphic/relations.py",
        "share, worst = outcome.broken / outcome.used",
        "share, worst = 0.0",
    ),
    "noise changes nothing": (
        "deployment/test_robustness",
        "deployment/measuring/robustness.py",
        "drop = scored.score(scored.predicted, every) - after",
        "drop = 0.0",
    ),
    "the calibration error is nothing": (
        "deployment/test_calibration",
        "deployment/measuring/calibration.py",
        "error = float((np.abs(middles - seen) * share).sum())",
        "error = 0.0",
    ),
    "every explanation is stable": (
        "deployment/test_explanation",
        "deployment/measuring/explanation.py",
        "value = float(spearmanr(one, other).statistic) if varied",
        "value = 1.0 if varied",
    ),
    "every answer takes no time": (
        "deployment/test_speed",
        "deployment/measuring/speed.py",
        "half, most = (float(value) for value in np.percentile(taken, [50, 99]))",
        "half, most = 0.0, 0.0",
    ),
    "a package weighs nothing": (
        "deployment/test_speed",
        "deployment/measuring/speed.py",
        "float(sum(sizes.values()))",
        "float(len(sizes) * 0)",
    ),
    "a changed file is not seen": (
        "deployment/test_package",
        "deployment/packaging/package.py",
        "elif there[path] != manifest.files[path]:",
        "elif there[path] == path:",
    ),
    "any digest will do": (
        "deployment/test_package",
        "deployment/packaging/package.py",
        "if digest is not None and digest != found:",
        "if digest is not None and digest == found[::-1]:",
    ),
    "what differs is compiled all the same": (
        "deployment/test_compilation",
        "deployment/packaging/compilation.py",
        "return Parity(len(table), float(by_row[row]), row)",
        "return Parity(len(table), 0.0, row)",
    ),
    "a refused model is released": (
        "deployment/test_release",
        "deployment/release.py",
        'if state != "passed":',
        'if state == "":',
    ),
}
# The guards of a rollout and the rules of an approval.
DEPLOYMENT: dict[str, Mutant] = {
    f"the guard {name} is off": (
        "deployment/test_guards",
        "deployment/rollout/guards.py",
        old,
        new,
    )
    for name, old, new in (
        ("error rate", "if guards.error_rate is not None:", "if guards.error_rate == -1:"),
        ("latency", "if guards.latency_ms is not None and", "if guards.latency_ms == -1 and"),
        ("agreement", "if guards.agreement is not None and", "if guards.agreement == -1 and"),
        ("distribution", "if guards.distribution is not None:", "if guards.distribution == -1:"),
    )
} | {
    f"an approval need not be {name}": (
        "deployment/test_approval",
        "deployment/desired/approval.py",
        old,
        "if found is None:",
    )
    for name, old in (
        (
            "as it was sealed",
            'if record.seal != _seal({k: v for k, v in vars(record).items() if k != "seal"}):',
        ),
        (
            "of this model",
            "if record.digest != desired.digest or record.version != desired.version:",
        ),
        ("committed", "if change is None:"),
        ("committed by who gave it", "if change.email.lower() != record.email.lower():"),
        ("of an approver", "if not may_approve(record.by, record.email, rules):"),
        (
            "of somebody else than the author",
            "if not rules.author_may_approve and found.author.lower() in _names(record.by, record.email):",
        ),
        ("of these days", "if found.now > until or until - at > timedelta(days=rules.days):"),
    )
}
# What is found to be wrong, what follows from it, and what is learnt.
OPERATIONS: dict[str, Mutant] = {
    f"the rule {rule} is off": (
        "operations/test_policy",
        "operations/retraining/rules.py",
        f'    "{rule}": _{rule},\n',
        "",
    )
    for rule in ("one_at_a_time", "one_candidate", "cool_down", "budget", "sound_data", "labels")
} | {
    "a retraining that never helps goes on": (
        "operations/test_policy",
        "operations/retraining/rules.py",
        '    "did_not_help": _did_not_help,\n',
        "",
    ),
    "a signal is answered twice": (
        "operations/test_policy",
        "operations/retraining/policy.py",
        "if signal.id in answered:",
        "if signal.id in ():",
    ),
    "a signal of another model counts": (
        "operations/test_policy",
        "operations/retraining/policy.py",
        'if champion and signal.digest not in ("", champion):',
        'if champion and signal.digest in ("no",):',
    ),
    "broken data are learnt from": (
        "operations/test_policy_remedy",
        "operations/retraining/remedy.py",
        "if situation.broken_data and (suffers or situation.drift):",
        "if situation.broken_data and suffers and situation.drift and situation.failing:",
    ),
    "a rollback asks nobody": (
        "operations/test_policy_remedy",
        "operations/retraining/remedy.py",
        "automatic = settings.automatic_rollback",
        "automatic = True",
    ),
    "a rollback goes to and fro": (
        "operations/test_policy_remedy",
        "operations/retraining/remedy.py",
        "if situation.came_back:",
        "if situation.came_back is None:",
    ),
    "drift needs no effect": (
        "operations/test_drift",
        "operations/drift/verdict.py",
        "drifted = adjusted < alpha and found.effect > found.threshold",
        "drifted = adjusted < alpha",
    ),
    "drift may be chance": (
        "operations/test_drift",
        "operations/drift/verdict.py",
        "drifted = adjusted < alpha and found.effect > found.threshold",
        "drifted = found.effect > found.threshold",
    ),
    "columns drift only alone": (
        "operations/test_drift",
        "operations/drift/verdict.py",
        "drifted = adjusted < alpha and apart.auc > threshold",
        "drifted = False",
    ),
    "a loss is none": (
        "operations/test_live_performance",
        "operations/monitoring/performance.py",
        "    breached = low > bound\n",
        "    breached = False\n",
    ),
    "missing values are no breach": (
        "operations/test_live_quality",
        "operations/monitoring/quality.py",
        '"breached" if least > limit else "holds"',
        '"holds"',
    ),
    "refused requests are no breach": (
        "operations/test_live_quality",
        "operations/monitoring/quality.py",
        '"breached" if low > limit else "holds"',
        '"holds"',
    ),
    "a failing service is no breach": (
        "operations/test_live_service",
        "operations/monitoring/service.py",
        '"breached" if low > bound else "holds"',
        '"holds"',
    ),
    "silence is no breach": (
        "operations/test_staleness",
        "operations/monitoring/staleness.py",
        '"breached" if age > hours else "holds"',
        '"holds"',
    ),
    "what judges is learnt from": (
        "operations/test_recent",
        "operations/retraining/recent.py",
        "kept = ~digests.duplicated(keep=stays).to_numpy()",
        "kept = ~digests.isna().to_numpy()",
    ),
    "golden rows are learnt from": (
        "operations/test_recent",
        "operations/retraining/recent.py",
        "kept &= ~digests.isin(row_digests(golden, contract.inputs)).to_numpy()",
        "kept &= ~digests.isna().to_numpy()",
    ),
    "a request is torn": (
        "operations/test_recent",
        "operations/retraining/recent.py",
        "while 0 < first < number and requests[first] == requests[first - 1]:",
        "while False:",
    ),
}
MUTANTS = {**GATE, **DEPLOYMENT, **OPERATIONS}


@pytest.fixture(scope="module")
def raw(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project's folder, in which each mutant lives for one test."""
    target = tmp_path_factory.mktemp("mutants") / "project"
    return Path(shutil.copytree(template / FOLDER, target))


def passes(raw: Path, tests: str) -> bool:
    """Whether the machinery's tests of that name pass."""
    floor, _, name = tests.partition("/")
    words = ["-x", "-q", "-p", "no:cacheprovider", f"{HERE}/{floor}/tests/{name}.py"]
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
