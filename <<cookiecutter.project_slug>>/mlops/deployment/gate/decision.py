"""The gate: from what was measured and what was declared to a decision with its reasons.

Pure: no clock, no files, no server. A rule that finds nothing to judge refuses, and so does a group
of figures that no rule speaks of: nothing passes because it was forgotten.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from mlops.deployment.measuring.measure import Measure

By = Literal["estimate", "shown", "safe"]
Outcome = Literal["pass", "refuse", "excepted", "none"]

# Groups of figures. The first may be neither switched off nor excepted: without them nothing else
# that was measured means anything.
ALWAYS = ("provenance", "leakage", "compile", "package")
GROUPS = (
    *ALWAYS,
    "golden",
    "evaluation",
    "calibration",
    "champion",
    "relations",
    "properties",
    "fairness",
    "robustness",
    "explanation",
    "speed",
)


@dataclass(frozen=True)
class Rule:
    """One bound on the figures whose name fits `measure` (`*` stands for any text).

    `by` says what must keep it: the `estimate` itself; `safe`: the whole 95% interval; `shown`: the
    model is refused only where the whole interval breaks it. The bound `declared` is the one that
    stands beside the test. `absent` says what holds where the figure is not defined.
    """

    measure: str
    at_least: float | Literal["declared"] | None = None
    at_most: float | Literal["declared"] | None = None
    by: By = "estimate"
    absent: Literal["refuse", "pass"] = "refuse"


@dataclass(frozen=True)
class Gate:
    """All rules, and the groups that are switched off, each with the reason."""

    rules: tuple[Rule, ...]
    without: Mapping[str, str]


@dataclass(frozen=True)
class Waiver:
    """A recorded exception: this figure of this package is accepted, by whom, why and until when.

    `package` is the digest or its first 12 digits or more.
    """

    measure: str
    package: str
    by: str
    reason: str
    until: date


@dataclass(frozen=True)
class Verdict:
    """What one rule says of one figure."""

    measure: str
    bound: str
    outcome: Outcome
    reason: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    rows: int = 0


@dataclass(frozen=True)
class Decision:
    """Whether the package of that digest may be promoted, with the verdict of every rule."""

    package: str
    passed: bool
    verdicts: tuple[Verdict, ...]
    without: Mapping[str, str]

    def refused(self) -> tuple[Verdict, ...]:
        """The verdicts for which it was refused."""
        return tuple(verdict for verdict in self.verdicts if verdict.outcome == "refuse")


def decide(
    measured: Sequence[Measure],
    gate: Gate,
    package: str,
    waivers: Sequence[Waiver] = (),
    today: date = date.min,
) -> Decision:
    """Judge the figures of a package by every rule. `today` ends waivers."""
    verdicts = [verdict for rule in gate.rules for verdict in _apply(rule, measured)]
    verdicts += _forgotten(measured, gate)
    judged = tuple(_waived(verdict, package, waivers, today) for verdict in verdicts)
    passed = all(verdict.outcome != "refuse" for verdict in judged)
    return Decision(package, passed, judged, dict(gate.without))


def fits(pattern: str, name: str) -> bool:
    """Whether a figure's name fits a pattern, in which `*` stands for any text."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name) is not None


def _apply(rule: Rule, measured: Sequence[Measure]) -> list[Verdict]:
    found = [measure for measure in measured if fits(rule.measure, measure.name)]
    if not found:
        return [_missing(rule, measured)]
    return [_judge(rule, measure) for measure in found]


def _missing(rule: Rule, measured: Sequence[Measure]) -> Verdict:
    group = rule.measure.partition(".")[0]
    there = [measure.name for measure in measured if measure.group == group]
    known = f"; measured are {', '.join(there[:6])}" if there else ""
    if rule.absent == "pass":
        return Verdict(rule.measure, _bound(rule, None), "none", "nothing of that name")
    reason = f"nothing of that name was measured{known}"
    return Verdict(rule.measure, _bound(rule, None), "refuse", reason)


