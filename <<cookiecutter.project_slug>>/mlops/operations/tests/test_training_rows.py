"""The reference is what the package that served learnt from, or it says why it is not."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from mlflow import MlflowClient

from mlops.deployment.gate.decision import Decision, Verdict
from mlops.deployment.measuring.measure import Measure
from mlops.deployment.measuring.performance import performance
from mlops.deployment.packaging.candidate import read_lineage, write_lineage
from mlops.deployment.packaging.package import seal
from mlops.deployment.packaging.predictor import load_predict
from mlops.deployment.steps.decide import write_decision
from mlops.deployment.tests.registered import make_client, make_registry
from mlops.deployment.tests.small import INPUTS, rows
from mlops.operations.monitoring.gate_figures import FILE, measured_again, recorded
from mlops.operations.monitoring.training_rows import (
    Reference,
    cache_folder,
    evaluation_of,
    labels_of,
    reference_of,
)
from mlops.operations.tests.collected_cases import (
    PROBLEM,
    SEED,
    make_package,
    make_project,
    split,
)
from mlops.quality.errors import UserError
from mlops.quality.project import Project


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Path, str]:
    folder = tmp_path_factory.mktemp("made")
    project = make_project(folder / "project")
    return project, folder / "packages", make_package(folder / "packages", project=project)


@pytest.fixture
def place(made: tuple[Project, Path, str], tmp_path: Path) -> tuple[Project, Path, str]:
    """A copy of the project and its package."""
    project, packages, digest = made
    shutil.copytree(project.root, tmp_path / "project", ignore=shutil.ignore_patterns(".mlops"))
    shutil.copytree(packages, tmp_path / "packages")
    return dataclasses.replace(project, root=tmp_path / "project"), tmp_path / "packages", digest


def resealed(packages: Path, digest: str, **facts: object) -> str:
    """The package with another lineage."""
    folder = packages / "other"
    shutil.copytree(packages / digest, folder)
    (folder / "manifest.json").unlink()
    write_lineage(dataclasses.replace(read_lineage(folder), **facts), folder)  # type: ignore[arg-type]
    sealed = seal(folder, "small")
    folder.rename(packages / sealed)
    return sealed


def test_the_rows_that_the_package_learnt_from(place: tuple[Project, Path, str]) -> None:
    project, packages, digest = place
    found = reference_of(project, packages, digest, split)
    assert found.why == ""
    assert found.training is not None
    assert found.evaluation is not None
    whole = rows(400, 1)
    training, evaluation = split(whole, SEED)
    for part, wanted in ((found.training, training), (found.evaluation, evaluation)):
        assert (part.table["a"].to_numpy() == wanted["a"].to_numpy()).all()
        answers = load_predict(packages / digest)(wanted[INPUTS])
        assert (part.answers == answers).all()
    assert labels_of(found, PROBLEM) == (0, 1)
    assert found.lineage.seed == SEED


def test_a_second_call_reads_the_cache(place: tuple[Project, Path, str]) -> None:
    project, packages, digest = place
    first = reference_of(project, packages, digest, split)

    def no_split(table: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
        raise AssertionError("asked again")

    again = reference_of(project, packages, digest, no_split)
    assert first.training is not None
    assert again.training is not None
    assert again.training.table.equals(first.training.table)
    # data that is gone since does not matter, a cache that is not whole does
    shutil.rmtree(project.root / "data")
    assert reference_of(project, packages, digest, no_split).why == ""
    (cache_folder(project, digest) / "training.npy").unlink()
    assert "there is no data asset data:1" in reference_of(project, packages, digest, split).why


def test_the_same_rows_in_other_bytes_are_known_by_their_statistics(
    place: tuple[Project, Path, str],
) -> None:
    project, packages, digest = place
    other = resealed(packages, digest, training_digest="0" * 64)
    assert reference_of(project, packages, other, split).training is not None


def without_rows(found: Reference, said: str) -> None:
    assert found.training is None
    assert found.evaluation is None
    assert said in found.why
    assert found.statistics["rows"] == len(split(rows(400, 1), SEED)[0])
    assert labels_of(found, PROBLEM) == ()
    assert evaluation_of(found, PROBLEM) is None


def test_another_split_gives_no_rows_but_the_packages_statistics(
    place: tuple[Project, Path, str],
) -> None:
    project, packages, digest = place

    def other(table: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
        return split(table, seed + 1)

    without_rows(reference_of(project, packages, digest, other), "gives other rows than")
    assert not cache_folder(project, digest).exists()


def test_other_data_of_that_version_give_no_rows(place: tuple[Project, Path, str]) -> None:
    project, packages, digest = place
    path = project.root / "data" / "data.csv"
    path.write_text(path.read_text().replace("x", "y", 1))
    without_rows(reference_of(project, packages, digest, split), "changed, but data.yml still says")
    definition = project.root / "data" / "data.yml"
    values = yaml.safe_load(definition.read_text())
    values["tags"]["sha256"] = "0" * 64
    definition.write_text(yaml.safe_dump(values))
    without_rows(reference_of(project, packages, digest, split), "stands for other bytes")


def test_a_package_that_is_not_here_or_not_whole_is_refused(
    place: tuple[Project, Path, str],
) -> None:
    project, packages, digest = place
    with pytest.raises(UserError, match="not a package"):
        reference_of(project, packages, "0" * 64, split)
    (packages / digest / "reference.json").write_text("{}")
    with pytest.raises(UserError, match=r"reference\.json was changed"):
        reference_of(project, packages, digest, split)


def test_the_gates_figures_are_measured_again_and_cached(
    place: tuple[Project, Path, str],
) -> None:
    project, packages, digest = place
    found = reference_of(project, packages, digest, split)
    evaluated = evaluation_of(found, PROBLEM)
    assert evaluated is not None
    cache = cache_folder(project, digest)
    figures = measured_again(evaluated, cache)
    gate = {measure.name: measure for measure in performance(evaluated, "evaluation")}
    for name in ("evaluation.accuracy", "evaluation.error_rate"):
        assert figures[name] == gate[name]
    marked = json.loads((cache / FILE).read_text())
    marked["measures"] = marked["measures"][:1]
    (cache / FILE).write_text(json.dumps(marked))
    assert len(measured_again(evaluated, cache)) == 1
    (cache / FILE).write_text("half")
    assert measured_again(evaluated, cache) == figures
    assert np.isfinite(found.statistics["rows"])  # type: ignore[call-overload]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> MlflowClient:
    return make_client(tmp_path_factory.mktemp("store"))


def test_the_gates_figures_as_the_registry_keeps_them(client: MlflowClient, tmp_path: Path) -> None:
    registry = make_registry(client, tmp_path)
    experiment = client.get_experiment_by_name(registry.model)
    assert experiment is not None
    run = client.create_run(experiment.experiment_id).info.run_id
    assert recorded(registry, run, "ab" * 32) == {}
    verdicts = (
        Verdict("evaluation.accuracy", ">= 0.7", "pass", "", 0.8, 0.75, 0.85, 100),
        Verdict("champion.accuracy", ">= -0.05", "none", "no champion yet"),
    )
    (tmp_path / "decision").mkdir()
    path = tmp_path / "decision" / "decision.json"
    write_decision(Decision("ab" * 32, True, verdicts, {}), path)
    client.log_artifacts(run, str(path.parent), f"gate/{'ab' * 6}")
    accuracy = Measure("evaluation.accuracy", 0.8, 0.75, 0.85, 100)
    assert recorded(registry, run, "ab" * 32) == {"evaluation.accuracy": accuracy}
