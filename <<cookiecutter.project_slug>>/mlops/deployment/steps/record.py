"""Record the package and the gate's decision with the registered version: the only side effect."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from mlops.deployment.gate.decision import Decision
from mlops.deployment.packaging.candidate import FORMAT_TAG, PACKAGE_TAG, read_lineage
from mlops.deployment.packaging.package import opened, read_manifest
from mlops.quality.errors import UserError, run_main
from mlops.quality.strict import parse
from mlops.training.record import fitting
from mlops.training.release import GATE_TAG
from mlops.training.tracking import client

# Characters that a tag of a version may have.
_TAG = 5000


def main(arguments: list[str]) -> int:
    """Upload the package and tag the version; writes what was recorded to `--recorded` (JSON)."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("package", "decision", "recorded"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("version", "author", "exceptions-commit"):
        parser.add_argument(f"--{name}", required=True)
    options = parser.parse_args(arguments)
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    if not uri:
        raise UserError("MLFLOW_TRACKING_URI is not set; `nox -s qualify` sets it")
    decision = read_decision(options.decision / "decision.json")
    folder = opened(options.package, decision.package)
    facts = read_lineage(folder)
    found = client(uri)
    place = f"packages/{decision.package}"
    there = {Path(file.path).name for file in found.list_artifacts(facts.run_id, place)}
    if there != {file.name for file in folder.iterdir()}:
        found.log_artifacts(facts.run_id, str(folder), place)
    found.log_artifacts(facts.run_id, str(options.decision), f"gate/{decision.package[:12]}")
    manifest, _ = read_manifest(folder)
    tags = {
        FORMAT_TAG: manifest.format,
        PACKAGE_TAG: decision.package,
        GATE_TAG: "passed" if decision.passed else "refused",
        "mlops.gate_refused": "; ".join(v.measure for v in decision.refused())[:_TAG],
        "mlops.gate_exceptions": "; ".join(
            f"{v.measure}: {v.reason}" for v in decision.verdicts if v.outcome == "excepted"
        )[:_TAG],
        "mlops.gate_exceptions_commit": options.exceptions_commit,
        "mlops.gate_by": options.author,
    }
    for key, value in tags.items():
        found.set_model_version_tag(facts.name, options.version, key, value)
    card = (options.decision / "model_card.md").read_text()
    found.update_model_version(facts.name, options.version, fitting(card))
    # the runs of MLflow are the other leaderboard
    found.set_tag(facts.run_id, FORMAT_TAG, manifest.format)
    result = {"version": options.version, "package": decision.package, "passed": decision.passed}
    options.recorded.write_text(json.dumps(result))
    print(f"{facts.name} version {options.version}: {tags[GATE_TAG]}, recorded")
    return 0


def read_decision(path: Path) -> Decision:
    """Read what `decide` wrote."""
    return parse(Decision, json.loads(path.read_text()), str(path))


if __name__ == "__main__":
    run_main(main)
