"""The life of a generated project: it is checked, it trains, it changes, it proves what it did."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lived_in import Life
from tests.template import copy_template, render

STEPS = {"validate", "prepare", "train", "evaluate", "explain", "register"}
# It asks the registry each time, and is never taken from the cache.
ALWAYS = {"register"}


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """A project at the highest level, committed; its server ends with the module."""
    template = copy_template(tmp_path_factory.mktemp("template") / "mlops-template")
    life = Life(render(template, tmp_path_factory.mktemp("life"), {}))
    life.run("git", "init", "--quiet")
    life.commit("Generate")
    yield life
    life.nox("-s", "down")


@pytest.fixture
def trained(life: Life) -> Iterator[Life]:
    """The project after a training of what is committed; a test's changes are undone."""
    life.ok("-s", "train")
    yield life
    life.run("git", "checkout", "--quiet", ".")
    life.run("git", "clean", "-fdq")
    (life.root / "data" / "diabetes.csv").unlink(missing_ok=True)


def test_it_is_green_the_minute_it_is_generated(life: Life) -> None:
    done = life.ok()
    assert "installing requirements/training.lock" in done.output
    for session in ("lint", "types", "tests", "data"):
        assert f"Session {session} was successful" in done.output
    assert life.changed() == ""


def test_its_machinery_passes_its_own_tests(life: Life) -> None:
    life.ok("-s", "machinery")
    assert life.changed() == ""


def test_formatting_it_changes_nothing(life: Life) -> None:
    life.ok("-s", "format")
    assert life.changed() == ""


def test_a_second_call_installs_nothing(life: Life) -> None:
    life.ok("-s", "data")
    marker = life.root / ".venv" / ".made-from"
    made = marker.stat().st_mtime_ns
    assert "installing" not in life.ok("-s", "data").output
    assert marker.stat().st_mtime_ns == made


def test_a_training_ends_with_a_leaderboard_and_a_link(life: Life) -> None:
    done = life.ok("-s", "train", "--", "--force")
    assert done.ran() == STEPS
    for told in ("Leaderboard, best of 12 trials", "roc_auc", "candidate v1", "/#/experiments/"):
        assert told in done.output


def test_a_second_training_runs_nothing_that_did_not_change(trained: Life) -> None:
    done = trained.ok("-s", "train")
    assert done.ran() == ALWAYS
    assert set(done.steps()) == STEPS
    assert "unchanged, registered before" in done.output


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        (
            "model/data.py",
            '"""What is predicted',
            '"""What is foretold',
            {"prepare", "train", "evaluate", "explain"},
        ),
        ("model/estimator.py", '"line__C": [0.01,', '"line__C": [0.02,', {"train"}),
        ("model/features.py", '"""From the', '"""Out of the', {"train"}),
        ("model/metrics.py", '"""How good', '"""How bad', {"train", "evaluate", "explain"}),
        ("mlops/training/plots.py", "#1f2933", "#1f2934", {"evaluate", "explain"}),
        ("mlops/training/pages.py", "# Model card:", "# The model card:", set()),
        ("mlops/quality/data_check.py", '"""`nox -s data`', '"""As `nox -s data`', set()),
        ("tests/model/test_model.py", '"""The model', '"""A model', set()),
        ("README.md", "# ", "# About ", set()),
        ("docs/runbook.md", "# Runbook", "# The runbook", set()),
    ],
    ids=lambda value: value if isinstance(value, str) and "/" in value else None,
)
def test_a_changed_line_of_code_runs_the_steps_that_use_it(
    file: str, old: str, new: str, expected: set[str], trained: Life
) -> None:
    trained.replace(file, old, new)
    # An estimator that gives the same model ends the run there: contents decide, not times.
    assert trained.ok("-s", "train").ran() == expected | ALWAYS


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("seed=21", {"prepare", "train", "evaluate", "explain"}),
        ("trials=3", {"train"}),
        ("cause=curiosity", set()),
    ],
)
def test_a_changed_parameter_runs_the_steps_that_take_it(
    setting: str, expected: set[str], trained: Life
) -> None:
    assert trained.ok("-s", "train", "--", "--set", setting).ran() == expected | ALWAYS


def test_a_changed_parameter_of_one_component_runs_that_step(trained: Life) -> None:
    trained.replace("pipelines/components/explain.yml", "default: 20", "default: 5")
    assert trained.ok("-s", "train").ran() == {"explain"} | ALWAYS


def test_a_changed_row_is_refused_under_the_old_version(trained: Life) -> None:
    change_row(trained)
    done = trained.nox("-s", "train")
    assert done.code != 0
    assert 'changed, but diabetes.yml still says diabetes version "1"' in done.output


def test_a_changed_row_runs_the_steps_that_see_it(trained: Life) -> None:
    new_version(trained, change_row(trained))
    ran = trained.ok("-s", "train").ran()
    # The row is one of those that evaluate: the model stays what it was.
    assert ran == {"validate", "prepare", "evaluate", "explain"} | ALWAYS


