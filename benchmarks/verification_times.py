"""How long each rigour of verification takes, by kind and size of the model.

Properties of the sample's ten columns: an answer's range, a growing answer, a flipped category, classes
that do not change close by. For each model and property the time of trying rows, of trying generated
inputs, and of the proof; a plot of the proofs goes to the documentation.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

if TYPE_CHECKING:
    from mlops.deployment.exhaustive import Property, Subject

ROOT = Path(__file__).resolve().parents[1]
PROJECT = ROOT / "<<cookiecutter.project_slug>>"
PLOT = ROOT / "docs" / "reference" / "verification-times.svg"
TARGET = 60.0  # seconds for a property
GENERATED = 4096
KINDS = ("output", "monotone", "flip", "stable")


@dataclass(frozen=True)
class Timed:
    """Seconds of each rigour for one property of one model, and what came of the proof."""

    model: str
    kind: str
    samples: float
    generated: float
    proof: float
    verdict: str
    share: float


def main() -> int:
    """Print the table and draw the plot; 0 when each property is decided or bounded in time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the smallest models, and no plot")
    options = parser.parse_args()
    os.chdir(PROJECT)
    sys.path.insert(0, str(PROJECT))
    training, evaluation = rows()
    print("| model | property | rows, s | generated, s | proof, s | verdict | proven for |")
    print("| --- | --- | ---: | ---: | ---: | --- | ---: |")
    found: list[Timed] = []
    for name, estimator in models(quick=options.quick).items():
        for timed in verified(name, estimator, training, evaluation):
            found.append(timed)
            print(
                f"| {timed.model} | {timed.kind} | {timed.samples:.2f} | {timed.generated:.2f} "
                f"| {timed.proof:.2f} | {timed.verdict} | {100 * timed.share:.0f}% |",
                flush=True,
            )
    if not options.quick:
        draw(found)
    slow = [timed for timed in found if timed.proof > TARGET * 1.1]
    print(f"\nTarget, at most {TARGET:.0f} s a property: {'missed' if slow else 'met'}.")
    return 1 if slow else 0


def rows() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The sample's rows for training and evaluation."""
    from model.data import split

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        subprocess.run([sys.executable, "data/diabetes.py", str(path)], check=True)
        training, evaluation = split(pd.read_csv(path), seed=20)
    return training, evaluation


def models(*, quick: bool) -> Mapping[str, BaseEstimator]:
    """A line, and forests and boostings of growing size."""
    found: dict[str, BaseEstimator] = {
        "logistic regression": make_pipeline(StandardScaler(), LogisticRegression())
    }
    for depth in (3, 6):
        for trees in (10,) if quick else (10, 30, 100):
            found[f"forest {trees} x {depth}"] = RandomForestClassifier(
                trees, max_depth=depth, random_state=0
            )
    for trees in (10,) if quick else (10, 30, 100):
        found[f"boosting {trees} x 3"] = GradientBoostingClassifier(
            n_estimators=trees, max_depth=3, random_state=0
        )
    return found


def verified(
    name: str, estimator: BaseEstimator, training: pd.DataFrame, evaluation: pd.DataFrame
) -> list[Timed]:
    """The times of each kind of property of one model."""
    from mlops.deployment.exhaustive import Limits, Property, Subject, verify
    from mlops.deployment.inputs.generation import generate
    from mlops.deployment.packaging.compilation import compile_model
    from mlops.deployment.packaging.predictor import onnx_predict
    from mlops.quality.contract import load_contract
    from mlops.training.search import pipeline
    from model.data import label
    from model.features import features

    contract = load_contract(Path("model/contract.yml"))
    inputs = list(contract.inputs)
    fitted: Pipeline = pipeline(features(), estimator).fit(training[inputs], label(training))
    answers = onnx_predict(compile_model(fitted, contract))
    subject = Subject(fitted, answers, contract, evaluation[inputs])
    declared = {
        "output": Property("p", output=(0.02, 0.98)),
        "monotone": Property(
            "p", monotone={"bmi": "rising"}, tolerance=0.1, region={"bmi": (18, 40)}
        ),
        "flip": Property("p", flip="sex", at_most=0.3),
        "stable": Property("p", stable={"bmi": 0.05, "blood_pressure": 0.5, "glucose": 0.5}),
    }
    found = []
    for kind, one in declared.items():
        begin = time.perf_counter()
        tried(one, subject, evaluation[inputs])
        rows_done = time.perf_counter()
        if kind != "stable":  # which speaks of the rows alone
            drawn = generate(
                contract, GENERATED, 0, region=one.region, reference=evaluation[inputs]
            )
            tried(one, subject, drawn.table)
        generated_done = time.perf_counter()
        proof = verify(one, subject, Limits(generated=0, seconds=TARGET))
        done = time.perf_counter()
        seconds = (rows_done - begin, generated_done - rows_done, done - generated_done)
        found.append(Timed(name, kind, *seconds, proof.proof.verdict, proof.share))
    return found


def tried(one: Property, subject: Subject, table: pd.DataFrame) -> None:
    """Try a property on rows of its region."""
    from mlops.deployment.exhaustive.trying import broken_by
    from mlops.deployment.exhaustive.verify import regions

    region = regions(one.region, subject.contract, subject.samples)
    broken_by(one, subject.predict, table, region=region, contract=subject.contract, seed=0)


def draw(found: list[Timed]) -> None:
    """A panel for each kind of property, the models on the left, seconds of each rigour to the right."""
    import matplotlib as mpl

    mpl.use("svg")
    import matplotlib.pyplot as plt

    names = list(dict.fromkeys(timed.model for timed in found))[::-1]
    figure, panels = plt.subplots(1, 4, figsize=(11, 4.2), sharey=True, sharex=True)
    for axis, kind in zip(panels, KINDS, strict=True):
        mine = {timed.model: timed for timed in found if timed.kind == kind}
        for rigour, marker, colour in (
            ("samples", "o", "#9aa5b1"),
            ("generated", "s", "#2563eb"),
            ("proof", "D", "#c2410c"),
        ):
            values = [max(getattr(mine[name], rigour), 1e-3) for name in names]
            if kind != "stable" or rigour != "generated":
                axis.plot(values, names, marker, color=colour, label=rigour, markersize=5)
        axis.axvline(TARGET, color="#9aa5b1", linestyle="--", linewidth=1)
        axis.set_xscale("log")
        axis.set_title(kind, fontsize=10)
        axis.grid(axis="y", color="#e4e7eb", linewidth=0.8)
        axis.set_xlabel("seconds")
        axis.tick_params(labelsize=8)
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, fontsize=9, ncols=3, loc="upper left")
    figure.tight_layout(rect=(0, 0, 1, 0.95))
    figure.savefig(PLOT, facecolor="white", metadata={"Date": None})


if __name__ == "__main__":
    sys.exit(main())
