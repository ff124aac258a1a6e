"""Both pages: every verdict is told as what it is, everything is escaped, and nothing lies outside."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from mlops.deployment.desired.model_file import DesiredModel
from mlops.deployment.measuring.group_figures import GroupFigures
from mlops.deployment.measuring.measure import Measure
from mlops.deployment.serving.counts import Counts
from mlops.deployment.serving.traffic import Deployment
from mlops.deployment.status import Status
from mlops.operations.drift.verdict import Drift, Finding, Joint
from mlops.operations.events.event import Event, Kind, new_event
from mlops.operations.monitoring.fairness import LiveFairness
from mlops.operations.monitoring.over_time import Point
from mlops.operations.monitoring.performance import Performance
from mlops.operations.monitoring.service import Service
from mlops.operations.monitoring.verdict import Outcome, Verdict
from mlops.operations.package_watch import Package
from mlops.operations.pages.environments import environments_page
from mlops.operations.pages.report import report_page
from mlops.operations.pages.style import STYLE
from mlops.operations.pages.timeline import Moment
from mlops.operations.pages.topics import headline, topics
from mlops.operations.retraining.policy import Decision
from mlops.operations.watch import Watched

NOW = datetime(2026, 5, 3, 14, tzinfo=UTC)
HOUR = timedelta(hours=1)
DIGEST = "ab" * 32
EVIL = "<script>alert('x')</script>\"&\u202e\x00\ud800"
VOID = {"meta", "br", "link", "img", "hr", "input"}


def finding(column: str, effect: float, drifted: bool, statistic: str = "KS") -> Finding:
    said = "beyond 0.10" if drifted else "within 0.10"
    reason = f"{column}: {statistic} {effect:.2f}, {said}: mean 4.1 before, 5.2 now"
    chance = 3e-12 if drifted else 0.4
    return Finding(column, statistic, effect, 0.1, chance / 9, chance, drifted, reason, 0.8)


def drift(*columns: Finding, answers: bool = False, joint: bool = False) -> Drift:
    both = Joint(0.71, 0.6, 1e-9, 1e-8, joint, (("bmi", 0.12),), (300, 280), "the AUC is 0.71")
    return Drift(
        (442, 812),
        columns or (finding("bmi", 0.42, True), finding("age", 0.03, False)),
        (finding("answer.0", 0.31 if answers else 0.02, answers),),
        both,
    )


def verdict(kind: str, measure: str, outcome: Outcome, reason: str = "keeps the bound") -> Verdict:
    figures = (0.71, 0.66, 0.76, None, 0.7, 210) if outcome != "no_verdict" else ()
    return Verdict(kind, f"{kind}.{measure}", outcome, reason, *figures)  # type: ignore[arg-type]


def points(name: str = "performance.error_rate", steps: int = 12) -> tuple[Point, ...]:
    found = []
    for step in range(steps):
        start = NOW - (24 - 2 * step) * HOUR
        value = 0.2 + 0.02 * step if step != 5 else None
        low, high = (value - 0.08, value + 0.08) if value is not None else (None, None)
        found.append(Point(start, start + 2 * HOUR, Measure(name, value, low, high, 14 + step)))
    return tuple(found)


def package(
    *verdicts: Verdict, moved: Drift | None = None, version: str = "3", digest: str = DIGEST
) -> Package:
    counts = Counts(requests=9_000, rows=9_000, refused=45, failed=9)
    groups = (
        GroupFigures("sex", "1", 60, {"recall": 0.81, "accuracy": None}, {}),
        GroupFigures("sex", "2", 50, {"recall": 0.62, "accuracy": 0.7}, {}),
    )
    measures = (
        Measure("performance.roc_auc", 0.71, 0.66, 0.76, 210),
        Measure("performance.kpi", 12.5, 11.0, 14.0, 180),
    )
    return Package(
        Deployment("blue", version, digest, 1.0),
        812,
        210,
        moved or drift(),
        verdicts,
        Service(NOW - 24 * HOUR, NOW, counts, {"p50": 1.0, "p95": 5.0, "p99": 20.0}, 1),
        Performance(measures, ()),
        LiveFairness((), groups, ()),
        (*points(), *points("performance.roc_auc")),
    )


GOOD = tuple(
    verdict(kind, "figure", "holds")
    for kind in ("data_quality", "performance", "fairness", "service")
)


def watched(
    *packages: Package, stale: Sequence[Verdict] = (), notes: tuple[str, ...] = ()
) -> Watched:
    quiet = Verdict("staleness", "staleness.traffic", "holds", "1 h ago", value=1.0, bound=24.0)
    start = NOW - 24 * HOUR
    return Watched("prod", "churn", start, NOW, packages, tuple(stale) or (quiet,), notes=notes)


def event(kind: Kind, ago: float, **data: object) -> Event:
    known = {"digest": DIGEST, **data}
    name = f"{kind}-{ago}"
    return new_event(
        kind, "prod", known, source="https://x.org/y", now=NOW - ago * HOUR, event_id=name
    )


def decision() -> Decision:
    reasons = ("trigger: data drift", "cool down: the last was 9 days ago")
    return Decision("retrain", "trigger", reasons)


class Reader(HTMLParser):
    """Holds tags to be closed in order, and keeps what tests ask for."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


