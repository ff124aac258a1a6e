"""A generated project at Level 4: the whole loop is shown, and then lived through by hand.

Two models go to stage and prod, the first one comes back, and is monitored.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pyarrow.parquet as pq
import pytest

from tests.lived_in import Done, Life
from tests.template import copy_template, render


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """A committed project; what runs of it ends with the module."""
    template = copy_template(tmp_path_factory.mktemp("template") / "mlops-template")
    life = Life(render(template, tmp_path_factory.mktemp("life"), {"maturity_level": "4"}))
    for words in (
        ["init", "--quiet", "-b", "main"],
        ["config", "user.name", "Ada"],
        ["config", "user.email", "ada@example.org"],
    ):
        life.run("git", *words)
    life.commit("Generate")
    yield life
    life.nox("-s", "down")
    left = [p.pid for p in psutil.process_iter(["cmdline"]) if str(life.root) in str(p.info)]
    assert not left, "processes were left behind"


def status(life: Life) -> dict[str, dict[str, object]]:
    """`nox -s status -- --json`, by environment."""
    output = life.ok("-s", "status", "--", "--json").output
    found = json.loads(output[output.index("[\n") : output.rindex("]") + 1])
    return {each["environment"]: each for each in found}


def shares(life: Life, name: str) -> dict[str, float]:
    """The share of each version in an environment."""
    traffic = status(life)[name]["traffic"]
    assert isinstance(traffic, list)
    return {each["version"]: each["share"] for each in traffic}


def deployed(done: Done) -> str:
    """The address at which `nox -s deploy` says that prod serves."""
    assert done.code == 0, done.output
    found = re.search(r"prod serves \S+ version \d+ \(\w+\) at (\S+)", done.output)
    assert found, done.output
    return found[1]


def test_the_whole_loop_is_shown(life: Life) -> None:
    """Every act says by the records that it happened; the user's own project is as before."""
    before, running = head(life), processes(life)
    done = life.nox("-s", "loop", "--", "--approver", "Grace Hopper <grace@example.org>")
    assert done.code == 0, done.output
    assert "Grace Hopper" in done.output
    assert re.search(r"is refused: .*champion\.", done.output), done.output
    assert re.search(r"^failed +0$", done.output, re.MULTILINE), done.output
    assert "INJECTED" in done.output
    page = (life.root / ".mlops" / "loop" / "loop.html").read_text()
    assert "Grace Hopper" in page
    assert "<svg" in page
    assert (head(life), life.changed()) == (before, "")
    assert runs(life) == []
    assert processes(life) == running


