"""Tables in files: what is read is what stands there, and a broken file is one line."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from mlops.quality.errors import UserError
from mlops.quality.tables import read_table, replace_text, write_csv


def csv(folder: Path, content: str | bytes) -> Path:
    path = folder / "table.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_csv_is_text_until_the_contract_gives_types(tmp_path: Path) -> None:
    table = read_table(csv(tmp_path, "a,b\n007,NA\n,null\n"))
    assert table["a"].tolist()[0] == "007"
    assert pd.isna(table["a"][1])
    assert table["b"].tolist() == ["NA", "null"]


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    assert list(read_table(csv(tmp_path, b"\xef\xbb\xbfa,b\n1,2\n")).columns) == ["a", "b"]


def test_a_short_row_is_missing_its_last_values(tmp_path: Path) -> None:
    assert read_table(csv(tmp_path, "a,b\n1\n"))["b"].isna().tolist() == [True]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty"),
        ("a,b\n1,2\n1,2,3\n", "not a table: .*line 3"),
        ("a,b\n1,2,3\n4,5,6\n", "more fields than the header"),
        ("a,a\n1,2\n", "column 'a' twice"),
        (b"a\n\xff\n", "not UTF-8"),
        ('a\n"1\n', "not a table"),
    ],
    ids=["empty", "longer row", "longer rows", "twice", "bytes", "open quote"],
)
def test_a_broken_csv_is_one_line(content: str | bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message) as caught:
        read_table(csv(tmp_path, content))
    assert "\n" not in str(caught.value)
    assert "table.csv" in str(caught.value)


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    table = pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": [True, False]})
    table.to_parquet(path)
    assert read_table(path).equals(pd.read_parquet(path))


def test_an_index_of_its_own_does_not_stop_parquet(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    pd.DataFrame({"a": [1, 2]}, index=[5, 9]).to_parquet(path)
    assert read_table(path)["a"].tolist() == [1, 2]


@pytest.mark.parametrize("name", ["gone.csv", "gone.parquet"])
def test_a_missing_file_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"{name}: no such file"):
        read_table(tmp_path / name)


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"expected a \.csv or \.parquet file"):
        read_table(tmp_path / "table.xlsx")


def test_broken_parquet_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    path.write_bytes(b"PAR1 but not really")
    with pytest.raises(UserError, match="not a table") as caught:
        read_table(path)
    assert "\n" not in str(caught.value)


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "out.csv"
    write_csv(pd.DataFrame({"a": [1]}), path)
    assert path.read_text() == "a\n1\n"
    replace_text(path, "new")
    assert path.read_text() == "new"
    assert [file.name for file in path.parent.iterdir()] == ["out.csv"]


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot be written"):
        replace_text(tmp_path / "file" / "out.csv", "text")
