"""What a watch comes to, topic by topic and in one sentence: kept, breached, or not judged and why.

What has no verdict is never told as good.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from mlops.operations.drift.verdict import Drift, Finding
from mlops.operations.events.event import Event
from mlops.operations.monitoring.verdict import Kind, Verdict
from mlops.operations.package_watch import Package
from mlops.operations.pages.style import Level
from mlops.operations.watch import Watched

TITLES: dict[str, str] = {
    "data_drift": "Data drift",
    "prediction_drift": "Answers",
    "data_quality": "Data quality",
    "performance": "Performance",
    "fairness": "Fairness",
    "service": "Service",
    "staleness": "Staleness",
}
_JUDGED: tuple[Kind, ...] = ("data_quality", "performance", "fairness", "service")


@dataclass(frozen=True)
class Topic:
    """One topic's verdict: `word` is short enough for a tile, `said` for the sentence of all."""

    name: str
    level: Level
    word: str
    said: str
    why: str = ""

    @property
    def title(self) -> str:
        """Its heading."""
        return TITLES[self.name]


@dataclass(frozen=True)
class Since:
    """When events told of a topic: the first time, the last, and how often."""

    first: datetime
    last: datetime
    times: int


def topics(watched: Watched) -> tuple[Topic, ...]:
    """Every topic of the package that serves, and staleness."""
    stale = _of_verdicts("staleness", watched.staleness, "no rule looks at it")
    if watched.serving is not None:
        return (*_of_package(watched.serving), stale)
    none = "nothing is deployed"
    others = (name for name in TITLES if name != "staleness")
    return (*(Topic(name, "open", "not judged", none, none) for name in others), stale)


def headline(watched: Watched) -> tuple[Level, str]:
    """One sentence on what serves, and whether it is good news."""
    if watched.serving is not None:
        return described(watched.environment, watched.serving, topics(watched))
    stale = topics(watched)[-1]
    nothing = f"{watched.environment}: nothing is deployed, so nothing was judged"
    return ("bad", f"{nothing}; {stale.said}") if stale.level == "bad" else ("open", nothing)


def described(environment: str, package: Package, found: Sequence[Topic] = ()) -> tuple[Level, str]:
    """One sentence on a package, of all topics or of its own."""
    found = found or _of_package(package)
    always = ("data_drift", "prediction_drift", "performance")
    said = [each.said for each in found if each.name in always or each.level != "good"]
    start = f"{environment}, version {package.deployment.version}"
    return worst(each.level for each in found), f"{start}: {', '.join(said)}"


def _of_package(package: Package) -> tuple[Topic, ...]:
    verdicts = {kind: [each for each in package.verdicts if each.kind == kind] for kind in _JUDGED}
    return (
        _data_drift(package.drift),
        _prediction_drift(package.drift),
        *(_of_verdicts(kind, verdicts[kind], _why(package, kind)) for kind in _JUDGED),
    )


def worst(levels: Iterable[Level]) -> Level:
    """Bad where one is, else open where one is, else good."""
    found = set(levels)
    return "bad" if "bad" in found else "open" if "open" in found else "good"


def ranked(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """What drifted first, then by how near the effect comes to its threshold, the largest first."""
    return tuple(sorted(findings, key=lambda each: (not each.drifted, -_nearness(each))))


def told_of(
    events: Sequence[Event], environment: str, kind: str, digest: str, column: str = ""
) -> tuple[Event, ...]:
    """The events of that kind about a package, or about one of its columns, in their order.

    Staleness speaks of the environment: its events need no digest.
    """
    return tuple(
        event
        for event in events
        if event.kind == kind
        and event.subject == environment
        and (event.data.get("digest") == digest or _of_environment(event))
        and (not column or _names(event, column))
    )


def since(told: Sequence[Event]) -> Since | None:
    """When events told of it; None where none did."""
    if not told:
        return None
    return Since(told[0].time, told[-1].time, len(told))


def _of_environment(event: Event) -> bool:
    return event.kind == "staleness" and not event.data.get("digest")


def _names(event: Event, column: str) -> bool:
    columns = event.data.get("columns")
    return isinstance(columns, list | tuple | dict) and column in columns


def _nearness(finding: Finding) -> float:
    return finding.effect / finding.threshold if finding.threshold > 0 else float("inf")


def _why(package: Package, kind: Kind) -> str:
    """Why there is no verdict of a kind at all."""
    if package.performance is None and kind != "service":
        return package.drift.unjudged or package.why or "there was nothing to look at"
    if kind == "fairness" and package.fairness is None:
        return f"{package.labelled} labelled rows, too few to compare groups"
    if kind == "fairness":
        return "no column is protected, or no difference has a bound"
    return "no rule looks at it"


def _data_drift(drift: Drift) -> Topic:
    name = "data_drift"
    if drift.unjudged:
        return Topic(name, "open", "not judged", "data drift not judged", drift.unjudged)
    columns = {each.column for each in drift.columns}
    moved = len({each.column for each in drift.columns if each.drifted})
    skipped = f"{len(drift.skipped)} not compared" if drift.skipped else ""
    joint = drift.joint is not None and drift.joint.drifted
    if moved:
        noun = "column" if moved == 1 else "columns"
        word = f"{moved} of {len(columns)} columns drifted"
        return Topic(name, "bad", word, f"{moved} {noun} drifted", skipped)
    if joint:
        word = "all columns together drifted"
        return Topic(name, "bad", word, "columns drifted together, none alone", skipped)
    if not columns and drift.joint is None:
        return Topic(name, "open", "not judged", "no column could be compared", skipped)
    noun = "column" if len(columns) == 1 else "columns"
    word = f"{len(columns)} {noun} kept" if columns else "kept together"
    return Topic(name, "open" if skipped else "good", word, "no column drifted", skipped)


def _prediction_drift(drift: Drift) -> Topic:
    name = "prediction_drift"
    why = drift.unjudged or ("" if drift.answers else "there were no answers to compare")
    if why:
        return Topic(name, "open", "not judged", "answers not judged", why)
    if drift.prediction_drift:
        return Topic(name, "bad", "answers drifted", "answers drifted")
    return Topic(name, "good", "answers kept", "answers kept")


def _of_verdicts(kind: Kind, verdicts: Sequence[Verdict], without: str) -> Topic:
    spoken = TITLES[kind].lower()
    count = {
        outcome: sum(each.outcome == outcome for each in verdicts)
        for outcome in ("breached", "no_verdict", "holds")
    }
    some = "; ".join(
        dict.fromkeys(each.reason for each in verdicts if each.outcome == "no_verdict")
    )
    open_ones = f"{count['no_verdict']} not judged" if count["no_verdict"] else ""
    if count["breached"]:
        word = f"{count['breached']} of {len(verdicts)} breached"
        lost = "performance lost" if kind == "performance" else f"{spoken} breached"
        return Topic(kind, "bad", word, lost, open_ones)
    if not count["holds"]:
        return Topic(kind, "open", "not judged", f"{spoken} not judged", some or without)
    if open_ones:
        word = f"{count['holds']} of {len(verdicts)} kept"
        return Topic(kind, "open", word, f"{spoken} kept as far as judged", f"{open_ones}: {some}")
    return Topic(kind, "good", f"{count['holds']} of {len(verdicts)} kept", f"{spoken} kept")
