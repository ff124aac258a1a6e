"""Verify the declared properties: on rows, on generated inputs, and by proof over the structure."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

import pandas as pd

from mlops.deployment.exhaustive import (
    Limits,
    Subject,
    load_properties,
    measures,
    verify,
)
from mlops.deployment.gate.settings import load_settings
from mlops.deployment.measuring.measure import Measure, write_measures
from mlops.deployment.packaging.candidate import read_lineage
from mlops.deployment.packaging.package import FLAVOUR
from mlops.deployment.packaging.predictor import flavour_pipeline, load_predict
from mlops.quality.contract import load_contract
from mlops.quality.errors import run_main
from mlops.quality.project import load_settings as load_project_settings


def main(arguments: list[str]) -> int:
    """Write figures, verdicts and supported ranges to `--verification` (a folder)."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("candidate", "compiled", "evaluation", "tests", "settings", "verification"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args(arguments)
    contract = load_contract(Path(load_project_settings(Path()).contract))
    settings = load_settings(options.settings).measuring
    evaluation = pd.read_parquet(options.evaluation)
    subject = Subject(
        model=flavour_pipeline(options.candidate / FLAVOUR),
        predict=load_predict(options.compiled),
        contract=contract,
        samples=evaluation[list(contract.inputs)],
        slack=settings.tolerance,
    )
    limits = Limits(
        seconds=settings.seconds,
        nodes=settings.nodes,
        generated=settings.generated,
        seed=read_lineage(options.compiled).seed,
    )
    found: list[Measure] = []
    verdicts = []
    for declared in load_properties(options.tests / "properties.yml", contract):
        verification = verify(declared, subject, limits)
        print(f"{declared.name}: {verification.proof.verdict}", flush=True)
        verdicts.append(dataclasses.asdict(verification))
        found += measures(verification, declared)
    write_measures(found, options.verification / "measures.json")
    text = json.dumps(verdicts, indent=1, default=str)
    (options.verification / "verification.json").write_text(text)
    proven = sum(verdict["proof"]["verdict"] == "proven" for verdict in verdicts)
    print(f"{proven} of {len(verdicts)} properties proven everywhere")
    return 0


if __name__ == "__main__":
    run_main(main)
