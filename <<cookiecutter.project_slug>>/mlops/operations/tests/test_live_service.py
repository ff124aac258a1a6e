"""What an endpoint answered in a window, through restarts, several runs, and a clock that jumps."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mlops.deployment.serving.counts import Counts
from mlops.deployment.serving.told import Told
from mlops.operations.monitoring.service import (
    KEPT_DAYS,
    Seen,
    Service,
    look,
    read_seen,
    service,
    service_verdicts,
    write_seen,
)
from mlops.operations.monitoring.settings import ServiceLimits
from mlops.operations.monitoring.verdict import Share
from mlops.operations.tests.collected_cases import HOUR, NOON

LIMITS = ServiceLimits()
END = NOON + 24 * HOUR


def counts(requests: int, failed: int = 0, refused: int = 0, slow: int = 0) -> Counts:
    found = Counts(requests=requests, failed=failed, refused=refused)
    for number in range(requests - failed - refused):
        found.took(0.08 if number < slow else 0.001)
    return found


def told(pid: int, **digests: Counts) -> Told:
    return Told(pid, 1, 1, "", {f"blue:{name}": each for name, each in digests.items()}, {})


def test_a_window_is_what_the_counters_grew_by_in_it() -> None:
    seen = look(Seen(), [told(1, aa=counts(10)), told(2, aa=counts(5))], NOON)
    seen = look(seen, [told(1, aa=counts(40, failed=2)), told(2, aa=counts(5))], NOON + HOUR)
    seen = look(
        seen,
        [told(1, aa=counts(90, failed=2)), told(2, aa=counts(7), bb=counts(20))],
        NOON + 2 * HOUR,
    )
    found = service(seen, NOON, END)
    assert (found.counts.requests, found.counts.failed) == (10 + 5 + 30 + 50 + 2 + 20, 2)
    later = service(seen, NOON + HOUR, END)
    assert (later.counts.requests, later.start, later.end) == (72, NOON + HOUR, NOON + 2 * HOUR)
    assert later.per_second == 72 / 3600
    assert service(seen, NOON + HOUR, END, "bb").counts.requests == 20
    # since when the first look's requests are counted is not known
    assert (found.start, found.per_second) == (None, None)


def test_nothing_is_counted_twice_or_lost_when_the_endpoint_restarts() -> None:
    seen = look(Seen(), [told(1, aa=counts(100))], NOON)
    seen = look(seen, [told(9, aa=counts(30))], NOON + HOUR)
    seen = look(seen, [told(9, aa=counts(4))], NOON + 2 * HOUR)  # a pid that came again
    seen = look(seen, [], NOON + 3 * HOUR)
    seen = look(seen, [told(9, aa=counts(4))], NOON + 4 * HOUR)
    found = service(seen, NOON, END)
    assert found.counts.requests == 100 + 30 + 4 + 4
    assert found.unseen_restarts == 3
    assert found.counts.latency == counts(138).latency


def test_a_second_look_at_the_same_counters_adds_nothing() -> None:
    seen = look(Seen(), [told(1, aa=counts(100))], NOON)
    again = look(seen, [told(1, aa=counts(100))], NOON + HOUR)
    assert service(again, NOON, END).counts.requests == 100
    assert service(again, NOON, END).unseen_restarts == 0


def test_a_clock_that_is_put_back_counts_nothing_twice() -> None:
    seen = look(Seen(), [told(1, aa=counts(10))], NOON + 3 * HOUR)
    seen = look(seen, [told(1, aa=counts(30))], NOON + HOUR)
    assert service(seen, NOON, END).counts.requests == 30
    assert service(seen, NOON, NOON + 2.5 * HOUR).counts.requests == 0
    assert service(seen, NOON + 2.5 * HOUR, END).counts.requests == 30


def test_steps_are_forgotten_when_they_are_old() -> None:
    seen = look(Seen(), [told(1, aa=counts(10))], NOON)
    seen = look(seen, [told(1, aa=counts(30))], NOON + timedelta(days=KEPT_DAYS + 1))
    assert len(seen.steps) == 1


def test_it_is_kept_between_runs_and_a_lost_file_starts_anew(tmp_path: Path) -> None:
    path = tmp_path / "service.json"
    assert read_seen(path) == Seen()
    seen = look(Seen(), [told(1, aa=counts(10, failed=1))], NOON)
    write_seen(seen, path)
    assert read_seen(path) == seen
    for text in ("", "[]", '{"steps": 1}'):
        path.write_text(text)
        assert read_seen(path) == Seen()


def judged(each: Counts, limits: ServiceLimits = LIMITS) -> dict[str, str]:
    found = Service(NOON, END, each, {})
    return {v.measure: v.outcome for v in service_verdicts(found, limits)}


@pytest.mark.parametrize(
    ("each", "errors", "latency"),
    [
        (counts(1000), "holds", "holds"),
        (counts(1000, failed=30), "breached", "holds"),
        (counts(1000, failed=10), "holds", "holds"),
        (counts(1000, slow=30), "holds", "breached"),
        (counts(1000, slow=10), "holds", "holds"),
        (counts(99, failed=40, slow=50), "no_verdict", "no_verdict"),
        (counts(0), "no_verdict", "no_verdict"),
    ],
)
def test_errors_and_latency(each: Counts, errors: str, latency: str) -> None:
    assert judged(each) == {"service.error_rate": errors, "service.latency": latency}


def test_a_limit_can_be_switched_off_and_lie_beyond_the_last_bin() -> None:
    bad = counts(1000, failed=300, slow=300)
    assert judged(bad, ServiceLimits(error_rate=None, latency_ms=None)) == {}
    assert judged(bad, ServiceLimits(latency_ms=100.0))["service.latency"] == "holds"
    assert judged(bad, ServiceLimits(latency_ms=90_000.0))["service.latency"] == "holds"


def test_latency_and_refusals_are_told() -> None:
    seen = look(Seen(), [told(1, aa=counts(100, refused=20, slow=3))], NOON)
    found = service(seen, NOON - HOUR, END)
    assert found.latency_ms == {"p50": 1.0, "p95": 1.0, "p99": 100.0}
    assert found.refused == Share(20, 100)
    empty = service(Seen(), NOON, END)
    assert (empty.latency_ms, empty.refused, empty.start, empty.end) == ({}, None, None, None)


def test_a_window_that_ends_now_holds_the_step_that_was_just_taken() -> None:
    now: datetime = NOON + HOUR
    first = look(Seen(), [told(1, aa=counts(10))], now)
    assert service(first, NOON, now).counts.requests == 10
