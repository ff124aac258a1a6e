"""A registry in SQLite with versions that have packages, of the tests' own."""

from __future__ import annotations

import hashlib
from pathlib import Path

from mlflow import MlflowClient

from mlops.deployment.packaging.candidate import PACKAGE_TAG
from mlops.deployment.packaging.package import seal
from mlops.training.record import CANDIDATE
from mlops.training.registry import Registry
from mlops.training.release import GATE_TAG

MODEL = b"weights"


def make_client(folder: Path) -> MlflowClient:
    """A client of a new store, whose making takes seconds."""
    store = f"sqlite:///{folder / 'mlflow.db'}"
    return MlflowClient(tracking_uri=store, registry_uri=store)


def make_registry(client: MlflowClient, folder: Path) -> Registry:
    """The empty registry of a model named after `folder`, with its artefacts there."""
    client.create_experiment(folder.name, artifact_location=(folder / "artifacts").as_uri())
    client.create_registered_model(folder.name)
    return Registry(client, folder.name, "here")


def add_version(found: Registry, folder: Path, gate: str | None) -> str:
    """Register a version with a package, as `qualify` leaves it; returns the package's digest."""
    client = found.client
    experiment = client.get_experiment_by_name(found.model)
    assert experiment is not None
    run = client.create_run(experiment.experiment_id)
    for key, value in {"algorithm": "line", "metric": "accuracy", "goal": "maximize"}.items():
        client.log_param(run.info.run_id, key, value)
    client.log_param(run.info.run_id, "seed", "3")
    client.log_metric(run.info.run_id, "accuracy", 0.75)
    package = folder / f"package-{run.info.run_id}"
    package.mkdir()
    (package / "model.onnx").write_bytes(MODEL)
    digest = seal(package, found.model)
    client.log_artifacts(run.info.run_id, str(package), f"packages/{digest}")
    model = folder / f"model-{run.info.run_id}"
    model.mkdir()
    (model / "model.skops").write_bytes(MODEL)
    client.log_artifacts(run.info.run_id, str(model), "model")
    wanted = ("data", "data_digest", "training_digest", "contract_digest")
    tags = {f"mlops.{key}": key for key in wanted}
    tags |= {"mlops.model_digest": hashlib.sha256(MODEL).hexdigest(), "mlops.dirty": "false"}
    if gate is not None:
        tags |= {GATE_TAG: gate, PACKAGE_TAG: digest, "mlops.gate_refused": "golden.accuracy"}
    made = client.create_model_version(
        found.model, f"runs:/{run.info.run_id}/model", run.info.run_id, tags=tags
    )
    client.set_registered_model_alias(found.model, CANDIDATE, made.version)
    return digest
