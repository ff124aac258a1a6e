"""What an update decides for each file, by who made it and who changed it since."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlops.quality.errors import UserError
from mlops.quality.machinery import Change, digest, plan, read_lists

LIST = "mlops/quality/machinery.json"


def project(root: Path, files: dict[str, str], own: tuple[str, ...] = ()) -> Path:
    """A folder with these files; all but those in `own` are listed as machinery."""
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    made = {path: digest(root / path) for path in files if path not in own}
    (root / LIST).parent.mkdir(parents=True, exist_ok=True)
    (root / LIST).write_text(json.dumps(made))
    return root


def decided(tmp_path: Path, old: dict[str, str], new: dict[str, str], **now: str) -> list[Change]:
    """The plan for a project made with `old`, later edited to hold `now`, and a version `new`.

    The lists, which always differ here, are left out.
    """
    mine = project(tmp_path / "mine", old)
    for path, text in now.items():
        (mine / path).write_text(text)
    changes = plan(mine, project(tmp_path / "new", new))
    return [change for change in changes if change.path != LIST]


@pytest.mark.parametrize(
    ("path", "now", "kind"),
    [
        pytest.param("noxfile.py", None, "replaced", id="machinery as made"),
        pytest.param("noxfile.py", "mine", "replaced", id="machinery that was changed"),
        pytest.param("mlops/a.py", "mine", "replaced", id="a module that was changed"),
        pytest.param("requirements/quality.in", "mine", "replaced", id="its list of packages"),
        pytest.param("pipelines/train.yml", None, "replaced", id="pipeline as made"),
        pytest.param("pipelines/train.yml", "1\r\n", "replaced", id="pipeline with CRLF"),
        pytest.param("pipelines/train.yml", "mine", "kept", id="pipeline that was changed"),
        pytest.param("requirements/quality.lock", "mine", "kept", id="lock that was changed"),
    ],
)
def test_a_new_version_of_a_file(tmp_path: Path, path: str, now: str | None, kind: str) -> None:
    edited = {} if now is None else {path: now}
    changes = decided(tmp_path, {path: "1\n"}, {path: "2\n"}, **edited)
    assert [(change.path, change.kind) for change in changes] == [(path, kind)]


def test_an_equal_file_is_no_change(tmp_path: Path) -> None:
    assert decided(tmp_path, {"noxfile.py": "1"}, {"noxfile.py": "1"}) == []


def test_a_changed_file_that_is_equal_to_the_new_one_is_no_change(tmp_path: Path) -> None:
    same = {"pipelines/train.yml": "2"}
    assert decided(tmp_path, {"pipelines/train.yml": "1"}, same, **same) == []


def test_a_new_file_is_added(tmp_path: Path) -> None:
    changes = decided(tmp_path, {}, {"mlops/new.py": "1"})
    assert [(change.path, change.kind) for change in changes] == [("mlops/new.py", "added")]


@pytest.mark.parametrize("path", ["MLproject", ".github/workflows/train.yml"])
def test_a_file_of_yours_in_the_place_of_a_new_one_is_kept(tmp_path: Path, path: str) -> None:
    mine = project(tmp_path / "mine", {path: "mine"}, own=(path,))
    changes = plan(mine, project(tmp_path / "new", {path: "theirs"}))
    assert Change(path, "kept", "a file of yours is in its place") in changes


def test_a_folder_of_yours_in_the_place_of_a_new_file_is_kept(tmp_path: Path) -> None:
    mine = project(tmp_path / "mine", {})
    (mine / "MLproject").mkdir()
    changes = plan(mine, project(tmp_path / "new", {"MLproject": "theirs"}))
    assert Change("MLproject", "kept", "a folder of yours is in its place") in changes


@pytest.mark.parametrize(
    ("path", "kind"), [("mlops/a.py", "added"), ("pipelines/train.yml", "kept")]
)
def test_a_deleted_file(tmp_path: Path, path: str, kind: str) -> None:
    mine = project(tmp_path / "mine", {path: "1"})
    (mine / path).unlink()
    changes = plan(mine, project(tmp_path / "new", {path: "2"}))
    assert kind in [change.kind for change in changes if change.path == path]


@pytest.mark.parametrize(("now", "kind"), [("1", "removed"), ("mine", "kept")])
def test_a_file_that_the_template_no_longer_has(tmp_path: Path, now: str, kind: str) -> None:
    changes = decided(tmp_path, {"mlops/old.py": "1"}, {}, **{"mlops/old.py": now})
    assert [(change.path, change.kind) for change in changes] == [("mlops/old.py", kind)]


def test_a_file_that_both_have_given_up_is_no_change(tmp_path: Path) -> None:
    mine = project(tmp_path / "mine", {"mlops/old.py": "1"})
    (mine / "mlops/old.py").unlink()
    changes = plan(mine, project(tmp_path / "new", {}))
    assert [change.path for change in changes] == [LIST]


def test_a_file_that_no_list_names_is_left_alone(tmp_path: Path) -> None:
    mine = project(tmp_path / "mine", {"model/data.py": "mine"}, own=("model/data.py",))
    new = project(tmp_path / "new", {"model/data.py": "theirs"}, own=("model/data.py",))
    assert plan(mine, new) == []


def test_the_lists_of_all_floors_count(tmp_path: Path) -> None:
    project(tmp_path, {"mlops/quality/a.py": "1"})
    (tmp_path / "mlops/training").mkdir()
    (tmp_path / "mlops/training/machinery.json").write_text('{"MLproject": "0"}')
    listed = {"mlops/quality/a.py", LIST, "MLproject", "mlops/training/machinery.json"}
    assert set(read_lists(tmp_path)) == listed


def test_a_project_without_lists_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no floor has a machinery\.json"):
        read_lists(tmp_path)


@pytest.mark.parametrize("text", ["", "[1]", "{"])
def test_a_broken_list_is_refused(tmp_path: Path, text: str) -> None:
    project(tmp_path, {})
    (tmp_path / LIST).write_text(text)
    with pytest.raises(UserError, match=r"machinery\.json: expected a JSON object"):
        read_lists(tmp_path)
