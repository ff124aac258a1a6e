"""The timeline: both logs in plain words, the newest first, and nothing told twice."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mlops.deployment import audit_log
from mlops.operations.events import log
from mlops.operations.events.event import KINDS, Event, new_event
from mlops.operations.pages.moments import LONGEST, of_entry, of_event
from mlops.operations.pages.timeline import timeline
from mlops.operations.retraining.cause import Signal, cause_of
from mlops.operations.retraining.history import begin, end

NOW = datetime(2026, 5, 3, 14, tzinfo=UTC)
DIGEST = "ab" * 32
ABOUT: dict[str, object] = {
    "time": NOW.isoformat(),
    "environment": "prod",
    "version": "4",
    "digest": DIGEST,
}


def write(state: Path, *entries: dict[str, object]) -> None:
    """Entries with times of the test's own."""
    lines = [json.dumps(each) + "\n" for each in entries]
    with (state / audit_log.FILE).open("a") as file:
        file.writelines(lines)


def event(kind: str, name: str = "e1", now: datetime = NOW, **data: object) -> Event:
    return new_event(kind, "prod", data, source="https://x.org/y", now=now, event_id=name)  # type: ignore[arg-type]


def test_no_log_is_an_empty_timeline(tmp_path: Path) -> None:
    assert timeline(tmp_path) == ()


def test_both_logs_come_as_one_with_the_newest_first(tmp_path: Path) -> None:
    hour = timedelta(hours=1)
    write(
        tmp_path,
        {**ABOUT, "event": "promote", "by": "Ada", "time": (NOW - 2 * hour).isoformat()},
        {**ABOUT, "event": "deployed", "approved_by": "Bo <bo@x.org>"},
    )
    log.append(tmp_path, event("data_drift", now=NOW - hour, reasons=["bmi: PSI 0.41"]))
    found = timeline(tmp_path)
    assert [each.what for each in found] == ["deployed", "data drift", "promoted"]
    assert [each.text for each in found] == [
        "version 4 serves alone, approved by Bo <bo@x.org>",
        "bmi: PSI 0.41",
        "Git asks for version 4, by Ada",
    ]
    assert [each.level for each in found] == ["good", "bad", "note"]
    assert {each.environment for each in found} == {"prod"}


def test_only_the_newest_are_kept_and_of_one_instant_the_later_line_is_newer(
    tmp_path: Path,
) -> None:
    write(tmp_path, *[{**ABOUT, "event": "key", "key": f"k{n}"} for n in range(5)])
    found = timeline(tmp_path, limit=2)
    assert [each.text.split()[1] for each in found] == ["k4", "k3"]


def test_what_both_logs_tell_is_shown_once(tmp_path: Path) -> None:
    write(tmp_path, {**ABOUT, "event": "deployed"})
    log.append(tmp_path, event("model_deployed", "e1", digest=DIGEST))
    assert [each.what for each in timeline(tmp_path)] == ["deployed"]
    log.append(tmp_path, event("model_deployed", "e2", digest="cd" * 32))
    log.append(tmp_path, event("model_deployed", "e3", NOW + timedelta(days=1), digest=DIGEST))
    log.append(tmp_path, event("data_drift", "e4", digest=DIGEST))
    assert len(timeline(tmp_path)) == 4


