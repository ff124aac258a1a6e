"""Data assets: the bytes that a version stands for, and no others."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import fsspec
import pytest

from mlops.quality.assets import fetch, find_asset, load_asset, load_definition
from mlops.quality.errors import UserError

CONTENT = b"a,b\n1,2\n"


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def define(
    folder: Path,
    *,
    name: str = "toys",
    version: str = "1",
    path: str = "toys.csv",
    sha256: str = digest(CONTENT),
    more: str = "",
) -> Path:
    file = folder / f"{name}.yml"
    file.write_text(
        f'name: {name}\nversion: "{version}"\ntype: uri_file\npath: {path}\n'
        f'tags:\n  sha256: "{sha256}"\n  source: a test\n{more}'
    )
    return file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "toys.csv").write_bytes(CONTENT)
    return tmp_path / "data"


def test_the_bytes_of_a_version_are_given(folder: Path, tmp_path: Path) -> None:
    asset = load_definition(define(folder))
    assert fetch(asset, tmp_path / "cache") == folder / "toys.csv"
    assert load_asset(asset.definition)["b"].tolist() == ["2"]


def test_other_bytes_under_the_version_are_refused_with_what_to_write(
    folder: Path, tmp_path: Path
) -> None:
    asset = load_definition(define(folder))
    (folder / "toys.csv").write_bytes(b"a,b\n1,3\n")
    with pytest.raises(
        UserError, match=r'changed, but toys\.yml still says toys version "1"'
    ) as no:
        fetch(asset, tmp_path / "cache")
    assert digest(b"a,b\n1,3\n") in str(no.value)


def test_a_version_that_stood_for_other_bytes_in_git_is_refused(
    folder: Path, tmp_path: Path
) -> None:
    define(folder)
    author = ["-c", "user.name=ada", "-c", "user.email=ada@example.org"]
    for words in (["init", "-q"], ["add", "-A"], [*author, "commit", "-qm", "one"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    changed = b"a,b\n1,3\n"
    (folder / "toys.csv").write_bytes(changed)
    reused = load_definition(define(folder, sha256=digest(changed)))
    with pytest.raises(UserError, match="stood for other bytes in commit"):
        fetch(reused, tmp_path / "cache")
    new = load_definition(define(folder, sha256=digest(changed), version="2"))
    assert fetch(new, tmp_path / "cache").read_bytes() == changed


@pytest.mark.parametrize("scheme", ["file", "memory"])
def test_a_url_is_fetched_once_and_verified(scheme: str, folder: Path, tmp_path: Path) -> None:
    url = f"file://{folder}/toys.csv" if scheme == "file" else "memory://shelf/toys.csv"
    with fsspec.open(url, "wb") as file:
        file.write(CONTENT)
    asset = load_definition(define(folder, path=url))
    local = fetch(asset, tmp_path / "cache")
    assert local.read_bytes() == CONTENT
    moment = local.stat().st_mtime_ns
    assert fetch(asset, tmp_path / "cache").stat().st_mtime_ns == moment
    local.write_bytes(b"damaged")
    assert fetch(asset, tmp_path / "cache").read_bytes() == CONTENT
    with fsspec.open(url, "wb") as file:
        file.write(b"other")
    local.unlink()
    with pytest.raises(UserError, match="changed, but"):
        fetch(asset, tmp_path / "cache")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("memory://shelf/gone.csv", "cannot be fetched"),
        ("file:///gone/toys.csv", "cannot be fetched"),
        ("nothing://shelf/toys.csv", "cannot be fetched: Protocol not known"),
        ("dropbox://shelf/toys.csv", "requirements/model.in"),
    ],
)
def test_a_url_that_does_not_open_is_one_line(
    url: str, message: str, folder: Path, tmp_path: Path
) -> None:
    asset = load_definition(define(folder, path=url))
    with pytest.raises(UserError, match=message):
        fetch(asset, tmp_path / "cache")
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_a_file_that_is_not_there_is_made(folder: Path, tmp_path: Path) -> None:
    (folder / "toys.csv").unlink()
    (folder / "make.py").write_text(
        f"import pathlib, sys\npathlib.Path(sys.argv[1]).write_bytes({CONTENT!r})\n"
    )
    asset = load_definition(define(folder, more="  made_by: make.py\n"))
    assert fetch(asset, tmp_path / "cache").read_bytes() == CONTENT
    assert sorted(path.name for path in folder.iterdir()) == ["make.py", "toys.csv", "toys.yml"]


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("raise SystemExit('no shelf')", "make.py failed: no shelf"),
        ("", "make.py failed: it wrote no file"),
        ("import sys, os; os.mkdir(sys.argv[1])", "make.py failed: it wrote no file"),
        ("input('name? ')", "make.py failed: EOFError"),
        ("import sys; sys.stderr.buffer.write(b'\\xff'); sys.exit(1)", "make.py failed: "),
        ("(", "make.py failed: SyntaxError"),
    ],
    ids=["fails", "does nothing", "makes a folder", "asks", "bytes", "broken"],
)
def test_a_program_that_makes_nothing_is_one_line(
    program: str, message: str, folder: Path, tmp_path: Path
) -> None:
    (folder / "toys.csv").unlink()
    (folder / "make.py").write_text(program)
    asset = load_definition(define(folder, more="  made_by: make.py\n"))
    with pytest.raises(UserError, match=message):
        fetch(asset, tmp_path / "cache")
    assert sorted(path.name for path in folder.iterdir()) == ["make.py", "toys.yml"]


def test_a_program_that_is_not_there_is_one_line(folder: Path, tmp_path: Path) -> None:
    (folder / "toys.csv").unlink()
    asset = load_definition(define(folder, more="  made_by: gone.py\n"))
    with pytest.raises(UserError, match=r"gone\.py failed: "):
        fetch(asset, tmp_path / "cache")


def test_a_file_is_made_in_a_folder_that_is_not_there_yet(folder: Path, tmp_path: Path) -> None:
    (folder / "make.py").write_text(
        f"import pathlib, sys\npathlib.Path(sys.argv[1]).write_bytes({CONTENT!r})\n"
    )
    asset = load_definition(define(folder, path="raw/toys.csv", more="  made_by: make.py\n"))
    assert fetch(asset, tmp_path / "cache") == folder / "raw" / "toys.csv"


@pytest.mark.parametrize("made", [True, False], ids=["made", "fetched"])
def test_a_place_that_cannot_be_written_is_one_line(
    made: bool, folder: Path, tmp_path: Path
) -> None:
    (folder / "file").write_text("in the way")
    (folder / "make.py").write_text("")
    path = "file/toys.csv" if made else f"file://{folder}/toys.csv"
    asset = load_definition(define(folder, path=path, more="  made_by: make.py\n"))
    with pytest.raises(UserError, match="cannot be written"):
        fetch(asset, folder / "file")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("https://host/a/toys.csv?sig=secret/x", "toys.csv"),
        ("memory://shelf/toys.parquet", "toys.parquet"),
        ("zip://in/toys.csv::https://host/a.zip", "toys.csv"),
        ("simplecache::https://host/toys.csv", "toys.csv"),
    ],
)
def test_a_file_keeps_the_name_that_its_url_gives(path: str, name: str, folder: Path) -> None:
    assert load_definition(define(folder, path=path)).file_name == name


def test_what_grants_access_is_in_no_message(folder: Path, tmp_path: Path) -> None:
    asset = load_definition(define(folder, path="memory://shelf/gone.csv?sig=secret"))
    with pytest.raises(UserError, match=r"gone\.csv: cannot be fetched") as caught:
        fetch(asset, tmp_path / "cache")
    assert "secret" not in str(caught.value)


def test_a_machine_without_git_has_no_earlier_versions(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert fetch(load_definition(define(folder)), tmp_path / "cache").is_file()


def test_a_definition_that_was_broken_once_is_passed_over(folder: Path, tmp_path: Path) -> None:
    author = ["-c", "user.name=ada", "-c", "user.email=ada@example.org"]
    (folder / "toys.yml").write_bytes(b"name: \xff 2026-13-45: [\n")
    for words in (["init", "-q"], ["add", "-A"], [*author, "commit", "-qm", "one"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    assert fetch(load_definition(define(folder)), tmp_path / "cache").is_file()


def test_a_missing_file_is_named(folder: Path, tmp_path: Path) -> None:
    asset = load_definition(define(folder, path="gone.csv"))
    with pytest.raises(UserError, match=r"toys.yml: path: there is no file .*gone.csv"):
        fetch(asset, tmp_path / "cache")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: a\n", "'version' is missing"),
        ("name: a\nversion: 1\npath: x\ntags: {}\n", "version: expected text, found 1"),
        ('name: a\nversion: "1"\npath: x\ntags: {}\n', "tags: 'sha256' is missing"),
        (
            'name: a\nversion: "1"\npath: x\ntags: {sha256: "12", source: s}\n',
            "expected 64 hexadecimal digits",
        ),
        (
            'name: a\nversion: "1"\ntype: uri_folder\npath: x\ntags: {}\n',
            "type: expected uri_file, found uri_folder",
        ),
        ('name: a\nversion: "1"\npth: x\ntags: {}\n', "unknown key 'pth'; did you mean 'path'"),
        ('name: ../a\nversion: "1"\npath: x\ntags: {}\n', "name: expected letters, digits"),
        ('name: a\nversion: ".."\npath: x\ntags: {}\n', "version: expected letters, digits"),
        ('name: ""\nversion: "1"\npath: x\ntags: {}\n', "name: expected letters, digits"),
        (
            f'name: a\nversion: "1"\npath: x\ntags: {{sha256: "{"A" * 64}", source: s}}\n',
            "expected 64 hexadecimal digits, in lower case",
        ),
        ('name: a\nversion: "1"\npath: x\ntags: {sha265: x}\n', "did you mean 'sha256'"),
        ("", "expected a mapping"),
    ],
    ids=[
        "version",
        "unquoted",
        "no digest",
        "short digest",
        "folder",
        "unknown key",
        "a path for a name",
        "a path for a version",
        "no name",
        "capitals",
        "unknown tag",
        "empty",
    ],
)
def test_a_wrong_definition_is_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.yml"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        load_definition(path)


def test_an_asset_is_found_by_name_and_version(folder: Path) -> None:
    define(folder)
    define(folder, name="others", version="4")
    assert find_asset(folder, "others", "4").name == "others"
    with pytest.raises(UserError, match="no data asset toys:2; there are: others:4, toys:1"):
        find_asset(folder, "toys", "2")
    (folder / "copy.yml").write_text((folder / "toys.yml").read_text())
    with pytest.raises(UserError, match=r"toys:1 is defined more than once: copy.yml, toys.yml"):
        find_asset(folder, "toys", "1")
    with pytest.raises(UserError, match="there are: none"):
        find_asset(folder / "gone", "toys", "1")
