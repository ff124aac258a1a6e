"""Heartbeats: what stopped is noticed once, and a clock that jumps hides nothing for long."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mlops.operations.events import log, outbox
from mlops.operations.events.event import Event
from mlops.operations.events.heartbeat import FOLDER, beat, last_beat, overdue, watch

NOW = datetime(2026, 5, 3, 14, tzinfo=UTC)
HOUR = timedelta(hours=1)
GRACE = timedelta(minutes=10)


@pytest.mark.parametrize(
    ("ago", "late"),
    [
        (timedelta(0), False),
        (HOUR, False),
        (HOUR + GRACE, False),
        (HOUR + GRACE + timedelta(seconds=1), True),
        (timedelta(days=400), True),
        (-GRACE, False),
        (-GRACE - timedelta(seconds=1), True),
        (-timedelta(days=400), True),
    ],
)
def test_overdue_on_both_sides(ago: timedelta, late: bool) -> None:
    pulse = overdue(NOW - ago, HOUR, NOW, GRACE)
    assert pulse.late is late
    assert (pulse.silent is None) == (ago < -GRACE)


def test_what_never_ran_is_overdue() -> None:
    assert overdue(None, HOUR, NOW, GRACE).late
    assert overdue(None, HOUR, NOW, GRACE).reason == "it has never run"


def test_reasons_are_in_words() -> None:
    assert overdue(NOW - 3 * HOUR, HOUR, NOW, GRACE).reason == (
        "silent for 3 h, expected every 60 min"
    )
    assert "lies 2 days ahead" in overdue(NOW + 48 * HOUR, HOUR, NOW, GRACE).reason
    assert overdue(NOW - timedelta(minutes=5), HOUR, NOW, GRACE).reason == "ran 5 min ago"


def check(state: Path, now: datetime) -> Event | None:
    found = watch(state, "monitor-prod", HOUR, now, source="x", environment="prod")
    if found is not None:
        outbox.emit(state, found, ())
    return found


def test_one_event_for_each_silence(tmp_path: Path) -> None:
    beat(tmp_path, "monitor-prod", NOW)
    assert check(tmp_path, NOW + HOUR) is None
    told = check(tmp_path, NOW + 2 * HOUR)
    assert told is not None
    assert (told.kind, told.subject) == ("staleness", "prod")
    assert told.data["what"] == "monitor-prod"
    assert told.data["reasons"] == ["monitor-prod: silent for 2 h, expected every 60 min"]
    assert check(tmp_path, NOW + 9 * HOUR) is None, "the same silence is told once"
    beat(tmp_path, "monitor-prod", NOW + 10 * HOUR)
    assert check(tmp_path, NOW + 11 * HOUR) is None
    assert check(tmp_path, NOW + 12 * HOUR) is not None, "the next silence is told again"
    assert len(list(log.events(tmp_path))) == 2


def test_a_silence_that_could_not_be_logged_is_told_again(tmp_path: Path) -> None:
    first = watch(tmp_path, "m", HOUR, NOW, source="x", environment="prod")
    again = watch(tmp_path, "m", HOUR, NOW + HOUR, source="x", environment="prod")
    assert first is not None
    assert again is not None
    assert first.id == again.id
    assert first.data["last_run"] is None


def test_a_clock_set_back_is_noticed_and_ends_with_the_next_run(tmp_path: Path) -> None:
    beat(tmp_path, "monitor-prod", NOW + timedelta(days=300))
    told = check(tmp_path, NOW)
    assert told is not None, "a monitor that stopped must not be hidden for 300 days"
    beat(tmp_path, "monitor-prod", NOW)
    assert last_beat(tmp_path, "monitor-prod") == NOW
    assert check(tmp_path, NOW + timedelta(minutes=1)) is None


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"{}", b'{"time": 3}', b'{"time": "2026-05-03T14:00:00"}', b"\xff"],
)
def test_a_broken_heartbeat_counts_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "monitor-prod.json").write_bytes(content)
    assert last_beat(tmp_path, "monitor-prod") is None
    assert check(tmp_path, NOW) is not None
    beat(tmp_path, "monitor-prod", NOW)
    assert last_beat(tmp_path, "monitor-prod") == NOW


def test_a_heartbeat_is_replaced_in_one_step(tmp_path: Path) -> None:
    for hour in range(3):
        beat(tmp_path, "monitor-prod", NOW + hour * HOUR)
    assert [path.name for path in (tmp_path / FOLDER).iterdir()] == ["monitor-prod.json"]
    assert last_beat(tmp_path, "monitor-prod") == NOW + 2 * HOUR


def test_a_name_cannot_leave_the_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a heartbeat's name"):
        beat(tmp_path, "../up", NOW)
