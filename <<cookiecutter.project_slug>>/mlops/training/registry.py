"""Asking the model registry: the project's server, a version by number, what a version stands for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops.quality.errors import UserError
from mlops.quality.project import Project
from mlops.training import tracking
from mlops.training.record import versions

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion


@dataclass(frozen=True)
class Registry:
    """The registry of one project's model; `uri` is the tracking server's address."""

    client: MlflowClient
    model: str
    uri: str


@contextmanager
def registry(project: Project) -> Iterator[Registry]:
    """The project's registry; what MLflow raises inside becomes one line that names the server."""
    uri = tracking.tracking_uri(project.root)
    tracking.check_reachable(uri)
    with tracking.one_line_errors(uri):
        yield Registry(tracking.client(uri), project.settings.slug, uri)


def pick(found: Registry, number: str | None) -> ModelVersion:
    """The version of that number, or the newest; raises UserError where there is none."""
    known = versions(found.client, found.model)
    if not known:
        raise UserError(f"{found.model}: nothing is registered at {found.uri} yet; nox -s train")
    if number is None:
        return known[0]
    for version in known:
        if str(version.version) == number:
            return version
    there = ", ".join(str(version.version) for version in known)
    raise UserError(f"{found.model}: there is no version {number}; there are: {there}")
