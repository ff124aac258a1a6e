"""What is fetched from the registry is what was registered, or it is refused."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from mlflow import MlflowClient
from rich.console import Console

from mlops.deployment.packaging.candidate import fetch_candidate, fetch_package, read_lineage
from mlops.deployment.packaging.package import changes
from mlops.deployment.report.leaderboard import leaderboard
from mlops.deployment.tests.registered import MODEL, add_version, make_client, make_registry
from mlops.quality.errors import UserError
from mlops.training.registry import Registry, pick


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> MlflowClient:
    return make_client(tmp_path_factory.mktemp("mlflow"))


@pytest.fixture
def found(client: MlflowClient, tmp_path: Path) -> Registry:
    return make_registry(client, tmp_path)


def test_a_candidate_comes_with_its_lineage(found: Registry, tmp_path: Path) -> None:
    add_version(found, tmp_path, None)
    folder = fetch_candidate(found, pick(found, "1"), tmp_path / "store")
    assert (folder / "model" / "model.skops").read_bytes() == MODEL
    facts = read_lineage(folder)
    assert (facts.algorithm, facts.seed, facts.dirty, facts.data) == ("line", 3, False, "data")
    assert facts.commit == "unknown"


def test_a_model_that_is_not_the_registered_one_is_refused_and_not_kept(
    found: Registry, tmp_path: Path
) -> None:
    add_version(found, tmp_path, None)
    (model,) = (tmp_path / "artifacts").rglob("model/model.skops")
    model.write_bytes(b"others")
    with pytest.raises(UserError, match="version 1: the registry's model is not the one"):
        fetch_candidate(found, pick(found, "1"), tmp_path / "store")
    model.write_bytes(MODEL)
    assert fetch_candidate(found, pick(found, "1"), tmp_path / "store").is_dir()


def test_a_version_of_another_origin_says_what_it_lacks(found: Registry, tmp_path: Path) -> None:
    add_version(found, tmp_path, None)
    found.client.delete_model_version_tag(found.model, "1", "mlops.data_digest")
    with pytest.raises(UserError, match="does not tell its data_digest; train it again"):
        fetch_candidate(found, pick(found, "1"), tmp_path / "store")


def test_a_package_is_fetched_once_and_again_where_the_copy_was_changed(
    found: Registry, tmp_path: Path
) -> None:
    digest = add_version(found, tmp_path, "passed")
    folder = fetch_package(found, pick(found, "1"), tmp_path / "store")
    assert folder is not None
    assert changes(folder, digest) == ()
    (folder / "model.onnx").write_bytes(b"others")
    assert fetch_package(found, pick(found, "1"), tmp_path / "store") == folder
    assert changes(folder, digest) == ()
    assert [path.name for path in (tmp_path / "store").iterdir()] == [digest]


def test_a_package_that_was_tampered_with_is_refused_and_nothing_is_left(
    found: Registry, tmp_path: Path
) -> None:
    digest = add_version(found, tmp_path, "passed")
    (model,) = (tmp_path / "artifacts").rglob(f"packages/{digest}/model.onnx")
    model.write_bytes(b"others")
    with pytest.raises(UserError, match=r"not as it was sealed: model\.onnx was changed"):
        fetch_package(found, pick(found, "1"), tmp_path / "store")
    assert list((tmp_path / "store").iterdir()) == []


def test_a_version_without_a_package_has_none(found: Registry, tmp_path: Path) -> None:
    add_version(found, tmp_path, None)
    assert fetch_package(found, pick(found, "1"), tmp_path / "store") is None


def test_the_versions_stand_beside_each_other(found: Registry, tmp_path: Path) -> None:
    for gate in ("passed", "refused", None):
        add_version(found, tmp_path, gate)
    told = io.StringIO()
    Console(file=told, width=120).print(leaderboard(found.client, found.model))
    lines = [line for line in told.getvalue().split("\n") if "accuracy 0.7500" in line]
    words = [line.split("│")[-2].strip() for line in lines]
    assert words == ["not judged", "refused", "passed"]
    assert "3, candidate" in lines[0]