def test_a_loop_that_is_interrupted_leaves_nothing(life: Life) -> None:
    running = processes(life)
    command = [sys.executable, "-m", "nox", "-s", "loop"]
    with subprocess.Popen(
        command,
        cwd=life.root,
        env=life.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as started:
        assert started.stdout is not None
        seen = ""
        while "The data are checked" not in seen:
            line = started.stdout.readline()
            assert line, seen
            seen += line
        time.sleep(3)  # into the training
        os.killpg(started.pid, signal.SIGINT)
        seen += started.stdout.read()
    assert started.returncode != 0, seen
    assert runs(life) == []
    assert processes(life) == running


def test_before_anything_is_registered(life: Life) -> None:
    life.ok("-s", "up")
    done = life.nox("-s", "deploy")
    assert done.code != 0
    assert "nothing is registered" in done.output
    assert status(life)["prod"]["desired"] is None
    assert "serves nothing" in life.ok("-s", "reconcile").output
    assert "nothing served in prod yet" in life.nox("-s", "history").output
    assert (
        "has no model: nox -s deploy"
        in life.nox("-s", "batch", "--", "--input", "data", "--output", "scores").output
    )


def test_train_and_deploy_in_one_call_wait_for_an_approval(life: Life) -> None:
    done = life.nox("-s", "train", "deploy")
    assert "exit code 3" in done.output
    assert "nox -s approve -- --reason '...'" in done.output
    assert "passed disease-progression version 1" in done.output
    assert "stage is now as Git says" in done.output
    assert shares(life, "stage") == {"1": 1.0}
    assert status(life)["prod"]["desired"] is None
    assert life.changed() == ""


def test_with_an_approval_it_goes_to_prod(life: Life) -> None:
    refused = life.nox("-s", "approve")
    assert refused.code != 0
    assert "say why" in refused.output
    life.ok("-s", "approve", "--", "--reason", "the first model, reviewed")
    done = life.ok("-s", "deploy")
    deployed(done)
    assert shares(life, "prod") == {"1": 1.0}
    assert status(life)["prod"]["approver"] == "Ada <ada@example.org>"
    (curl,) = [line for line in done.output.splitlines() if line.startswith("curl ")]
    answer = subprocess.run(["curl", "-s", *shlex.split(curl)[1:]], capture_output=True, check=True)
    assert len(json.loads(answer.stdout)["predictions"][0]) == 2
    life.ok("-s", "status", "--", "--check")
    level = life.nox("-s", "level").output
    assert "│ missing" not in level[level.index("Level 3") : level.index("Level 4")], level


def test_a_second_model_is_rolled_out_in_stages(life: Life) -> None:
    life.replace("model/estimator.py", "[0.01, 0.1, 1.0, 10.0]", "[0.8]")
    life.commit("Try another regularisation")
    assert "exit code 3" in life.nox("-s", "train", "deploy").output
    # who sits at a terminal is asked, and may say nothing
    asked = ("Ada, why may it?", "", "-s", "deploy")
    silent = life.on_a_terminal(*asked)
    assert "exit code 3" in silent.output
    done = life.on_a_terminal(asked[0], "hardly another model", *asked[2:])
    deployed(done)
    for told in ("20% copies of", "10% of", "50% of", "100% of", "replayed", "holds  agreement"):
        assert told in done.output, done.output
    assert shares(life, "prod") == {"2": 1.0, "1": 0.0}
    log = life.ok("-s", "history").output
    assert "approved by Ada <ada@example.org>" in log
    assert "data diabetes:1" in log


def test_a_rollback_brings_the_first_back_with_the_same_digest(life: Life) -> None:
    before = status(life)["prod"]["traffic"]
    assert isinstance(before, list)
    first = next(each["digest"] for each in before if each["version"] == "1")
    done = life.ok("-s", "rollback")
    assert "served here before" in done.output
    found = status(life)["prod"]
    assert found["differences"] == []
    assert found["desired"]["digest"] == first  # type: ignore[index]
    assert shares(life, "prod") == {"1": 1.0, "2": 0.0}
    url = str(found["url"])
    with urllib.request.urlopen(f"{url}/docs") as page:  # noqa: S310 - on this machine
        assert first[:12] in page.read().decode()
    assert life.changed() == ""


def sample(life: Life) -> Path:
    """The table of the data asset."""
    life.ok("-s", "data")
    return next((life.root / ".mlops" / "data").rglob("*.csv"), life.root / "data/diabetes.csv")


def test_a_table_is_scored_with_the_model_of_prod(life: Life) -> None:
    done = life.ok("-s", "batch", "--", "--input", str(sample(life)), "--output", ".mlops/scores")
    assert "442 of 442 rows scored" in done.output
    summary = json.loads((life.root / ".mlops" / "scores" / "_SUCCESS.json").read_text())
    assert summary["model_version"] == "1"


def asked(url: str, rows: list[dict[str, object]]) -> list[str]:
    """Ask a row at a time; returns the requests' ids."""
    ids = []
    for row in rows:
        body = json.dumps({"dataframe_records": [row]}).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{url}/invocations", body, headers)  # noqa: S310
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - on this machine
            ids.append(answer.headers["x-request-id"])
    return ids


def test_what_prod_answered_is_monitored(life: Life) -> None:
    table = pd.read_csv(sample(life))
    ratio = table["total_cholesterol"] / table["hdl"]
    sound = table["ldl"] + table["hdl"] <= table["total_cholesterol"]
    sound &= (table["cholesterol_ratio"] - ratio).abs() <= 1
    kept = table[sound].head(300)
    inputs = kept.drop(columns="progression")
    # people who are all older: injected drift
    drifted = inputs.assign(age=np.minimum(inputs["age"] + 40, 100))
    url = str(status(life)["prod"]["url"])
    ids = asked(url, json.loads(drifted.to_json(orient="records")))
    truth = life.root / "truth.csv"
    given = pd.DataFrame({"request_id": ids, "progression": kept["progression"].to_numpy()})
    given.to_csv(truth, index=False)
    assert "300 labels" in life.ok("-s", "labels", "--", "prod", str(truth)).output
    truth.unlink()
    wait_for_collection(life, len(ids))
    done = life.ok("-s", "monitor")
    assert "drift: found: age" in done.output, done.output
    assert "event data_drift: age" in done.output
    assert "policy " in done.output
    report = (life.root / ".mlops" / "monitoring" / "prod" / "report.html").read_text()
    assert "age" in report
    with urllib.request.urlopen(f"{url}/metrics") as page:  # noqa: S310 - on this machine
        metrics = page.read().decode()
    assert re.search(r'mlops_drift_drifted\{column="age",.*\} 1\.0', metrics), metrics
    again = life.nox("-s", "monitor", "--", "--check")
    assert again.code != 0
    assert "event data_drift" not in again.output
    life.ok("-s", "status", "--", "--html")
    assert "data_drift" in (life.root / ".mlops" / "events.jsonl").read_text()
    assert "<html" in (life.root / ".mlops" / "status.html").read_text()
    level = life.nox("-s", "level").output
    assert level[level.index("Level 4") :].count("│ missing") == 1, level  # nobody hears of events
    assert life.changed() == ""


def wait_for_collection(life: Life, rows: int) -> None:
    """Collected rows are tables some twelve seconds after they were answered."""
    folder = life.root / ".mlops" / "endpoints" / "prod" / "collected"
    end = time.monotonic() + 60
    while time.monotonic() < end:
        tables = [pq.read_table(path, columns=["role"]) for path in folder.rglob("*.parquet")]
        if sum(t["role"].to_pylist().count("live") for t in tables) >= rows:
            return
        time.sleep(0.5)
    raise AssertionError("what was answered is not collected")


def test_it_ends_and_comes_up_again_as_git_says(life: Life) -> None:
    down = life.ok("-s", "down").output
    assert "the endpoint of prod has ended" in down
    assert life.nox("-s", "status", "--", "--check").code != 0
    up = life.ok("-s", "up").output
    assert "prod is now as Git says: disease-progression version 1" in up
    life.ok("-s", "status", "--", "--check")


def test_a_retraining_is_decided_by_what_was_measured(life: Life) -> None:
    done = life.ok("-s", "retrain", "--", "--dry-run")
    assert re.search(r"^remedy \w+", done.output, re.MULTILINE), done.output
    assert life.changed() == ""


def head(life: Life) -> str:
    """The commit that is checked out."""
    return life.run("git", "rev-parse", "HEAD").output


def runs(life: Life) -> list[Path]:
    """The folders of loops that lie there."""
    return list((life.root / ".mlops" / "loop").glob("run-*"))


def processes(life: Life) -> set[int]:
    """The processes that have to do with the project."""
    every = psutil.process_iter(["cmdline"])
    return {process.pid for process in every if str(life.root) in str(process.info)}
