"""Labels that come later: read strictly, given without loss, joined by request and row."""

from __future__ import annotations

import dataclasses
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import fsspec
import numpy as np
import pandas as pd
import pytest

from mlops.deployment.tests.small import CONTRACT, INPUTS, rows
from mlops.operations.monitoring.answered import (
    answers_of,
    as_collected,
    inputs_of,
    known_labels,
)
from mlops.operations.monitoring.labelled import joined, scored, times_of
from mlops.operations.monitoring.labels import Labels, give_labels, read_labels
from mlops.operations.monitoring.remote_labels import labels_folder
from mlops.operations.monitoring.window import Window, read_window
from mlops.operations.tests.collected_cases import (
    HOUR,
    NOON,
    PROBLEM,
    collect,
    every,
    make_package,
)
from mlops.quality.contract import Column, Contract
from mlops.quality.errors import UserError

KNOWN = (0, 1)
NOW = NOON + 6 * HOUR
TARGET = dataclasses.replace(
    CONTRACT,
    target="score",
    columns={
        **{name: CONTRACT.columns[name] for name in INPUTS},
        "score": Column("number", "score", range=(0.0, 3.0)),
    },
)
SCORE = dataclasses.replace(PROBLEM, label=lambda table: (table["score"] > 1.5).astype(int))


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packages")
    make_package(folder)
    return folder


@pytest.fixture
def digest(packages: Path) -> str:
    return next(path.name for path in packages.iterdir())


@pytest.fixture
def window(tmp_path: Path, packages: Path, digest: str) -> Window:
    """Ten requests of two rows."""
    moments, ids = every(NOON, 10, timedelta(minutes=1)), [f"r{n}" for n in range(10)]
    collect(tmp_path, packages, digest, rows(20, 1)[INPUTS], moments, ids=ids, each=2)
    return read_window(tmp_path, NOON, NOW, now=NOW)


def labelled(folder: Path, contract: Contract = CONTRACT, **files: str) -> Labels:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text)
    return read_labels(folder, contract, KNOWN)


def given(labels: Labels) -> dict[tuple[str, int], object]:
    table = labels.table
    return {
        (r, int(n)): v for r, n, v in zip(table.request_id, table.row, table.label, strict=True)
    }