@pytest.mark.parametrize(
    ("entry", "level", "what", "text"),
    [
        ({"event": "gate", "passed": True}, "good", "gate passed", "version 4 passed the gate"),
        (
            {"event": "gate", "passed": False, "refused": {"accuracy": "too low"}},
            "bad",
            "gate refused",
            "version 4 was refused: accuracy: too low",
        ),
        (
            {"event": "approve", "by": "Bo", "email": "bo@x.org", "reason": "fine"},
            "good",
            "approved",
            "version 4 by Bo <bo@x.org>: fine",
        ),
        (
            {
                "event": "traffic",
                "cause": "stage 1",
                "deployments": [
                    {"version": "3", "share": 0.9},
                    {"version": "4", "share": 0.1},
                    {"version": "5", "share": 0, "mirror": 0.5},
                    {"version": "2", "share": 0},
                ],
            },
            "note",
            "traffic",
            "stage 1: version 3 answers 90%, version 4 answers 10%, "
            "version 5 gets copies of 50%, version 2 is kept warm",
        ),
        (
            {"event": "traffic", "cause": "x", "deployments": []},
            "note",
            "traffic",
            "x: nothing serves",
        ),
        (
            {"event": "stage", "stage": 0, "verdicts": {"errors": "0% of 20"}},
            "note",
            "stage watched",
            "stage 1: 0% of 20",
        ),
        ({"event": "deployed"}, "good", "deployed", "version 4 serves alone"),
        (
            {"event": "rollout_refused", "reason": "slow"},
            "bad",
            "put back",
            "version 4 was put back: slow",
        ),
        (
            {"event": "refused", "reason": "nobody has approved it"},
            "bad",
            "refused",
            "version 4 was not let in: nobody has approved it",
        ),
        (
            {"event": "tested"},
            "good",
            "tested",
            "package abababababab passed the tests of the model",
        ),
        ({"event": "rollback", "why": "worse"}, "open", "rolled back", "back to version 4: worse"),
        (
            {"event": "key", "key": "ci", "withdrawn": True, "by": "Ada"},
            "note",
            "API key",
            "key ci was withdrawn by Ada",
        ),
        (
            {"event": "replay", "requests": 40, "why": "no traffic"},
            "note",
            "replay",
            "40 golden requests were sent: no traffic",
        ),
        ({"event": "release", "by": "Ada"}, "good", "released", "version 4 was released by Ada"),
        ({"event": "some_thing", "why": "so"}, "note", "some thing", "version 4, why so"),
    ],
)
def test_each_entry_is_told_in_words(
    entry: dict[str, object], level: str, what: str, text: str
) -> None:
    found = of_entry({**ABOUT, **entry})
    assert found is not None
    assert (found.level, found.what, found.text) == (level, what, text)


def test_retrainings_are_told_with_their_cause_and_outcome(tmp_path: Path) -> None:
    signal = Signal("s1", "data_drift", NOW, ("bmi",), 800, ("bmi: PSI 0.41",))
    begun = begin(tmp_path, cause_of([signal], "both", "prod"), ("s1",), DIGEST, NOW)
    end(tmp_path, begun, "lost", "prod", "worse by 0.02")
    ended, started = timeline(tmp_path)
    assert started.text == "a retraining began because of data drift: bmi: PSI 0.41"
    assert (ended.level, ended.what) == ("bad", "retraining lost")
    assert ended.text == "reason worse by 0.02"
    end(tmp_path, begun, "won", "prod", "")
    assert timeline(tmp_path)[0].level == "good"


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_event_is_told(kind: str) -> None:
    found = of_event(event(kind, reasons=["one", "two"]))
    assert found.text == "one; two"
    assert found.what
    assert (found.level == "good") == (kind == "model_deployed")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"reason": "because"}, "because"),
        ({"columns": ["a", "b"]}, "columns a, b"),
        ({"version": "4"}, "version 4"),
        ({"digest": DIGEST}, "package abababababab"),
        ({"reasons": [1, None], "columns": 5}, ""),
    ],
)
def test_an_event_without_reasons_tells_what_it_has(data: dict[str, object], text: str) -> None:
    found = event("data_drift", **data)  # type: ignore[arg-type]
    assert of_event(found).text == text


def test_what_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    write(
        tmp_path,
        {**ABOUT, "event": "deployed", "time": "yesterday"},
        {"event": "deployed"},
        {**ABOUT, "event": "traffic_followed"},
        {"event": "gate", "time": NOW.isoformat(), "refused": 5},
        {"event": "traffic", "time": NOW.isoformat(), "deployments": [5, {}]},
        {"event": ["odd"], "time": "2026-05-03T14:00:00"},
    )
    assert [each.what for each in timeline(tmp_path)] == ["['odd']", "traffic", "gate refused"]


def test_a_long_text_is_cut() -> None:
    found = of_event(event("data_drift", reasons=["x" * 5_000]))
    assert len(found.text) == LONGEST
    assert found.text.endswith("…")
