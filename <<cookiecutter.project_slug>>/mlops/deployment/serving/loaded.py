"""A package that a worker holds ready: its model, its contract's checks, and its counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mlops.deployment.packaging.package import opened
from mlops.deployment.serving.collection import Private, private
from mlops.deployment.serving.counts import Counts
from mlops.deployment.serving.example import example
from mlops.deployment.serving.model import FlavourModel, Model, load_model
from mlops.deployment.serving.protocols import Types
from mlops.deployment.serving.request_check import RequestCheck
from mlops.deployment.serving.table import Rows
from mlops.deployment.serving.traffic import Deployment
from mlops.quality.contract import Contract, load_contract
from mlops.quality.errors import UserError


@dataclass(frozen=True)
class Loaded:
    """A package under a deployment's name, ready to answer."""

    deployment: Deployment
    model: Model
    contract: Contract
    check: RequestCheck
    types: Types
    example: Rows
    private: Private
    counts: Counts = field(default_factory=Counts)

    @property
    def is_slow(self) -> bool:
        """Whether the model answers from another process, so that asking it must not block."""
        return isinstance(self.model, FlavourModel)


def load(folder: Path, packages: Path, deployment: Deployment) -> Loaded:
    """Load the package of a deployment from the store and test it on a row of its own.

    `folder` is the endpoint's, which has its secret for hashes.

    Raises UserError where its bytes are not those of its digest, and where it fails its self-test.
    """
    package = opened(packages / deployment.digest, deployment.digest)
    contract = load_contract(package / "contract.yml")
    types: Types = {name: contract.columns[name].type for name in contract.inputs}
    model = load_model(package)
    loaded = Loaded(
        deployment,
        model,
        contract,
        RequestCheck(contract),
        types,
        example(package, contract),
        private(contract, folder),
    )
    try:
        self_test(loaded)
    except Exception as error:
        model.close()
        raise UserError(f"package {deployment.digest[:12]} fails its self-test: {error}") from error
    return loaded


def self_test(loaded: Loaded) -> None:
    """Raise ValueError unless the model answers its example with finite numbers."""
    found = loaded.model.answer(loaded.example)
    if len(found.values) != 1 or not np.isfinite(found.values).all():
        raise ValueError(f"the model answers {found.values.tolist()}")