def test_a_folder_without_labels_has_none(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        found = read_labels(folder, CONTRACT, KNOWN)
        assert (len(found.table), found.files, found.last) == (0, 0, None)


def test_labels_are_read_as_the_model_names_them(tmp_path: Path) -> None:
    found = labelled(
        tmp_path, a="request_id,label\n7,1\nr2,0\n", b="request_id,row,label\nr3,2,1.0\n"
    )
    assert given(found) == {("7", 1): 1, ("r2", 1): 0, ("r3", 2): 1}
    assert all(isinstance(label, int) for label in found.table["label"])


@pytest.mark.parametrize(
    ("known", "text", "label"),
    [
        (("no", "yes"), "yes", "yes"),
        ((False, True), "true", True),
        ((False, True), "0", False),
        ((1.5, 2.0), "2", 2.0),
        ((), "3.25", 3.25),
    ],
)
def test_every_kind_of_label(
    known: tuple[object, ...], text: str, label: object, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text(f"request_id,label\nr,{text}\n")
    assert read_labels(tmp_path, CONTRACT, known).table["label"].tolist() == [label]


def test_a_later_file_replaces_an_earlier_and_what_changed_is_counted(tmp_path: Path) -> None:
    found = labelled(
        tmp_path,
        a="request_id,label,kpi\nr1,1,5\nr2,0,\nr3,0,\n",
        b="request_id,label,kpi\nr1,0,\nr2,0,3\n",
    )
    assert given(found) == {("r1", 1): 0, ("r2", 1): 0, ("r3", 1): 0}
    assert found.table["kpi"].fillna(-1).tolist() == [5.0, 3.0, -1.0]
    assert (found.changed, found.files) == (1, 2)


def test_parquet_and_times(tmp_path: Path) -> None:
    at = datetime(2026, 11, 20, 8, tzinfo=UTC)
    pd.DataFrame({"request_id": ["a", "b"], "label": [1, 0], "time": [at, None]}).to_parquet(
        tmp_path / "x.parquet"
    )
    found = read_labels(tmp_path, CONTRACT, KNOWN)
    times = found.table["given"].tolist()
    assert times[0] == at
    # not told: since the file is there
    written = (tmp_path / "x.parquet").stat().st_mtime
    assert abs(times[1].timestamp() - written) < 0.001
    assert found.last == times[1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "request_id,label\nr1,1\nr2,2\n",
            r"a.csv: row 2, column label: expected one of 0, 1, found '2'",
        ),
        ("request_id,label\nr1,\n", "row 1, column label: expected a value, found nothing"),
        ("request_id,label\nr1,1\nr1,0\n", "row 2, column request_id: given in row 1 already"),
        ("request_id,row,label\nr1,0,1\n", "row 1, column row: expected 1, 2"),
        ("request_id,row,label\nr1,,1\n", "row 1, column row: expected 1, 2"),
        ("request_id,kpi\nr1,much\n", "row 1, column kpi: expected a number, found 'much'"),
        ("request_id,kpi\nr1,inf\n", "row 1, column kpi: expected a number"),
        ("request_id,label\n,1\n", "row 1, column request_id: is missing"),
        ("request_id,label,time\nr1,1,soon\n", "row 1, column time: expected a time"),
        ("request_id,lable\nr1,1\n", "unknown column 'lable'; did you mean 'label'"),
        ("label\n1\n", "expected the column request_id"),
        ("request_id\nr1\n", "one of label, answer or kpi"),
        ("request_id,label,answer\nr1,1,1\n", "give the label or answer"),
        ("request_id,answer\nr1,5\n", "row 1, column answer: expected one of 0, 1, found '5'"),
        ("request_id,label\nr1,1,1\n", "line 2: expected 2 values"),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said):
        labelled(tmp_path, a=text)


def test_a_file_of_another_kind_is_refused_and_one_being_written_is_not(tmp_path: Path) -> None:
    (tmp_path / ".a.csv.part").write_text("half")
    assert labelled(tmp_path).files == 0
    (tmp_path / "notes.txt").write_text("later")
    with pytest.raises(UserError, match=r"notes.txt: labels are .csv or .parquet"):
        labelled(tmp_path)


def test_given_labels_are_checked_first_and_nothing_is_lost(tmp_path: Path) -> None:
    one = pd.DataFrame({"request_id": ["r1", "r2"], "label": [1, 0]})
    wrong = pd.DataFrame({"request_id": ["r3"], "label": [7]})
    folder = tmp_path / "labels"
    give_labels(folder, one, CONTRACT, KNOWN, now=NOON)
    with pytest.raises(UserError, match="expected one of 0, 1"):
        give_labels(folder, wrong, CONTRACT, KNOWN, now=NOON)
    with pytest.raises(UserError, match="no label"):
        give_labels(folder, wrong[:0], CONTRACT, KNOWN, now=NOON)
    assert [path.name for path in folder.iterdir()] == [
        path.name for path in folder.glob("2026-11-21T12-00-00-000000-*.csv")
    ]
    give_labels(folder, one, CONTRACT, KNOWN, now=NOON)
    give_labels(folder, one.assign(label=[0, 0]), CONTRACT, KNOWN, now=NOON + HOUR)
    found = read_labels(folder, CONTRACT, KNOWN)
    assert given(found) == {("r1", 1): 0, ("r2", 1): 0}
    assert (found.files, found.changed) == (2, 1)


def test_a_disk_that_refuses_leaves_no_half_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    one = pd.DataFrame({"request_id": ["r1"], "label": [1]})
    with pytest.raises(UserError, match="No space left"):
        give_labels(tmp_path, one, CONTRACT, KNOWN, now=NOON)
    assert list(tmp_path.iterdir()) == []


def test_labels_join_the_rows_of_their_request(tmp_path: Path, window: Window, digest: str) -> None:
    text = "request_id,row,label,kpi\nr3,2,1,4.5\nr3,1,0,\nr9,2,,2\ngone,1,1,\n"
    found = joined(window, labelled(tmp_path / "labels", a=text))
    part = found.parts[digest]
    assert (found.elsewhere, len(part)) == (1, 3)
    wanted = rows(20, 1)["a"].to_numpy()[[6, 7, 19]]
    assert sorted(part["input.a"]) == sorted(wanted)
    judged = scored(part, CONTRACT, PROBLEM, KNOWN)
    assert dict(zip(judged.table["a"], judged.truth, strict=True)) == {wanted[0]: 0, wanted[1]: 1}
    assert judged.predicted.shape == (2,)
    assert times_of(part).tolist() == [NOON + timedelta(minutes=3)] * 2


def test_a_window_that_was_sampled_does_not_count_the_rest_as_labels_of_nothing(
    tmp_path: Path, packages: Path, digest: str
) -> None:
    moments = every(NOON, 200, timedelta(minutes=1))
    ids = collect(tmp_path, packages, digest, rows(200, 1)[INPUTS], moments)
    found = read_window(tmp_path, NOON, NOW, now=NOW, most=50)
    text = "request_id,label\n" + "".join(f"{each},1\n" for each in ids)
    result = joined(found, labelled(tmp_path / "labels", a=text))
    assert (result.elsewhere, len(result.parts[digest])) == (0, len(found.parts[digest]))


def test_the_target_becomes_the_label_by_the_users_function(
    tmp_path: Path, window: Window, digest: str
) -> None:
    text = "request_id,row,score\nr1,1,2.5\nr1,2,0.5\nr2,1,1.5\n"
    labels = labelled(tmp_path / "labels", TARGET, a=text)
    judged = scored(joined(window, labels).parts[digest], TARGET, SCORE, KNOWN)
    assert judged.truth.tolist() == [1, 0, 0]
    again = labelled(tmp_path / "labels", TARGET, b="request_id,row,label\nr2,1,1\n")
    mixed = scored(joined(window, again).parts[digest], TARGET, SCORE, KNOWN)
    # what names the label itself needs no function
    assert mixed.truth.tolist() == [1, 0, 1]
    with pytest.raises(UserError, match="row 1, column score: range is 0 to 3, found '9'"):
        labelled(tmp_path / "labels", TARGET, c="request_id,score\nr1,9\n")


def test_a_label_function_that_fails_is_named(tmp_path: Path, window: Window, digest: str) -> None:
    labels = labelled(tmp_path / "labels", TARGET, a="request_id,score\nr1,2\n")
    part = joined(window, labels).parts[digest]
    broken = dataclasses.replace(PROBLEM, label=lambda table: table["elsewhere"])
    with pytest.raises(UserError, match=r"model/data.py: label\(\)"):
        scored(part, TARGET, broken, KNOWN)
    nothing = dataclasses.replace(PROBLEM, label=lambda table: table["score"] * np.nan)
    with pytest.raises(UserError, match="gives no label"):
        scored(part, TARGET, nothing, KNOWN)


def test_a_url_is_copied_and_followed(tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    memory.makedirs("/given", exist_ok=True)
    try:
        memory.pipe("/given/a.csv", b"request_id,label\nr1,1\n")
        memory.pipe("/given/b.csv", b"request_id,label\nr2,1\n")
        cache = tmp_path / "cache"
        assert labels_folder("memory://given", tmp_path, cache) == cache
        assert given(read_labels(cache, CONTRACT, KNOWN)) == {("r1", 1): 1, ("r2", 1): 1}
        memory.pipe("/given/a.csv", b"request_id,label\nr1,0\n")
        memory.rm("/given/b.csv")
        labels_folder("memory://given", tmp_path, cache)
        assert given(read_labels(cache, CONTRACT, KNOWN)) == {("r1", 1): 0}
        with pytest.raises(UserError, match="memory://nowhere: cannot be read"):
            labels_folder("memory://nowhere?key=secret", tmp_path, cache)
    finally:
        memory.rm("/given", recursive=True)
    assert labels_folder("", tmp_path, cache) == tmp_path
    assert labels_folder("some/where", tmp_path, cache) == Path("some/where")


def private_contract() -> Contract:
    how: dict[str, Literal["hashed", "never"]] = {"a": "hashed", "g": "hashed", "m": "never"}
    columns = {
        name: dataclasses.replace(column, collect=how.get(name, "as_is"))
        for name, column in CONTRACT.columns.items()
    }
    return dataclasses.replace(CONTRACT, columns=columns)


def test_private_columns_compare_with_reference_rows_by_their_hashes(
    tmp_path: Path, packages: Path
) -> None:
    contract = private_contract()
    store = tmp_path / "packages"
    digest = make_package(store, 1, contract)
    inputs, endpoint = rows(30, 1)[INPUTS], tmp_path / "endpoint"
    endpoint.mkdir()
    collect(endpoint, store, digest, inputs, every(NOON, 30, timedelta(minutes=1)))
    window = read_window(endpoint, NOON, NOW, now=NOW)
    live = inputs_of(window.parts[digest], contract)
    assert list(live) == ["a", "n", "g"]
    told = as_collected(inputs, contract, endpoint)
    for name in live:
        assert live[name].tolist() == told[name].tolist(), name
    text = "request_id,label\n" + "".join(f"{r},1\n" for r in window.parts[digest]["request_id"])
    part = joined(window, labelled(tmp_path / "labels", contract, a=text)).parts[digest]
    judged = scored(part, contract, PROBLEM, KNOWN)
    assert judged.table[["a", "m", "g"]].isna().all().all()
    assert judged.table["n"].tolist() == inputs["n"].tolist()


def test_labels_of_a_model_are_told_by_its_answers(window: Window, digest: str) -> None:
    part = window.parts[digest]
    assert known_labels([part]) == (0, 1)
    certain = part[part["label"] == 1]
    assert known_labels([certain]) == ()
    assert known_labels([certain], (0, 1)) == (0, 1)
    assert known_labels([certain, part[part["label"] == 0]]) == (0, 1)
    three = pd.read_csv(
        io.StringIO(
            "probability.0,probability.1,probability.2,label\n.8,.1,.1,c\n.1,.8,.1,a\n0,.1,.9,b\n"
        )
    )
    assert known_labels([three]) == ("c", "a", "b")
    assert answers_of(three).shape == (3, 3)
    values = pd.DataFrame({"value": [1.0, 2.0]})
    assert known_labels([values]) == ()
    assert answers_of(values).tolist() == [1.0, 2.0]
