"""The commands of Level 4: `python -m mlops.operations VERB`, as the nox sessions call them."""

from __future__ import annotations

import sys
from importlib import import_module

from mlops.deployment.__main__ import VERBS as DEPLOYMENT
from mlops.quality.errors import run_main
from mlops.quality.verbs import dispatch
from mlops.training.pipeline import StepFailed

VERBS = {
    "monitor": ("mlops.operations.monitor:main", "measure what an environment served"),
    "labels": ("mlops.operations.labels:main", "take in what turned out to be true"),
    "status": ("mlops.operations.status:main", "show what each environment serves, as a page too"),
    "level": ("mlops.operations.conformance:main", "show which demands of Level 4 are met"),
    # as they are on the floor below
    **{verb: DEPLOYMENT[verb] for verb in ("release", "up", "down")},
}


def main(arguments: list[str]) -> int:
    """Run one verb; what it needs is imported only then. A failed step exits with 1."""
    target, rest = dispatch("mlops.operations", VERBS, arguments)
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
