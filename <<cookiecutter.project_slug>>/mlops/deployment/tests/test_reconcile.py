"""Reconcile: an environment becomes what Git says, or goes on as it was and says why."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from mlops.deployment import audit_log, history, status
from mlops.deployment.approve import approve
from mlops.deployment.desired.environment import environment
from mlops.deployment.desired.model_file import read_model_file
from mlops.deployment.rollback import revert
from mlops.deployment.served import moment
from mlops.deployment.serving import endpoint
from mlops.deployment.serving.traffic import read_traffic, traffic_text
from mlops.deployment.tests.environments import (
    QUICK,
    SLUG,
    Place,
    fitted_model,
    make_client,
    make_project,
    use_registry,
    valid_row,
)
from mlops.quality.errors import UserError
from mlops.quality.tables import replace_text


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> MlflowClient:
    return make_client(tmp_path_factory.mktemp("store"))


@pytest.fixture
def place(client: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    use_registry(client, monkeypatch.setattr)
    found = Place(make_project(tmp_path / "project"), client)
    yield found
    found.down()


def answering(place: Place) -> set[str]:
    """The versions that answer ten requests."""
    found = endpoint.find(place.environment())
    assert found
    versions = set()
    for _ in range(10):
        told, _ = _ask(found)
        versions.add(told)
    return versions


def _ask(found: endpoint.Endpoint) -> tuple[str, object]:
    import http.client

    connection = http.client.HTTPConnection(found.host, found.running.port, timeout=10)
    body = json.dumps({"dataframe_records": [valid_row()]})
    connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    assert answer.status == 200, content
    return answer.headers["x-model-version"], json.loads(content)


def test_the_whole_life_of_an_environment(place: Place) -> None:
    assert place.reconcile().state == "nothing"
    one, two = place.register(fitted_model(1)), place.register(fitted_model(2))

    place.want(one)
    first = place.reconcile()
    assert first.state == "changed"
    assert answering(place) == {one.version}
    assert place.reconcile().state == "unchanged"

    place.want(two)
    place.said.clear()
    second = place.reconcile()
    assert second.state == "changed", second.reason
    assert second.url == first.url
    assert answering(place) == {two.version}
    assert any("replayed" in line for line in place.said)
    traffic = read_traffic(place.environment().folder)
    assert traffic is not None
    assert [(each.version, each.share) for each in traffic.deployments] == [
        (two.version, 1.0),
        (one.version, 0.0),
    ]
    assert place.reconcile().state == "unchanged"

    before = revert(place.project, place.environment(), "a test")
    assert before == one
    place.said.clear()
    assert place.reconcile().state == "changed"
    assert not any("stage" in line for line in place.said), "a rollback needs no rollout"
    assert answering(place) == {one.version}
    found = history.at(place.project.state, "prod", moment("2999-01-01"))
    assert found is not None
    assert [(each.digest, each.share) for each in found.deployments if each.share] == [
        (one.digest, 1.0)
    ]
    assert found.followed

    (place.environment().files / "model.yml").unlink()
    assert place.reconcile().state == "stopped"
    assert endpoint.find(place.environment()) is None


def test_a_plain_git_revert_does_the_same(place: Place) -> None:
    one, two = place.register(fitted_model(1)), place.register(fitted_model(3))
    for each in (one, two):
        place.want(each)
        assert place.reconcile().state == "changed"
    subprocess.run(["git", "revert", "--no-edit", "HEAD"], cwd=place.root, check=True)
    assert place.reconcile().state == "changed"
    assert answering(place) == {one.version}


def test_a_model_that_answers_otherwise_is_put_back(place: Place) -> None:
    one = place.register(fitted_model(1))
    worse = place.register(fitted_model(5, opposite=True))
    place.want(one)
    place.reconcile()
    place.want(worse)
    found = place.reconcile()
    assert found.state == "refused"
    assert "agreement" in found.reason
    assert answering(place) == {one.version}
    tags = place.client.get_model_version(SLUG, worse.version).tags
    assert "agreement" in tags["mlops.rollout_refused"]
    again = place.reconcile()
    assert again.state == "refused"
    assert "put back before" in again.reason
    assert any("put back" in line for line in status.look(place.project, "prod").differences)
    assert place.reconcile(retry=True).state == "refused"


def test_what_is_not_as_it_should_be_is_refused_and_the_old_goes_on(place: Place) -> None:
    one, two = place.register(fitted_model(1)), place.register(fitted_model(2))
    unjudged = place.register(fitted_model(4), gate=None)
    refused = place.register(fitted_model(6), gate="refused")
    place.want(one)
    place.reconcile()
    cases = {
        "has not passed the gate": (unjudged, refused),
        "in the registry, Git says": (dataclasses.replace(two, digest="0" * 64),),
        "there is no version 999": (dataclasses.replace(two, version="999"),),
    }
    for message, models in cases.items():
        for desired in models:
            place.want(desired)
            found = place.reconcile()
            assert found.state == "refused"
            assert message in found.reason
            assert f"version {one.version} goes on serving" in found.reason
    place.client.delete_model_version(SLUG, two.version)
    place.want(two)
    assert f"there is no version {two.version}" in place.reconcile().reason
    assert answering(place) == {one.version}
    place.want(one)
    assert place.reconcile().state == "unchanged"


def test_prod_needs_an_approval_of_exactly_that_digest(place: Place) -> None:
    settings = {**QUICK, "approval": {"required": True, "approvers": ["grace@example.org"]}}
    place.settings("prod", **settings)
    place.commit("Ask for approvals")
    one, two = place.register(fitted_model(1)), place.register(fitted_model(2))
    place.want(one)
    assert "nobody has approved it yet" in place.reconcile().reason
    with pytest.raises(UserError, match="not among the approvers"):
        approve(place.project, place.environment(), one, "I say so")
    subprocess.run(["git", "config", "user.name", "Grace"], cwd=place.root, check=True)
    subprocess.run(["git", "config", "user.email", "grace@example.org"], cwd=place.root, check=True)
    approve(place.project, place.environment(), one, "reviewed")
    assert place.reconcile().state == "changed"
    place.want(two)
    assert "the approval is of version" in place.reconcile().reason
    approve(place.project, place.environment(), two, "reviewed too")
    path = place.environment().files / "approval.yml"
    path.write_text(path.read_text().replace("reviewed too", "reviewed well"))
    place.commit("Edit the record", author="Grace")
    assert "was edited" in place.reconcile().reason
    approve(place.project, place.environment(), two, "once more")
    assert place.reconcile().state == "changed"
    entry = history.deployed(place.project.state, "prod", two.digest)
    assert entry is not None
    assert entry["approved_by"] == "Grace <grace@example.org>"
    assert entry["approval_reason"] == "once more"


def test_what_somebody_did_by_hand_is_seen_and_healed(place: Place) -> None:
    one, two = place.register(fitted_model(1)), place.register(fitted_model(2))
    for each in (one, two):
        place.want(each)
        place.reconcile()
    chosen = place.environment()
    traffic = read_traffic(chosen.folder)
    assert traffic is not None
    halves = tuple(dataclasses.replace(each, share=0.5) for each in traffic.deployments)
    by_hand = dataclasses.replace(traffic, revision=traffic.revision + 1, deployments=halves)
    replace_text(chosen.folder / "traffic.json", traffic_text(by_hand))
    assert any("gets 50%" in line for line in status.look(place.project, "prod").differences)
    assert place.reconcile().state == "changed"
    assert not status.look(place.project, "prod").differences
    causes = [each.cause for each in history.served(place.project.state, "prod")]
    assert "found: not as it was logged last" in causes

    model = chosen.packages / two.digest / "model.onnx"
    whole = model.read_bytes()
    model.write_bytes(whole[:-1])
    assert any("was changed" in line for line in status.look(place.project, "prod").differences)
    assert "was not whole, fetched anew" in str(place.reconcile().changes)
    assert model.read_bytes() == whole

    (chosen.folder / "traffic.json").write_text("{")
    assert place.reconcile().state == "changed"
    assert answering(place) == {two.version}

    running = endpoint.find(chosen)
    assert running
    os.kill(running.running.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while endpoint.find(chosen) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert status.look(place.project, "prod").health == "not running"
    assert "was not running: started" in str(place.reconcile().changes)
    assert answering(place) == {two.version}


def test_a_worker_that_dies_is_started_again(place: Place) -> None:
    place.want(place.register(fitted_model(1)))
    place.reconcile()
    running = endpoint.find(place.environment())
    assert running
    (worker,) = endpoint.workers(running)
    os.kill(worker, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while endpoint.workers(running) in ([worker], []) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert endpoint.workers(running) != [worker]
    assert place.reconcile().state == "unchanged"
    assert answering(place)


def test_settings_are_taken_over_without_a_restart(place: Place) -> None:
    place.want(place.register(fitted_model(1)))
    place.reconcile()
    before = endpoint.find(place.environment())
    assert before
    place.settings("prod", serving={"rows": 1, "workers": 2})
    assert any("settings.yml" in line for line in status.look(place.project, "prod").differences)
    assert place.reconcile().state == "changed"
    after = endpoint.find(place.environment())
    assert after == before
    assert len(endpoint.workers(before)) == 2
    for _ in range(6):
        code, told = endpoint.ask(
            before, "POST", "/invocations", {"dataframe_records": [valid_row(), valid_row(1)]}
        )
        assert code == 413, told


def test_an_address_for_others_needs_a_key(place: Place) -> None:
    place.want(place.register(fitted_model(1)))
    place.settings("prod", serving={"host": "0.0.0.0", "port": 1234})  # noqa: S104 - refused
    found = place.reconcile()
    assert found.state == "refused"
    assert "there is no key" in found.reason
    assert endpoint.find(place.environment()) is None


def test_mistakes_in_the_files_are_named(place: Place) -> None:
    files = place.environment().files
    (files / "model.yml").write_text("model: small\nversion: '1'\ndigset: x\n")
    with pytest.raises(UserError, match="did you mean 'digest'"):
        read_model_file(files)
    place.settings("prod", rollout={"live": [{"share": 0.5}]})
    with pytest.raises(UserError, match=r"the last of them 1\.0"):
        environment(place.project, "prod")
    place.settings("prod", serving={"prot": 1})
    with pytest.raises(UserError, match="did you mean 'port'"):
        environment(place.project, "prod")
    with pytest.raises(UserError, match="did you mean 'prod'"):
        environment(place.project, "prodd")


def test_two_reconciles_at_once_take_turns(place: Place) -> None:
    import threading

    place.want(place.register(fitted_model(1)))
    found = []
    threads = [threading.Thread(target=lambda: found.append(place.reconcile())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(each.state for each in found) == ["changed", "unchanged", "unchanged"]
    deployed = [e for e in audit_log.entries(place.project.state) if e["event"] == "deployed"]
    assert len(deployed) == 1
