"""Steps in their processes: what they see, how they end, and what is left behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops.quality.errors import UserError
from mlops.training.pipeline import StepFailed
from mlops.training.pipeline import store as store_module
from mlops.training.tests.pipeline.conftest import Project

HERE = Path(__file__).resolve()
REPOSITORY = HERE.parents[4]
OUT = "import sys, pathlib\nout = pathlib.Path(sys.argv[-1])\n"


def failure(project: Project) -> StepFailed:
    with pytest.raises(StepFailed) as failed:
        project.results()
    return failed.value


def only(project: Project) -> str:
    return project.results()[0].outputs["out"].read_text(encoding="utf-8")


def test_a_failing_step_shows_its_end_and_where_its_log_is(project: Project) -> None:
    project.single("for n in range(50): print('line', n)\nraise SystemExit(3)\n")
    failed = failure(project)
    text = str(failed)
    assert text.startswith("step 'only' failed with exit code 3; the end of its output:\n")
    assert [f"line {n}" in text for n in (29, 30, 49)] == [False, True, True]
    assert text.endswith(f"whole log: {failed.log}")
    assert "line 0\n" in failed.log.read_text(encoding="utf-8")
    assert [event.kind for event in project.events][-1] == "failed"
    project.single(OUT + "out.write_text('now')\n")
    assert only(project) == "now"


def test_a_step_that_leaves_its_output_unwritten_fails(project: Project) -> None:
    project.single("print('busy')\n")
    assert "ended well but left nothing at its output 'out' (uri_file)" in str(failure(project))


def test_a_step_that_changes_its_input_fails_and_the_input_is_made_again(project: Project) -> None:
    project.edit("code/steps/scale.py", "import pathlib", "open('x')\nimport pathlib")
    project.edit(
        "code/steps/scale.py", "open('x')", "import sys; open(sys.argv[1], 'a').write('1')"
    )
    assert "its input 'rows' changed meanwhile" in str(failure(project))
    project.edit("code/steps/scale.py", "import sys; open(sys.argv[1], 'a').write('1')", "")
    assert project.ran() == ["clean", "scale", "total"]


def test_a_step_that_takes_too_long_is_ended(project: Project) -> None:
    project.single(
        "import time; print('wait', flush=True); time.sleep(60)\n", job="    limits: {timeout: 1}\n"
    )
    began = time.monotonic()
    text = str(failure(project))
    assert "it took longer than its limit of 1 s" in text
    assert "wait" in text
    assert time.monotonic() - began < 5


def test_a_step_ended_by_a_signal_says_so(project: Project) -> None:
    project.single("import os; os.kill(os.getpid(), 9)\n")
    assert "was ended by signal 9; it printed nothing; whole log: " in str(failure(project))


def test_a_hidden_import_fails_loudly_and_is_explained(project: Project) -> None:
    project.write("code/hidden.py", "")
    project.single("import importlib; importlib.import_module('hid' + 'den')\n")
    assert "('hidden' lies in " in str(failure(project))


def test_an_unknown_program_is_one_clear_line(project: Project) -> None:
    project.single("", "outputs: {out: {type: uri_file}}\ncommand: no-such-tool ${{outputs.out}}\n")
    with pytest.raises(UserError, match="command: cannot start 'no-such-tool': No such file"):
        project.results()


def test_a_step_sees_no_repository_and_no_tracking_server(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://localhost:1")
    show = OUT + (
        "import os, json\n"
        "names = ['PYTHONPATH', 'MLFLOW_TRACKING_URI', 'MLFLOW_RUN', 'PYTHONHASHSEED', 'MINE']\n"
        "out.write_text(json.dumps({n: os.environ.get(n) for n in names} | {'cwd': os.getcwd()}))\n"
    )
    project.single(show, job="    environment_variables: {MINE: here}\n")
    extra = {"MLFLOW_RUN": "7"}
    pure = json.loads(project.results(environment=extra)[0].outputs["out"].read_bytes())
    assert pure.pop("cwd").startswith(str(project.store.resolve()))
    assert pure == {
        "PYTHONPATH": None,
        "MLFLOW_TRACKING_URI": None,
        "MLFLOW_RUN": None,
        "PYTHONHASHSEED": "0",
        "MINE": "here",
    }
    project.edit("only.yml", "name: only", "name: only\nis_deterministic: false")
    effect = json.loads(project.results(environment=extra)[0].outputs["out"].read_bytes())
    assert effect["MLFLOW_TRACKING_URI"] == "http://localhost:1"
    assert effect["MLFLOW_RUN"] == "7"


def test_values_stay_one_word_and_optional_parts_come_and_go(project: Project) -> None:
    component = (
        "inputs:\n  text: {type: string, default: 'a b; $HOME'}\n"
        "  more: {type: number, optional: true}\n  flag: {type: boolean, default: true}\n"
        "outputs: {out: {type: uri_file}, dir: {type: mlflow_model}}\n"
        "command: python only.py $[[--more=${{inputs.more}}]] 'a | b' ${{ inputs.text }}"
        " ${{inputs.flag}} ${{outputs.dir}} ${{outputs.out}}\n"
    )
    project.single(
        OUT + "import json\nout.write_text(json.dumps(sys.argv[1:-2]))\n"
        "assert pathlib.Path(sys.argv[-2]).is_dir()\n",
        component,
    )
    assert json.loads(only(project)) == ["a | b", "a b; $HOME", "True"]
    project.single(
        OUT + "import json\nout.write_text(json.dumps(sys.argv[1:-2]))\n",
        component,
        "    inputs: {more: 2}\n",
    )
    assert json.loads(only(project)) == ["--more=2.0", "a | b", "a b; $HOME", "True"]


def test_a_process_that_outlives_its_step_does_not_hold_the_run(project: Project) -> None:
    project.single(
        OUT + "import subprocess\nout.write_text('x')\nprint('started', flush=True)\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(8)'])\n"
    )
    began = time.monotonic()
    assert project.ran() == ["only"]
    assert time.monotonic() - began < 6
    assert project.ran() == []


UNWRITABLE = {"a file where the store should be": "store", "a file above it": "store/below"}


@pytest.mark.parametrize("place", UNWRITABLE.values(), ids=UNWRITABLE)
def test_a_store_that_cannot_be_written_is_one_clear_line(project: Project, place: str) -> None:
    project.write("store", "a file")
    project.store_name = place
    with pytest.raises(UserError) as refusal:
        project.results()
    assert str(project.folder / "store") in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_full_disk_is_one_clear_line_and_keeps_what_was_done(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = store_module.keep

    def full(store: Path, folder: Path, *rest: object) -> object:
        if folder.name == "scale":
            raise OSError(28, "No space left on device", str(folder))
        return keep(store, folder, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr("mlops.training.pipeline.schedule.keep", full)
    with pytest.raises(UserError, match=r"scale: No space left on device$"):
        project.results()
    monkeypatch.undo()
    assert project.ran() == ["scale", "total"]


SLOW = OUT + (
    "import os, time\n"
    "pathlib.Path({mark!r}).write_text(str(os.getpid()))\n"
    "{more}time.sleep({seconds})\n"
    "out.write_text('done')\n"
)


@contextlib.contextmanager
def running(project: Project) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A run in its own process, at work in a step that waits; and the step's process."""
    mark = project.folder / "step.pid"
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "mlops.training.pipeline",
            str(project.pipeline),
            "--store",
            str(project.store),
        ],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process, int(awaited(mark))
    finally:
        process.kill()
        process.communicate()


