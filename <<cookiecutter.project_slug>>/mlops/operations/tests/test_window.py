"""What is read of a collection: the window, nothing twice, nothing broken, nothing from the future."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlops.deployment.tests.small import INPUTS, rows
from mlops.operations.monitoring.window import Window, is_sampled, read_window
from mlops.operations.tests.collected_cases import HOUR, NOON, collect, every, make_package
from mlops.quality.errors import UserError

NOW = NOON + 6 * HOUR


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packages")
    make_package(folder, 1)
    make_package(folder, 2)
    return folder


@pytest.fixture
def digests(packages: Path) -> list[str]:
    return sorted(path.name for path in packages.iterdir())


def minutes(number: int, start: datetime = NOON) -> list[datetime]:
    return every(start, number, timedelta(minutes=1))


def read(folder: Path, start: datetime = NOON, end: datetime = NOW, **more: object) -> Window:
    return read_window(folder, start, end, **{"now": NOW, **more})  # type: ignore[arg-type]


def files(folder: Path) -> list[Path]:
    return sorted((folder / "collected").glob("date=*/hour=*/*"))


def test_the_rows_of_the_window_and_no_others(
    tmp_path: Path, packages: Path, digests: list[str]
) -> None:
    start = NOON - timedelta(minutes=30)
    ids = collect(tmp_path, packages, digests[0], rows(150, 1)[INPUTS], minutes(150, start))
    found = read(tmp_path, NOON, NOON + HOUR)
    part = found.parts[digests[0]]
    assert part["request_id"].tolist() == ids[30:90]
    assert part["time"].min() == NOON
    assert (found.rows, found.share, found.duplicates, found.notes()) == (60, 1.0, 0, ())
    wanted = rows(150, 1)["a"].to_numpy()[30:90]
    assert (part["input.a"].to_numpy() == wanted).all()


def test_an_empty_window_says_so(tmp_path: Path, packages: Path, digests: list[str]) -> None:
    assert read(tmp_path).rows == 0
    assert "no live row" in read(tmp_path).notes()[0]
    collect(tmp_path, packages, digests[0], rows(3, 1)[INPUTS], minutes(3), role="mirror")
    assert read(tmp_path).parts == {}
    assert read(tmp_path, role="mirror").rows == 3


def test_packages_are_kept_apart(tmp_path: Path, packages: Path, digests: list[str]) -> None:
    for digest, number in zip(digests, (5, 7), strict=True):
        collect(tmp_path, packages, digest, rows(number, 1)[INPUTS], minutes(number))
    found = read(tmp_path)
    assert {digest: len(part) for digest, part in found.parts.items()} == {
        digests[0]: 5,
        digests[1]: 7,
    }


def test_a_row_that_is_there_twice_counts_once(
    tmp_path: Path, packages: Path, digests: list[str]
) -> None:
    inputs = rows(20, 1)[INPUTS]
    ids = [f"r{n}" for n in range(10)]
    for number in (1, 2):
        collect(tmp_path, packages, digests[0], inputs, minutes(10), ids=ids, each=2, number=number)
    mirrored = inputs[:2]
    collect(tmp_path, packages, digests[1], mirrored, minutes(1), ids=["r0"], each=2, role="mirror")
    found = read(tmp_path)
    assert (found.rows, found.duplicates, len(found.parts[digests[0]])) == (40, 20, 20)
    assert "20 rows" in found.notes()[0]
    assert len(read(tmp_path, role="mirror").parts[digests[1]]) == 2


def broken_files(whole: bytes) -> dict[str, bytes]:
    empty, foreign, other = (
        pa.BufferOutputStream(),
        pa.BufferOutputStream(),
        pa.BufferOutputStream(),
    )
    pq.write_table(pa.table({"x": [1]}), foreign)
    table = pq.read_table(pa.BufferReader(whole))
    pq.write_table(table.drop_columns(["row"]), empty)
    place = table.schema.get_field_index("time")
    texts = pa.array(["yesterday"] * table.num_rows)
    pq.write_table(table.set_column(place, "time", texts), other)
    middle = len(whole) // 3
    torn = whole[:middle] + b"\0" * 64 + whole[middle + 64 :]
    return {
        "cut": whole[: len(whole) // 2],
        "nothing": b"",
        "text": b"not Parquet at all",
        "torn": torn,
        "foreign": foreign.getvalue().to_pybytes(),
        "no_row": empty.getvalue().to_pybytes(),
        "no_time": other.getvalue().to_pybytes(),
    }


@pytest.mark.parametrize("kind", ["cut", "nothing", "text", "torn", "foreign", "no_row", "no_time"])
def test_a_broken_file_is_set_aside_once_and_the_rest_is_read(
    kind: str, tmp_path: Path, packages: Path, digests: list[str]
) -> None:
    collect(tmp_path, packages, digests[0], rows(40, 1)[INPUTS], minutes(40))
    good = files(tmp_path)[0]
    content = broken_files(good.read_bytes())[kind]
    bad = good.with_name("broken.parquet")
    bad.write_bytes(content)
    found = read(tmp_path)
    assert len(found.parts[digests[0]]) == 40
    aside = found.set_aside[0]
    assert (len(found.set_aside), aside.file) == (
        1,
        f"{bad.parent.parent.name}/{bad.parent.name}/{bad.name}",
    )
    assert aside.place.read_bytes() == content
    assert aside.place.with_name(f"{bad.name}.why").read_text().strip() == aside.reason
    assert not bad.exists()
    assert any(aside.reason in note for note in found.notes())
    again = read(tmp_path)
    assert (again.set_aside, again.rows) == ((), 40)
    # whoever reads the folder as a table does not see it either
    assert len(pd.read_parquet(tmp_path / "collected")) == 40


def test_a_second_broken_file_of_the_same_name_loses_nothing(
    tmp_path: Path, packages: Path, digests: list[str]
) -> None:
    collect(tmp_path, packages, digests[0], rows(4, 1)[INPUTS], minutes(4))
    bad = files(tmp_path)[0].with_name("broken.parquet")
    for content in (b"one", b"two"):
        bad.write_bytes(content)
        assert read(tmp_path).set_aside[0].place.read_bytes() == content
    kept = (tmp_path / "collected" / ".set-aside").rglob("*.parquet")
    assert sorted(path.read_bytes() for path in kept) == [b"one", b"two"]


def test_a_file_with_other_columns_than_its_package_is_set_aside(
    tmp_path: Path, packages: Path, digests: list[str]
) -> None:
    collect(tmp_path, packages, digests[0], rows(4, 1)[INPUTS], minutes(4))
    good = files(tmp_path)[0]
    table = pq.read_table(good, partitioning=None)
    pq.write_table(table.drop_columns(["input.a"]), good.with_name("zzz.parquet"))
    found = read(tmp_path)
    assert "other columns" in found.set_aside[0].reason
    assert found.rows == 4


def test_files_being_written_and_foreign_folders_are_left_alone(
    tmp_path: Path, packages: Path, digests: list[str]
) -> None:
    collect(tmp_path, packages, digests[0], rows(4, 1)[INPUTS], minutes(4))
    writing = files(tmp_path)[0].with_name(".half.parquet")
    writing.write_bytes(b"half")
    for name in ("date=2026-99-99/hour=01", "date=today/hour=1", "notes/hour=12"):
        (tmp_path / "collected" / name).mkdir(parents=True)
        (tmp_path / "collected" / name / "x.parquet").write_bytes(b"no")
    found = read(tmp_path)
    assert (found.rows, found.set_aside) == (4, ())
    assert writing.read_bytes() == b"half"


def test_a_disk_that_refuses_is_no_broken_file(
    tmp_path: Path, packages: Path, digests: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    collect(tmp_path, packages, digests[0], rows(4, 1)[INPUTS], minutes(4))
    path = files(tmp_path)[0]

    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", refuse)
        with pytest.raises(UserError, match="Permission denied"):
            read(tmp_path)
    assert path.exists()
    assert read(tmp_path).rows == 4


def test_rows_ahead_of_now_are_counted_and_left_out(
    tmp_path: Path, packages: Path, digests: list[str]
) -> None:
    now = NOON + timedelta(minutes=10)
    inputs = rows(30, 1)[INPUTS]
    collect(tmp_path, packages, digests[0], inputs, minutes(30))
    collect(tmp_path, packages, digests[0], inputs, minutes(30, NOON + 48 * HOUR), number=2)
    found = read(tmp_path, end=NOON + HOUR, now=now)
    # 12:00 to 12:10, and what a clock may be ahead
    assert (found.rows, found.ahead) == (11, 18 + 30)
    assert "a clock was wrong" in " ".join(found.notes())
    assert read(tmp_path, end=NOON + HOUR, now=NOON + 72 * HOUR).ahead == 0


def test_a_clock_that_was_put_back_is_told(
    tmp_path: Path, packages: Path, digests: list[str]
) -> None:
    inputs = rows(8, 1)[INPUTS]
    collect(tmp_path, packages, digests[0], inputs, minutes(8), started=NOON + 2 * HOUR)
    found = read(tmp_path)
    assert (found.rows, found.before_start) == (8, 8)
    assert "put back" in found.notes()[0]


def test_a_window_ahead_of_now_is_empty(tmp_path: Path, packages: Path, digests: list[str]) -> None:
    collect(tmp_path, packages, digests[0], rows(3, 1)[INPUTS], minutes(3))
    found = read(tmp_path, now=NOON - 24 * HOUR)
    assert (found.rows, found.ahead) == (0, 3)


def test_more_rows_than_wanted_are_sampled_by_request_and_always_alike(
    tmp_path: Path, packages: Path, digests: list[str]
) -> None:
    moments = every(NOON, 600, timedelta(seconds=20))
    ids = collect(tmp_path, packages, digests[0], rows(1200, 1)[INPUTS], moments, each=2)
    found, again = read(tmp_path, most=300), read(tmp_path, most=300)
    part = found.parts[digests[0]]
    assert found.rows == 1200
    assert found.share == 0.25
    assert 230 < len(part) < 370
    assert part.equals(again.parts[digests[0]])
    assert (part.groupby("request_id").size() == 2).all()
    assert set(part["request_id"]) == {each for each in ids if is_sampled(each, 0.25)}
    fewer = set(read(tmp_path, most=100).parts[digests[0]]["request_id"])
    assert fewer < set(part["request_id"])
    assert "of 1200 rows were read" in found.notes()[0]


def test_what_waits_in_the_spool_is_told(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "1-2-000001.lines").write_text("")
    assert read(tmp_path).waiting == 1


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        (NOON, NOON, "ends"),
        (NOON, NOON - HOUR, "ends"),
        (NOON.replace(tzinfo=None), NOON + HOUR, "zone"),
    ],
)
def test_a_window_that_cannot_be_is_refused(
    start: datetime, end: datetime, said: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=said):
        read(tmp_path, start, end)


def test_the_sample_is_the_same_in_every_process_and_release() -> None:
    chosen = [n for n in range(16) if is_sampled(f"r{n}", 0.5)]
    assert chosen == [0, 1, 2, 3, 6, 8, 10, 11, 12, 13]
