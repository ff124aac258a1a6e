"""Put the compiled model and all that serving and auditing it needs into one package."""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
from pathlib import Path

import pandas as pd

from mlops.deployment.packaging import package
from mlops.deployment.packaging.candidate import LINEAGE, read_lineage
from mlops.deployment.packaging.predictor import load_predict
from mlops.deployment.packaging.reference import reference
from mlops.deployment.report.card import card_html, card_markdown, gather
from mlops.quality.contract import Contract, load_contract
from mlops.quality.errors import run_main
from mlops.quality.project import load_settings as load_project_settings

CARD = "model_card"


def main(arguments: list[str]) -> int:
    """Write the package to `--package` (a folder); the same inputs give the same bytes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parts = ("compiled", "training", "performance", "behaviour", "verification", "package")
    for name in parts:
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args(arguments)
    file = Path(load_project_settings(Path()).contract)
    contract = load_contract(file)
    target = options.package
    package.copy_model(options.compiled, target)
    shutil.copyfile(file, target / "contract.yml")
    shutil.copyfile(options.compiled / LINEAGE, target / LINEAGE)
    shutil.copyfile(options.verification / "verification.json", target / "verification.json")
    inputs = pd.read_parquet(options.training)[list(contract.inputs)]
    answers = load_predict(target)(inputs)
    _write(target / "signature.json", signature(contract, answers.ndim))
    _write(target / "reference.json", reference(inputs, answers, contract))
    folders = [options.compiled, options.performance, options.behaviour, options.verification]
    story = gather(contract, folders)
    # who is the champion depends on the day, and is told beside the decision
    own = tuple(measure for measure in story.figures if measure.group != "champion")
    story = dataclasses.replace(story, figures=own)
    (target / f"{CARD}.md").write_text(card_markdown(story))
    (target / f"{CARD}.html").write_text(card_html(story))
    digest = package.seal(target, read_lineage(target).name)
    print(f"package {digest[:12]}: {len(list(target.rglob('*')))} files")
    return 0


def signature(contract: Contract, dimensions: int) -> dict[str, object]:
    """What goes in and what comes out, for whoever calls the model."""
    columns = {name: contract.columns[name] for name in contract.inputs}
    output = "value" if contract.task == "regression" else "probability"
    return {
        "inputs": [
            {"name": name, "type": column.type, "unit": column.unit, "missing": column.missing}
            for name, column in columns.items()
        ],
        "output": {
            "name": output,
            "shape": "(rows,)" if dimensions == 1 else "(rows, labels)",
        },
    }


def _write(path: Path, values: object) -> None:
    path.write_text(json.dumps(values, indent=1, sort_keys=True))


if __name__ == "__main__":
    run_main(main)
