"""The gate: each rule refuses its bad model, a good one passes, and nothing passes by omission."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import date

import pytest

from mlops.deployment.gate import decision as gate
from mlops.deployment.gate.decision import Decision, Gate, Rule, Waiver
from mlops.deployment.measuring.measure import Measure
from mlops.deployment.tests.figures import BAD, GATE, GOOD, PACKAGE, with_bad

TODAY = date(2026, 11, 21)
WAIVER = Waiver("fairness.recall[sex]", PACKAGE[:12], "Ada", "reviewed", date(2026, 12, 31))


def judged(decision: Decision, name: str) -> gate.Verdict:
    (found,) = (verdict for verdict in decision.verdicts if verdict.measure == name)
    return found


def refused(decision: Decision) -> list[str]:
    return [verdict.measure for verdict in decision.refused()]


def with_rule(rule: Rule) -> Gate:
    others = (kept for kept in GATE.rules if kept.measure != rule.measure)
    return dataclasses.replace(GATE, rules=(*others, rule))


def test_a_good_model_passes() -> None:
    decision = gate.decide(GOOD, GATE, PACKAGE)
    assert decision.passed
    assert {verdict.outcome for verdict in decision.verdicts} == {"pass"}
    assert decision.package == PACKAGE


def test_every_rule_has_a_model_that_it_refuses() -> None:
    assert list(BAD) == [rule.measure for rule in GATE.rules]


@pytest.mark.parametrize("rule", BAD)
def test_a_bad_model_is_refused_by_its_rule_alone(rule: str) -> None:
    decision = gate.decide(with_bad(rule), GATE, PACKAGE)
    assert not decision.passed
    assert refused(decision) == [BAD[rule].name]


@pytest.mark.parametrize("rule", BAD)
def test_with_a_nonsense_bound_the_bad_model_would_pass(rule: str) -> None:
    (declared,) = (kept for kept in GATE.rules if kept.measure == rule)
    nonsense = dataclasses.replace(
        declared,
        at_least=None if declared.at_least is None else -1e9,
        at_most=None if declared.at_most is None else 1e9,
    )
    assert gate.decide(with_bad(rule), with_rule(nonsense), PACKAGE).passed


@pytest.mark.parametrize("rule", [rule for rule in BAD if rule != "champion.*"])
def test_what_was_not_measured_is_refused(rule: str) -> None:
    left = [measure for measure in GOOD if measure.name != BAD[rule].name]
    decision = gate.decide(left, GATE, PACKAGE)
    assert refused(decision) == [rule]
    assert "nothing of that name was measured" in decision.refused()[0].reason


def test_the_first_model_has_no_champion_and_the_gate_says_so() -> None:
    first = Measure("champion.roc_auc", None, detail="there is no champion yet")
    measured = [first if measure.group == "champion" else measure for measure in GOOD]
    decision = gate.decide(measured, GATE, PACKAGE)
    assert decision.passed
    verdict = judged(decision, "champion.roc_auc")
    assert (verdict.outcome, verdict.reason) == ("none", "there is no champion yet")


def test_a_figure_that_is_not_defined_is_refused() -> None:
    nan = Measure("golden.accuracy", None, detail="no rows")
    measured = [nan if measure.name == nan.name else measure for measure in GOOD]
    decision = gate.decide(measured, GATE, PACKAGE)
    assert refused(decision) == ["golden.accuracy"]
    assert decision.refused()[0].reason == "no rows"


def test_a_declared_bound_that_is_missing_is_refused() -> None:
    bare = Measure("properties.stays_low", 1.0)
    measured = [bare if measure.name == bare.name else measure for measure in GOOD]
    assert refused(gate.decide(measured, GATE, PACKAGE)) == ["properties.stays_low"]


@pytest.mark.parametrize("group", [group for group in gate.GROUPS if group not in gate.ALWAYS])
def test_a_group_without_a_rule_is_refused_unless_a_reason_is_given(group: str) -> None:
    fewer = tuple(rule for rule in GATE.rules if not rule.measure.startswith(f"{group}."))
    assert refused(gate.decide(GOOD, Gate(fewer, {}), PACKAGE)) == [f"{group}.*"]
    decision = gate.decide(GOOD, Gate(fewer, {group: "not for this model"}), PACKAGE)
    assert decision.passed
    assert decision.without == {group: "not for this model"}


@pytest.mark.parametrize("group", gate.ALWAYS)
def test_some_groups_cannot_be_switched_off(group: str) -> None:
    fewer = tuple(rule for rule in GATE.rules if not rule.measure.startswith(f"{group}."))
    decision = gate.decide(GOOD, Gate(fewer, {group: "in a hurry"}), PACKAGE)
    assert refused(decision) == [f"{group}.*"]


def test_a_new_kind_of_figure_needs_a_rule() -> None:
    decision = gate.decide([*GOOD, Measure("charm.grace", 1.0)], GATE, PACKAGE)
    assert refused(decision) == ["charm.*"]


@pytest.mark.parametrize(
    ("low", "high", "passing"),
    [
        (0.75, 0.85, {"estimate", "shown", "safe"}),
        (0.6, 0.9, {"estimate", "shown"}),
        (0.6, 0.8, {"shown"}),
        (0.5, 0.65, set()),
    ],
)
def test_an_interval_counts_as_the_rule_says(low: float, high: float, passing: set[str]) -> None:
    value = 0.69 if high <= 0.8 else 0.8
    value = min(value, high)
    measure = Measure("golden.accuracy", value, low, high, 50)
    measured = [measure if kept.name == measure.name else kept for kept in GOOD]
    for by in ("estimate", "shown", "safe"):
        rule = Rule("golden.accuracy", at_least=0.7, by=by)
        assert gate.decide(measured, with_rule(rule), PACKAGE).passed == (by in passing), by


def test_a_wide_interval_is_said() -> None:
    verdict = judged(gate.decide(GOOD, GATE, PACKAGE), "fairness.recall[sex]")
    assert "111 rows do not decide it" in verdict.reason


def test_an_exception_accepts_one_figure_of_one_package() -> None:
    bad = with_bad("fairness.*")
    decision = gate.decide(bad, GATE, PACKAGE, [WAIVER], TODAY)
    assert decision.passed
    verdict = judged(decision, "fairness.recall[sex]")
    assert verdict.outcome == "excepted"
    assert "accepted by Ada until 2026-12-31: reviewed" in verdict.reason
    both = [*bad, Measure("fairness.recall[age]", 0.9, 0.8, 1.0)]
    assert refused(gate.decide(both, GATE, PACKAGE, [WAIVER], TODAY)) == ["fairness.recall[age]"]


@pytest.mark.parametrize(
    ("waiver", "today"),
    [
        (WAIVER, date(2027, 1, 1)),
        (dataclasses.replace(WAIVER, package="cd" * 32), TODAY),
        (dataclasses.replace(WAIVER, package=PACKAGE[:11]), TODAY),
        (dataclasses.replace(WAIVER, package=""), TODAY),
        (dataclasses.replace(WAIVER, measure="fairness.*"), TODAY),
    ],
    ids=["ended", "another package", "too short", "empty", "a pattern"],
)
def test_an_exception_that_does_not_fit_accepts_nothing(waiver: Waiver, today: date) -> None:
    decision = gate.decide(with_bad("fairness.*"), GATE, PACKAGE, [waiver], today)
    assert refused(decision) == ["fairness.recall[sex]"]


@pytest.mark.parametrize("rule", [rule for rule in BAD if rule.partition(".")[0] in gate.ALWAYS])
def test_no_exception_is_possible_where_nothing_else_would_mean_anything(rule: str) -> None:
    waiver = dataclasses.replace(WAIVER, measure=BAD[rule].name)
    decision = gate.decide(with_bad(rule), GATE, PACKAGE, [waiver], TODAY)
    assert refused(decision) == [BAD[rule].name]
    assert "no exception is possible" in decision.refused()[0].reason


# Where the gate's code would be switched off, and the test that notices.
MUTANTS: dict[str, tuple[object, Callable[[], None]]] = {
    "_kept": (lambda *_: True, lambda: test_a_bad_model_is_refused_by_its_rule_alone("leakage.*")),
    "_possible": (
        lambda *_: True,
        lambda: test_a_bad_model_is_refused_by_its_rule_alone("fairness.*"),
    ),
    "_forgotten": (lambda *_: [], lambda: test_some_groups_cannot_be_switched_off("leakage")),
    "_missing": (
        lambda rule, _: gate.Verdict(rule.measure, "", "pass", ""),
        lambda: test_what_was_not_measured_is_refused("golden.accuracy"),
    ),
    "_apply": (lambda *_: [], lambda: test_a_bad_model_is_refused_by_its_rule_alone("relations.*")),
    "_speaks_of": (
        lambda *_: True,
        test_an_exception_accepts_one_figure_of_one_package,
    ),
    "ALWAYS": (
        (),
        lambda: test_no_exception_is_possible_where_nothing_else_would_mean_anything("leakage.*"),
    ),
    "_limit": (
        lambda *_: None,
        test_a_good_model_passes,
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_gate_that_is_switched_off_in_code_is_noticed(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant, notices = MUTANTS[name]
    monkeypatch.setattr(gate, name, mutant)
    with pytest.raises(AssertionError):
        notices()
