"""Where the loop plays and how it ends: a clone of its own, and nothing left behind whatever comes."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import yaml
from rich.console import Console

from mlops.deployment.desired.settings import read_sections
from mlops.operations.loop import ground as places
from mlops.operations.loop import play, processes, settings, warden
from mlops.operations.loop.acts import Script
from mlops.operations.loop.ground import Ground, Person
from mlops.operations.loop.opening import options_of
from mlops.operations.loop.processes import Command
from mlops.operations.loop.rows import Shift
from mlops.operations.loop.stage import ActFailed, Stage, fail
from mlops.operations.tests.collected_cases import make_project
from mlops.quality.errors import UserError
from mlops.quality.project import load_project

ADA = Person("Ada Lovelace", "ada@example.org")
PROJECT = {"name": "Made up", "slug": "made-up", "owner": "o"}
SETTINGS = {"gate": {"rules": {}}, "approval": {"required": True, "approvers": ["*"]}}


def git(root: Path, *words: str) -> None:
    who = {f"GIT_{r}_{k}": "t" for r in ("AUTHOR", "COMMITTER") for k in ("NAME", "EMAIL")}
    subprocess.run(["git", *words], cwd=root, check=True, env={**os.environ, **who})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project in Git, with data that Git does not keep."""
    root = tmp_path / "project"
    made = make_project(root, 20)
    named = {**PROJECT, "data": "data/data.yml", "contract": "model/contract.yml"}
    (root / "project.yml").write_text(yaml.safe_dump(named))
    contract = Path(__file__).parents[3] / "model" / "contract.yml"
    (root / "model").mkdir(exist_ok=True)
    shutil.copy(contract, root / "model" / "contract.yml")
    for name in ("dev", "stage", "prod"):
        (root / "environments" / name).mkdir(parents=True)
        (root / "environments" / name / "settings.yml").write_text(yaml.safe_dump(SETTINGS))
    (root / "environments" / "prod" / "model.yml").write_text("version: '7'\n")
    (root / ".gitignore").write_text("/.mlops/\n/data/data.csv\n")
    assert made.asset.path == "data.csv"
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "--all")
    git(root, "commit", "-q", "-m", "Start")
    return root


def head(root: Path) -> str:
    words = ["git", "rev-parse", "HEAD"]
    return subprocess.run(words, cwd=root, check=True, capture_output=True, text=True).stdout


def test_the_ground_is_a_clone_with_the_data_and_without_what_no_commit_holds(root: Path) -> None:
    (root / "later.txt").write_text("not committed")
    found = places.prepare(root, ADA)
    assert found.uncommitted == 1
    assert not (found.project / "later.txt").exists()
    assert (found.project / "data" / "data.csv").is_file()
    before = head(root)
    settings.change(found.project)
    assert head(root) == before
    assert head(found.project) != before
    assert warden.clear(found.folder) == ()
    assert not (root / ".mlops" / "loop").exists()


def test_a_project_without_a_commit_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    make_project(tmp_path / "bare", 20)
    with pytest.raises(UserError, match="the loop plays in a clone: git init, and commit, first"):
        places.prepare(tmp_path / "bare", ADA)
    git(tmp_path / "bare", "init", "-q")
    with pytest.raises(UserError, match="commit, first"):
        places.prepare(tmp_path / "bare", ADA)
    git(tmp_path / "bare", "add", "data")
    git(tmp_path / "bare", "commit", "-q", "-m", "Data alone")
    with pytest.raises(UserError, match=r"project\.yml: no commit holds it"):
        places.prepare(tmp_path / "bare", ADA)
    assert places.folders(tmp_path / "bare") == []


def test_the_settings_of_the_loop_are_valid_and_leave_the_rest(root: Path) -> None:
    found = places.prepare(root, ADA)
    settings.change(found.project)
    prod = read_sections(found.project / "environments" / "prod" / "settings.yml")
    assert prod.approval.required
    assert prod.serving.collect_seconds == 1.0
    assert [each.share for each in prod.rollout.live] == [0.1, 0.5, 1.0]
    # the play's registry knows none of the models that the project serves
    assert not (found.project / "environments" / "prod" / "model.yml").exists()
    assert (root / "environments" / "prod" / "model.yml").exists()
    assert len(settings.told()) == sum(len(each) for each in settings.CHANGES.values())
    warden.clear(found.folder)


def test_a_change_goes_into_its_section_and_none_takes_one_out() -> None:
    values = {"a": {"x": 1, "y": 2}, "events": {"targets": []}, "b": 3}
    changed = settings.merged(values, {"a": {"y": 5}, "events": None, "c": [1]})
    assert changed == {"a": {"x": 1, "y": 5}, "b": 3, "c": [1]}
    assert values["a"] == {"x": 1, "y": 2}


