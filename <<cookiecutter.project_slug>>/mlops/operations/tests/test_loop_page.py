"""The page of the loop: it tells what was recorded, a failure first, and nothing lies outside of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mlops.operations.loop.record import Answer
from mlops.operations.loop.rows import Shift
from mlops.operations.loop.story import Act, Story
from mlops.operations.loop.terminal import figures
from mlops.operations.loop.witness import Figure
from mlops.operations.pages.loop import loop_page
from mlops.operations.pages.moments import Moment
from mlops.operations.tests.test_pages import EVIL, checked

NOON = datetime(2026, 5, 3, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def answers(failing: int = 0) -> tuple[Answer, ...]:
    found = []
    for number in range(400):
        version = "2" if number > 250 and number % 3 else "1"
        status = 500 if number < failing else 200
        time = at(20 + number / 10).timestamp()
        found.append(Answer(time, f"r{number}", status, 1 + number % 7, version, "blue"))
    return tuple(found)


def story(**changes: object) -> Story:
    acts = (
        Act("train", "A model is trained", at(0), at(12), "done", "version 1 is registered"),
        Act("traffic", "A load process asks prod", at(12), at(24), "done", "120 a second"),
        Act("worse", "A worse model is refused", at(24), at(60), "done", "champion.roc_auc: worse"),
    )
    told = (
        Figure(at(30), "1", "drift of bmi", 0.31, bound=0.1, breached=True),
        Figure(at(30), "1", "drift of age", 0.02, bound=0.1),
        Figure(at(30), "1", "roc_auc", 0.71, 0.66, 0.76, 0.84, breached=True),
        Figure(at(55), "2", "roc_auc", 0.86, 0.82, 0.9, 0.85),
    )
    moments = (Moment(at(31), "prod", "data drift", "bmi has moved", "bad"),)
    made = Story(
        "Made up", "ab" * 20, acts, answers(), told, moments, Shift("bmi", 5.0, 0.3), "Ada <a@b>"
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def test_the_page_tells_the_figures_the_acts_and_why() -> None:
    reader = checked(loop_page(story()))
    words = reader.words
    assert "everything happened as it should, and no request of 400 failed" in words
    assert "400 requests 0 failed 2 models that answered" in words
    assert "60 s in 3 acts" in words
    for text in (
        "A worse model is refused",
        "champion.roc_auc: worse",
        "bmi has moved",
        "Ada <a@b>",
    ):
        assert text in words
    assert "12.0 s" in words
    assert len(loop_page(story()).encode()) < 300_000


def test_the_injection_is_told_openly_where_there_was_one() -> None:
    assert (
        "injected : bmi of 30% of the rows was moved by 5 standard"
        in checked(loop_page(story())).words
    )
    assert "injected" not in checked(loop_page(story(shift=None))).words


def test_pictures_tell_in_words_what_they_show() -> None:
    labels = [a["aria-label"] or "" for t, a in checked(loop_page(story())).tags if t == "svg"]
    assert "requests a second over time, 400 answered by version 1, version 2, 0 failed" in labels
    assert any(label.startswith("latency over time") for label in labels)
    assert "roc_auc at each run of the monitor: 0.71 of version 1, 0.86 of version 2" in labels
    assert any("drift of bmi" in label for label in labels)
    assert not any("drift of age" in label for label in labels)


def test_a_failed_request_makes_the_page_say_so() -> None:
    page = loop_page(story(answers=answers(failing=3)))
    words = checked(page).words
    assert "3 of 400 requests failed" in words
    assert "everything happened as it should" not in words
    assert '<p class="verdict bad">' in page
    assert '<p class="verdict good">' in loop_page(story())


def test_a_failed_act_is_told_first_with_its_reason() -> None:
    whole = story()
    last = replace(whole.acts[-1], outcome="failed", why="it was not refused")
    page = loop_page(replace(whole, acts=(*whole.acts[:-1], last)))
    assert "the act 'A worse model is refused' failed: it was not refused" in checked(page).words
    assert '<p class="verdict bad">' in page


@pytest.mark.parametrize("number", [0, 1])
def test_a_play_that_did_not_come_to_its_traffic_has_a_page(number: int) -> None:
    cut = story(answers=(), figures=(), moments=(), acts=story().acts[:number], shift=None)
    words = checked(loop_page(cut)).words
    assert "Who answered" not in words
    assert "The logs tell of nothing" in words


def test_a_hostile_name_is_text() -> None:
    acts = tuple(replace(each, title=EVIL, why=EVIL) for each in story().acts)
    told = tuple(replace(each, version=EVIL, name=EVIL) for each in story().figures)
    asked = tuple(replace(each, version=EVIL, error=EVIL) for each in story().answers)
    moments = (Moment(at(1), EVIL, EVIL, EVIL, "note"),)
    page = loop_page(Story(EVIL, EVIL, acts, asked, told, moments, Shift(EVIL, 1.0, 0.5), EVIL))
    checked(page)
    assert "<script" not in page


def test_the_terminal_tells_the_same_figures() -> None:
    told = dict(figures(story(answers=answers(failing=3))))
    assert told["failed"] == "3"
    assert told["requests"].startswith("400; version 1 answered")
    assert told["time"] == "60 s in 3 acts"
    assert dict(figures(story(answers=())))["requests"] == "0; nobody asked"