def checked(page: str) -> Reader:
    """A page that holds what every page must hold."""
    reader = Reader(page)
    tags = [tag for tag, _ in reader.tags]
    assert page.startswith("<!doctype html>")
    assert tags.count("h1") == tags.count("title") == tags.count("main") == 1
    assert ("html", {"lang": "en"}) in reader.tags
    headings = [int(tag[1]) for tag in tags if re.fullmatch("h[1-6]", tag)]
    assert all(after <= before + 1 for before, after in pairwise(headings))
    assert not {"script", "link", "iframe", "img", "object", "form", "base"} & set(tags)
    for tag, attributes in reader.tags:
        assert not {"src", "href", "action", "srcset", "style"} & set(attributes)
        assert not [name for name in attributes if name.startswith("on")]
        assert tag != "th" or attributes.get("scope") in ("row", "col")
        assert tag != "svg" or (attributes["role"] == "img" and attributes["aria-label"])
    assert "url(" not in page
    assert "@import" not in page
    for svg in re.findall("<svg.*?</svg>", page, flags=re.DOTALL):
        ElementTree.fromstring(svg)  # noqa: S314 - our own
    assert "nan" not in re.findall(r'[ "]nan[ ",]', page)
    page.encode()
    return reader


def test_report_tells_what_changed_how_much_which_column_and_since_when() -> None:
    told = [
        event("data_drift", 30, columns=["bmi"]),
        event("data_drift", 20, columns=["bmi", "age"]),
        event("data_drift", 40, columns=["bmi"], digest="other"),
    ]
    reader = checked(report_page(watched(package(*GOOD)), told, decision()))
    assert "prod, version 3: 1 column drifted, answers kept, performance kept" in reader.words
    assert "KS 0.42, beyond 0.10: mean 4.1 before, 5.2 now" in reader.words
    assert "p 3e-12 of all tests" in reader.words
    assert "moved by +0.80 standard deviations" in reader.words
    assert "Since 2026-05-02 08:00 UTC (30 h ago), told 2 times" in reader.words
    assert "age" in reader.words


def test_each_column_has_its_own_since() -> None:
    both = drift(finding("bmi", 0.42, True), finding("age", 0.3, True), finding("sex", 0.2, True))
    told = [
        event("data_drift", 30, columns=["bmi"]),
        event("data_drift", 20, columns=["bmi", "age"]),
    ]
    page = report_page(watched(package(*GOOD, moved=both)), told, None)
    rows = {
        name: page.partition(f'"name">{name}<')[2].partition("</li>")[0]
        for name in ("bmi", "age", "sex")
    }
    assert "30 h ago" in rows["bmi"]
    assert "20 h ago" in rows["age"]
    assert "told" not in rows["age"]
    assert "ago" not in rows["sex"]