def test_commands_use_no_other_server_and_commit_as_whom_they_are_told() -> None:
    given = {
        "MLFLOW_TRACKING_URI": "http://elsewhere",
        "GIT_DIR": "/elsewhere/.git",
        "PYTHONPATH": "/elsewhere",
        "HOME": "/home/ada",
    }
    made = places.environment(ADA, given)
    assert not {"MLFLOW_TRACKING_URI", "GIT_DIR", "PYTHONPATH"} & set(made)
    assert made["HOME"] == "/home/ada"
    assert made["GIT_AUTHOR_NAME"] == "Ada Lovelace"
    assert made["GIT_COMMITTER_EMAIL"] == "ada@example.org"
    assert places.unset(given) == ("MLFLOW_TRACKING_URI",)


@pytest.mark.parametrize("wrong", [["--share", "0"], ["--share", "1.5"], ["--rate", "0"]])
def test_numbers_that_cannot_be_meant_are_refused(wrong: list[str]) -> None:
    with pytest.raises(UserError, match="expected 0 to 1"):
        options_of(wrong)
    assert options_of([]).share == 0.3


@pytest.mark.parametrize("text", ["Ada", "<ada@example.org>", "Ada <ada>", "Ada <a@b", "A\n <a@b>"])
def test_an_approver_without_name_or_address_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"expected 'Name <name@example\.org>'"):
        places.person(text)
    assert places.person(" Ada Lovelace <ada@example.org> ") == ADA


def command(folder: Path, code: str, *words: str) -> Command:
    return Command([sys.executable, "-c", code, *words], folder, os.environ, folder / "log.txt")


def gone(pids: list[int]) -> bool:
    alive = [pid for pid in pids if psutil.pid_exists(pid)]
    return all(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE for pid in alive)


SLEEP = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
FORK = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SLEEP!r}])"


def test_a_command_tells_its_lines_and_its_code(tmp_path: Path) -> None:
    heard: list[str] = []
    code = "import sys; print('one'); print('two', file=sys.stderr); sys.exit(3)"
    assert processes.run(command(tmp_path, code), 30, heard.append) == 3
    assert sorted(heard) == ["one", "two"]
    assert "one" in (tmp_path / "log.txt").read_text()


@pytest.mark.parametrize("code", [SLEEP, FORK])
def test_a_command_that_takes_too_long_is_ended_with_its_children(
    tmp_path: Path, code: str
) -> None:
    heard: list[str] = []
    began = time.monotonic()
    assert processes.run(command(tmp_path, code), 3.0, heard.append) is None
    assert time.monotonic() - began < 15
    assert gone([int(each) for each in heard])


def test_an_interruption_ends_the_command(tmp_path: Path) -> None:
    heard: list[int] = []

    def interrupt(line: str) -> None:
        heard.append(int(line))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        processes.run(command(tmp_path, FORK), 60, interrupt)
    assert heard
    assert gone(heard)


def test_a_sweep_ends_what_works_in_the_folder_and_nothing_else(tmp_path: Path) -> None:
    mine, other = tmp_path / "run-1", tmp_path / "run-12"
    for each in (mine, other):
        each.mkdir()
    stubborn = "import signal; signal.signal(15, signal.SIG_IGN); " + SLEEP
    inside = processes.start(command(mine, SLEEP))
    # it works elsewhere, names a path of the folder, and does not heed a request
    naming = processes.start(command(other, stubborn, f"{mine}/project"))
    outside = processes.start(command(other, SLEEP))
    try:
        for folder, number in ((mine, 1), (other, 2)):
            _until(lambda f=folder, n=number: _lines(f) >= n)  # type: ignore[misc]
        assert processes.sweep(mine, patience=1.0) == ()
        assert gone([inside.pid, naming.pid])
        assert outside.poll() is None
    finally:
        for started in (inside, naming, outside):
            processes.stop(started, 0.5)


def _lines(folder: Path) -> int:
    return len((folder / "log.txt").read_text().splitlines())


def _until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_what_a_killed_loop_left_is_known_and_what_is_kept_or_runs_is_not(root: Path) -> None:
    parent = places.place(root)
    for name in ("run-dead", "run-kept", "run-live"):
        (parent / name).mkdir(parents=True)
        (parent / name / places.OWNER).write_text("999999999\n")
    (parent / "run-kept" / places.KEPT).touch()
    code = "import time; time.sleep(60)"
    living = subprocess.Popen([sys.executable, "-c", code, "mlops.operations.loop.play"])
    try:
        (parent / "run-live" / places.OWNER).write_text(f"{living.pid}\n")
        assert [each.name for each in places.abandoned(root)] == ["run-dead"]
    finally:
        living.kill()
        living.wait()


