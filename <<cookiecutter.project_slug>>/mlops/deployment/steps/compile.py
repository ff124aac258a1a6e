"""Compile the candidate to ONNX and prove on rows and generated inputs that it answers the same."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from mlops.deployment.exhaustive import thresholds
from mlops.deployment.gate.settings import load_settings
from mlops.deployment.inputs.generation import generate, unknown_categories
from mlops.deployment.measuring.measure import Predict, write_measures
from mlops.deployment.packaging import compilation
from mlops.deployment.packaging.candidate import LINEAGE, read_lineage
from mlops.deployment.packaging.compilation import Compilation, NotCompilableError, Parity
from mlops.deployment.packaging.package import FLAVOUR, ONNX
from mlops.deployment.packaging.predictor import flavour_pipeline, onnx_predict
from mlops.quality.contract import Contract, load_contract
from mlops.quality.errors import run_main
from mlops.quality.project import load_settings as load_project_settings
from mlops.training.search import predict


def main(arguments: list[str]) -> int:
    """Write the model as it will be packaged, and how it compares, to `--compiled` (a folder)."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("candidate", "training", "evaluation", "settings", "compiled"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args(arguments)
    contract = load_contract(Path(load_project_settings(Path()).contract))
    settings = load_settings(options.settings).measuring
    model = flavour_pipeline(options.candidate / FLAVOUR)
    rows = {name: pd.read_parquet(getattr(options, name)) for name in ("training", "evaluation")}
    tables = {name: table[list(contract.inputs)] for name, table in rows.items()}
    seed = read_lineage(options.candidate).seed
    tables |= generated(model, contract, tables["training"], settings.generated, seed)
    result, content = compiled(model, contract, tables, settings.tolerance)
    if content is not None:
        (options.compiled / ONNX).write_bytes(content)
    else:
        shutil.copytree(options.candidate / FLAVOUR, options.compiled / FLAVOUR)
    shutil.copyfile(options.candidate / LINEAGE, options.compiled / LINEAGE)
    compilation.write_compilation(result, options.compiled)
    write_measures(compilation.measures(result), options.compiled / "measures.json")
    print(result.reason)
    return 0


def generated(
    model: Pipeline, contract: Contract, training: pd.DataFrame, rows: int, seed: int
) -> dict[str, pd.DataFrame]:
    """Inputs that cover the contract: also beside the thresholds of trees, and beyond the known."""
    near = thresholds(model, contract)
    table = generate(contract, rows, seed, near=near, reference=training).table
    return {"generated": table, "unknown categories": unknown_categories(contract, table)}


def compiled(
    model: Pipeline, contract: Contract, tables: dict[str, pd.DataFrame], tolerance: float
) -> tuple[Compilation, bytes | None]:
    """The model as ONNX, if that is possible and close enough on every table; else None for it."""

    def original(table: pd.DataFrame) -> np.ndarray:
        return predict(model, table)

    try:
        content = compilation.compile_model(model, contract)
        answers = onnx_predict(content)
    except NotCompilableError as error:
        return Compilation("mlflow", f"{error}; served in its MLflow flavour", tolerance, {}), None
    parity = compared(original, answers, tables, contract)
    name, worst = max(parity.items(), key=lambda item: item[1].largest)
    rows = sum(found.rows for found in parity.values())
    if worst.largest > tolerance:
        reason = (
            f"as ONNX it would differ by {worst.largest:.2g} on {name} inputs (row {worst.row}), "
            f"more than {tolerance:g}: served in its MLflow flavour"
        )
        return Compilation("mlflow", reason, tolerance, parity), None
    reason = f"compiled to ONNX: at most {worst.largest:.2g} apart on {rows} inputs"
    return Compilation("onnx", reason, tolerance, parity), content


def compared(
    original: Predict, answers: Predict, tables: dict[str, pd.DataFrame], contract: Contract
) -> dict[str, Parity]:
    """The parity on each table, in units of the spread of the original's answers to training rows."""
    scale = compilation.spread(original(tables["training"]), contract.task)
    return {
        name: compilation.compare(original, answers, table, scale)
        for name, table in tables.items()
        if len(table)
    }


if __name__ == "__main__":
    run_main(main)
