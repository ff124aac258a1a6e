"""The project's settings, read once: `project.yml`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlops.quality.assets import Asset, load_definition
from mlops.quality.contract import Contract, load_contract
from mlops.quality.errors import UserError
from mlops.quality.strict import parse, read_yaml

ROOT = Path(__file__).resolve().parents[2]
# The floors from the ground up; a project's level is the number of them that it has.
FLOORS = ("quality", "training", "deployment", "operations")


@dataclass(frozen=True)
class Settings:
    """`project.yml` as it is written."""

    name: str
    slug: str
    owner: str
    data: str
    contract: str


@dataclass(frozen=True)
class Project:
    """The settings with what they point to."""

    root: Path
    settings: Settings
    contract: Contract
    asset: Asset

    @property
    def state(self) -> Path:
        """The folder of everything local: caches, fetched data, the server's store."""
        return self.root / ".mlops"


def load_project(root: Path = ROOT) -> Project:
    """Read `project.yml` and the contract and data asset that it names; raises UserError."""
    settings = load_settings(root)
    for key, value in (("data", settings.data), ("contract", settings.contract)):
        if not (root / value).is_file():
            raise UserError(f"{root / 'project.yml'}: {key}: there is no file {value}")
    contract = load_contract(root / settings.contract)
    return Project(root, settings, contract, load_definition(root / settings.data))


def load_settings(root: Path = ROOT) -> Settings:
    """`project.yml` alone; raises UserError where it is wrong."""
    path = root / "project.yml"
    return parse(Settings, read_yaml(path), str(path))


def level(root: Path = ROOT) -> int:
    """The maturity level, 1 to 4: how many floors the machinery has."""
    return sum((root / "mlops" / floor).is_dir() for floor in FLOORS)
