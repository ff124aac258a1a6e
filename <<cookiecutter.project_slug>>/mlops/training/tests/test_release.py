"""A release: the candidate, or the version that somebody names, becomes the champion."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from mlflow import MlflowClient

from mlops.quality.errors import UserError
from mlops.training import release
from mlops.training.record import CANDIDATE, CHAMPION, aliased
from mlops.training.registry import Registry


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> MlflowClient:
    store = f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"
    return MlflowClient(tracking_uri=store, registry_uri=store)


@pytest.fixture
def found(client: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """A registry of two versions, the first of which is the candidate again."""
    found = Registry(client, tmp_path.name, "here")

    @contextmanager
    def registry(_: object) -> Iterator[Registry]:
        yield found

    monkeypatch.setattr(release, "registry", registry)
    monkeypatch.setattr(release, "load_project", lambda _: SimpleNamespace(root=tmp_path))
    client.create_registered_model(found.model)
    for _ in range(2):
        client.create_model_version(found.model, str(tmp_path))
    client.set_registered_model_alias(found.model, CANDIDATE, "1")
    return found


def champion(found: Registry) -> str:
    version = aliased(found.client, found.model, CHAMPION)
    assert version is not None
    assert version.tags["mlops.released_by"]
    assert version.tags["mlops.released_at"]
    return str(version.version)


def test_the_candidate_is_released_though_a_newer_version_is_there(
    found: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    assert release.main([]) == 0
    assert champion(found) == "1"
    assert "version 1 (before: none)" in capsys.readouterr().out


def test_a_version_that_is_named_is_released(
    found: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    release.main([])
    assert release.main(["--version", "2"]) == 0
    assert champion(found) == "2"
    assert "version 2 (before: version 1)" in capsys.readouterr().out


def test_the_newest_is_released_where_nothing_is_a_candidate(found: Registry) -> None:
    found.client.delete_registered_model_alias(found.model, CANDIDATE)
    release.main([])
    assert champion(found) == "2"


def test_a_version_that_is_not_there_is_refused_and_nothing_is_released(found: Registry) -> None:
    with pytest.raises(UserError, match="there is no version 9; there are: 2, 1"):
        release.main(["--version", "9"])
    assert aliased(found.client, found.model, CHAMPION) is None


def test_what_a_gate_refused_is_not_released(found: Registry) -> None:
    found.client.set_model_version_tag(found.model, "1", release.GATE_TAG, "refused")
    with pytest.raises(UserError, match="version 1: refused by the gate"):
        release.main([])
    assert aliased(found.client, found.model, CHAMPION) is None
    found.client.set_model_version_tag(found.model, "1", release.GATE_TAG, release.PASSED)
    assert release.main([]) == 0
