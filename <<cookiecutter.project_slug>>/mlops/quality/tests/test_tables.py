"""Tables in files: what is read is what stands there, and a broken file is one line."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
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


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param("a,b\n", [], id="a header alone"),
        pytest.param("a,b\r\n1,2\r\n", [["1", "2"]], id="CRLF"),
        pytest.param("a,b\n1,2", [["1", "2"]], id="no last line end"),
        pytest.param("a,b\n\n1,2\n\n", [["1", "2"]], id="blank lines"),
        pytest.param('"a","b"\n"1\n,","2"\n', [["1\n,", "2"]], id="line end in quotes"),
        pytest.param('a,b\n"say ""hi""",2\n', [['say "hi"', "2"]], id="quotes in quotes"),
        pytest.param(b'\xef\xbb\xbf"a",b\n1,2\n', [["1", "2"]], id="BOM before a quote"),
    ],
)
def test_a_good_csv_is_read(
    content: str | bytes, expected: list[list[str]], tmp_path: Path
) -> None:
    table = read_table(csv(tmp_path, content))
    assert list(table.columns) == ["a", "b"]
    assert table.to_numpy().tolist() == expected


def test_a_blank_line_is_the_missing_value_of_a_single_column(tmp_path: Path) -> None:
    assert read_table(csv(tmp_path, "a\n1\n\n2\n"))["a"].isna().tolist() == [False, True, False]


def test_a_column_with_the_name_of_a_renamed_one_is_no_repetition(tmp_path: Path) -> None:
    assert list(read_table(csv(tmp_path, "a,a.1\n1,2\n")).columns) == ["a", "a.1"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("", "the file is empty", id="empty"),
        pytest.param("\n", "the header names no column", id="blank"),
        pytest.param("\na,b\n1,2\n", "the header names no column", id="blank first line"),
        pytest.param("a,b\n1,2\n1,2,3\n", "line 3: expected 2 values .*found 3", id="longer"),
        pytest.param("a,b\n1,2,\n3,4,\n", "line 2: expected 2 values .*found 3", id="all longer"),
        pytest.param("a,b\n1,2\n1", "line 3: expected 2 values .*found 1", id="cut off"),
        pytest.param("a,b,c\n1,2\n", "line 2: expected 3 values .*found 2", id="all shorter"),
        pytest.param("a,b\n1,2\n \n", "line 3: expected 2 values .*found 1", id="space"),
        pytest.param("a,a\n1,2\n", "column 'a' twice", id="twice"),
        pytest.param('a,b,"a"\n1,2,3\n', "column 'a' twice", id="twice, once quoted"),
        pytest.param(b"\xef\xbb\xbfa,a\n1,2\n", "column 'a' twice", id="twice after a BOM"),
        pytest.param(",a\n0,1\n", "the header gives column 1 no name", id="an index"),
        pytest.param("a, \n0,1\n", "the header gives column 2 no name", id="a blank name"),
        pytest.param(b"a\n1\n\xff\n", "line 3 is not UTF-8", id="bytes"),
        pytest.param("é\n1\n".encode("latin-1"), "line 1 is not UTF-8", id="Latin-1"),
        pytest.param("a\n1\n".encode("utf-16"), "line 1 is not UTF-8", id="UTF-16"),
        pytest.param('a\n"1\n', "not a table", id="open quote"),
        pytest.param('a\n"1"2\n', "not a table", id="text after a quote"),
        pytest.param("a\n" + "x" * 200_000, "not a table: field larger", id="endless field"),
    ],
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


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        pytest.param(pd.DataFrame({"a": [1, 2]}, index=[5, 9]), ["a"], id="of numbers"),
        pytest.param(
            pd.DataFrame({"a": [1, 2], "b": [3, 4]}).set_index("b"), ["b", "a"], id="a range"
        ),
        pytest.param(
            pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}).set_index("b"), ["b", "a"], id="texts"
        ),
    ],
)
def test_an_index_in_parquet_is_a_column_where_it_has_a_name(
    table: pd.DataFrame, columns: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "table.parquet"
    table.to_parquet(path)
    read = read_table(path)
    assert list(read.columns) == columns
    assert read.index.tolist() == [0, 1]


def test_a_column_that_parquet_names_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]), path)
    with pytest.raises(UserError, match="column 'a' twice"):
        read_table(path)


@pytest.mark.parametrize("name", ["folder.csv", "folder.parquet"])
def test_a_folder_is_no_table(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(UserError, match="is a folder"):
        read_table(tmp_path / name)


@pytest.mark.parametrize("name", ["gone.csv", "gone.parquet"])
def test_a_missing_file_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"{name}: no such file"):
        read_table(tmp_path / name)


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"expected a \.csv or \.parquet file"):
        read_table(tmp_path / "table.xlsx")


def damaged() -> bytes:
    """Parquet whose data, but not its footer, is overwritten."""
    whole = pd.DataFrame({"a": range(10_000)}).to_parquet()
    return whole[:100] + b"\xff" * 3000 + whole[3100:]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"PAR1 but not really", id="only a beginning"),
        pytest.param(pd.DataFrame({"a": [1]}).to_parquet()[:-9], id="cut off"),
        pytest.param(damaged(), id="damaged"),
        pytest.param(b"a,b\n1,2\n", id="CSV"),
    ],
)
def test_broken_parquet_is_one_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    path.write_bytes(content)
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
