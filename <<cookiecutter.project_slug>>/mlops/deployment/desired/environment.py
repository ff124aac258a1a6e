"""An environment: its files in Git, and where its endpoint keeps what it needs on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlops.deployment.desired.settings import Sections, read_sections
from mlops.quality.errors import UserError
from mlops.quality.project import Project
from mlops.quality.strict import did_you_mean

# In the order of promotion; the last is the one that users see.
ENVIRONMENTS = ("dev", "stage", "prod")
STAGE, PROD = "stage", "prod"


@dataclass(frozen=True)
class Environment:
    """One environment. `folder` holds its endpoint's state, `files` the desired state in Git."""

    name: str
    root: Path
    settings: Sections

    @property
    def files(self) -> Path:
        """The folder with `model.yml` and `settings.yml`."""
        return self.root / "environments" / self.name

    @property
    def folder(self) -> Path:
        """The endpoint's folder: traffic, keys, workers, log, what was collected."""
        return self.root / ".mlops" / "endpoints" / self.name

    @property
    def packages(self) -> Path:
        """The packages on this machine, each in a folder named by its digest."""
        return self.root / ".mlops" / "packages"


def environment(project: Project, name: str) -> Environment:
    """The environment of that name; raises UserError where there is none or its settings are wrong."""
    if name not in ENVIRONMENTS:
        raise UserError(f"there is no environment '{name}'; {did_you_mean(name, ENVIRONMENTS)}")
    root = project.root.resolve()
    path = root / "environments" / name / "settings.yml"
    return Environment(name, root, read_sections(path))