def test_report_tells_what_was_done_about_it() -> None:
    told = [
        event("model_deployed", 50, version="2"),
        event("data_drift", 30, columns=["bmi"]),
        event("model_registered", 20, reasons=["version 4 of churn was registered"]),
        event("gate_refused", 10, reasons=["worse than the champion"]),
    ]
    words = checked(report_page(watched(package(*GOOD)), told, decision())).words
    assert "a retraining was decided" in words
    assert "cool down: the last was 9 days ago" in words
    assert words.index("worse than the champion") < words.index("version 4 of churn was registered")
    assert "version 2" not in words.partition("Since then")[2]


def test_report_without_decision_or_events_says_so() -> None:
    words = checked(report_page(watched(package(*GOOD)), [], None)).words
    assert "The retraining policy was not asked" in words
    assert "No event of prod is told in the window" in words
    assert "it is new in this window" in words


@pytest.mark.parametrize(
    ("action", "said"),
    [
        ("retrain", "a retraining was decided"),
        ("wait", "it waits"),
        ("call_a_person", "a person is called"),
        ("nothing", "nothing was decided"),
    ],
)
def test_each_decision_is_told(action: str, said: str) -> None:
    found = Decision(action, "cool_down", ("a reason",))  # type: ignore[arg-type]
    words = checked(report_page(watched(package(*GOOD)), [], found)).words
    assert said in words
    assert "The rule that decided: cool down" in words


@pytest.mark.parametrize("kind", ["data_quality", "performance", "fairness", "service"])
@pytest.mark.parametrize(
    ("outcome", "level", "word"),
    [
        ("holds", "good", "1 of 1 kept"),
        ("breached", "bad", "1 of 1 breached"),
        ("no_verdict", "open", "not judged"),
    ],
)
def test_each_outcome_of_each_kind_is_told_as_what_it_is(
    kind: str, outcome: Outcome, level: str, word: str
) -> None:
    others = tuple(each for each in GOOD if each.kind != kind)
    said = f"because of {kind} {outcome}"
    found = watched(package(*others, verdict(kind, "figure", outcome, said)))
    topic = next(each for each in topics(found) if each.name == kind)
    assert (topic.level, topic.word) == (level, word)
    page = report_page(found, [], None)
    assert said in checked(page).words
    row = next(each for each in page.split("<tr ") if said in each)
    assert f'class="mark {level}"' in row


def test_what_is_judged_in_part_is_not_good() -> None:
    few = verdict("performance", "kpi", "no_verdict", "3 KPIs; 50 are needed")
    calm = drift(finding("bmi", 0.02, False))
    level, sentence = headline(watched(package(*GOOD, few, moved=calm)))
    assert level == "open"
    assert "performance kept as far as judged" in sentence
    assert headline(watched(package(*GOOD, moved=calm)))[0] == "good"


def test_no_drift_is_told_as_kept() -> None:
    calm = drift(finding("bmi", 0.02, False), finding("age", 0.03, False))
    found = topics(watched(package(*GOOD, moved=calm)))
    assert [each.level for each in found[:2]] == ["good", "good"]
    page = report_page(watched(package(*GOOD, moved=calm)), [], None)
    assert "no column drifted, answers kept" in checked(page).words
    assert 'mark bad"' not in page.partition('id="data_drift"')[2].partition('id="done"')[0]


def test_drift_that_was_not_judged_is_not_told_as_kept() -> None:
    few = Drift((442, 12), unjudged="the window has 12 rows, at least 100 are needed")
    page = report_page(watched(package(*GOOD, moved=few)), [], None)
    words = checked(page).words
    assert "No verdict: the window has 12 rows, at least 100 are needed." in words
    assert [each.level for each in topics(watched(package(*GOOD, moved=few)))[:2]] == ["open"] * 2
    assert "data drift not judged, answers not judged" in words
    assert "kept" not in page.partition('id="data_drift"')[2].partition('id="data_quality"')[0]


def test_columns_that_drift_only_together_are_told() -> None:
    both = drift(finding("bmi", 0.02, False), joint=True)
    words = checked(report_page(watched(package(*GOOD, moved=both)), [], None)).words
    assert "columns drifted together, none alone" in words
    assert "the AUC is 0.71" in words


