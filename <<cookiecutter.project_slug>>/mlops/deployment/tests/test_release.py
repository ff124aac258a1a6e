"""Only what passed the gate, and is as it was packaged, becomes the champion."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from mlflow import MlflowClient

from mlops.deployment import audit_log, release
from mlops.deployment.tests.registered import add_version, make_client, make_registry
from mlops.quality.errors import UserError
from mlops.training import release as training_release
from mlops.training.record import CHAMPION, aliased
from mlops.training.registry import Registry


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> MlflowClient:
    return make_client(tmp_path_factory.mktemp("mlflow"))


@pytest.fixture
def found(client: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    found = make_registry(client, tmp_path)

    @contextmanager
    def registry(_: object) -> Iterator[Registry]:
        yield found

    project = SimpleNamespace(
        root=tmp_path, state=tmp_path / ".mlops", settings=SimpleNamespace(slug=found.model)
    )
    for module in (release, training_release):
        monkeypatch.setattr(module, "registry", registry)
        monkeypatch.setattr(module, "load_project", lambda _: project)
    return found


def champion(found: Registry) -> str | None:
    version = aliased(found.client, found.model, CHAMPION)
    return None if version is None else str(version.version)


def test_what_passed_becomes_the_champion_and_the_log_says_so(
    found: Registry, tmp_path: Path
) -> None:
    digest = add_version(found, tmp_path, "passed")
    assert release.main([]) == 0
    assert champion(found) == "1"
    (entry,) = audit_log.entries(tmp_path / ".mlops")
    assert (entry["event"], entry["version"], entry["package"]) == ("release", "1", digest)


@pytest.mark.parametrize(
    ("gate", "told"),
    [
        (None, "the gate has not judged it yet: nox -s qualify"),
        ("refused", "refused by the gate: golden.accuracy"),
    ],
)
def test_what_did_not_pass_stays_a_candidate(
    gate: str | None, told: str, found: Registry, tmp_path: Path
) -> None:
    add_version(found, tmp_path, "passed")
    release.main([])
    add_version(found, tmp_path, gate)
    with pytest.raises(UserError, match=told):
        release.main([])
    assert champion(found) == "1"
    assert len(list(audit_log.entries(tmp_path / ".mlops"))) == 1


def test_a_package_that_was_tampered_with_stays_a_candidate(
    found: Registry, tmp_path: Path
) -> None:
    digest = add_version(found, tmp_path, "passed")
    (model,) = (tmp_path / "artifacts").rglob(f"packages/{digest}/model.onnx")
    model.write_bytes(b"others")
    with pytest.raises(UserError, match=r"version 1: package .* model\.onnx was changed"):
        release.main([])
    assert champion(found) is None


def test_an_older_version_that_passed_can_be_named(found: Registry, tmp_path: Path) -> None:
    add_version(found, tmp_path, "passed")
    add_version(found, tmp_path, "refused")
    assert release.main(["--version", "1"]) == 0
    assert champion(found) == "1"
