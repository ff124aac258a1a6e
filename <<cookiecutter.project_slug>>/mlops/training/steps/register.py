"""Step 6: record the run and register the model with all that is known of it.

The only step that talks to a server, and the last: `MLFLOW_TRACKING_URI` says to which.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import os
import re
import tempfile
import warnings
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import mlflow.sklearn
import pandas as pd
from mlflow.entities import Dataset
from mlflow.models import infer_signature

from mlops.quality.assets import Asset, file_digest, load_definition
from mlops.quality.contract import Contract, contract_digest, load_contract
from mlops.quality.errors import UserError, run_main
from mlops.quality.project import load_settings
from mlops.training.evaluation import read_evaluation
from mlops.training.model_file import load_model, trusted_types
from mlops.training.pages import Story, model_card, report
from mlops.training.provenance import python
from mlops.training.record import Training, register
from mlops.training.search import predict, read_leaderboard
from mlops.training.tracking import client, experiment_id, model_link, run_link


def main(arguments: list[str]) -> int:
    """Register what the earlier steps left; writes the registry's answer to `--registered`."""
    options = _options(arguments)
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    if not uri:
        raise UserError(
            "MLFLOW_TRACKING_URI is not set; `nox -s train` starts a server and sets it"
        )
    settings = load_settings(Path())
    contract = load_contract(Path(settings.contract))
    asset = load_definition(options.asset)
    if file_digest(options.data) != asset.tags.sha256:
        raise UserError(f"--data: not {asset.name} version {asset.version} of {settings.data}")
    story = _story(options, contract, asset)
    with tempfile.TemporaryDirectory() as folder:
        training = _training(options, story, Path(folder))
        mlflow_client = client(uri)
        experiment = experiment_id(mlflow_client, settings.slug)
        answer = register(mlflow_client, experiment, settings.slug, training)
    links = {
        "run": run_link(uri, experiment, answer.run_id),
        "model": model_link(uri, settings.slug, answer.version),
    }
    result = {**dataclasses.asdict(answer), **links, "digest": story.facts.digest}
    options.registered.write_text(json.dumps(result, indent=1))
    state = "registered" if answer.new else "already registered, nothing new to record:"
    print(f"{settings.slug} version {answer.version} {state}")
    return 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in (
        "data",
        "asset",
        "packages",
        "training",
        "model",
        "leaderboard",
        "report",
        "explanation",
    ):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("seed", "folds", "trials"):
        parser.add_argument(f"--{name}", type=int, required=True)
    for name in ("commit", "author", "cause"):
        parser.add_argument(f"--{name}", default="unknown")
    parser.add_argument("--registered", type=Path, required=True)
    return parser.parse_args(arguments)


def _story(options: argparse.Namespace, contract: Contract, asset: Asset) -> Story:
    _, facts = load_model(options.model)
    importance = json.loads((options.explanation / "importance.json").read_text())
    origin = {
        "Commit": options.commit,
        "Author": options.author,
        "Cause": options.cause,
        "Seed": str(options.seed),
        "Environment": f"sha256 {_lock_digest(options)} of the pinned list, Python {python()}",
    }
    return Story(
        contract=contract,
        asset=asset,
        facts=facts,
        board=read_leaderboard(options.leaderboard),
        evaluation=read_evaluation(options.report / "evaluation.json"),
        importance={name: (mean, spread) for name, (mean, spread) in importance.items()},
        origin=origin,
    )


