"""`nox -s release` from Level 3 on: only what the gate let pass becomes the champion."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from mlops.deployment import audit_log
from mlops.deployment.packaging.candidate import PACKAGE_TAG, fetch_package
from mlops.quality.errors import UserError
from mlops.quality.project import ROOT, load_project
from mlops.training import provenance, release
from mlops.training.record import CANDIDATE, aliased
from mlops.training.registry import pick, registry
from mlops.training.release import GATE_TAG


def main(arguments: list[str]) -> int:
    """Make a version the champion whose package is whole and passed the gate."""
    parser = argparse.ArgumentParser(
        prog="nox -s release --",
        description="Make a registered version the champion, if it passed the gate.",
    )
    parser.add_argument("--version", help="its number (default: the candidate)")
    options = parser.parse_args(arguments)
    project = load_project(ROOT)
    with registry(project) as found:
        candidate = None if options.version else aliased(found.client, found.model, CANDIDATE)
        version = candidate or pick(found, options.version)
        name = f"{found.model} version {version.version}"
        state = version.tags.get(GATE_TAG)
        if state is None:
            raise UserError(f"{name}: the gate has not judged it yet: nox -s qualify")
        if state != "passed":
            why = version.tags.get("mlops.gate_refused", "")
            raise UserError(f"{name}: refused by the gate: {why}")
        # anew, whatever lies here already: what the registry holds is what will be served
        with tempfile.TemporaryDirectory() as fresh:
            fetch_package(found, version, Path(fresh))
    code = release.main(["--version", str(version.version)])
    audit_log.append(
        project.state,
        "release",
        {
            "model": project.settings.slug,
            "version": str(version.version),
            "package": version.tags[PACKAGE_TAG],
            "by": provenance.author(project.root),
        },
    )
    return code
