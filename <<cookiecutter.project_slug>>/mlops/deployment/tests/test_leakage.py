"""A row that judges and was learnt from is found, however its numbers are kept."""

from __future__ import annotations

import datetime
import hashlib

import numpy as np
import pandas as pd
import pytest

from mlops.deployment.measuring.leakage import leakage, row_digests, table_digest
from mlops.deployment.tests.scoring import CONTRACT, named, table

TRAINING, EVALUATION, GOLDEN = table(60, 1), table(30, 2), table(10, 3)
PARTS = {"training": TRAINING, "evaluation": EVALUATION, "golden": GOLDEN}


def test_parts_that_share_nothing_leak_nothing() -> None:
    found = leakage(PARTS, CONTRACT)
    assert {m.name: m.value for m in found} == {
        "leakage.golden_in_training": 0.0,
        "leakage.golden_in_evaluation": 0.0,
        "leakage.evaluation_in_training": 0.0,
    }
    assert [m.rows for m in found] == [10, 10, 30]


@pytest.mark.parametrize("part", ["training", "evaluation"])
def test_a_row_that_is_there_is_named(part: str) -> None:
    more = pd.concat([PARTS[part], GOLDEN.iloc[[3, 6]]], ignore_index=True)
    found = named(leakage({**PARTS, part: more}, CONTRACT))[f"leakage.golden_in_{part}"]
    assert found.value == 2.0
    assert found.detail == "golden rows 4, 7"


def test_many_rows_are_counted_and_the_first_named() -> None:
    found = named(leakage({**PARTS, "evaluation": TRAINING}, CONTRACT))
    measure = found["leakage.evaluation_in_training"]
    assert measure.value == 60.0
    assert measure.detail == "evaluation rows 1, 2, 3, 4, 5 and 55 more"


def test_recent_rows_that_were_learnt_from_are_found() -> None:
    recent = pd.concat([table(20, 4), TRAINING.iloc[[5]]], ignore_index=True)
    found = named(leakage({**PARTS, "recent": recent}, CONTRACT))["leakage.recent_in_training"]
    assert found.value == 1.0
    assert found.detail == "recent rows 21"


def test_the_answer_does_not_hide_a_row() -> None:
    learnt = pd.concat([TRAINING.assign(answer=0), GOLDEN.assign(answer=0)])
    parts = {"training": learnt, "evaluation": EVALUATION, "golden": GOLDEN.assign(answer=1)}
    found = named(leakage(parts, CONTRACT))
    assert found["leakage.golden_in_training"].value == 10.0


def test_no_rows_prove_nothing() -> None:
    found = named(leakage({**PARTS, "golden": GOLDEN.head(0)}, CONTRACT))
    assert found["leakage.golden_in_training"].value is None
    assert found["leakage.golden_in_training"].detail == "there are no golden rows"
    assert found["leakage.evaluation_in_training"].value == 0.0


SAME = {
    "whole numbers": ([1, 2], [1.0, 2.0]),
    "narrow numbers": (np.array([0.1, 2.5], dtype=np.float32), [0.1, 2.5]),
    "truth values": ([True, False], np.array([1, 0], dtype=np.int8)),
    "truth values of numpy": (np.array([np.True_, None], dtype=object), [1.0, np.nan]),
    "nullable": (pd.array([1, None], dtype="Int64"), [1.0, np.nan]),
    "minus nought": ([0.0, 1.0], [-0.0, 1.0]),
    "missing": ([None, "a"], [np.nan, "a"]),
    "missing texts": (pd.array(["a", None], dtype="str"), ["a", None]),
    "categories": (pd.Categorical(["a", "b"]), ["a", "b"]),
    "moments": (
        np.array(["2026-01-02T03:04:05", "NaT"], dtype="datetime64[s]"),
        np.array(["2026-01-02T03:04:05", "NaT"], dtype="datetime64[ns]"),
    ),
    "zones": (
        pd.to_datetime(["2026-01-02T05:00:00+02:00"]),
        np.array(["2026-01-02T03:00:00"], dtype="datetime64[us]"),
    ),
    "objects": (
        [pd.Timestamp("2026-01-02T03:00:00")],
        np.array(["2026-01-02T03:00:00"], dtype="datetime64[us]"),
    ),
}


@pytest.mark.parametrize("kind", SAME)
def test_the_same_values_have_the_same_digest(kind: str) -> None:
    one, other = (pd.DataFrame({"a": pd.Series(given)}) for given in SAME[kind])
    assert row_digests(one, ["a"]) == row_digests(other, ["a"])


DIFFERENT = {
    "a text and a number": (["1"], [1]),
    "neighbours": ([0.1], [np.nextafter(0.1, 1)]),
    "large whole numbers": ([2**60], [2**60 + 1]),
    "missing and nothing written": ([None], [""]),
    "missing and a text": ([None], ["nan"]),
    "infinity": ([np.inf], [-np.inf]),
    "moments": (
        [datetime.datetime(2026, 1, 2)],  # noqa: DTZ001 - without a zone, as tables hold it
        [datetime.datetime(2026, 1, 3)],  # noqa: DTZ001
    ),
}


@pytest.mark.parametrize("kind", DIFFERENT)
def test_different_values_have_different_digests(kind: str) -> None:
    one, other = (pd.DataFrame({"a": pd.Series(given)}) for given in DIFFERENT[kind])
    assert row_digests(one, ["a"]) != row_digests(other, ["a"])


def test_values_do_not_flow_from_one_column_into_the_next() -> None:
    one = pd.DataFrame({"a": ["x\x1fy"], "b": ["z"]})
    other = pd.DataFrame({"a": ["x"], "b": ["y\x1fz"]})
    assert row_digests(one, ["a", "b"]) != row_digests(other, ["a", "b"])
    assert row_digests(one, ["a", "b"]) != row_digests(one, ["b", "a"])


def test_a_digest_is_that_of_the_written_row() -> None:
    """Digests are kept and compared elsewhere: what is digested may not change."""
    rows = pd.DataFrame({"a": [1.0, np.nan], "b": ["x", "y"], "c": [0.25, 3.0]})
    written = ["1\x1f'x'\x1f0.25", "\x1f'y'\x1f3"]
    expected = [hashlib.sha256(row.encode()).hexdigest() for row in written]
    assert row_digests(rows, ["a", "b", "c"]) == expected


def test_a_table_s_digest_knows_its_rows_and_not_their_order() -> None:
    columns = list(CONTRACT.inputs)
    whole = table_digest(TRAINING, columns)
    assert len(whole) == 64
    assert table_digest(TRAINING.iloc[::-1], columns) == whole
    assert table_digest(TRAINING.head(59), columns) != whole
    assert table_digest(pd.concat([TRAINING, TRAINING.head(1)]), columns) != whole
    assert len(table_digest(TRAINING.head(0), columns)) == 64
