"""The packages on this machine: each in a folder named by its digest, fetched from the registry once."""

from __future__ import annotations

from pathlib import Path

from mlops.deployment.desired.model_file import DesiredModel
from mlops.deployment.packaging.candidate import PACKAGE_TAG, fetch_package
from mlops.deployment.packaging.package import changes
from mlops.quality.errors import UserError
from mlops.quality.project import Project
from mlops.training.registry import pick, registry
from mlops.training.release import GATE_TAG, PASSED


def is_whole(folder: Path, digest: str) -> bool:
    """Whether a folder holds exactly the package of that digest."""
    try:
        return not changes(folder, digest)
    except UserError:
        return False


def fetch(project: Project, packages: Path, desired: DesiredModel) -> Path:
    """The folder with a desired package, from the registry where it is not here.

    Raises UserError where the registry does not have that version, has another package of it, or
    the gate has not let it pass.
    """
    with registry(project) as found:
        version = pick(found, desired.version)
        name = f"{found.model} version {desired.version}"
        sealed = version.tags.get(PACKAGE_TAG)
        if sealed != desired.digest:
            is_what = f"package {sealed[:12]}" if sealed else "not packaged"
            raise UserError(f"{name} is {is_what} in the registry, Git says {desired.digest[:12]}")
        if version.tags.get(GATE_TAG) != PASSED:
            raise UserError(f"{name} has not passed the gate: nox -s qualify")
        folder = fetch_package(found, version, packages)
    assert folder is not None  # noqa: S101 - it has the tag
    return folder
