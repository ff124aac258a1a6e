"""What goes wrong around a training: one clear line, nothing lost, nothing half registered."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

from tests.conftest import Generate
from tests.lived_in import Done, Life


@pytest.fixture
def life(generated: Generate, tmp_path: Path) -> Iterator[Life]:
    """A project of its own for each test; it uses the environment of the tests."""
    shutil.copytree(generated({}), tmp_path / "project")
    life = Life(tmp_path / "project")
    life.run("git", "init", "--quiet")
    life.commit("Generate")
    yield life
    python(life, "down")


def python(life: Life, *words: str, **variables: str) -> Done:
    return life.run(sys.executable, "-m", "mlops.training", *words, **variables)


def start(life: Life, *words: str, **variables: str) -> subprocess.Popen[str]:
    """Start a training in a group of its own, as a shell does."""
    return subprocess.Popen(
        [sys.executable, "-m", "mlops.training", "train", *words],
        cwd=life.root,
        env={**life.environment(), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def versions(life: Life) -> list[str]:
    done = python(life, "lineage", "--all", "--json")
    if "nothing is registered" in done.output:
        return []
    assert done.code == 0 or "no version" in done.output, done.output
    return [one["version"] for one in json.loads(done.output[done.output.index("[") :])]


def one_line(done: Done, *told: str) -> None:
    """The last line is the error, it tells all of `told`, and no traceback stands above."""
    last = done.output.strip().splitlines()[-1]
    assert last.startswith("error: "), done.output
    for text in told:
        assert text in last, done.output
    assert "Traceback" not in done.output, done.output


def steps_of(process: int) -> list[str]:
    """The command lines of the steps that a training, by its id, runs now."""
    found = []
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(process).children(recursive=True):
            with suppress(psutil.Error):
                found.append(" ".join(child.cmdline()))
    return [line for line in found if "mlops.training.steps." in line]


def wait_for_step(name: str, process: subprocess.Popen[str]) -> None:
    """Wait until a step of the training runs; its command line tells."""
    while not any(f"mlops.training.steps.{name}" in line for line in steps_of(process.pid)):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("59,2,32.1", "59,2,fat", "row 1, column bmi: type is number, found 'fat'"),
        ("59,2,32.1", "59,3,32.1", "row 1, column sex: one of 1, 2, found 3"),
        ("59,2,32.1", "590,2,32.1", "row 1, column age: range is 18 to 100, found 590"),
        ("59,2,32.1", ",2,32.1", "row 1, column age: value is not missing"),
        ("157.0,93.2", "57.0,93.2", "ratio_matches"),
        ("age,sex", "ago,sex", "column age: column is there"),
    ],
    ids=["text", "category", "range", "missing", "relation", "column"],
)
def test_bad_data_stops_the_training_at_its_first_step(
    old: str, new: str, told: str, life: Life
) -> None:
    life.run(sys.executable, "data/diabetes.py")
    life.replace("data/diabetes.csv", old, new)
    table = life.root / "data" / "diabetes.csv"
    asset = life.root / "data" / "diabetes.yml"
    before = asset.read_text().split("sha256: ")[1].split()[0]
    life.replace("data/diabetes.yml", before, hashlib.sha256(table.read_bytes()).hexdigest())
    life.replace("data/diabetes.yml", 'version: "1"', 'version: "2"')
    life.replace("pipelines/train.yml", "diabetes:1", "diabetes:2")
    done = python(life, "train")
    assert done.code == 1
    assert "error: step 'validate'" in done.output
    assert told in done.output
    assert "Traceback" not in done.output
    assert "prepare" not in done.steps()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("${{parent.jobs.validate.outputs.table}}", "${{parent.jobs.validat.outputs.table}}", "validat"),
        ("  seed: 20", "  seed: -1", "seed"),
        ("goal: maximize", "goal: most", "goal"),
        ("type: pipeline", "type: pipelin", "type"),
        ("jobs:\n", "jobs: []\nx:\n", "train.yml"),
        ("metric: roc_auc", "metric: [", "line"),
    ],
    ids=["node", "minimum", "enum", "type", "shape", "yaml"],
)  # fmt: skip
def test_a_bad_pipeline_is_refused_before_anything_runs(
    old: str, new: str, told: str, life: Life
) -> None:
    life.replace("pipelines/train.yml", old, new)
    done = python(life, "train")
    assert done.code == 2
    one_line(done, "train.yml", told)
    assert done.steps() == {}


def test_an_unknown_metric_stops_with_the_nearest(life: Life) -> None:
    done = python(life, "train", "--set", "metric=roc_acu", "--set", "trials=1")
    assert done.code == 1
    assert "did you mean 'roc_auc'" in done.output
    assert "Traceback" not in done.output


def test_an_absent_server_is_told_before_any_step_runs(life: Life) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    done = python(life, "train", MLFLOW_TRACKING_URI=f"http://127.0.0.1:{port}")
    assert done.code == 2
    one_line(done, f"MLFLOW_TRACKING_URI=http://127.0.0.1:{port}", "cannot be reached")
    assert done.steps() == {}


class Failing(BaseHTTPRequestHandler):
    """A tracking server that answers the first question and then breaks."""

    def do_GET(self) -> None:
        self._answer(200, b'{"experiments": []}')

    def do_POST(self) -> None:
        self._answer(500, b"the disk is full")

    def _answer(self, code: int, text: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Quietly."""


