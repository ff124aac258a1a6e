"""A project with environments, a registry and packages of its own, without training anything."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml
from mlflow import MlflowClient
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from mlops.deployment import reconcile as reconciling
from mlops.deployment.desired.environment import ENVIRONMENTS, Environment, environment
from mlops.deployment.desired.model_file import DesiredModel, write_model_file
from mlops.deployment.desired.settings import Sections
from mlops.deployment.packaging import store
from mlops.deployment.packaging.candidate import PACKAGE_TAG, Lineage, write_lineage
from mlops.deployment.packaging.compilation import compile_model
from mlops.deployment.packaging.package import ONNX, seal
from mlops.deployment.packaging.reference import reference
from mlops.deployment.reconcile import Outcome, reconcile
from mlops.deployment.serving import endpoint
from mlops.deployment.tests.small import CONTRACT, INPUTS, model, rows
from mlops.quality.assets import Asset, Tags
from mlops.quality.project import Project, Settings
from mlops.training.registry import Registry
from mlops.training.release import GATE_TAG, PASSED

SLUG = "small"
QUICK: dict[str, Any] = {
    "serving": {"collect_seconds": 0.2},
    "rollout": {
        "mirror": {"share": 0.5, "requests": 20, "seconds": 5},
        "live": [
            {"share": 0.5, "requests": 20, "seconds": 5},
            {"share": 1.0, "requests": 20, "seconds": 5},
        ],
        "replay_after": 0.2,
        "guards": {"agreement": 0.6, "distribution": 0.6, "latency_ms": 1000},
    },
}


def contract_values() -> dict[str, object]:
    """The small contract as its file says it."""
    values: dict[str, object] = {
        "name": CONTRACT.name,
        "description": CONTRACT.description,
        "task": CONTRACT.task,
        "target": CONTRACT.target,
        "columns": {},
    }
    columns: dict[str, object] = {}
    for name, column in CONTRACT.columns.items():
        about: dict[str, object] = {"type": column.type, "description": column.description}
        if column.range:
            about["range"] = list(column.range)
        if column.categories:
            about["categories"] = list(column.categories)
        columns[name] = about | ({"missing": True} if column.missing else {})
    return values | {"columns": columns}


def make_package(folder: Path, fitted: Pipeline, author: str = "Ada") -> str:
    """A sealed package of a fitted model below `folder`, named by its digest, which is returned."""
    draft = folder / "draft"
    draft.mkdir(parents=True)
    (draft / ONNX).write_bytes(compile_model(fitted, CONTRACT))
    (draft / "contract.yml").write_text(yaml.safe_dump(contract_values()))
    inputs = rows(200, 5)[INPUTS]
    answers = fitted.predict_proba(inputs)[:, 1]
    (draft / "reference.json").write_text(json.dumps(reference(inputs, answers, CONTRACT)))
    facts = {name: name for name in Lineage.__annotations__}
    facts |= {"name": SLUG, "author": author}
    write_lineage(
        Lineage(**{**facts, "parameters": {}, "seed": 1, "dirty": False}),  # type: ignore[arg-type]
        draft,
    )
    digest = seal(draft, SLUG)
    draft.rename(folder / digest)
    return digest


def fitted_model(number: int, *, opposite: bool = False) -> Pipeline:
    """A fitted model, another one for each number; `opposite` answers the other way round."""
    estimator = (
        LogisticRegression(C=1.0 / (1 + number % 7))
        if number % 2
        else RandomForestClassifier(n_estimators=5, max_depth=4, random_state=number)
    )
    fitted = model(estimator, seed=100 + number)
    if opposite:
        table = rows(300, number)
        fitted.fit(table[INPUTS], 1 - table["answer"])
    return fitted


def valid_row(number: int = 0) -> dict[str, object]:
    """A row that keeps the contract, ready for JSON."""
    table = rows(20, 3)[INPUTS].dropna()
    found: dict[str, object] = json.loads(table.to_json(orient="records"))[number]
    return found


@dataclass
class Place:
    """A project in a folder, with its registry."""

    project: Project
    client: MlflowClient
    said: list[str] = field(default_factory=list)

    @property
    def root(self) -> Path:
        return self.project.root

    def environment(self, name: str = "prod") -> Environment:
        return environment(self.project, name)

    def settings(self, name: str, **sections: object) -> None:
        (self.root / "environments" / name / "settings.yml").write_text(yaml.safe_dump(sections))

    def register(
        self, fitted: Pipeline, gate: str | None = PASSED, author: str = "Ada"
    ) -> DesiredModel:
        """Register a version with its package, as `qualify` leaves it."""
        experiment = self.client.get_experiment_by_name(SLUG)
        assert experiment is not None
        run = self.client.create_run(experiment.experiment_id).info.run_id
        folder = self.root.parent / "made" / run
        digest = make_package(folder, fitted, author)
        self.client.log_artifacts(run, str(folder / digest), f"packages/{digest}")
        tags = {PACKAGE_TAG: digest, **({GATE_TAG: gate} if gate else {})}
        version = self.client.create_model_version(SLUG, f"runs:/{run}/model", run, tags=tags)
        return DesiredModel(SLUG, str(version.version), digest, run, "commit")

    def want(self, desired: DesiredModel, name: str = "prod") -> None:
        """Say in Git what shall be served."""
        write_model_file(self.root / "environments" / name, desired)
        self.commit(f"Serve {desired}")

    def commit(self, message: str, author: str = "Ada") -> None:
        for words in (
            ["add", "--all"],
            [
                "commit",
                "--quiet",
                "--allow-empty",
                "-m",
                message,
                f"--author={author} <{author.lower()}@example.org>",
            ],
        ):
            subprocess.run(["git", *words], cwd=self.root, check=True)

    def reconcile(self, name: str = "prod", *, retry: bool = False) -> Outcome:
        return reconcile(self.project, name, self.said.append, retry)

    def down(self) -> None:
        for name in ENVIRONMENTS:
            endpoint.stop(Environment(name, self.root, Sections()))


def make_project(root: Path) -> Project:
    """A project with settings that need no approval, and golden rows to replay, in Git."""
    root = root.resolve()
    for name in ENVIRONMENTS:
        (root / "environments" / name).mkdir(parents=True)
        text = yaml.safe_dump(QUICK if name != "dev" else {})
        (root / "environments" / name / "settings.yml").write_text(text)
    (root / "tests" / "model").mkdir(parents=True)
    rows(40, 9).to_csv(root / "tests" / "model" / "golden.csv", index=False)
    (root / ".gitignore").write_text(".mlops/\n")
    for words in (
        ["init", "--quiet", "-b", "main"],
        ["config", "user.name", "Ada"],
        ["config", "user.email", "ada@example.org"],
        ["add", "--all"],
        ["commit", "--quiet", "-m", "Begin"],
    ):
        subprocess.run(["git", *words], cwd=root, check=True)
    asset = Asset("data", "1", "data.csv", Tags("0" * 64, "made up"), root / "data.yml")
    return Project(root, Settings(SLUG, SLUG, "me", "data.yml", "contract.yml"), CONTRACT, asset)


def use_registry(client: MlflowClient, patch: Callable[[ModuleType, str, object], None]) -> None:
    """Have reconcile ask this registry."""

    @contextmanager
    def found(project: Project) -> Iterator[Registry]:
        yield Registry(client, SLUG, "here")

    patch(reconciling, "registry", found)
    patch(store, "registry", found)


def make_client(folder: Path) -> MlflowClient:
    """A client of a new store, whose making takes seconds."""
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    client.create_experiment(SLUG, artifact_location=(folder / "artifacts").as_uri())
    client.create_registered_model(SLUG)
    return client
