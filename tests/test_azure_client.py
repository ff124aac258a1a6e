"""The project's definitions in Microsoft's own client, and the mistakes that it lets through."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1] / "<<cookiecutter.project_slug>>"
DEFINITIONS = sorted(
    path.relative_to(PROJECT).as_posix()
    for folder in ("pipelines", "data")
    for path in (PROJECT / folder).rglob("*.yml")
)

# Reads paths on standard input, answers with an error (or nothing) for each as JSON.
LOAD = """
import json, logging, sys, warnings
warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
import yaml
from azure.ai.ml import load_component, load_data, load_environment, load_job

LOADERS = {
    "pipelineJob": load_job,
    "commandComponent": load_component,
    "data": load_data,
    "environment": load_environment,
}
answers = {}
for path in json.load(sys.stdin):
    with open(path) as file:
        schema = yaml.safe_load(file)["$schema"].rsplit("/", 1)[-1]
        load = LOADERS[schema.split(".")[0]]
    try:
        load(path)
        answers[path] = ""
    except Exception as error:
        answers[path] = f"{type(error).__name__}: {error}"
print(json.dumps(answers))
"""

# file below pipelines/, what is replaced by what, and how our refusal reads
MISTAKES = {
    "unknown node": ("train.yml", "jobs.prepare.outputs.t", "jobs.prep.outputs.t", "no job 'prep'"),
    "unknown output": ("train.yml", "outputs.training", "outputs.train", "no output 'train'"),
    "unknown parent input": ("train.yml", "parent.inputs.seed", "parent.inputs.sed", "no input"),
    "extra input": ("train.yml", "      seed: ", "      extra: 1\n      seed: ", "no such input"),
    "missing input": ("train.yml", "      folds: ${{parent.inputs.folds}}\n", "", "is missing"),
    "cycle": (
        "train.yml",
        "      data: ${{parent.inputs.data}}",
        "      data: ${{parent.jobs.train.outputs.leaderboard}}",
        "cycle: prepare -> validate -> train -> prepare",
    ),
    "type mismatch": (
        "train.yml",
        "${{parent.jobs.train.outputs.model}}",
        "${{parent.jobs.train.outputs.leaderboard}}",
        "type mismatch: expected uri_folder, found uri_file",
    ),
    "literal type": (
        "train.yml",
        "trials: 20",
        "trials: many",
        "expected an integer, found 'many'",
    ),
    "literal range": ("train.yml", "folds: 5", "folds: 1", "1 is below the minimum 2"),
    "literal enum": ("train.yml", "goal: maximize", "goal: maximise", "did you mean 'maximize'?"),
    "default out of range": (
        "components/explain.yml",
        "min: 1, default: 20",
        "min: 1, default: 0",
        "0 is below the minimum 1",
    ),
    "optional input outside its brackets": (
        "components/train.yml",
        "{type: string, default: loky}",
        "{type: string, optional: true}",
        "'parallel_backend' stands outside $[[ ]]",
    ),
    "side-effect step left deterministic": (
        "components/register.yml",
        "is_deterministic: false",
        "is_deterministic: true",
        "side-effect step left deterministic",
    ),
    "undeclared input in a command": (
        "components/train.yml",
        "${{inputs.trials}}",
        "${{inputs.trial}}",
        "'inputs.trial' is not declared",
    ),
    "shell operator": (
        "components/train.yml",
        "python -m",
        "cd . && python -m",
        "the shell operator '&&' is refused",
    ),
    "misspelt key of a component": (
        "components/register.yml",
        "is_deterministic:",
        "is_determinstic:",
        "did you mean 'is_deterministic'?",
    ),
    "variables that Azure drops": (
        "components/train.yml",
        "command: >-",
        "environment_variables: {A: b}\ncommand: >-",
        "Azure ML drops it from a component file",
    ),
    "mode that Azure alone has": (
        "components/train.yml",
        "training: {type: uri_file}",
        "training: {type: uri_file, mode: direct}",
        "'direct' is not supported",
    ),
}


@pytest.fixture(scope="session")
def azure_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with Microsoft's client, in an environment of its own."""
    folder = tmp_path_factory.mktemp("azure") / "environment"
    uv = [sys.executable, "-m", "uv"]
    python = folder / "bin" / "python"
    subprocess.run([*uv, "venv", "-q", "--python", sys.executable, str(folder)], check=True)
    subprocess.run(
        [*uv, "pip", "install", "-q", "--python", str(python), "azure-ai-ml"], check=True
    )
    return python


def azure_errors(python: Path, paths: list[Path]) -> dict[Path, str]:
    """What the client says of each file; nothing where it accepts it."""
    done = subprocess.run(
        [str(python), "-c", LOAD],
        input=json.dumps([str(path) for path in paths]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {Path(path): error for path, error in json.loads(done.stdout.splitlines()[-1]).items()}


@pytest.fixture(scope="session")
def azure_verdicts(azure_python: Path) -> dict[Path, str]:
    return azure_errors(azure_python, [PROJECT / name for name in DEFINITIONS])


@pytest.fixture(scope="session")
def mistaken(
    azure_python: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Path, str]]:
    """A copy of the pipelines with each mistake, and what the client says of it."""
    found: dict[str, Path] = {}
    for mistake, (name, old, new, _) in MISTAKES.items():
        pipelines = tmp_path_factory.mktemp("mistake") / "pipelines"
        for folder in ("pipelines", "data", "requirements"):
            shutil.copytree(PROJECT / folder, pipelines.parent / folder)
        text = (pipelines / name).read_text(encoding="utf-8")
        assert old in text, f"{mistake}: {old!r} is not in pipelines/{name}"
        (pipelines / name).write_text(text.replace(old, new, 1), encoding="utf-8")
        found[mistake] = pipelines / "train.yml"
    errors = azure_errors(azure_python, list(found.values()))
    return {mistake: (path, errors[path]) for mistake, path in found.items()}


@pytest.mark.parametrize("name", DEFINITIONS)
def test_microsofts_client_accepts(azure_verdicts: dict[Path, str], name: str) -> None:
    assert azure_verdicts[PROJECT / name] == ""


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_that_microsofts_client_accepts_is_refused_by_ours(
    mistaken: dict[str, tuple[Path, str]], mistake: str
) -> None:
    path, azure_error = mistaken[mistake]
    assert azure_error == ""
    done = subprocess.run(
        [sys.executable, "-m", "mlops.training.pipeline", str(path), "--check"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert MISTAKES[mistake][3] in done.stderr
    assert done.stderr.count("\n") == 1