def _training(options: argparse.Namespace, story: Story, folder: Path) -> Training:
    """Gather what is recorded, and lay the run's files out in `folder`."""
    best = story.board.trials[0]
    plots = sorted([*options.report.glob("*.png"), *options.explanation.glob("*.png")])
    _save_mlflow_model(options, story, folder / "model")
    (folder / "report.html").write_text(report(story, plots))
    card = model_card(story)
    (folder / "model_card.md").write_text(card)
    for file in (options.leaderboard, *options.report.iterdir(), *options.explanation.iterdir()):
        part = "plots" if file.suffix == ".png" else "figures"
        name = "leaderboard.json" if file == options.leaderboard else file.name
        (folder / part).mkdir(exist_ok=True)
        (folder / part / name).write_bytes(file.read_bytes())
    asset, board = story.asset, story.board
    known = {name: v for name, v in story.evaluation.metrics.items() if v is not None}
    outcome = [story.facts.digest, asset.tags.sha256, asset.version, known, dict(story.importance)]
    started = min(trial.started for trial in board.trials)
    return Training(
        identity=hashlib.sha256(json.dumps(outcome, sort_keys=True).encode()).hexdigest(),
        card=card,
        name=f"{best.algorithm} {board.metric} {known.get(board.metric, float('nan')):.4f}",
        started=started,
        tags=_tags(options, story),
        parameters={
            "algorithm": best.algorithm,
            **{name: str(value)[:500] for name, value in best.parameters.items()},
            "seed": str(options.seed),
            "folds": str(options.folds),
            "trials": str(options.trials),
            "metric": board.metric,
            "goal": board.goal,
        },
        metrics={
            **known,
            f"cv_{board.metric}": best.score,
            "training_seconds": board.seconds,
            "training_rows": float(story.facts.rows),
            "evaluation_rows": float(story.evaluation.rows),
        },
        dataset=Dataset(
            name=f"{asset.name}:{asset.version}",
            digest=asset.tags.sha256[:36],
            source_type="data asset",
            source=json.dumps({"path": asset.path, "sha256": asset.tags.sha256}),
        ),
        board=board,
        files=folder,
    )


def _tags(options: argparse.Namespace, story: Story) -> dict[str, str]:
    commit = str(options.commit).removesuffix("-dirty")
    return {
        "mlflow.user": options.author,
        "mlflow.source.type": "PROJECT",
        "mlflow.source.name": "pipelines/train.yml",
        "mlflow.source.git.commit": commit,
        "mlops.commit": commit,
        "mlops.dirty": str(str(options.commit).endswith("-dirty")).lower(),
        "mlops.author": options.author,
        "mlops.cause": options.cause,
        "mlops.data": f"{story.asset.name}:{story.asset.version}",
        "mlops.data_digest": story.asset.tags.sha256,
        "mlops.training_digest": file_digest(options.training),
        "mlops.contract_digest": contract_digest(story.contract),
        "mlops.model_digest": story.facts.digest,
        "mlops.lock_digest": _lock_digest(options),
        "mlops.python": python(),
    }


def _save_mlflow_model(options: argparse.Namespace, story: Story, folder: Path) -> None:
    """Write the model in MLflow's scikit-learn flavour, with exactly the bytes that were trained."""
    model, _ = load_model(options.model)
    data = (options.model / "model.skops").read_bytes()
    example = pd.read_parquet(options.training)[list(story.contract.inputs)].head(5)
    types = list(trusted_types(data))
    with warnings.catch_warnings():
        # Integers without missing values are what the contract says; MLflow advises against them.
        warnings.filterwarnings("ignore", message=".*Inferred schema contains integer column.*")
        mlflow.sklearn.save_model(
            model,
            str(folder),
            serialization_format="skops",
            skops_trusted_types=types,
            signature=infer_signature(example, predict(model, example)),
            input_example=example,
            pyfunc_predict_fn="predict_proba" if hasattr(model, "predict_proba") else "predict",
            pip_requirements=_pins(options.packages),
            # Transformers of your own need their code where the model is loaded.
            code_paths=["model"] if any(name.startswith("model.") for name in types) else None,
            metadata={"digest": story.facts.digest},
        )
    (folder / "model.skops").write_bytes(data)


def _pins(packages: Path) -> list[str]:
    """What the model needs where it is loaded: the packages of model.in, as installed, and skops."""
    lines = (packages / "model.in").read_text().splitlines()
    names = [found.group() for line in lines if (found := re.match(r"[A-Za-z0-9._-]+", line))]
    pins = []
    for name in dict.fromkeys([*names, "skops"]):
        try:
            pins.append(f"{name}=={version(name)}")
        except PackageNotFoundError:
            raise UserError(
                f"requirements/model.in: {name} is not installed; nox -s lock"
            ) from None
    return pins


def _lock_digest(options: argparse.Namespace) -> str:
    return file_digest(options.packages / "training.lock")


if __name__ == "__main__":
    run_main(main)
