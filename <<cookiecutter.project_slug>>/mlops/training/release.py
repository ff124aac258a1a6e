"""`nox -s release`: a person makes a registered version the champion."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from mlops.quality.errors import UserError
from mlops.quality.project import ROOT, load_project
from mlops.quality.terminal import console
from mlops.training import provenance
from mlops.training.record import CANDIDATE, CHAMPION, aliased
from mlops.training.registry import pick, registry

# What a gate of a higher level says of a version, as its tag.
GATE_TAG, PASSED = "mlops.gate", "passed"


def main(arguments: list[str]) -> int:
    """Point the alias `champion` to a version, and record who did it and when."""
    parser = argparse.ArgumentParser(
        prog="nox -s release --", description="Make a registered version the champion."
    )
    parser.add_argument("--version", help="its number (default: the candidate)")
    options = parser.parse_args(arguments)
    project = load_project(ROOT)
    with registry(project) as found:
        candidate = None if options.version else aliased(found.client, found.model, CANDIDATE)
        version = candidate or pick(found, options.version)
        if version.tags.get(GATE_TAG, PASSED) != PASSED:
            raise UserError(f"{found.model} version {version.version}: refused by the gate")
        before = aliased(found.client, found.model, CHAMPION)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        for key, value in (("by", provenance.author(project.root)), ("at", now)):
            found.client.set_model_version_tag(
                found.model, version.version, f"mlops.released_{key}", value
            )
        found.client.set_registered_model_alias(found.model, CHAMPION, version.version)
    was = f"version {before.version}" if before else "none"
    out = console()
    out.print(f"champion of {found.model}: version {version.version} (before: {was})")
    out.print(f"load it with mlflow.sklearn.load_model('models:/{found.model}@{CHAMPION}')")
    return 0