def test_columns_that_were_not_compared_are_told_with_their_reason() -> None:
    calm = replace(drift(finding("bmi", 0.02, False)), skipped={"postcode": "never collected"})
    words = checked(report_page(watched(package(*GOOD, moved=calm)), [], None)).words
    assert "postcode : never collected" in words
    assert topics(watched(package(*GOOD, moved=calm)))[0].level == "open"


def test_answers_that_drifted_and_answers_that_were_not_there() -> None:
    words = checked(report_page(watched(package(*GOOD, moved=drift(answers=True))), [], None)).words
    assert "answers drifted" in words
    none = replace(drift(), answers=())
    assert topics(watched(package(*GOOD, moved=none)))[1].level == "open"


def test_nothing_deployed_is_told_and_is_not_good() -> None:
    stale = Verdict("staleness", "staleness.monitor", "breached", "silent", value=30.0, bound=3.0)
    assert headline(watched())[0] == "open"
    assert headline(watched(stale=[stale]))[0] == "bad"
    words = checked(report_page(watched(stale=[stale]), [], None)).words
    assert "prod: nothing is deployed, so nothing was judged; staleness breached" in words
    assert "30 h" in words


def test_a_package_without_rows_or_reference_tells_why_of_everything() -> None:
    why = "its training data are not here"
    bare = replace(
        package(moved=Drift((0, 0), unjudged=why)),
        rows=0,
        performance=None,
        fairness=None,
        points=(),
        why=why,
    )
    found = watched(bare)
    assert {each.level for each in topics(found)[:-1]} == {"open"}
    words = checked(report_page(found, [], None)).words
    assert words.count(why) >= 4
    assert "no labelled row in the window" in words


def test_hundreds_of_columns_fold_away_but_no_drifted_one_does() -> None:
    columns = [finding(f"column_{n}", 0.3 if n < 30 else 0.01, n < 30) for n in range(200)]
    quality = [
        replace(verdict("data_quality", f"missing[column_{n}]", "holds"), reason=f"reason {n}")
        for n in range(200)
    ]
    page = report_page(watched(package(*GOOD, *quality, moved=drift(*columns))), [], None)
    reader = checked(page)
    shown, _, folded = page.partition("more statistics, none of which drifted")
    assert all(f">column_{n}<" in shown for n in range(30))
    assert ">column_199<" in folded
    assert "30 columns drifted" in reader.words
    assert len(page.encode()) < 1_000_000


def test_breaches_come_before_what_holds_and_are_never_folded_away() -> None:
    found = [verdict("data_quality", f"missing[c{n}]", "holds") for n in range(40)]
    found += [verdict("data_quality", f"unseen[c{n}]", "breached", f"bad {n}") for n in range(20)]
    page = report_page(watched(package(*GOOD[1:], *found)), [], None)
    chapter = page.partition('id="data_quality"')[2].partition("<details>")[0]
    assert all(f"bad {n}" in chapter for n in range(20))
    assert "keeps the bound" not in chapter


def test_figures_have_units_and_groups_are_shown() -> None:
    stale = Verdict("staleness", "staleness.traffic", "holds", "fine", value=5.5, bound=24.0)
    words = checked(report_page(watched(package(*GOOD), stale=[stale]), [], None)).words
    for text in ("5.5 h", "at most 24 h", "20 ms", "0.1% failed", "0.104 requests a second"):
        assert text in words
    assert "sex 2" in words
    assert "restarts, whose last counts are lost" in words


def test_other_packages_are_told_with_what_is_bad() -> None:
    bad = verdict("performance", "roc_auc", "breached", "the whole interval is beyond")
    other = package(bad, version="2", digest="cd" * 32)
    other = replace(other, deployment=replace(other.deployment, share=0.0))
    words = checked(report_page(watched(package(*GOOD), other), [], None)).words
    assert "prod, version 2: 1 column drifted" in words
    assert "it serves no more" in words
    assert "roc auc: the whole interval is beyond" in words


def test_notes_and_the_zone_of_times_are_told() -> None:
    words = checked(
        report_page(watched(package(*GOOD), notes=("1 file set aside",)), [], None)
    ).words
    assert "1 file set aside" in words
    assert "2026-05-02 14:00 UTC until 2026-05-03 14:00 UTC" in words


