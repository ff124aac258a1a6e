"""The rows of the report: of each finding and each verdict what is shown, the worst first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from mlops.operations.drift.verdict import Drift, Finding, Joint
from mlops.operations.monitoring.verdict import Outcome, Verdict
from mlops.operations.pages.charts import effect_bar, whisker
from mlops.operations.pages.shown import bound_of, chance, number, percent, plain, value_of
from mlops.operations.pages.style import Level
from mlops.operations.pages.topics import Since, ranked

OUTCOMES: Mapping[Outcome, tuple[Level, str]] = {
    "breached": ("bad", "breached"),
    "no_verdict": ("open", "no verdict"),
    "holds": ("good", "kept"),
}
# How many rows are shown before the rest is folded away: all that drifted or breached, and so many.
SHOWN = 8


@dataclass(frozen=True)
class FindingRow:
    """One statistic of one column, ready to be shown."""

    name: str
    level: Level
    word: str
    picture: Markup
    reason: str
    figures: str
    since: Since | None = None


@dataclass(frozen=True)
class VerdictRow:
    """One verdict, ready to be shown."""

    level: Level
    word: str
    name: str
    value: str
    bound: str
    picture: Markup | str
    reason: str


def finding_rows(findings: Sequence[Finding], since: Mapping[str, Since]) -> list[FindingRow]:
    """What drifted first, then what is nearest to its threshold; `since` by column."""
    return [_finding(each, since.get(each.column)) for each in ranked(findings)]


def drift_rows(
    drift: Drift, since: Mapping[str, Since]
) -> tuple[list[FindingRow], list[FindingRow]]:
    """The rows to show of the columns, all of them together first, and those to fold away."""
    rows = finding_rows(drift.columns, since)
    shown = max(SHOWN, sum(each.level == "bad" for each in rows))
    together = [_together(drift.joint)] if drift.joint else []
    return together + rows[:shown], rows[shown:]


def verdict_rows(verdicts: Sequence[Verdict]) -> tuple[list[VerdictRow], list[VerdictRow]]:
    """The rows to show, breaches first and then what has no verdict, and those to fold away."""
    order = list(OUTCOMES)
    ordered = sorted(verdicts, key=lambda each: order.index(each.outcome))
    breached = sum(each.outcome == "breached" for each in verdicts)
    shown = max(SHOWN, breached)
    rows = [_verdict(each) for each in ordered]
    return rows[:shown], rows[shown:]


def _finding(finding: Finding, since: Since | None) -> FindingRow:
    level: Level = "bad" if finding.drifted else "good"
    figures = f"p {chance(finding.adjusted)} of all tests ({chance(finding.p_value)} alone)"
    if finding.moved is not None:
        figures += f", moved by {finding.moved:+.2f} standard deviations"
    return FindingRow(
        finding.column,
        level,
        "drifted" if finding.drifted else "kept",
        effect_bar(finding.effect, finding.threshold, drifted=finding.drifted),
        finding.reason.removeprefix(f"{finding.column}: "),
        figures,
        since if finding.drifted else None,
    )


def _together(joint: Joint) -> FindingRow:
    level: Level = "bad" if joint.drifted else "good"
    telling = ", ".join(f"{name} (AUC {-loss:+.3f} without it)" for name, loss in joint.telling)
    figures = (
        f"p {chance(joint.adjusted)} of all tests ({chance(joint.p_value)} alone), of "
        f"{joint.rows[0]:,} and {joint.rows[1]:,} rows; 0.5 is no difference"
    )
    return FindingRow(
        "all columns together",
        level,
        "drifted" if joint.drifted else "kept",
        effect_bar(joint.auc, joint.threshold, drifted=joint.drifted, least=0.5),
        joint.reason.removeprefix("all columns together: "),
        figures + (f"; {telling}" if telling else ""),
    )


def _verdict(verdict: Verdict) -> VerdictRow:
    level, word = OUTCOMES[verdict.outcome]
    picture: Markup | str = ""
    if verdict.value is not None and verdict.low is not None and verdict.high is not None:
        picture = whisker(
            verdict.value,
            verdict.low,
            verdict.high,
            _lines(verdict),
            level=level,
            shown=percent if verdict.kind in ("data_quality", "service") else number,
        )
    return VerdictRow(
        level,
        word,
        plain(verdict.measure),
        value_of(verdict),
        bound_of(verdict),
        picture,
        verdict.reason,
    )


def _lines(verdict: Verdict) -> list[tuple[str, float]]:
    """The bound and what was before, on the value's own scale: some bounds are of a difference."""
    before, bound = verdict.before, verdict.bound
    if before is None:
        return [] if bound is None else [("bound", bound)]
    if verdict.kind != "data_quality":
        return [("at the gate", before)]
    return [*([] if bound is None else [("bound", before + bound)]), ("before", before)]
