"""What a training leaves in the tracking server, and what an interrupted one does not."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Dataset

from mlops.training import record
from mlops.training.record import (
    CANDIDATE,
    Training,
    aliased,
    find_version,
    register,
    versions,
)
from mlops.training.search import Leaderboard, Trial


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> MlflowClient:
    store = f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"
    return MlflowClient(tracking_uri=store, registry_uri=store)


@pytest.fixture
def experiment(client: MlflowClient, tmp_path: Path) -> str:
    return str(client.create_experiment(tmp_path.name, artifact_location=str(tmp_path / "runs")))


@pytest.fixture
def training(tmp_path: Path) -> Training:
    files = tmp_path / "files"
    (files / "model").mkdir(parents=True)
    (files / "model" / "MLmodel").write_text("flavors: {}\n")
    (files / "report.html").write_text("<p>")
    trials = (
        Trial("line", {"C": 0.1}, 0.9, 0.01, 1.5, 1000.0),
        Trial("tree", {"depth": 2}, float("nan"), float("nan"), 0.5, 1002.0),
    )
    return Training(
        identity=f"identity of {tmp_path.name}",
        name="line accuracy 0.9",
        card="# Model card",
        started=1000.0,
        tags={"mlops.commit": "abc", "mlflow.user": "ada"},
        parameters={"C": "0.1"},
        metrics={"accuracy": 0.9},
        dataset=Dataset("toy:1", "ab12", "data asset", "{}"),
        board=Leaderboard("accuracy", "maximize", 10, 2.0, trials),
        files=files,
    )


def test_a_training_becomes_a_run_with_its_trials_and_a_candidate(
    client: MlflowClient, experiment: str, training: Training, tmp_path: Path
) -> None:
    name = tmp_path.name
    answer = register(client, experiment, name, training)
    assert answer.new
    run = client.get_run(answer.run_id)
    assert run.info.status == "FINISHED"
    assert run.info.start_time == 1_000_000
    assert run.data.params == {"C": "0.1"}
    assert run.data.metrics == {"accuracy": 0.9}
    assert run.data.tags["mlops.commit"] == "abc"
    assert run.data.tags["mlflow.note.content"] == "# Model card"
    assert run.inputs is not None
    assert run.inputs.dataset_inputs[0].dataset.name == "toy:1"
    files = {file.path for file in client.list_artifacts(answer.run_id)}
    assert files == {"model", "report.html"}
    nested = client.search_runs(
        [experiment], f"tags.`mlflow.parentRunId` = '{answer.run_id}'", order_by=["start_time"]
    )
    assert [run.data.params["algorithm"] for run in nested] == ["line", "tree"]
    assert nested[0].info.end_time - nested[0].info.start_time == 1500
    assert "cv_accuracy" not in nested[1].data.metrics
    candidate = aliased(client, name, CANDIDATE)
    assert candidate is not None
    assert (str(candidate.version), candidate.run_id) == (answer.version, answer.run_id)
    assert candidate.tags["mlops.commit"] == "abc"
    assert candidate.description == "# Model card"


def test_the_same_outcome_is_registered_once(
    client: MlflowClient, experiment: str, training: Training, tmp_path: Path
) -> None:
    first = register(client, experiment, tmp_path.name, training)
    again = register(client, experiment, tmp_path.name, training)
    assert (again.version, again.run_id, again.new) == (first.version, first.run_id, False)
    assert len(versions(client, tmp_path.name)) == 1


def test_going_back_to_an_earlier_outcome_makes_it_the_candidate_again(
    client: MlflowClient, experiment: str, training: Training, tmp_path: Path
) -> None:
    name = tmp_path.name
    first = register(client, experiment, name, training)
    second = register(client, experiment, name, dataclasses.replace(training, identity="other"))
    assert [str(version.version) for version in versions(client, name)] == ["2", "1"]
    assert second.version == "2"
    register(client, experiment, name, training)
    candidate = aliased(client, name, CANDIDATE)
    assert candidate is not None
    assert str(candidate.version) == first.version


@pytest.mark.parametrize(
    "call",
    ["log_batch", "log_inputs", "log_artifacts", "create_run", "set_terminated"],
)
def test_a_training_that_dies_while_recording_registers_nothing_and_can_go_on(  # noqa: PLR0917
    call: str,
    client: MlflowClient,
    experiment: str,
    training: Training,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = tmp_path.name
    with monkeypatch.context() as patched:
        patched.setattr(client, call, _die)
        with pytest.raises(KeyboardInterrupt):
            register(client, experiment, name, training)
    assert versions(client, name) == []
    answer = register(client, experiment, name, training)
    assert find_version(client, name, training.identity) is not None
    unfinished = [
        run
        for run in client.search_runs([experiment], f"tags.`{record.IDENTITY}` != ''")
        if run.info.run_id != answer.run_id
    ]
    assert {run.info.status for run in unfinished} <= {"KILLED"}


def test_a_training_that_dies_before_its_version_is_not_recorded_twice(
    client: MlflowClient,
    experiment: str,
    training: Training,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(client, "create_model_version", _die)
        with pytest.raises(KeyboardInterrupt):
            register(client, experiment, tmp_path.name, training)
    register(client, experiment, tmp_path.name, training)
    whole = client.search_runs([experiment], f"tags.`{record.IDENTITY}` != ''")
    assert [run.info.status for run in whole] == ["FINISHED"]


def test_a_card_that_is_too_long_says_where_the_rest_is(
    client: MlflowClient, experiment: str, training: Training, tmp_path: Path
) -> None:
    long = dataclasses.replace(training, card="x" * 6000)
    answer = register(client, experiment, tmp_path.name, long)
    for text in (
        client.get_run(answer.run_id).data.tags["mlflow.note.content"],
        client.get_model_version(tmp_path.name, answer.version).description,
    ):
        assert text is not None
        assert len(text) == 5000
        assert text.endswith("`model_card.md`.)")


def test_no_version_stands_under_an_alias_that_is_not_set(
    client: MlflowClient, tmp_path: Path
) -> None:
    assert aliased(client, "nobody", "champion") is None
    assert versions(client, "nobody") == []


def _die(*_: object, **__: object) -> None:
    raise KeyboardInterrupt
