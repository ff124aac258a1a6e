"""The review queue keeps every label, whoever gives it and whatever happens meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlops.operations.experiments.review import Label
from mlops.operations.experiments.review_queue import (
    Given,
    enqueue,
    give_label,
    give_labels,
    read_queue,
)
from mlops.operations.experiments.review_training import (
    PROVENANCE,
    disputed,
    origins,
    origins_of_asset,
)
from mlops.operations.experiments.review_value import asked, value_of
from mlops.quality.contract import Column, Contract
from mlops.quality.errors import UserError

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
FIRST = ("r0", 1)


def chosen(number: int = 2) -> pd.DataFrame:
    """What `choose` gives."""
    return pd.DataFrame(
        {
            "request_id": [f"r{place}" for place in range(number)],
            "row": np.ones(number, dtype="int32"),
            "time": pd.date_range("2026-03-01", periods=number, freq="s", tz="UTC"),
            "model_version": "3",
            "model_digest": "abc",
            "label": np.arange(number) % 2,
            "why": "uncertain,old",
            "input.age": np.arange(number) + 50,
            "input.hdl": [np.nan, *[45.5] * (number - 1)],
            "input.city": ["Köln", *[None] * (number - 1)],
        }
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "queue" / "review.jsonl"
    enqueue(found, chosen())
    return found


def test_the_queue_holds_what_was_chosen(path: Path) -> None:
    queue = read_queue(path)
    assert list(queue.items) == [("r0", 1), ("r1", 1)]
    item = queue.items[FIRST].item
    assert item.why == ("uncertain", "old")
    assert item.inputs == {"age": 50, "hdl": None, "city": "Köln"}
    assert (item.answer, item.model_digest, item.time) == (0, "abc", "2026-03-01T00:00:00+00:00")
    assert (queue.items[FIRST].labels, queue.unreadable) == ((), ())


def test_no_file_is_an_empty_queue(tmp_path: Path) -> None:
    assert read_queue(tmp_path / "none.jsonl").items == {}


def test_a_row_is_queued_once(path: Path) -> None:
    give_label(path, FIRST, 1, "ann", NOW)
    assert enqueue(path, chosen(3)) == 1
    assert enqueue(path, chosen(3)) == 0
    queue = read_queue(path)
    assert len(queue.items) == 3
    assert [each.by for each in queue.items[FIRST].labels] == ["ann"]


def test_a_second_labeller_who_disagrees_is_kept(path: Path) -> None:
    give_label(path, FIRST, 1, " ann ", NOW)
    found = give_label(path, FIRST, 0, "bob", NOW, note="see the chart")
    assert found == read_queue(path).items[FIRST]
    assert [(each.by, each.label) for each in found.labels] == [("ann", 1), ("bob", 0)]
    assert found.labels[1].note == "see the chart"
    assert found.labels[1].at == "2026-03-02T09:30:00+00:00"


def test_nothing_that_was_written_changes(path: Path) -> None:
    before = path.read_bytes()
    give_label(path, FIRST, 1, "ann", NOW)
    give_label(path, FIRST, 0, "ann", NOW)
    assert path.read_bytes().startswith(before)
    assert len(read_queue(path).items[FIRST].labels) == 2


def test_who_says_the_same_again_adds_nothing(path: Path) -> None:
    given = give_label(path, FIRST, 1, "ann", NOW, note="clear")
    before = path.read_bytes()
    later = NOW.replace(hour=11)
    assert give_label(path, FIRST, 1, "ann", later) == given
    assert give_label(path, FIRST, 1, "ann", later, note="clear") == given
    assert path.read_bytes() == before
    # another value, another note and another person are something new
    give_label(path, FIRST, True, "ann", later)
    give_label(path, FIRST, True, "ann", later, note="or so")
    give_label(path, FIRST, 1, "ann", later)
    assert len(give_label(path, FIRST, 1, "bob", later).labels) == 5


def test_of_many_labels_none_is_taken_where_one_is_of_no_item(path: Path) -> None:
    before = path.read_bytes()
    label = Label(1, "ann", NOW.isoformat())
    with pytest.raises(UserError, match="r9, row 1: this is not in the review queue"):
        give_labels(path, [Given("r0", 1, label), Given("r9", 1, label)])
    assert path.read_bytes() == before
    assert give_labels(path, [Given("r0", 1, label), Given("r1", 1, label)]) == 2


@pytest.mark.parametrize(
    ("key", "by", "message"),
    [
        (("r9", 1), "ann", "r9, row 1: this is not in the review queue"),
        (("r0", 2), "ann", "r0, row 2: this is not in the review queue"),
        (FIRST, "  ", "r0, row 1: by: expected the labeller's name"),
    ],
)
def test_a_label_of_nobody_or_nothing_is_refused(
    path: Path, key: tuple[str, int], by: str, message: str
) -> None:
    before = path.read_bytes()
    with pytest.raises(UserError) as caught:
        give_label(path, key, 1, by, NOW)
    assert message in str(caught.value)
    assert path.read_bytes() == before


def asking(kind: Column) -> Contract:
    return Contract(
        "t", "t", "classification", "sick", {"age": Column("integer", ""), "sick": kind}
    )


@pytest.mark.parametrize(
    ("column", "text", "value"),
    [
        (Column("integer", "", range=(0, 400)), " 150.0 ", 150),
        (Column("integer", "", range=(0, 400), missing=True), "150", 150),
        (Column("number", "", range=(0, 1)), "1", 1.0),
        (Column("boolean", ""), "TRUE", True),
        (Column("string", "", categories=("a", "1")), "1", "1"),
        (Column("string", ""), "whatever", "whatever"),
        (Column("datetime", ""), "2026-05-03T14:00", "2026-05-03 14:00:00"),
    ],
)
def test_a_value_has_the_targets_type(column: Column, text: str, value: object) -> None:
    found = value_of(text, asking(column), "w")
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("column", "text", "expected"),
    [
        (Column("integer", "", range=(0, 400)), "401", "a whole number from 0 to 400"),
        (Column("integer", "", range=(0, 400)), "1.5", "a whole number from 0 to 400"),
        (Column("number", ""), "nan", "a number"),
        (Column("number", ""), "inf", "a number"),
        (Column("boolean", ""), "2", "true or false"),
        (Column("integer", "", categories=(0, 1)), "2", "one of 0, 1"),
        (Column("string", "", categories=("a", "b")), "A", "one of a, b"),
        (Column("datetime", ""), "today", "a time such as"),
    ],
)
def test_a_value_that_the_contract_does_not_allow_is_refused(
    column: Column, text: str, expected: str
) -> None:
    with pytest.raises(UserError, match=f"w: expected {expected}.*found '{text}'"):
        value_of(text, asking(column), "w")


def test_what_is_asked_for_is_said_in_words() -> None:
    column = Column("number", "Growth", unit="mm", range=(0, 9))
    assert asked(asking(column)) == "sick (Growth): a number from 0 to 9 in mm"


def test_a_time_without_its_zone_is_refused(path: Path) -> None:
    with pytest.raises(UserError, match="at: expected a time with its zone"):
        give_label(path, FIRST, 1, "ann", datetime(2026, 3, 2))  # noqa: DTZ001


def test_a_torn_line_is_told_of_and_swallows_nothing(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b'{"request_id": "r0", "gi')
    give_label(path, FIRST, 1, "ann", NOW)
    path.write_bytes(path.read_bytes() + b'[1]\n{"item": {}}\n\xff\n')
    queue = read_queue(path)
    assert queue.unreadable == (3, 5, 6, 7)
    assert [each.by for each in queue.items[FIRST].labels] == ["ann"]


WORKER = """
import sys
from pathlib import Path
from mlops.operations.experiments.review_queue import enqueue, give_label
from mlops.operations.tests.test_review_queue import FIRST, NOW, chosen

