"""The state of all environments on one page: desired, actual, health, what was measured, and when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from markupsafe import Markup

from mlops.deployment.serving.traffic import Deployment
from mlops.deployment.status import Status
from mlops.operations.monitoring.performance import GROUP
from mlops.operations.pages.charts import share_bar, strip
from mlops.operations.pages.moments import Moment
from mlops.operations.pages.report import by_day
from mlops.operations.pages.rows import OUTCOMES
from mlops.operations.pages.shown import ago, number, percent, plain, rendered, time, value_of
from mlops.operations.pages.style import Level
from mlops.operations.pages.templates import ENVIRONMENTS, MACROS
from mlops.operations.pages.topics import Topic, topics, worst
from mlops.operations.watch import Watched

KPI = f"{GROUP}.kpi"
NEWEST = 40
_STRIP = timedelta(days=7)


@dataclass(frozen=True)
class Card:
    """One environment, ready to be shown."""

    status: Status
    level: Level
    word: str
    git_level: Level
    git: str
    health_level: Level
    health: str
    bar: Markup
    shares: tuple[str, ...]
    since: Markup | str
    strip: Markup
    strip_words: str
    topics: tuple[Topic, ...] = ()
    figures: tuple[str, ...] = ()
    kpi_level: Level = "open"
    kpi_word: str = "not judged"
    kpi: str = ""
    measured: str = ""
    other: str = ""


def environments_page(
    statuses: Sequence[Status],
    watched: Mapping[str, Watched],
    timeline: Sequence[Moment],
    now: datetime,
) -> str:
    """All environments and what happened in them, as one HTML page that needs nothing around it.

    `watched` holds what was measured by environment; one that is not among them is told as not
    measured. `timeline` comes newest first.
    """
    cards = [_card(each, watched.get(each.environment), timeline, now) for each in statuses]
    newest, older = timeline[:NEWEST], timeline[NEWEST:]
    return rendered(
        MACROS + ENVIRONMENTS,
        title="Environments",
        now=now,
        cards=cards,
        level=worst([each.level for each in cards]) if cards else "open",
        sentence=_sentence(cards),
        newest=by_day(newest),
        older=by_day(older),
        older_count=len(older),
    )


def _card(status: Status, found: Watched | None, timeline: Sequence[Moment], now: datetime) -> Card:
    nothing = status.desired is None and not status.traffic and not status.differences
    known = topics(found) if found is not None and not nothing else ()
    git_level, git = _as_in_git(status)
    health_level, health = _health(status)
    # what is not measured is not known to be good
    levels: list[Level] = [git_level, health_level, *(each.level for each in known)]
    level: Level = "note" if nothing else worst(levels if known else [*levels, "open"])
    picture, words = _strip(status.environment, timeline, now)
    card = Card(
        status,
        level,
        "nothing is asked for" if nothing else _word(git_level, health_level, known),
        git_level,
        git,
        health_level,
        health,
        share_bar(status.traffic),
        tuple(_share(each) for each in status.traffic),
        _since(status.since),
        picture,
        words,
    )
    return _measured(card, found, known, now) if found is not None and known else card


def _measured(card: Card, found: Watched, known: tuple[Topic, ...], now: datetime) -> Card:
    """The card with what the monitor measured, and whether it speaks of what serves."""
    hours = (found.now - found.start) / timedelta(hours=1)
    rows = found.serving.rows if found.serving else 0
    told = replace(
        card,
        topics=known,
        measured=f"{ago(found.now, now)}: the {number(hours)} h before, {rows:,} rows",
        other=_other(card.status, found),
    )
    verdicts = [each for each in found.verdicts if each.kind == "performance"]
    lines = [
        f"{plain(each.measure)}: {value_of(each)}" for each in verdicts if each.value is not None
    ]
    told = replace(told, figures=tuple(dict.fromkeys(lines)))
    judged = [each for each in verdicts if each.measure == KPI]
    performance = found.serving.performance if found.serving else None
    mean = (
        next((each for each in performance.measures if each.name == KPI), None)
        if performance
        else None
    )
    if mean is None or mean.value is None:
        return replace(told, kpi_word="not known", kpi=mean.detail if mean else "")
    span = (
        ""
        if mean.low is None or mean.high is None
        else f" ({number(mean.low)} to {number(mean.high)})"
    )
    kpi = f"mean {number(mean.value)}{span} of {mean.rows:,}"
    if not judged:
        return replace(told, kpi=f"{kpi}; it has no bound")
    outcomes = {each.outcome for each in judged}
    outcome = next(each for each in OUTCOMES if each in outcomes)
    kpi_level, kpi_word = OUTCOMES[outcome]
    return replace(told, kpi_level=kpi_level, kpi_word=kpi_word, kpi=kpi)


def _sentence(cards: Sequence[Card]) -> str:
    if not cards:
        return "there is no environment to show"
    words: dict[Level, str] = {
        "bad": "needs a look",
        "open": "not known to be well",
        "good": "well",
        "note": "nothing asked for",
    }
    names = {
        word: [each.status.environment for each in cards if each.level == level]
        for level, word in words.items()
    }
    return "; ".join(f"{word}: {', '.join(those)}" for word, those in names.items() if those)


def _word(git: Level, health: Level, known: Sequence[Topic]) -> str:
    """What is wrong, or not known, in a few words."""
    bad = [each.said for each in known if each.level == "bad"]
    if git == "bad":
        bad.insert(0, "not as in Git")
    if health == "bad":
        bad.insert(0, "not healthy")
    if bad:
        return ", ".join(bad)
    unknown = [each.said for each in known if each.level == "open"]
    if not known:
        unknown = ["not measured"]
    if health == "open":
        unknown.insert(0, "health not known")
    return f"nothing wrong is known; {', '.join(unknown)}" if unknown else "all well"


def _as_in_git(status: Status) -> tuple[Level, str]:
    count = len(status.differences)
    if count:
        return "bad", "1 difference" if count == 1 else f"{count} differences"
    if status.desired is None:
        return "note", "Git asks for nothing"
    return "good", "as Git says"


def _health(status: Status) -> tuple[Level, str]:
    if status.health == "ready":
        return "good", "ready"
    if status.health:
        return "bad", status.health
    if status.desired is None and not status.traffic:
        return "note", "nothing runs"
    return "open", "not known"


def _share(each: Deployment) -> str:
    name = f"version {each.version} ({each.name}, {each.digest[:12]})"
    if each.mirror:
        return f"{name}: copies of {percent(each.mirror)}, {percent(each.share)} of the answers"
    return f"{name}: {percent(each.share)}" if each.share else f"{name}: kept warm"


def _since(text: str) -> Markup | str:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return text
    return time(found if found.tzinfo else found.replace(tzinfo=UTC))


def _other(status: Status, found: Watched) -> str:
    """That the measured package is not the one that serves; empty where it is."""
    serving = max(status.traffic, key=lambda each: each.share, default=None)
    measured = found.serving.deployment if found.serving else None
    if measured is None or serving is None or measured.digest == serving.digest:
        return ""
    return f"measured of version {measured.version}, which is not what serves"


def _strip(environment: str, timeline: Sequence[Moment], now: datetime) -> tuple[Markup, str]:
    start = now - _STRIP
    mine = [
        each for each in timeline if each.environment == environment and start <= each.time <= now
    ]
    bad = sum(each.level == "bad" for each in mine)
    words = f"{len(mine)} in the last {_STRIP.days} days, {bad} of them bad"
    label = f"events of {environment}: {words}"
    return strip([(each.time, each.level) for each in mine], start, now, label), words