def test_a_model_comes_out_again_and_its_lineage_is_known(life: Life) -> None:
    life.commit()
    life.ok("-s", "train", "--", "--set", "seed=5", "--cause", "lineage test")
    head = life.run("git", "rev-parse", "HEAD").output.strip()
    told = life.ok("-s", "lineage", "--", "--json")
    (origin,) = json.loads(told.output[told.output.index("[\n") : told.output.rindex("]") + 1])
    assert (origin["commit"], origin["dirty"], origin["cause"]) == (head, False, "lineage test")
    assert origin["data"] == "diabetes:1"
    digest = asset_digest(life)
    assert origin["data_digest"] == digest
    back = life.ok("-s", "lineage", "--", "--data", digest, "--json").output
    assert f'"version": "{origin["version"]}"' in back
    again = life.ok("-s", "reproduce").output
    assert f"reproduced {life.root.name} version {origin['version']}" in again
    assert origin["model_digest"] in again
    assert life.run("git", "worktree", "list").output.count("\n") == 1


def test_a_model_from_uncommitted_changes_is_not_said_to_be_reproducible(trained: Life) -> None:
    trained.replace("model/estimator.py", '"line__C": [0.01, 0.1, 1.0, 10.0]', '"line__C": [0.5]')
    trained.ok("-s", "train")
    done = trained.nox("-s", "reproduce")
    assert done.code != 0
    assert "was trained with uncommitted changes; commit and train again" in done.output


def test_its_level_is_told_from_evidence(life: Life) -> None:
    (life.root / ".git" / "hooks" / "pre-commit").unlink(missing_ok=True)
    before = life.nox("-s", "level")
    assert before.code != 0
    assert "the hooks are not installed: nox -s hooks" in before.output
    life.commit()
    life.ok("-s", "hooks")
    life.ok("-s", "train", "--", "--set", "seed=6")
    life.ok("-s", "reproduce", "release")
    after = life.ok("-s", "level")
    assert "16 of 16 demands are met" in after.output


def test_mlflow_runs_it_as_a_project(life: Life) -> None:
    uri = life.ok("-s", "up").output.split("MLflow: ")[1].split()[0]
    mlflow = str(life.root / ".venv" / "bin" / "mlflow")
    path = f"{life.root / '.venv' / 'bin'}:{life.environment()['PATH']}"
    done = life.run(
        mlflow, "run", ".", "--env-manager", "local", "-P", "seed=20", "-P", "cause=mlflow",
        MLFLOW_TRACKING_URI=uri, PATH=path,
    )  # fmt: skip
    assert done.code == 0, done.output
    assert "Leaderboard" in done.output


def test_its_commands_read_like_a_manual(life: Life) -> None:
    listed = life.ok("--list").output.splitlines()
    sessions = [line for line in listed if line.startswith(("* ", "- "))]
    assert len(sessions) > 15
    for line in sessions:
        name, _, said = line[2:].partition(" -> ")
        assert said.endswith("."), f"{name} is not explained"


def test_level_one_without_uv_is_green_too(tmp_path_factory: pytest.TempPathFactory) -> None:
    template = copy_template(tmp_path_factory.mktemp("template") / "mlops-template")
    target = tmp_path_factory.mktemp("plain")
    life = Life(render(template, target, {"maturity_level": "1"}), uv=False)
    life.run("git", "init", "--quiet")
    life.commit("Generate")
    done = life.ok()
    assert " -m venv " in done.output
    life.ok("-s", "machinery")
    assert life.changed() == ""
    listed = life.ok("--list").output
    assert "\n- audit -> " in listed
    assert "\n- train -> " not in listed


def change_row(life: Life) -> Path:
    """Change one value of the first row that is kept for evaluation."""
    life.ok("-s", "data")
    find = (
        "import pandas as pd; from model.data import split; "
        "print(split(pd.read_csv('data/diabetes.csv'), 20)[1].index[0])"
    )
    python = str(life.root / ".venv" / "bin" / "python")
    row = int(life.run(python, "-c", find).output)
    path = life.root / "data" / "diabetes.csv"
    lines = path.read_text().splitlines()
    fields = lines[row + 1].split(",")
    fields[2] = str(round(float(fields[2]) + 0.5, 1))
    lines[row + 1] = ",".join(fields)
    path.write_text("\n".join(lines) + "\n")
    return path


def new_version(life: Life, path: Path) -> None:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    life.replace("data/diabetes.yml", 'version: "1"', 'version: "2"')
    life.replace("data/diabetes.yml", asset_digest(life), digest)
    life.replace("pipelines/train.yml", "azureml:diabetes:1", "azureml:diabetes:2")


def asset_digest(life: Life) -> str:
    text = (life.root / "data" / "diabetes.yml").read_text()
    return text.split("sha256: ")[1].split()[0]
