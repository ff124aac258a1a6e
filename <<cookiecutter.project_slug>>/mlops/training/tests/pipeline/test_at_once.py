"""Steps that need nothing of each other run at the same time; whatever happens, all of them end."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping

import pytest

from mlops.quality.errors import UserError
from mlops.training.pipeline import Event, StepFailed
from mlops.training.pipeline.cpus import usable_cpus
from mlops.training.tests.pipeline.conftest import Project
from mlops.training.tests.pipeline.test_running import REPOSITORY, awaited, is_alive

BEGIN = """
import os, pathlib, subprocess, sys, time
MARKS = pathlib.Path({marks!r})

def mark(name, text="x"):
    part = MARKS / (name + ".part")
    part.write_text(text)
    part.replace(MARKS / name)

def wait(name, seconds=20):
    end = time.monotonic() + seconds
    while not (MARKS / name).exists():
        if time.monotonic() > end:
            raise SystemExit("no " + name)
        time.sleep(0.01)

"""
END = "\npathlib.Path(sys.argv[-1]).write_text('done')\n"
FOREVER = "time.sleep(60)"


def steps(project: Project, scripts: Mapping[str, str], **needs: str) -> None:
    """Make it a pipeline of these scripts; `needs` names the steps, by commas, that one takes."""
    (project.folder / "marks").mkdir(exist_ok=True)
    begin = BEGIN.format(marks=str(project.folder / "marks"))
    lines = ["type: pipeline", "jobs:"]
    for name, script in scripts.items():
        upstream = [one for one in needs.get(name, "").split(",") if one]
        project.write(f"code/{name}.py", begin + script + END)
        ports = ", ".join(f"{one}: {{type: uri_file}}" for one in upstream)
        words = " ".join(f"${{{{inputs.{one}}}}}" for one in upstream)
        project.write(
            f"{name}.yml",
            f"type: command\nname: {name}\nenvironment: azureml:any:1\ncode: code\n"
            f"inputs: {{{ports}}}\noutputs: {{out: {{type: uri_file}}}}\n"
            f"command: python {name}.py {words} ${{{{outputs.out}}}}\n",
        )
        taken = ", ".join(f'{one}: "${{{{parent.jobs.{one}.outputs.out}}}}"' for one in upstream)
        lines += [f"  {name}:", f"    component: ./{name}.yml", f"    inputs: {{{taken}}}"]
    project.write("pipeline.yml", "\n".join(lines) + "\n")


def told(project: Project, *kinds: str) -> list[str]:
    return [f"{event.step} {event.kind}" for event in project.events if event.kind in kinds]


MEETING = {
    "left": "mark('left'); wait('right', SECONDS)",
    "right": "mark('right'); wait('left', SECONDS)",
}


def meeting(seconds: float) -> dict[str, str]:
    """Two steps that each wait for the other."""
    return {name: text.replace("SECONDS", str(seconds)) for name, text in MEETING.items()}


def test_steps_that_need_nothing_of_each_other_overlap(project: Project) -> None:
    steps(project, {**meeting(20), "joined": ""}, joined="left,right")
    results = project.results(jobs=2)
    assert [(one.name, one.status) for one in results] == [
        ("left", "ran"),
        ("right", "ran"),
        ("joined", "ran"),
    ]


def test_with_one_at_a_time_they_do_not(project: Project) -> None:
    steps(project, meeting(0.3))
    with pytest.raises(StepFailed, match="no right"):
        project.results(jobs=1)
    assert told(project, "started", "finished", "failed") == ["left started", "left failed"]
    assert not (project.folder / "marks" / "right").exists()


def test_one_at_a_time_is_the_order_of_the_file(project: Project) -> None:
    steps(project, {"c": "", "a": "", "d": "", "b": ""}, a="c", b="d")
    project.results(jobs=1)
    assert told(project, "started", "finished") == [
        f"{name} {kind}" for name in "cadb" for kind in ("started", "finished")
    ]


def test_no_more_run_at_once_than_allowed(project: Project) -> None:
    steps(project, dict.fromkeys("abcde", ""))
    project.results(jobs=2)
    at_work, most = 0, 0
    for event in project.events:
        at_work += {"started": 1, "finished": -1}.get(event.kind, 0)
        most = max(most, at_work)
    assert most == 2


def test_a_step_waits_for_all_that_it_takes(project: Project) -> None:
    scripts = {
        "left": "wait('right-done')",
        "right": "mark('right-done')",
        "joined": "assert all(pathlib.Path(p).read_text() == 'done' for p in sys.argv[1:3])",
    }
    steps(project, scripts, joined="left,right")
    project.results(jobs=3)
    order = told(project, "started", "finished")
    assert sorted(order[:4]) == ["left finished", "left started", "right finished", "right started"]
    assert order[4:] == ["joined started", "joined finished"]


def test_a_step_does_not_wait_for_what_it_does_not_take(project: Project) -> None:
    scripts = {"slow": "wait('next')", "quick": "", "next": "mark('next')"}
    steps(project, scripts, next="quick")
    results = project.results(jobs=2)
    order = told(project, "started", "finished")
    assert order.index("next started") < order.index("slow finished")
    assert [one.name for one in results] == ["slow", "quick", "next"], "not in the file's order"


def test_the_events_of_a_step_come_in_order_and_in_the_callers_thread(project: Project) -> None:
    talk = "\nfor n in range(200): print(n, flush=True)\n"
    steps(project, {name: text + talk for name, text in meeting(20).items()})
    threads = set()
    project.results(jobs=2, on_event=lambda _: threads.add(threading.current_thread()))
    assert threads == {threading.current_thread()}
    for name in MEETING:
        mine = [event for event in project.events if event.step == name]
        assert [event.kind for event in mine] == ["started", *["output"] * 200, "finished"]
        assert [event.text for event in mine[1:-1]] == [str(n) for n in range(200)]


HOLDS = (
    "worker = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
    "mark('{name}.pid', f'{{os.getpid()}} {{worker.pid}}')\n"
)


def test_a_failing_step_ends_the_others_and_keeps_what_was_done(project: Project) -> None:
    scripts = {
        "first": "",
        "left": HOLDS.format(name="left") + FOREVER,
        "right": "wait('left.pid'); print('no more'); raise SystemExit(3)",
        "last": "",
    }
    steps(project, scripts, left="first", right="first")
    with pytest.raises(StepFailed, match="'right' failed with exit code 3") as failed:
        project.results(jobs=2)
    assert "no more" in str(failed.value)
    assert failed.value.log.read_text(encoding="utf-8") == "no more\n"
    assert told(project, "failed", "ended") == ["right failed", "left ended"]
    pids = [int(pid) for pid in (project.folder / "marks/left.pid").read_text().split()]
    assert len(pids) == 2
    assert_gone(pids)
    assert list((project.store / "running").iterdir()) == []
    steps(project, {**scripts, "left": "", "right": ""}, left="first", right="first")
    again = project.results(jobs=2)
    assert again[0].status == "cached"
    assert [one.status for one in again[1:3]] == ["ran", "ran"]


def test_after_a_failure_no_step_is_started(project: Project) -> None:
    steps(project, {"left": "raise SystemExit(1)", "right": FOREVER, "last": "mark('last')"})
    with pytest.raises(StepFailed, match="'left' failed"):
        project.results(jobs=2)
    assert told(project, "started") == ["left started", "right started"]
    assert not (project.folder / "marks" / "last").exists()


def test_what_ends_well_in_the_moment_of_a_failure_is_kept(project: Project) -> None:
    steps(
        project,
        {
            "left": "wait('right.pid')\npid = int((MARKS / 'right.pid').read_text())\n"
            "while os.path.exists(f'/proc/{pid}'): time.sleep(0.01)\n",
            "right": "print('now', flush=True); mark('right.pid', str(os.getpid())); sys.exit(1)",
        },
    )
    others = set(threading.enumerate())

    def until_both_have_ended(event: Event) -> None:
        if event.kind == "output":
            for thread in set(threading.enumerate()) - others:
                thread.join(20)

    with pytest.raises(StepFailed, match="'right' failed"):
        project.results(jobs=2, on_event=until_both_have_ended)
    assert "left finished" in told(project, "finished")
    project.events.clear()
    with pytest.raises(StepFailed, match="'right' failed"):
        project.results(jobs=2)
    assert "left cached" in told(project, "cached")


def test_two_steps_that_make_the_same_run_once(project: Project) -> None:
    steps(project, {"one": ""})
    text = project.pipeline.read_text(encoding="utf-8")
    project.write("pipeline.yml", text + "  two:\n    component: ./one.yml\n")
    for force in (False, True):
        results = project.results(jobs=2, force=force)
        assert [one.status for one in results] == ["ran", "cached"]
        assert results[0].outputs == results[1].outputs


def test_what_one_step_waits_for_before_it_starts_holds_up_no_other(project: Project) -> None:
    steps(project, {"left": "mark('left')", "right": "wait('left', 0)", "after": ""}, after="left")
    may_start = threading.Event()
    asked = []

    def before(step: str) -> None:
        asked.append(step)
        if step == "right":
            assert may_start.wait(20)

    def show(event: Event) -> None:
        if (event.step, event.kind) == ("after", "finished"):
            may_start.set()

    project.results(jobs=2, before=before, on_event=show)
    assert sorted(asked) == ["after", "left", "right"]
    project.results(jobs=2, before=before)
    assert sorted(asked) == ["after", "left", "right"], "asked for a step that does not run"


def test_a_step_that_still_waits_when_another_fails_never_starts(project: Project) -> None:
    steps(project, {"left": "sys.exit(1)", "right": "mark('right')"})
    released = threading.Event()
    waiting: list[threading.Thread] = []

    def before(step: str) -> None:
        if step == "right":
            waiting.append(threading.current_thread())
            released.wait(20)

    try:
        with pytest.raises(StepFailed, match="'left' failed"):
            project.results(jobs=2, before=before)
    finally:
        released.set()
    for thread in waiting:
        thread.join(20)
        assert not thread.is_alive()
    assert not (project.folder / "marks" / "right").exists()
    assert list((project.store / "running").iterdir()) == []


def test_what_goes_wrong_before_a_step_ends_the_others(project: Project) -> None:
    steps(project, {"left": HOLDS.format(name="left") + FOREVER, "right": ""})
    mark = project.folder / "marks/left.pid"

    def before(step: str) -> None:
        if step == "right":
            awaited(mark)
            raise UserError("no server")

    with pytest.raises(UserError, match="no server"):
        project.results(jobs=2, before=before)
    assert_gone([int(pid) for pid in mark.read_text().split()])


def assert_gone(pids: list[int]) -> None:
    """Who was killed is gone once its parent, or init, has taken notice."""
    deadline = time.monotonic() + 5
    while any(is_alive(pid) for pid in pids):
        assert time.monotonic() < deadline, f"still there: {[p for p in pids if is_alive(p)]}"
        time.sleep(0.01)


@contextlib.contextmanager
def two_at_work(
    project: Project, more: str = ""
) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A run in its own process, in the midst of two steps with a worker each; and their pids."""
    scripts = {name: more + HOLDS.format(name=name) + FOREVER for name in ("left", "right")}
    steps(project, scripts)
    module = [sys.executable, "-m", "mlops.training.pipeline", str(project.pipeline)]
    process = subprocess.Popen(
        [*module, "--store", str(project.store), "--jobs", "2"],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        marks = [project.folder / "marks" / f"{name}.pid" for name in scripts]
        yield process, [int(pid) for mark in marks for pid in awaited(mark).split()]
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminate"])
def test_a_stopped_run_ends_all_its_steps(project: Project, number: int) -> None:
    with two_at_work(project) as (process, pids):
        process.send_signal(number)
        _, errors = process.communicate(timeout=10)
    assert process.returncode == 130
    assert errors == "stopped: the next call goes on from here\n"
    assert_gone(pids)
    assert list((project.store / "running").iterdir()) == []


def test_steps_that_ignore_the_request_are_all_ended_at_the_second(project: Project) -> None:
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    with two_at_work(project, deaf) as (process, pids):
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=4)
    assert_gone(pids)
    assert list((project.store / "running").iterdir()) == []


def test_after_a_killed_run_the_next_ends_all_its_steps(project: Project) -> None:
    with two_at_work(project) as (process, pids):
        process.kill()
        process.communicate(timeout=10)
        assert all(is_alive(pid) for pid in pids)
        steps(project, {"left": "", "right": ""})
        assert project.ran() == ["left", "right"]
    assert_gone(pids)


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5"])
def test_a_number_of_steps_that_is_none_is_refused(project: Project, text: str) -> None:
    words = [sys.executable, "-m", "mlops.training.pipeline", str(project.pipeline)]
    done = subprocess.run(
        [*words, f"--jobs={text}"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    reason = f"argument --jobs: expected a whole number of at least 1, not '{text}'"
    assert reason in done.stderr


def test_by_default_there_is_a_step_for_each_processor(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert usable_cpus() >= 1
    steps(project, dict.fromkeys("abc", ""))
    for count in (1, 3):
        monkeypatch.setattr("mlops.training.pipeline.run.usable_cpus", lambda count=count: count)
        project.events.clear()
        project.results(force=True)
        kinds = [event.kind for event in project.events]
        assert kinds.index("finished") == count, kinds
