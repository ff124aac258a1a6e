"""The audit log keeps every entry, in order, whatever happens while it is written."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

from mlops.deployment.audit_log import FILE, append, entries


def test_entries_come_back_in_order_with_the_time_they_were_made(tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert list(entries(state)) == []
    append(state, "gate", {"version": "1", "passed": True, "by": "Zoë"})
    append(state, "release", {"version": "1"})
    one, two = entries(state)
    assert (one["event"], one["passed"], one["by"]) == ("gate", True, "Zoë")
    assert two["event"] == "release"
    assert datetime.fromisoformat(str(one["time"])) <= datetime.fromisoformat(str(two["time"]))
    assert datetime.fromisoformat(str(one["time"])).tzinfo is not None


def test_many_at_once_lose_nothing(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: append(tmp_path, "e", {"n": n, "text": "x" * 3000}), range(200)))
    assert sorted(int(str(entry["n"])) for entry in entries(tmp_path)) == list(range(200))


def test_a_line_that_a_crash_left_unfinished_takes_no_other_with_it(tmp_path: Path) -> None:
    append(tmp_path, "gate", {"version": "1"})
    with (tmp_path / FILE).open("a") as file:
        file.write('{"time": "2026-01-01T00:0')
    append(tmp_path, "gate", {"version": "2"})
    assert [entry["version"] for entry in entries(tmp_path)] == ["1", "2"]