HOLD = """
import subprocess, sys, time
from pathlib import Path
from mlops.operations.loop import warden
folder = Path(sys.argv[1])
warden.post(folder, Path.cwd())
sleeping = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], cwd=folder)
print(sleeping.pid, flush=True)
time.sleep(60)
"""


def test_where_the_play_is_killed_the_warden_clears_up(tmp_path: Path) -> None:
    folder = tmp_path / "loop" / "run-1"
    folder.mkdir(parents=True)
    words = [sys.executable, "-c", HOLD, str(folder)]
    here = Path(__file__).parents[3]
    holder = subprocess.Popen(words, cwd=here, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    pid = int(holder.stdout.readline())
    holder.kill()
    holder.wait()
    holder.stdout.close()
    _until(lambda: not folder.exists())
    assert gone([pid])
    assert not folder.parent.exists()


def test_a_warden_that_is_dismissed_leaves_what_is_kept(tmp_path: Path) -> None:
    for keep in (True, False):
        folder = tmp_path / "loop" / "run-1"
        folder.mkdir(parents=True, exist_ok=True)
        started = warden.post(folder, Path(__file__).parents[3])
        warden.dismiss(started, keep=keep)
        assert started.returncode == 0
        assert folder.exists() == keep


@pytest.fixture
def playing(root: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Stage, io.StringIO, Console]:
    monkeypatch.setattr(play, "ROOT", root)
    ground: Ground = places.prepare(root, ADA)
    text = io.StringIO()
    project = load_project(ground.project)
    made = Stage(ground, project, ADA, ADA, {}, lambda _: None, Shift("a", 1.0, 0.5), 10, 50)
    return made, text, Console(file=text, width=160)


GOOD = Script("good", "It goes well", lambda _: "as expected")
BAD = Script("bad", "It goes wrong", lambda _: fail("it was not refused"))


def test_a_play_in_which_all_goes_well_ends_with_0_and_a_page(
    playing: tuple[Stage, io.StringIO, Console], root: Path
) -> None:
    stage, text, out = playing
    assert play.play(stage, out, (GOOD, GOOD)) == 0
    assert "ok     It goes well" in text.getvalue()
    assert "It goes well" in (root / ".mlops/loop/loop.html").read_text()


def test_an_act_that_fails_ends_the_play_with_1_and_says_which(
    playing: tuple[Stage, io.StringIO, Console], root: Path
) -> None:
    stage, text, out = playing
    assert play.play(stage, out, (GOOD, BAD, GOOD)) == 1
    said = text.getvalue()
    assert "the loop failed in act 2 of 3: It goes wrong: it was not refused" in said
    assert said.count("ok     It goes well") == 1
    assert "it was not refused" in (root / ".mlops/loop/loop.html").read_text()
    (stage.ground.logs / "02-bad.log").write_text("more words")
    play._clear(stage.ground, out, keep=False, failed=True)
    assert (root / ".mlops/loop/failed/02-bad.log").read_text() == "more words"
    assert places.folders(root) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ActFailed("no"), OSError("full")])
def test_whatever_ends_a_play_its_ground_is_cleared(
    root: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def stage(ground: Ground, *_: object) -> Stage:
        started.append(processes.start(command(ground.project, SLEEP)))
        raise error

    started: list[subprocess.Popen[bytes]] = []
    monkeypatch.setattr(play, "ROOT", root)
    monkeypatch.setattr(play, "stage_of", stage)
    out, options = Console(file=io.StringIO()), options_of(["--keep"])
    if isinstance(error, KeyboardInterrupt):
        assert play._played(ADA, ADA, options, out) == 130
    else:
        with pytest.raises(type(error)):
            play._played(ADA, ADA, options, out)
    assert gone([each.pid for each in started])
    assert places.folders(root) == []
    for each in started:
        each.wait()


def test_a_kept_play_stays_until_it_is_ended(
    playing: tuple[Stage, io.StringIO, Console], root: Path
) -> None:
    stage, text, out = playing
    play._clear(stage.ground, out, keep=True, failed=False)
    assert stage.ground.project.is_dir()
    assert "nox -s loop -- --end" in text.getvalue()
    assert places.abandoned(root) == []
    assert play.end(root, out) == 0
    assert places.folders(root) == []
