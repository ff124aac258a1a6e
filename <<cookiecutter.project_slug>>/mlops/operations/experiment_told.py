"""What an environment's packages show of each other, as lines that a person reads."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from mlops.deployment.serving.traffic import Deployment
from mlops.operations.experiment_pair import Compared, Shown
from mlops.operations.experiment_trial import CHALLENGER, CHAMPION, Trial
from mlops.operations.experiments.sequential import Interval
from mlops.operations.experiments.shadow import Agreement, Shadow
from mlops.operations.experiments.verdict import told

REQUESTS = (
    "one request is one: routing keys are not collected; where callers send one, name in the "
    "settings' experiment: unit the column that says who called"
)
NO_CHANGE = "no traffic was changed, and none is by an experiment: what follows is for people to do"


def lines(found: Shown) -> Iterator[str]:
    """The whole finding."""
    yield f"{found.environment}: {found.model}, {_when(found.start)} to {_when(found.now)} UTC"
    for note in found.notes:
        yield f"  note: {note}"
    for each in found.pairs:
        yield from _compared(each)
    if found.pairs:
        yield NO_CHANGE


def _compared(each: Compared) -> Iterator[str]:
    yield f"champion {_deployed(each.champion)}, challenger {_deployed(each.challenger)}"
    for note in each.notes:
        yield f"  note: {note}"
    if each.shadow:
        yield from _shadow(each.shadow)
    if each.trial:
        yield from _trial(each.trial)
    if each.advice:
        yield f"  what follows: {each.advice}"


def _shadow(found: Shadow) -> Iterator[str]:
    yield f"  shadow: {found.outcome}: {'; '.join(found.reasons)}"
    yield f"    agreement    {_agreed(found.agreement)}"
    for each in found.segments:
        marks = ", which stands out" if each.stands_out else ""
        yield f"      {each.column} {each.group}: {_agreed(each)}{marks}"
    if (right := found.accuracy) is not None:
        figure = "mean absolute error" if right.mcnemar is None else "right answers"
        both = f"champion {right.champion:.4g}, challenger {right.challenger:.4g}"
        once = "" if right.mcnemar is None else f"; McNemar p {right.mcnemar:.2g} for one look"
        yield f"    labels       {figure} of {right.rows:,} rows: {both}{once}"
    if (took := found.latency) is not None:
        both = f"champion {took.champion[0]:.3g} ms, challenger {took.challenger[0]:.3g} ms"
        yield f"    latency      median of {took.requests:,} requests: {both}"


def _trial(found: Trial) -> Iterator[str]:
    figure = found.measured.replace("_", " ")
    evidence, verdict = found.evidence, found.verdict
    yield f"  A/B by {figure}: {verdict.outcome}: {'; '.join(verdict.reasons)}"
    shares = ", ".join(f"{share:.0%}" for share in dict.fromkeys(s.share for s in found.spans))
    hours = sum((each.end - each.start).total_seconds() for each in found.spans) / 3600
    old, new = found.rows
    yield f"    both live    {hours:.3g} h, the challenger with {shares}: {old:,} and {new:,} rows"
    if found.outside:
        yield f"    left out     {found.outside:,} rows of other times, when only one of them answered"
    yield f"    {figure:<12} {_interval(evidence.kpi)}"
    for name, interval in evidence.guards.items():
        yield f"    {name:<12} {_interval(interval)}"
    unit = REQUESTS if found.unit == "request_id" else f"all of one '{found.unit}' is one"
    yield f"    units        {unit}"
    if isinstance(found.allocation, str):
        yield f"  bandit: {found.allocation}"
    else:
        give = found.allocation.shares
        both = f"champion {give[CHAMPION]:.1%}, challenger {give[CHALLENGER]:.1%}"
        yield f"  bandit: it would give {both}: {'; '.join(found.allocation.reasons)}"


def _interval(found: Interval) -> str:
    known = f"known of {found.champion:,} and {found.challenger:,}"
    return f"challenger minus champion {told(found)}, {known}"


def _agreed(found: Agreement) -> str:
    share = found.agreed / found.rows
    return f"{share:.1%} of {found.rows:,} rows alike ({found.low:.1%} to {found.high:.1%})"


def _deployed(each: Deployment) -> str:
    got = [f"{each.share:.0%} of the requests"] if each.share or not each.mirror else []
    if each.mirror:
        got.append(f"copies of {each.mirror:.0%}")
    return f"version {each.version} ({each.digest[:12]}, {' and '.join(got)} now)"


def _when(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
