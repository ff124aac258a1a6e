"""The commands of Level 2: `python -m mlops.training VERB`, as the nox sessions call them."""

from __future__ import annotations

import sys
from importlib import import_module

from mlops.quality.errors import run_main
from mlops.quality.verbs import dispatch
from mlops.training.pipeline import StepFailed

VERBS = {
    "train": ("mlops.training.run:main", "run the training pipeline and register the model"),
    "reproduce": ("mlops.training.reproduce:main", "prove that a model comes out again"),
    "lineage": ("mlops.training.lineage:main", "walk from a model to commit and data, or back"),
    "release": ("mlops.training.release:main", "make a version the champion"),
    "up": ("mlops.training.tracking:main_up", "start the project's own MLflow server"),
    "down": ("mlops.training.tracking:main_down", "stop it"),
    "level": ("mlops.training.conformance:main", "show which demands of Level 2 are met"),
}


def main(arguments: list[str]) -> int:
    """Run one verb; what it needs is imported only then. A failed step exits with 1."""
    target, rest = dispatch("mlops.training", VERBS, arguments)
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
