"""The gate: judge all figures of a package by the declared rules."""

from __future__ import annotations

import argparse
import dataclasses
import json
from datetime import date
from pathlib import Path

from mlops.deployment.gate.decision import Decision, decide
from mlops.deployment.gate.settings import load_settings, load_waivers
from mlops.deployment.measuring.measure import read_measures
from mlops.deployment.packaging.package import read_manifest
from mlops.deployment.report.card import card_html, card_markdown, gather
from mlops.quality.contract import load_contract
from mlops.quality.errors import run_main
from mlops.quality.project import load_settings as load_project_settings

FOLDERS = ("compiled", "performance", "behaviour", "verification", "speed")


def main(arguments: list[str]) -> int:
    """Write `decision.json` and the model card with the decision to `--decision` (a folder)."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in (*FOLDERS, "package", "settings", "exceptions", "decision"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--today", type=date.fromisoformat, required=True)
    options = parser.parse_args(arguments)
    contract = load_contract(Path(load_project_settings(Path()).contract))
    folders = [getattr(options, name) for name in FOLDERS]
    measured = [m for folder in folders for m in read_measures(folder / "measures.json")]
    gate = load_settings(options.settings).gate
    waivers = load_waivers(options.exceptions)
    _, digest = read_manifest(options.package)
    decision = decide(measured, gate, digest, waivers, options.today)
    write_decision(decision, options.decision / "decision.json")
    story = gather(contract, folders, decision)
    (options.decision / "model_card.md").write_text(card_markdown(story))
    (options.decision / "model_card.html").write_text(card_html(story))
    refused = len(decision.refused())
    print(
        "passed" if decision.passed else f"refused by {refused} of {len(decision.verdicts)} rules"
    )
    return 0


def write_decision(decision: Decision, path: Path) -> None:
    """Write a decision as JSON."""
    path.write_text(json.dumps(dataclasses.asdict(decision), indent=1))


if __name__ == "__main__":
    run_main(main)
