"""`nox -s data` in a project of the tests' own, and how every command ends."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from mlops.quality import data_check
from mlops.quality.errors import UserError, run_main
from mlops.quality.project import load_project
from mlops.quality.verbs import dispatch


def test_good_data_is_said_to_be_good(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert data_check.main([]) == 0
    assert "ok toys version 1: 2 rows, 2 columns keep the contract" in capsys.readouterr().out


def bad(root: Path, rows: int) -> Path:
    path = root / "bad.csv"
    pd.DataFrame({"a": [1] + [70] * rows, "b": [1] + ["x"] * rows}).to_csv(path, index=False)
    return path


def test_bad_data_is_listed_and_counted(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert data_check.main(["--table", str(bad(root, 30)), "--most", "3"]) == 1
    said = capsys.readouterr().out
    assert said.count("range is 0 to 9") == 3
    assert "... and 57 more, by rule:" in said
    assert "30  b: type is integer" in said
    assert "60 violations in 30 rows" in said


def test_bad_rows_are_written_with_their_reasons(root: Path) -> None:
    target = root / "out" / "rows.csv"
    assert data_check.main(["--table", str(bad(root, 2)), "--bad-rows", str(target)]) == 1
    written = pd.read_csv(target)
    assert written["_row"].tolist() == [2, 3]
    assert written["_reasons"][0] == "a: range is 0 to 9; b: type is integer"
    assert written["b"].tolist() == ["x", "x"]


def test_bad_rows_of_bad_rows_are_written_too(root: Path) -> None:
    first, second = root / "first.csv", root / "second.csv"
    data_check.main(["--table", str(bad(root, 2)), "--bad-rows", str(first)])
    assert data_check.main(["--table", str(first), "--bad-rows", str(second)]) == 1
    assert pd.read_csv(second)["_row"].tolist() == [1, 2]


def test_the_table_that_is_checked_is_never_written_over(root: Path) -> None:
    table = bad(root, 2)
    before = table.read_bytes()
    with pytest.raises(UserError, match="is the table that is checked"):
        data_check.main(["--table", str(table), "--bad-rows", f"{root}/./{table.name}"])
    assert table.read_bytes() == before


def test_good_data_writes_no_bad_rows(root: Path) -> None:
    assert data_check.main(["--bad-rows", str(root / "rows.csv")]) == 0
    assert not (root / "rows.csv").exists()


@pytest.mark.parametrize("text", ["[/]", "[bold]", "[/nothing]", "a\\[b]"])
def test_brackets_in_the_data_are_shown_as_they_are(
    text: str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = root / "[x].csv"
    pd.DataFrame({"a": [text] * 3, "b": [1] * 3, text: [1] * 3}).to_csv(path, index=False)
    assert data_check.main(["--table", str(path), "--most", "2"]) == 1
    said = capsys.readouterr().out
    assert repr(text) in said
    assert "[x].csv: 4 violations in 3 rows" in said


@pytest.mark.parametrize("most", ["-1", "some", "1.5"])
def test_a_number_of_lines_that_is_none_is_refused(
    most: str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        data_check.main(["--most", most])
    assert ended.value.code == 2
    assert "expected a whole number from 0" in capsys.readouterr().err


def test_no_line_but_the_counts_can_be_asked_for(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert data_check.main(["--table", str(bad(root, 3)), "--most", "0"]) == 1
    assert "6 violations in 3 rows" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        pytest.param("gone.csv", None, "no such file", id="missing"),
        pytest.param("x.xlsx", b"", "expected a .csv or .parquet file", id="another kind"),
        pytest.param("x.csv", b"", "the file is empty", id="empty"),
        pytest.param("x.csv", b"a,b\n1,2\n1\n", "line 3: expected 2 values", id="cut off"),
        pytest.param("x.csv", b"a,b,a\n1,2,3\n", "names column 'a' twice", id="twice"),
        pytest.param("x.csv", b"a,b\n\xff,2\n", "line 2 is not UTF-8", id="bytes"),
        pytest.param("x.parquet", b"PAR1", "not a table", id="broken Parquet"),
    ],
)
def test_a_file_that_is_no_table_is_one_line(
    name: str, content: bytes | None, message: str, root: Path
) -> None:
    if content is not None:
        (root / name).write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        data_check.main(["--table", str(root / name)])
    assert "\n" not in str(caught.value)


def test_a_header_alone_is_refused(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "x.csv").write_text("a,b\n")
    assert data_check.main(["--table", str(root / "x.csv")]) == 1
    assert "at least one row" in capsys.readouterr().out


def test_bad_rows_that_cannot_be_written_are_one_line(root: Path) -> None:
    (root / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot be written"):
        data_check.main(
            ["--table", str(bad(root, 2)), "--bad-rows", str(root / "file" / "rows.csv")]
        )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("data: toys.yml", "data: gone.yml", "project.yml: data: there is no file gone.yml"),
        ("contract: contract.yml", "contract: x.yml", "contract: there is no file x.yml"),
        ("owner: ada", "ownr: ada", "unknown key 'ownr'; did you mean 'owner'"),
        ("slug: toys\n", "", "'slug' is missing"),
        ("slug: toys", "slug: 2026", "slug: expected text, found 2026; put it in quotes"),
        ("data: toys.yml", "data: .", "data: there is no file"),
    ],
)
def test_wrong_settings_name_their_place(root: Path, old: str, new: str, message: str) -> None:
    path = root / "project.yml"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(UserError, match=message):
        load_project(root)


def test_empty_settings_are_one_line(root: Path) -> None:
    (root / "project.yml").write_text("")
    with pytest.raises(UserError, match=r"project\.yml: expected a mapping"):
        load_project(root)


def test_verbs_are_found_helped_with_and_corrected(capsys: pytest.CaptureFixture[str]) -> None:
    verbs = {"check": ("module.check", "look at it")}
    assert dispatch("tool", verbs, ["check", "--all"]) == ("module.check", ["--all"])
    assert dispatch("tool", verbs, ["--help"]) == ("", [])
    assert "look at it" in capsys.readouterr().out
    with pytest.raises(UserError, match="did you mean 'check'"):
        dispatch("tool", verbs, ["chek"])
    with pytest.raises(UserError, match="name a verb: check"):
        dispatch("tool", verbs, [])


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (None, 7, ""),
        (UserError("file: wrong"), 2, "error: file: wrong\n"),
        (PermissionError(13, "Permission denied", "x.csv"), 2, "error: x.csv: Permission denied\n"),
        (OSError(28, "No space left on device"), 2, "error: No space left on device\n"),
        (KeyboardInterrupt(), 130, "stopped: the next call goes on from here\n"),
    ],
    ids=["none", "mistake", "not permitted", "disk full", "ctrl-c"],
)
def test_a_command_ends_with_its_code_and_one_line(
    error: BaseException | None, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def main(_: list[str]) -> int:
        if error is not None:
            raise error
        return 7

    with pytest.raises(SystemExit) as ended:
        run_main(main)
    assert ended.value.code == code
    assert capsys.readouterr().err == said
