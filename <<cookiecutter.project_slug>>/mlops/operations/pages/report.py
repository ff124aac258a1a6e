"""The monitor's report of one environment: what changed, how much, since when, and what was done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from itertools import groupby

from markupsafe import Markup

from mlops.operations.events.event import Event
from mlops.operations.monitoring.over_time import Point
from mlops.operations.monitoring.service import Service
from mlops.operations.monitoring.verdict import Verdict
from mlops.operations.package_watch import Package
from mlops.operations.pages.lines import over_time_chart
from mlops.operations.pages.moments import Moment, of_event
from mlops.operations.pages.rows import (
    FindingRow,
    VerdictRow,
    drift_rows,
    finding_rows,
    verdict_rows,
)
from mlops.operations.pages.shown import number, percent, plain, rendered
from mlops.operations.pages.style import Level
from mlops.operations.pages.templates import MACROS, REPORT
from mlops.operations.pages.topics import (
    TITLES,
    Since,
    Topic,
    described,
    headline,
    since,
    told_of,
    topics,
)
from mlops.operations.retraining.policy import Action, Decision
from mlops.operations.watch import Watched

# The kinds of events that tell that something was measured; all others tell what was done.
MEASURED = tuple(TITLES)
_ACTIONS: Mapping[Action, tuple[Level, str]] = {
    "retrain": ("note", "a retraining was decided"),
    "wait": ("open", "it waits"),
    "call_a_person": ("open", "a person is called"),
    "nothing": ("note", "nothing was decided"),
}
_NEWEST = 50


@dataclass(frozen=True)
class Chapter:
    """One topic with its rows, and since when events tell of it."""

    topic: Topic
    first: Sequence[VerdictRow] = ()
    rest: Sequence[VerdictRow] = ()
    since: Since | None = None


@dataclass(frozen=True)
class DriftChapter:
    """What drifted, the rest, and what was not compared and why."""

    topic: Topic
    first: Sequence[FindingRow]
    rest: Sequence[FindingRow] = ()
    since: Since | None = None
    rows: tuple[int, int] = (0, 0)
    skipped: Sequence[tuple[str, str]] = ()
    unjudged: str = ""


@dataclass(frozen=True)
class Other:
    """A package that answered in the window as well."""

    package: Package
    sentence: str
    share: str
    bad: tuple[str, ...]


def report_page(watched: Watched, events: Sequence[Event], decision: Decision | None) -> str:
    """The report as one HTML page that needs nothing around it.

    `events` are those of the log in their order; `decision` is what the retraining policy said of
    this watch, None where it was not asked.
    """
    package = watched.serving
    tiles = topics(watched)
    level, sentence = headline(watched)
    measured, done = _split(watched, events)
    after = done[-_NEWEST:]
    action = _ACTIONS[decision.action] if decision else ("open", "")
    fairness = package.fairness if package else None
    figures = (name for each in (fairness.groups if fairness else ()) for name in each.figures)
    return rendered(
        MACROS + REPORT,
        title=f"{watched.environment}: monitor report",
        now=watched.now,
        watched=watched,
        package=package,
        level=level,
        sentence=sentence,
        tiles=tiles,
        drift=_drift(tiles[0], package, measured, watched) if package else None,
        answers=_answers(tiles[1], package, measured, watched) if package else None,
        chapters=[
            _chapter(each, watched, measured) for each in (tiles[2:] if package else tiles[-1:])
        ],
        charts=_charts(package, watched) if package else (),
        measures=package.performance.measures if package and package.performance else (),
        groups=fairness.groups if fairness else (),
        group_figures=tuple(dict.fromkeys(figures)),
        service=_service(package.service) if package else (),
        decision=decision,
        decided_level=action[0],
        decided=action[1],
        after=by_day([of_event(each) for each in reversed(after)]),
        after_count=len(after),
        earlier=len(done) - len(after),
        after_from="since the first event of what was found" if measured else "in the window",
        others=[_other(watched.environment, each) for each in watched.packages[1:]],
    )


def by_day(moments: Iterable[Moment]) -> list[tuple[str, list[Mapping[str, object]]]]:
    """Moments as the pages show them, day by day in UTC, in the order given."""
    shown = [(each, each.time.astimezone(UTC)) for each in moments]
    return [
        (
            day,
            [{**vars(each), "time": when, "clock": f"{when:%H:%M:%S}"} for each, when in those],
        )
        for day, those in groupby(shown, key=lambda pair: f"{pair[1]:%Y-%m-%d}")
    ]


def _digest(watched: Watched) -> str:
    return watched.serving.deployment.digest if watched.serving else ""


def _split(watched: Watched, events: Sequence[Event]) -> tuple[list[Event], list[Event]]:
    """The events of what is bad now, and what was done since the first of them.

    Where none tells of it, what was done in the window.
    """
    bad = [each.name for each in topics(watched) if each.level == "bad"]
    found = {
        id(event)
        for name in bad
        for event in told_of(events, watched.environment, name, _digest(watched))
    }
    measured = [event for event in events if id(event) in found]
    later = (
        events[next(n for n, event in enumerate(events) if id(event) in found) :]
        if found
        else [event for event in events if watched.start <= event.time <= watched.now]
    )
    done = [
        event
        for event in later
        if event.subject in ("", watched.environment) and event.kind not in MEASURED
    ]
    return measured, done


def _since(
    topic: Topic, events: Sequence[Event], watched: Watched, column: str = ""
) -> Since | None:
    if topic.level != "bad":
        return None
    return since(told_of(events, watched.environment, topic.name, _digest(watched), column))


def _drift(
    topic: Topic, package: Package, events: Sequence[Event], watched: Watched
) -> DriftChapter:
    drift = package.drift
    columns = {each.column for each in drift.columns if each.drifted}
    known = {
        name: found
        for name in columns
        if (found := _since(topic, events, watched, name)) is not None
    }
    first, rest = drift_rows(drift, known)
    skipped = tuple(drift.skipped.items())
    told = _since(topic, events, watched)
    return DriftChapter(topic, first, rest, told, drift.rows, skipped, drift.unjudged)


def _answers(
    topic: Topic, package: Package, events: Sequence[Event], watched: Watched
) -> DriftChapter:
    rows = finding_rows(package.drift.answers, {})
    return DriftChapter(topic, rows, since=_since(topic, events, watched))


def _chapter(topic: Topic, watched: Watched, events: Sequence[Event]) -> Chapter:
    first, rest = verdict_rows([each for each in watched.verdicts if each.kind == topic.name])
    told = _since(topic, events, watched)
    return Chapter(topic, first, rest, told)


def _charts(package: Package, watched: Watched) -> list[tuple[str, Markup]]:
    """A picture of each figure: those that are judged first, then those with an interval."""
    judged = {each.measure: each for each in package.verdicts if each.kind == "performance"}
    points: dict[str, list[Point]] = {}
    for each in package.points:
        points.setdefault(each.measure.name, []).append(each)
    ranks = {
        name: (name not in judged, all(each.measure.low is None for each in found))
        for name, found in points.items()
    }
    return [
        (
            plain(name),
            over_time_chart(points[name], watched.start, watched.now, _line(judged.get(name))),
        )
        for name in sorted(points, key=lambda name: ranks[name])
    ]


def _line(verdict: Verdict | None) -> tuple[str, float] | None:
    if verdict is None:
        return None
    if verdict.before is not None:
        return "at the gate", verdict.before
    return None if verdict.bound is None else ("bound", verdict.bound)


def _service(found: Service) -> list[tuple[str, str]]:
    counts = found.counts
    told = [(f"{counts.requests:,}", "requests")]
    if found.per_second is not None:
        told.append((number(found.per_second), "requests a second"))
    if counts.requests:
        failed, refused = counts.failed / counts.requests, counts.refused / counts.requests
        told += [
            (percent(failed), "failed"),
            (percent(refused), "refused: they broke the contract"),
        ]
    for name, value in found.latency_ms.items():
        told.append((f"{number(value)} ms", f"latency, {name.removeprefix('p')}% within"))
    if found.unseen_restarts:
        told.append((str(found.unseen_restarts), "restarts, whose last counts are lost"))
    return told


def _other(environment: str, package: Package) -> Other:
    share = package.deployment.share
    told = f"it answers {percent(share)} of the traffic" if share else "it serves no more"
    breached = (each for each in package.verdicts if each.outcome == "breached")
    reasons = (f"{plain(each.measure)}: {each.reason}" for each in breached)
    bad = (*package.drift.reasons, *reasons)
    return Other(package, described(environment, package)[1], told, bad)
