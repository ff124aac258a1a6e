"""The commands of Level 3: `python -m mlops.deployment VERB`, as the nox sessions call them."""

from __future__ import annotations

import sys
from importlib import import_module

from mlops.quality.errors import run_main
from mlops.quality.verbs import dispatch
from mlops.training.pipeline import StepFailed

VERBS = {
    "qualify": ("mlops.deployment.qualify:main", "package a version and let the gate decide"),
    "release": ("mlops.deployment.release:main", "make a version that passed the champion"),
    "level": ("mlops.deployment.conformance:main", "show which demands of Level 3 are met"),
}


def main(arguments: list[str]) -> int:
    """Run one verb; what it needs is imported only then. A failed step exits with 1."""
    target, rest = dispatch("mlops.deployment", VERBS, arguments)
    if not target:
        return 0
    module, _, function = target.partition(":")
    try:
        return int(getattr(import_module(module), function)(rest))
    except StepFailed as failed:
        print(f"error: {failed}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    run_main(main)