def awaited(mark: Path) -> str:
    deadline = time.monotonic() + 10
    while not (mark.exists() and mark.read_text(encoding="utf-8")):
        assert time.monotonic() < deadline, "the step did not start"
        time.sleep(0.01)
    return mark.read_text(encoding="utf-8")


def slow(project: Project, seconds: float = 60, more: str = "") -> None:
    mark = str(project.folder / "step.pid")
    project.single(SLOW.format(mark=mark, seconds=seconds, more=more))


def is_alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    if stat.exists():
        return stat.read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] != "Z"
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return not Path("/proc").exists()
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminate"])
def test_a_stopped_run_ends_its_step_and_the_next_goes_on(project: Project, number: int) -> None:
    slow(project)
    with running(project) as (process, step):
        process.send_signal(number)
        _, errors = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert not is_alive(step)
    project.single(OUT + "out.write_text('done')\n")
    assert project.ran() == ["only"]


def test_a_step_that_ignores_the_request_is_ended_all_the_same(
    project: Project,
) -> None:
    slow(project, more="import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); ")
    with running(project) as (process, step):
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=4)
    assert not is_alive(step)


def test_after_a_killed_run_the_next_ends_its_step_and_goes_on(project: Project) -> None:
    slow(project)
    with running(project) as (process, step):
        process.kill()
        process.communicate(timeout=10)
        assert is_alive(step)
        (project.store / "running" / "left").mkdir()
        project.single(OUT + "out.write_text('done')\n")
        assert project.ran() == ["only"]
    assert not is_alive(step)
    assert list((project.store / "running").iterdir()) == []


def test_a_second_run_is_refused_at_once_and_names_the_first(project: Project) -> None:
    slow(project)
    with running(project) as (process, step):
        began = time.monotonic()
        with pytest.raises(UserError, match=f"another run is at work here .process {process.pid}."):
            project.results()
        assert time.monotonic() - began < 1
        assert is_alive(step)


def test_the_command_line_checks_runs_and_reports(project: Project) -> None:
    def call(*more: str) -> subprocess.CompletedProcess[str]:
        words = [
            sys.executable,
            "-m",
            "mlops.training.pipeline",
            str(project.pipeline),
            "--store",
            str(project.store),
            *more,
        ]
        return subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, check=False)

    assert "good: clean, scale, total" in call("--check").stdout
    assert not project.store.exists()
    assert "total: done" in call("--set", "factor=3").stdout
    assert call("--set", "factor=3").stdout.count("unchanged") == 3
    refused = call("--set", "factor")
    assert (refused.returncode, refused.stderr) == (2, "error: --set factor: expected NAME=VALUE\n")
    project.edit("code/steps/total.py", "import", "boom\nimport")
    failed = call()
    assert failed.returncode == 1
    assert failed.stderr.startswith("error: step 'total' failed with exit code 1")
    assert "NameError" in failed.stderr


def test_importing_the_runner_is_quick_and_light(project: Project) -> None:
    code = "import sys, mlops.training.pipeline as p; print([m for m in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    assert not {"pandas", "numpy", "mlflow", "rich"} & set(eval(found))  # noqa: S307
