"""Put one case before the gate: `python -m tests.gate.judge CASE OUT`, inside a generated project.

The same steps as `pipelines/qualify.yml`, in one process, with smaller limits for the proofs.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import skops.io
from mlops.deployment.gate.settings import EXCEPTIONS, SETTINGS
from mlops.deployment.packaging.candidate import LINEAGE
from mlops.deployment.packaging.package import FLAVOUR
from mlops.deployment.steps import (
    behaviour,
    decide,
    package,
    performance,
    score,
    speed,
    verify,
)
from mlops.deployment.steps import (
    compile as compile_model,
)
from mlops.quality.checks import load_checked
from mlops.quality.contract import contract_digest
from mlops.training.model_file import canonical
from model.data import split
from sklearn.pipeline import Pipeline

from tests.gate import cases
from tests.gate.cases import CONTRACT, Rows, Trial

SMALLER = {
    "generated: 4096": "generated: 512",
    "seconds: 60.0": "seconds: 3.0",
    "nodes: 20000": "nodes: 300",
}
FOLDERS = "recent compiled scores champion_scores performance behaviour verification package speed decision"


def main(name: str, out: Path) -> None:
    """Leave `decision/decision.json` and all that led to it in `out`."""
    trial, rows = prepare(name)
    at = {folder: out / folder for folder in FOLDERS.split()}
    for folder in at.values():
        folder.mkdir(parents=True)
    at |= {"training": out / "training.parquet", "evaluation": out / "evaluation.parquet"}
    trial.training.to_parquet(at["training"], index=False)
    rows.evaluation.to_parquet(at["evaluation"], index=False)
    at |= {
        "candidate": register(out / "candidate", trial.model, trial, at["training"]),
        "champion": out / "champion",
        "settings": settings(out / "settings.yml", trial.settings),
        "exceptions": Path(EXCEPTIONS),
        "tests": Path("tests/model"),
    }
    at["champion"].mkdir()
    if trial.recent is not None:
        trial.recent.to_parquet(at["recent"] / "rows.parquet", index=False)
    if trial.champion is not None:
        register(at["champion"], trial.champion, trial, at["training"])
    run(trial, at)


def prepare(name: str) -> tuple[Trial, Rows]:
    """The case of that name, built."""
    table = load_checked(Path("data/diabetes.csv"), CONTRACT)
    golden = load_checked(Path("tests/model/golden.csv"), CONTRACT)
    rows = Rows(*split(table, seed=20), golden)
    trial: Trial = getattr(cases, name)(rows)
    return trial, rows


def register(folder: Path, model: Pipeline, trial: Trial, training: Path) -> Path:
    """A folder such as `qualify` fetches from the registry."""
    (folder / FLAVOUR).mkdir(parents=True)
    content = canonical(skops.io.dumps(model))
    (folder / FLAVOUR / "model.skops").write_bytes(content)
    told = {"contract_digest": contract_digest(CONTRACT)}
    told |= cases.lineage(content, training, trial)
    (folder / LINEAGE).write_text(json.dumps(told))
    return folder


def settings(path: Path, changed: Mapping[str, str]) -> Path:
    """The shipped settings, but for what the case changes."""
    text = Path(SETTINGS).read_text()
    for old, new in {**SMALLER, **changed}.items():
        assert old in text, old
        text = text.replace(old, new)
    path.write_text(text)
    return path


def run(trial: Trial, at: Mapping[str, Path]) -> None:
    """All steps of the gate, one after the other."""

    def step(module: object, *names: str, **values: object) -> None:
        words = [f"--{name.replace('_', '-')}={at[name]}" for name in names]
        words += [f"--{name}={value}" for name, value in values.items()]
        assert module.main(words) == 0  # type: ignore[attr-defined]

    tables, told = ("training", "evaluation"), ("tests", "settings")
    step(compile_model, "candidate", *tables, "settings", "compiled")
    judging = ("evaluation", "recent", "tests")
    step(score, *judging, "scores", model=at["compiled"])
    step(score, *judging, model=at["champion"], scores=at["champion_scores"])
    scores = ("scores", "champion_scores")
    step(performance, "compiled", *scores, *tables, "recent", *told, "performance")
    step(behaviour, "compiled", "scores", *tables, *told, "behaviour")
    step(verify, "candidate", "compiled", "evaluation", *told, "verification")
    step(package, "compiled", "training", "performance", "behaviour", "verification", "package")
    if trial.on_the_way is not None:
        trial.on_the_way(at["package"])
    step(speed, "package", "evaluation", "speed", repeats=200)
    step(
        decide, *decide.FOLDERS, "package", "settings", "exceptions", "decision", today="2026-01-01"
    )


if __name__ == "__main__":
    shutil.rmtree(sys.argv[2], ignore_errors=True)
    main(sys.argv[1], Path(sys.argv[2]))
