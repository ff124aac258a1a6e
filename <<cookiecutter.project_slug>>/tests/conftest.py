"""What the tests share: the project, its contract, and its data as the contract types it."""

from __future__ import annotations

import pandas as pd
import pytest

from mlops.quality.assets import fetch
from mlops.quality.checks import load_checked
from mlops.quality.contract import Contract
from mlops.quality.project import Project, load_project


@pytest.fixture(scope="session")
def project() -> Project:
    return load_project()


@pytest.fixture(scope="session")
def contract(project: Project) -> Contract:
    return project.contract


@pytest.fixture(scope="session")
def table(project: Project) -> pd.DataFrame:
    return load_checked(fetch(project.asset, project.state / "data"), project.contract)
