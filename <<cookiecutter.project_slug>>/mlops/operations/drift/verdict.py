"""The verdict on a window: every comparison judged together with all others, with its reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mlops.operations.drift.columns import Comparison
from mlops.operations.drift.distances import holm
from mlops.operations.drift.joint import Separation
from mlops.operations.drift.settings import DriftSettings


@dataclass(frozen=True)
class Finding:
    """One statistic of one column, judged.

    `effect` and `threshold` run from 0 to 1; `adjusted` is the p-value for all tests of the window
    at once (Holm). It has drifted where `adjusted` is below alpha and `effect` beyond `threshold`.
    `moved` is how far numbers moved on average, in standard deviations of the reference.
    """

    column: str
    statistic: str
    effect: float
    threshold: float
    p_value: float
    adjusted: float
    drifted: bool
    reason: str
    moved: float | None = None


@dataclass(frozen=True)
class Joint:
    """What the classifier between reference and window says; `telling` as in `Separation`."""

    auc: float
    threshold: float
    p_value: float
    adjusted: float
    drifted: bool
    telling: tuple[tuple[str, float], ...]
    rows: tuple[int, int]
    reason: str


@dataclass(frozen=True)
class Drift:
    """What changed between a reference and a window.

    `rows` are those of both. `skipped` says of each column whose values were not compared why. `unjudged`
    says why there is no verdict at all, and is empty where there is one.
    """

    rows: tuple[int, int]
    columns: tuple[Finding, ...] = ()
    answers: tuple[Finding, ...] = ()
    joint: Joint | None = None
    skipped: Mapping[str, str] = field(default_factory=dict)
    unjudged: str = ""

    @property
    def data_drift(self) -> bool:
        """Whether a column, or all of them together, drifted."""
        joint = self.joint is not None and self.joint.drifted
        return joint or any(finding.drifted for finding in self.columns)

    @property
    def prediction_drift(self) -> bool:
        """Whether the answers drifted."""
        return any(finding.drifted for finding in self.answers)

    @property
    def reasons(self) -> tuple[str, ...]:
        """A sentence for each thing that drifted, the largest effect first, the joint one last."""
        found = [finding for finding in (*self.columns, *self.answers) if finding.drifted]
        told = [finding.reason for finding in sorted(found, key=lambda each: -each.effect)]
        if self.joint is not None and self.joint.drifted:
            told.append(self.joint.reason)
        return tuple(told)


def judge(
    rows: tuple[int, int],
    columns: Sequence[Comparison],
    answers: Sequence[Comparison],
    apart: Separation | None,
    settings: DriftSettings,
) -> Drift:
    """All tests of the window are one family: the chance of any false alarm is at most alpha."""
    comparisons = [*columns, *answers]
    chances = [each.p_value for each in comparisons] + ([apart.p_value] if apart else [])
    adjusted = holm(chances)
    found = [
        _finding(each, chance, settings.alpha)
        for each, chance in zip(comparisons, adjusted, strict=False)
    ]
    joint = None
    if apart is not None and settings.joint is not None:
        joint = _joint(apart, adjusted[-1], settings.joint.auc, settings.alpha)
    cut = len(columns)
    return Drift(rows, tuple(found[:cut]), tuple(found[cut:]), joint)


def _finding(found: Comparison, adjusted: float, alpha: float) -> Finding:
    drifted = adjusted < alpha and found.effect > found.threshold
    verdict = _verdict(found.effect, found.threshold, adjusted, alpha)
    return Finding(
        found.column,
        found.statistic,
        found.effect,
        found.threshold,
        found.p_value,
        adjusted,
        drifted,
        f"{found.column}: {found.statistic} {found.effect:.2f}, {verdict}: {found.detail}",
        found.moved,
    )


def _joint(apart: Separation, adjusted: float, threshold: float, alpha: float) -> Joint:
    drifted = adjusted < alpha and apart.auc > threshold
    by = ", ".join(name for name, _ in apart.telling)
    reason = (
        f"all columns together: a classifier tells the window from the reference with an AUC of "
        f"{apart.auc:.2f}, {_verdict(apart.auc, threshold, adjusted, alpha)}"
    )
    reason += f": most by {by}" if drifted and by else ""
    return Joint(
        apart.auc, threshold, apart.p_value, adjusted, drifted, apart.telling, apart.rows, reason
    )


def _verdict(effect: float, threshold: float, adjusted: float, alpha: float) -> str:
    if effect <= threshold:
        return f"within {threshold:.2f}"
    if adjusted < alpha:
        return f"beyond {threshold:.2f}"
    return f"beyond {threshold:.2f}, but chance may do that (p {adjusted:.2g} of all tests)"