def hostile() -> Watched:
    moved = replace(
        drift(finding(EVIL, 0.4, True), answers=True), skipped={EVIL: EVIL}, unjudged=""
    )
    verdicts = [verdict(k, f"x[{EVIL}]", "breached", EVIL) for k in ("data_quality", "fairness")]
    bad = package(*GOOD, *verdicts, moved=moved, version=EVIL, digest=EVIL)
    groups = (GroupFigures(EVIL, EVIL, 5, {EVIL: 0.5}, {}),)
    bad = replace(bad, why=EVIL, fairness=LiveFairness((), groups, ()), points=points(EVIL))
    found = watched(bad, bad, notes=(EVIL,))
    return replace(found, environment=EVIL, model=EVIL)


def test_a_hostile_name_is_text_everywhere() -> None:
    told = Event("e", "s", "gate_refused", EVIL, NOW, {"digest": EVIL, "reasons": [EVIL]})
    page = report_page(hostile(), [told], Decision("wait", EVIL, (EVIL,), topic=EVIL))
    reader = checked(page)
    assert "<script" not in page
    assert "alert('x')" not in page
    assert "alert('x')" in reader.words
    assert "\u202e" not in page


def status(name: str = "prod", **changes: object) -> Status:
    desired = DesiredModel("churn", "3", DIGEST, "0123456789abcdef", "9f8e7d6c5b4a")
    known = Status(
        name,
        desired,
        (Deployment("blue", "3", DIGEST, 1.0),),
        "ready",
        "http://127.0.0.1:8002",
        "Ada <ada@example.org>",
        "2026-05-01T09:30:00+00:00",
    )
    return replace(known, **changes)  # type: ignore[arg-type]


def moment(ago: float, what: str = "deployed", text: str = "version 3", **more: str) -> Moment:
    level = more.get("level", "good")
    return Moment(NOW - ago * HOUR, more.get("environment", "prod"), what, text, level)  # type: ignore[arg-type]


CALM = drift(finding("bmi", 0.02, False))


def environments(
    found: Sequence[Status], *seen: Watched, timeline: Sequence[Moment] = ()
) -> Reader:
    by_name = {each.environment: each for each in seen}
    return checked(environments_page(found, by_name, timeline, NOW))


def test_an_environment_that_is_well_is_told_so_with_all_its_figures() -> None:
    words = environments([status()], watched(package(*GOOD, moved=CALM))).words
    assert "well: prod" in words
    assert "all well" in words
    for text in (
        "version 3 of churn",
        "version 3 (blue, abababababab): 100%",
        "as Git says",
        "ready",
        "by Ada <ada@example.org>",
        "1 column kept",
        "mean 12.5 (11 to 14) of 180; it has no bound",
        "2026-05-01 09:30 UTC",
    ):
        assert text in words


def test_what_is_not_measured_is_not_told_as_well() -> None:
    reader = environments([status()])
    assert "not measured" in reader.words
    assert "all well" not in reader.words
    assert "not known to be well: prod" in reader.words
    assert ("section", {"class": "open", "aria-labelledby": "environment-1"}) in reader.tags


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"differences": ("2 workers, expected 4",)}, "not as in Git"),
        ({"health": "worker 12 does not answer"}, "not healthy"),
        ({"health": ""}, "health not known"),
    ],
)
def test_what_is_wrong_with_an_environment_is_told(changes: dict[str, object], said: str) -> None:
    found = status(**changes)  # type: ignore[arg-type]
    words = environments([found], watched(package(*GOOD, moved=CALM))).words
    assert said in words
    assert "all well" not in words
    assert all(line in words for line in changes.get("differences", ()))  # type: ignore[attr-defined]


def test_nothing_asked_for_is_neither_good_nor_bad() -> None:
    empty = Status("stage", None)
    reader = environments([empty])
    assert "nothing asked for: stage" in reader.words
    assert ("section", {"class": "note", "aria-labelledby": "environment-1"}) in reader.tags
    assert environments([]).words.count("there is no environment to show") == 1