for label in range(20):
    give_label(Path(sys.argv[1]), FIRST, label, sys.argv[2], NOW)
    enqueue(Path(sys.argv[1]), chosen(2 + label))
"""


def test_processes_at_once_lose_and_double_nothing(path: Path) -> None:
    project = Path(__file__).resolve().parents[3]
    command = [sys.executable, "-c", WORKER, str(path)]
    workers = [subprocess.Popen([*command, by], cwd=project) for by in ("ann", "bob")]
    assert [worker.wait(60) for worker in workers] == [0, 0]
    given = read_queue(path).items[FIRST].labels
    for by in ("ann", "bob"):
        assert [each.label for each in given if each.by == by] == list(range(20))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    queued = [line["item"]["request_id"] for line in lines if "item" in line]
    assert sorted(queued) == sorted(set(queued))
    assert len(queued) == 21


def told(value: object = 1, given: datetime = NOW) -> pd.DataFrame:
    """The labelled row of FIRST, as a retraining has it, and one that nobody reviewed."""
    time = pd.Timestamp("2026-03-01", tz="UTC")
    return pd.DataFrame(
        {
            "request_id": ["r0", "other"],
            "row": [1, 2],
            "time": [time, time],
            "model_digest": ["abc", "abc"],
            "value": pd.Series([value, 0], dtype=object),
            "given": [pd.Timestamp(given), pd.Timestamp(given)],
        }
    )


def test_a_row_that_people_labelled_says_who_did_and_who_did_not_agree(path: Path) -> None:
    for by, label in (("ann", 1), ("bob", 0), ("eve", 1)):
        give_label(path, FIRST, label, by, NOW)
    found = origins(told(), read_queue(path))
    assert tuple(found.columns) == PROVENANCE
    first, second = found.to_dict("records")
    assert first == {
        "source": "review", "request_id": "r0", "row": "1",
        "answered_at": "2026-03-01T00:00:00+00:00", "model_digest": "abc",
        "labelled_by": "ann, eve", "labelled_at": "2026-03-02T09:30:00+00:00", "disagreed": "bob",
    }  # fmt: skip
    assert (second["source"], second["labelled_by"], second["disagreed"]) == ("label", "", "")
    assert list(origins_of_asset("data:1", 2)["source"]) == ["data:1", "data:1"]


@pytest.mark.parametrize(("value", "hour"), [(0, 9), (1, 10)])
def test_a_label_that_came_from_elsewhere_is_nobodys(path: Path, value: int, hour: int) -> None:
    give_label(path, FIRST, 1, "ann", NOW)
    found = origins(told(value, NOW.replace(hour=hour)), read_queue(path))
    assert list(found["source"]) == ["label", "label"]


def test_a_label_that_people_no_longer_agree_on_is_disputed(path: Path) -> None:
    give_label(path, FIRST, 1, "ann", NOW)
    assert disputed(told(), read_queue(path), 1).tolist() == [False, False]
    give_label(path, FIRST, 0, "bob", NOW)
    queue = read_queue(path)
    assert disputed(told(), queue, 1).tolist() == [True, False]
    # what came to be known is not theirs to dispute
    assert disputed(told(1, NOW.replace(hour=10)), queue, 1).tolist() == [False, False]
    assert origins(told(), queue)["disagreed"].tolist() == ["bob", ""]