def test_a_server_that_breaks_costs_no_training(life: Life) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Failing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    uri = f"http://127.0.0.1:{server.server_port}"
    try:
        done = python(life, "train", MLFLOW_TRACKING_URI=uri, MLFLOW_HTTP_REQUEST_MAX_RETRIES="1")
    finally:
        server.shutdown()
        server.server_close()
    assert done.code == 1
    assert "error: step 'register'" in done.output
    assert "Traceback" not in done.output
    again = python(life, "train")
    assert again.code == 0, again.output
    assert again.ran() == {"register"}
    assert versions(life) == ["1"]


def test_a_state_that_cannot_be_written_is_one_line(life: Life) -> None:
    (life.root / ".mlops").write_text("in the way")
    done = python(life, "train")
    assert done.code == 2
    one_line(done, ".mlops")


def test_a_second_training_refuses_while_the_first_goes_on(life: Life) -> None:
    first = start(life)
    wait_for_step("train", first)
    second = python(life, "train")
    assert second.code == 2
    one_line(second, str(first.pid))
    output, _ = first.communicate(timeout=300)
    assert first.returncode == 0, output
    assert versions(life) == ["1"]


@pytest.mark.parametrize("step", ["train", "register"])
def test_a_killed_training_goes_on_and_registers_once(step: str, life: Life) -> None:
    first = start(life)
    wait_for_step(step, first)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    done = python(life, "train")
    assert done.code == 0, done.output
    assert done.steps()["validate"] == "cached"
    assert versions(life) == ["1"]


def test_ctrl_c_ends_the_step_and_leaves_a_state_to_go_on_from(life: Life) -> None:
    first = start(life)
    wait_for_step("train", first)
    running = psutil.Process(first.pid).children(recursive=True)
    running = [child for child in running if "mlops.training.steps" in " ".join(child.cmdline())]
    assert running
    os.kill(first.pid, signal.SIGINT)
    output, _ = first.communicate(timeout=60)
    assert first.returncode == 130
    assert output.strip().splitlines()[-1] == "stopped: the next call goes on from here"
    assert "Traceback" not in output
    assert not [step for step in running if step.is_running()]
    done = python(life, "train")
    assert done.code == 0, done.output
    assert done.steps()["prepare"] == "cached"
    assert versions(life) == ["1"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["release"], "nothing is registered"),
        (["reproduce"], "nothing is registered"),
        (["lineage"], "nothing is registered"),
        (["train", "--set", "sed=3"], "did you mean 'seed'"),
        (["train", "--set", "seed"], "expected NAME=VALUE"),
        (["train", "--set", "seed=many"], "seed"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_slip_of_the_hand_is_one_line(words: list[str], told: str, life: Life) -> None:
    done = python(life, *words)
    assert done.code == 2
    one_line(done, told)