def test_traffic_of_a_rollout_is_told_with_shares_and_copies() -> None:
    both = (
        Deployment("blue", "3", DIGEST, 0.9),
        Deployment("green", "4", "cd" * 32, 0.1, 0.25),
        Deployment("old", "2", "ef" * 32),
    )
    reader = environments([status(traffic=both)])
    assert "version 4 (green, cdcdcdcdcdcd): copies of 25%, 10% of the answers" in reader.words
    assert "version 2 (old, efefefefefef): kept warm" in reader.words
    labels = [each.get("aria-label") for tag, each in reader.tags if tag == "svg"]
    assert "traffic: version 3 90%, version 4 10%" in labels


def test_figures_of_a_package_that_serves_no_more_are_told_as_such() -> None:
    old = package(*GOOD, moved=CALM, version="2", digest="cd" * 32)
    assert (
        "measured of version 2, which is not what serves"
        in environments([status()], watched(old)).words
    )


@pytest.mark.parametrize(
    ("outcome", "word"),
    [("holds", "KPI ✓ kept"), ("breached", "KPI ✗ breached"), ("no_verdict", "KPI ? no verdict")],
)
def test_the_kpi_is_told_as_what_it_is(outcome: Outcome, word: str) -> None:
    kpi = verdict("performance", "kpi", outcome)
    assert word in environments([status()], watched(package(*GOOD, kpi, moved=CALM))).words


def test_the_timeline_is_shown_newest_first_and_the_old_is_folded_away() -> None:
    told = [moment(n, text=f"number {n} of them") for n in range(60)]
    page = environments_page([status()], {}, told, NOW)
    shown, _, folded = page.partition("20 older")
    assert "number 39 of" in shown
    assert "number 40 of" in folded
    words = checked(page).words
    assert words.index("number 0 of") < words.index("number 1 of")
    assert "60 in the last 7 days, 0 of them bad" in words


def test_hostile_environments_are_text() -> None:
    desired = DesiredModel(EVIL, EVIL, EVIL, EVIL, EVIL)
    bad = Status(
        EVIL,
        desired,
        (Deployment(EVIL, EVIL, EVIL, 1.0),),
        EVIL,
        f"javascript:{EVIL}",
        EVIL,
        EVIL,
        (EVIL,),
    )
    page = environments_page(
        [bad], {EVIL: hostile()}, [moment(1, EVIL, EVIL, environment=EVIL)], NOW
    )
    assert "alert('x')" in checked(page).words
    assert "<script" not in page
    assert "\u202e" not in page


def _luminance(colour: str) -> float:
    full = colour if len(colour) == 7 else "#" + "".join(2 * each for each in colour[1:])
    parts = [int(full[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("dark", [False, True])
def test_text_is_readable_in_light_and_dark(dark: bool) -> None:
    """Contrast as WCAG 2.2, 1.4.3 defines it."""
    known: dict[str, str] = {}
    for number, block in enumerate(re.findall(r":root \{([^}]*)\}", STYLE)):
        if number % 2 == 0 or dark:  # each light block is followed by its dark one
            known |= dict(re.findall(r"--([a-z]+): (#[0-9a-f]{3,6})(?![0-9a-f])", block))
    for ink in ("ink", "quiet", "accent", "good", "bad", "open", "note"):
        for paper in ("paper", "soft"):
            one, other = sorted(_luminance(known[each]) for each in (ink, paper))
            assert (other + 0.05) / (one + 0.05) >= 4.5, (ink, paper)


def test_the_style_follows_the_readers_wish_and_width() -> None:
    assert "prefers-color-scheme: dark" in STYLE
    assert "color-scheme: light dark" in STYLE
    assert "max-width: 44rem" in STYLE


def test_every_colour_that_is_used_is_defined() -> None:
    page = report_page(watched(package(*GOOD)), [], None)
    page += environments_page([status()], {}, [moment(1), moment(2, level="open")], NOW)
    used = set(re.findall(r"var\(--([a-z]+)\)", page))
    assert {"ink", "quiet", "paper"} < used <= set(re.findall(r"--([a-z]+):", STYLE))
