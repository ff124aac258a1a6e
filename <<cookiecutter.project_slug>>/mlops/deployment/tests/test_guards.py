"""Each guard of a rollout lets pass what it should, and stops what it should."""

from __future__ import annotations

import pytest

from mlops.deployment.desired.settings import Guards
from mlops.deployment.rollout.guards import judge
from mlops.deployment.serving.counts import ANSWER_BINS, LATENCY_ENDS, Counts

GUARDS = Guards(error_rate=0.01, latency_ms=50, agreement=0.8, distribution=0.3)


def counts(**values: object) -> Counts:
    return Counts(**values)  # type: ignore[arg-type]


def latency(fast: int, slow: int) -> list[int]:
    found = [0] * (len(LATENCY_ENDS) + 1)
    found[2], found[-1] = fast, slow
    return found


def answers(*bins: int) -> list[int]:
    return [*bins, *[0] * (ANSWER_BINS - len(bins))]


GOOD = {"requests": 1000, "latency": latency(1000, 0), "answers": answers(500, 500)}
PRESENT = counts(requests=1000, answers=answers(510, 490), latency=latency(1000, 0))


def broken(candidate: Counts, *, mirrored: bool = False, present: Counts = PRESENT) -> set[str]:
    return {v.guard for v in judge(candidate, present, GUARDS, mirrored=mirrored) if not v.holds}


def test_a_good_model_breaks_none() -> None:
    assert broken(counts(**GOOD)) == set()
    copied = counts(mirrored=100, compared=100, agreed=90, mirror_answers=answers(50, 50))
    assert broken(copied, mirrored=True) == set()


@pytest.mark.parametrize(
    ("changed", "guard"),
    [
        ({"failed": 11}, "error_rate"),
        ({"refused": 100}, "error_rate"),
        ({"latency": latency(980, 20)}, "latency"),
        ({"answers": answers(950, 50)}, "distribution"),
        ({"requests": 0, "latency": latency(0, 0), "answers": answers(0)}, "error_rate"),
    ],
)
def test_what_a_guard_is_for_breaks_it(changed: dict[str, object], guard: str) -> None:
    assert broken(counts(**{**GOOD, **changed})) == {guard}


@pytest.mark.parametrize(
    ("changed", "guard"),
    [
        ({"mirror_failed": 2}, "error_rate"),
        ({"agreed": 79}, "agreement"),
        ({"mirror_answers": answers(0, 0, 100)}, "distribution"),
        ({"mirrored": 0, "compared": 0, "agreed": 0, "mirror_answers": answers(0)}, "error_rate"),
    ],
)
def test_a_shadow_is_judged_too(changed: dict[str, object], guard: str) -> None:
    good = {"mirrored": 100, "compared": 100, "agreed": 90, "mirror_answers": answers(50, 50)}
    assert broken(counts(**{**good, **changed}), mirrored=True) == {guard}


def test_callers_who_err_do_not_speak_against_the_new_model() -> None:
    present = counts(requests=1000, refused=100, answers=answers(510, 490))
    assert broken(counts(**{**GOOD, "refused": 100}), present=present) == set()
    assert broken(counts(**{**GOOD, "refused": 200}), present=present) == {"error_rate"}


def test_copies_that_come_after_their_stage_judge_nothing() -> None:
    assert broken(counts(**{**GOOD, "compared": 3, "agreed": 2})) == set()


def test_few_rows_show_nothing_of_a_distribution() -> None:
    assert broken(counts(**{**GOOD, "requests": 3, "answers": answers(3, 0)})) == set()


def test_a_guard_that_is_switched_off_judges_nothing() -> None:
    off = Guards(error_rate=None, latency_ms=None, agreement=None, distribution=None)
    assert judge(counts(), PRESENT, off, mirrored=False) == ()
