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

from mlops.operations.experiments.review_queue import enqueue, give_label, read_queue
from mlops.operations.experiments.review_training import training_rows
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
    give_label(path, FIRST, 1, " ann ", NOW, allowed=[0, 1])
    found = give_label(path, FIRST, 0, "bob", NOW, allowed=[0, 1], note="see the chart")
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


@pytest.mark.parametrize(
    ("key", "label", "by", "message"),
    [
        (("r9", 1), 1, "ann", "r9, row 1: this is not in the review queue"),
        (("r0", 2), 1, "ann", "r0, row 2: this is not in the review queue"),
        (FIRST, 2, "ann", "r0, row 1: label: expected one of 0, 1, found 2"),
        (FIRST, True, "ann", "label: expected one of 0, 1, found True"),
        (FIRST, "1", "ann", "label: expected one of 0, 1, found '1'"),
        (FIRST, 1, "  ", "r0, row 1: by: expected the labeller's name"),
    ],
)
def test_a_label_that_cannot_be_is_refused(
    path: Path, key: tuple[str, int], label: str | int, by: str, message: str
) -> None:
    before = path.read_bytes()
    with pytest.raises(UserError) as caught:
        give_label(path, key, label, by, NOW, allowed=[0, 1])
    assert message in str(caught.value)
    assert path.read_bytes() == before


def test_a_value_is_any_finite_number(path: Path) -> None:
    assert give_label(path, FIRST, 12.5, "ann", NOW).labels[0].label == 12.5
    for wrong in (float("nan"), True, "12"):
        with pytest.raises(UserError, match="label: expected a number"):
            give_label(path, FIRST, wrong, "ann", NOW)


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


def contract(**changed: Column) -> Contract:
    columns = {
        "age": Column("integer", "Age"),
        "hdl": Column("number", "HDL", missing=True),
        "city": Column("string", "City", missing=True),
        "sick": Column("integer", "Target"),
    }
    return Contract("t", "t", "classification", "sick", {**columns, **changed})


def test_resolved_items_are_rows_to_train_on_with_their_origin(path: Path) -> None:
    for by, label in (("ann", 1), ("bob", 0), ("eve", 1)):
        give_label(path, FIRST, label, by, NOW)
    found = training_rows(read_queue(path), contract(), labellers=1, label="sick")
    assert found.table.to_dict("records") == [
        {
            "age": 50, "hdl": pytest.approx(np.nan, nan_ok=True), "city": "Köln", "sick": 1,
            "source": "review", "request_id": "r0", "row": 1,
            "answered_at": "2026-03-01T00:00:00+00:00", "model_digest": "abc",
            "labelled_by": "ann, eve", "labelled_at": "2026-03-02T09:30:00+00:00",
            "disagreed": "bob",
        }
    ]  # fmt: skip
    assert found.table["age"].dtype == "int64"
    assert [(each.request_id, each.why) for each in found.left_out] == [("r1", "open")]


def test_people_who_do_not_agree_give_no_row(path: Path) -> None:
    give_label(path, FIRST, 1, "ann", NOW)
    give_label(path, FIRST, 0, "bob", NOW)
    found = training_rows(read_queue(path), contract(), labellers=1)
    assert found.table.empty
    assert "disagreed" in found.table.columns
    assert [each.why for each in found.left_out] == ["unresolved", "open"]


@pytest.mark.parametrize(
    ("name", "column", "why"),
    [
        ("age", Column("integer", "", collect="never"), "'age' is never collected: the row cannot"),
        ("age", Column("integer", "", collect="hashed"), "'age' is only hashed: the row cannot be"),
        ("weight", Column("number", ""), "'weight' was not collected: the row cannot be used"),
        ("city", Column("number", ""), "'city': 'Köln' is no number"),
    ],
)
def test_a_row_that_lacks_an_input_says_why_it_cannot_be_used(
    path: Path, name: str, column: Column, why: str
) -> None:
    give_label(path, FIRST, 1, "ann", NOW)
    queue = read_queue(path)
    assert len(training_rows(queue, contract(), labellers=1).table) == 1
    found = training_rows(queue, contract(**{name: column}), labellers=1)
    assert found.table.empty
    assert found.left_out[0].why.startswith(why)
