"""`nox -s data` and `nox -s level` in a project of the tests' own."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd
import pytest

from mlops.quality import conformance, data_check
from mlops.quality.conformance import Demand, Finding, look, show, workflow_triggers
from mlops.quality.errors import UserError, run_main
from mlops.quality.project import load_project
from mlops.quality.verbs import dispatch

CONTRACT = """\
name: toys
description: Toys
task: regression
target: b
columns:
  a: {type: number, description: A, range: [0, 9]}
  b: {type: integer, description: B}
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    table = "a,b\n1,2\n3,4\n"
    (tmp_path / "toys.csv").write_text(table)
    (tmp_path / "contract.yml").write_text(CONTRACT)
    digest = hashlib.sha256(table.encode()).hexdigest()
    (tmp_path / "toys.yml").write_text(
        f'name: toys\nversion: "1"\npath: toys.csv\ntags: {{sha256: "{digest}", source: s}}\n'
    )
    (tmp_path / "project.yml").write_text(
        "name: Toys\nslug: toys\nowner: ada\ndata: toys.yml\ncontract: contract.yml\n"
    )
    monkeypatch.setattr(data_check, "ROOT", tmp_path)
    monkeypatch.setattr(conformance, "ROOT", tmp_path)
    return tmp_path


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
    ],
)
def test_wrong_settings_name_their_place(root: Path, old: str, new: str, message: str) -> None:
    path = root / "project.yml"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(UserError, match=message):
        load_project(root)


def test_a_demand_is_met_or_missing_with_its_evidence(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    met = Demand(1, "Something", lambda _: Finding(True, "here"))
    missing = Demand(2, "Another", lambda _: Finding(False, "nox -s it"))
    assert show((met,), []) == 0
    assert "1 of 1 demands are met" in capsys.readouterr().out
    assert show((met, missing), []) == 1
    said = capsys.readouterr().out
    assert "nox -s it" in said
    assert "1 of 2 demands are met" in said


def test_a_mistake_in_a_file_is_a_finding(root: Path) -> None:
    def fail(_: Path) -> Finding:
        raise UserError("file.yml: wrong")

    assert look(Demand(1, "Something", fail), root) == Finding(False, "file.yml: wrong")


@pytest.mark.parametrize("number", range(len(conformance.DEMANDS)))
def test_no_demand_of_level_one_is_met_by_an_empty_folder(number: int, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("")
    assert not look(conformance.DEMANDS[number], tmp_path).met


def test_the_data_demands_are_met_by_good_data_and_not_by_bad(root: Path) -> None:
    demands = {demand.text: demand for demand in conformance.DEMANDS}
    contract = demands["The data contract is declared once, and the data keeps it"]
    asset = demands["Data is a named, versioned asset with a digest"]
    assert look(contract, root).met
    assert look(asset, root).met
    (root / "toys.csv").write_text("a,b\n1,2\n")
    assert not look(asset, root).met


def test_a_lock_without_a_hash_is_not_pinned(root: Path) -> None:
    (demand,) = [demand for demand in conformance.DEMANDS if "pinned" in demand.text]
    (root / "requirements").mkdir()
    lock = root / "requirements" / "quality.lock"
    lock.write_text("a==1 \\\n    --hash=sha256:00\nb==2 \\\n    --hash=sha256:11\n")
    assert look(demand, root).met
    lock.write_text("a==1 \\\n    --hash=sha256:00\nb==2\n")
    assert look(demand, root).evidence == "no hash for quality.lock: b==2"


def test_the_triggers_of_a_workflow_are_read_in_each_spelling(tmp_path: Path) -> None:
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    for text in ("on: [push]\n", "on:\n  push:\n", '"on": push\n'):
        (folder / "ci.yml").write_text(text)
        assert workflow_triggers(tmp_path, "ci.yml") == {"push"}
    with pytest.raises(UserError, match="no such workflow"):
        workflow_triggers(tmp_path, "gone.yml")


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
        (KeyboardInterrupt(), 130, "stopped: the next call goes on from here\n"),
    ],
    ids=["none", "mistake", "ctrl-c"],
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