def _judge(rule: Rule, measure: Measure) -> Verdict:
    bound = _bound(rule, measure)
    figures = (measure.value, measure.low, measure.high, measure.rows)
    limits = (_limit(rule.at_least, measure), _limit(rule.at_most, measure))
    if limits == (None, None):
        return Verdict(
            measure.name, bound, "refuse", "no bound is declared beside the test", *figures
        )
    if measure.value is None:
        outcome: Outcome = "none" if rule.absent == "pass" else "refuse"
        return Verdict(measure.name, bound, outcome, measure.detail or "not defined here", *figures)
    low = measure.value if measure.low is None else measure.low
    high = measure.value if measure.high is None else measure.high
    kept = _kept(measure.value, measure.value, limits)
    certain = _kept(low, high, limits)
    possible = _possible(low, high, limits)
    passed = {"estimate": kept, "safe": certain, "shown": possible}[rule.by]
    reason = _reason(kept, certain, possible, rule.by, measure)
    return Verdict(measure.name, bound, "pass" if passed else "refuse", reason, *figures)


def _kept(low: float, high: float, limits: tuple[float | None, float | None]) -> bool:
    """Whether everything between `low` and `high` keeps both limits."""
    at_least, at_most = limits
    return (at_least is None or low >= at_least) and (at_most is None or high <= at_most)


def _possible(low: float, high: float, limits: tuple[float | None, float | None]) -> bool:
    """Whether anything between `low` and `high` keeps both limits."""
    at_least, at_most = limits
    return (at_least is None or high >= at_least) and (at_most is None or low <= at_most)


def _reason(kept: bool, certain: bool, possible: bool, by: By, measure: Measure) -> str:
    parts = []
    if by == "estimate" and not kept and possible and measure.low is not None:
        parts.append(f"beyond the bound, though {measure.rows} rows leave it open")
    elif not possible and measure.low is not None:
        parts.append("beyond the bound, with its whole interval")
    elif by != "estimate" and not certain:
        parts.append(f"the interval crosses the bound: {measure.rows} rows do not decide it")
    elif not kept:
        parts.append("beyond the bound")
    if measure.detail:
        parts.append(measure.detail)
    return "; ".join(parts)


def _limit(given: float | Literal["declared"] | None, measure: Measure) -> float | None:
    return measure.declared if given == "declared" else given


def _bound(rule: Rule, measure: Measure | None) -> str:
    parts = []
    for sign, given in ((">=", rule.at_least), ("<=", rule.at_most)):
        limit = _limit(given, measure) if measure else given
        if given is not None:
            parts.append(
                f"{sign} {limit:g}" if isinstance(limit, int | float) else f"{sign} declared"
            )
    name = "" if rule.by == "estimate" else f" ({rule.by})"
    return " and ".join(parts) + name


def _forgotten(measured: Sequence[Measure], gate: Gate) -> list[Verdict]:
    """A refusal for each group that neither a rule nor a reason speaks of, or that may not be off."""
    ruled = {rule.measure.partition(".")[0] for rule in gate.rules}
    verdicts = []
    for group in dict.fromkeys([*GROUPS, *(measure.group for measure in measured)]):
        if group in gate.without and group in ALWAYS:
            verdicts.append(Verdict(f"{group}.*", "", "refuse", "this may not be switched off"))
        elif group not in ruled and group not in gate.without:
            reason = "no rule speaks of it; add one, or a reason under `without`"
            verdicts.append(Verdict(f"{group}.*", "", "refuse", reason))
    return verdicts


def _waived(verdict: Verdict, package: str, waivers: Sequence[Waiver], today: date) -> Verdict:
    if verdict.outcome != "refuse":
        return verdict
    fitting = [waiver for waiver in waivers if _speaks_of(waiver, verdict, package)]
    if not fitting:
        return verdict
    waiver = max(fitting, key=lambda waiver: waiver.until)
    if verdict.measure.partition(".")[0] in ALWAYS:
        return _with(verdict, "refuse", f"{verdict.reason}; no exception is possible here")
    if waiver.until < today:
        return _with(verdict, "refuse", f"{verdict.reason}; the exception ended {waiver.until}")
    accepted = f"accepted by {waiver.by} until {waiver.until}: {waiver.reason}"
    return _with(verdict, "excepted", f"{accepted} ({verdict.reason})")


def _speaks_of(waiver: Waiver, verdict: Verdict, package: str) -> bool:
    named = len(waiver.package) >= 12 and package.startswith(waiver.package)
    return named and waiver.measure == verdict.measure


def _with(verdict: Verdict, outcome: Outcome, reason: str) -> Verdict:
    figures = (verdict.value, verdict.low, verdict.high, verdict.rows)
    return Verdict(verdict.measure, verdict.bound, outcome, reason, *figures)
