"""Under steady load, models are rolled out, killed on the way at every step, and rolled back.

No request fails, each is answered by a version that was meant to answer, and the log tells what
happened.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from mlops.deployment import audit_log, history
from mlops.deployment.desired.model_file import DesiredModel
from mlops.deployment.rollback import revert
from mlops.deployment.rollout import site
from mlops.deployment.serving import endpoint
from mlops.deployment.serving.traffic import read_traffic
from mlops.deployment.tests.environments import (
    QUICK,
    Place,
    fitted_model,
    make_client,
    make_project,
    use_registry,
    valid_row,
)
from mlops.quality.tables import replace_text
from mlops.training.detached import ROOT

ROLLBACKS = 5
# More steps than a rollout has: the last rollouts are not killed.
MOST_STEPS = 60


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("reliability")
    client = make_client(folder)
    with pytest.MonkeyPatch.context() as patch:
        use_registry(client, patch.setattr)
        found = Place(make_project(folder / "project"), client)
        rollout = {
            **QUICK["rollout"],
            "guards": {"agreement": 0.3, "distribution": 0.9, "latency_ms": 5000},
        }
        found.settings("prod", serving={"workers": 2}, rollout=rollout)
        found.commit("Two workers")
        yield found
        found.down()


@pytest.fixture
def asked(place: Place, tmp_path: Path) -> Iterator[Path]:
    """The file of a caller that asks while the test runs."""
    place.want(place.register(fitted_model(0)))
    assert place.reconcile().state == "changed"
    running = endpoint.find(place.environment())
    assert running
    file = tmp_path / "asked"
    bodies = json.dumps([{"dataframe_records": [valid_row(n)]} for n in range(15)])
    command = [sys.executable, "-m", "mlops.deployment.tests.steady_load"]
    caller = subprocess.Popen([*command, str(running.running.port), str(file), bodies], cwd=ROOT)
    yield file
    caller.terminate()
    caller.wait(20)


def killed_at(place: Place, step: int) -> bool:
    """Reconcile in a process that is killed after its step of that number; whether it was."""
    child = os.fork()
    if child:
        _, code = os.waitpid(child, 0)
        assert code == 0 or os.WTERMSIG(code) == signal.SIGKILL, f"reconcile ended with {code}"
        return code != 0
    done = 0

    def counting(real: Callable[..., object]) -> Callable[..., object]:
        def call(*words: object, **named: object) -> object:
            nonlocal done
            found = real(*words, **named)
            done += 1
            if done == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return found

        return call

    try:
        # what a reconcile leaves behind it leaves by these two
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(audit_log, "append", counting(audit_log.append))
            patch.setattr(site, "replace_text", counting(replace_text))
            place.reconcile()
    except BaseException:  # noqa: BLE001 - a child never returns into the test
        os._exit(1)
    os._exit(0)


def test_no_request_fails_while_models_come_and_go(place: Place, asked: Path) -> None:
    rollouts, killed, step = 0, 0, 0
    was_killed = True
    desired: list[DesiredModel] = []
    while was_killed or rollouts < 20:
        rollouts, step = rollouts + 1, step + 1
        assert step < MOST_STEPS
        one = place.register(fitted_model(rollouts))
        place.want(one)
        was_killed = killed_at(place, step)
        killed += was_killed
        found = place.reconcile()
        assert found.state in ("changed", "unchanged"), (step, found)
        traffic = read_traffic(place.environment().folder)
        assert traffic is not None
        assert traffic.rollout is None
        serving = traffic.serving()
        assert serving is not None
        assert (serving.digest, serving.share) == (one.digest, 1.0)
        desired.append(one)
    for _ in range(ROLLBACKS):
        expected = desired[-2]
        assert revert(place.project, place.environment(), "a test") == expected
        assert place.reconcile().state == "changed"
        desired.append(expected)
    assert killed >= 15
    _check_answers(place, asked)
    _check_log(place, desired)


def _check_answers(place: Place, asked: Path) -> None:
    lines = [line.split() for line in asked.read_text().splitlines()]
    assert len(lines) > 1000
    failed = [line for line in lines if line[2] != "200"]
    assert not failed, f"{len(failed)} of {len(lines)} requests failed: {failed[:5]}"
    past = history.served(place.project.state, "prod")
    begun = [datetime.fromisoformat(each.time).timestamp() for each in past]
    meant = [{d.version for d in each.deployments if d.share > 0} for each in past]
    # until when a worker may have followed an earlier revision: the log's times are in milliseconds
    followed = [
        datetime.fromisoformat(each.followed).timestamp() + 0.002 if each.followed else None
        for each in past
    ]
    for sent_text, answered_text, _, version in lines:
        sent, answered = float(sent_text), float(answered_text)
        allowed: set[str] = set()
        for number in reversed(range(len(past))):
            if begun[number] - 0.002 <= answered:
                allowed |= meant[number]
                done = followed[number]
                if done is not None and done < sent:
                    break
        assert version in allowed, (sent, version, allowed)


def _check_log(place: Place, desired: list[DesiredModel]) -> None:
    found = [
        str(entry["digest"])
        for entry in audit_log.entries(place.project.state)
        if entry["event"] == history.DEPLOYED
    ]
    wanted = [each.digest for each in desired]
    assert found[1:] == wanted, "the log does not tell each deployment once, in order"
