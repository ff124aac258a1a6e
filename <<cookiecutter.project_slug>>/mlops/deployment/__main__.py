"""The commands of Level 3: `python -m mlops.deployment VERB`, as the nox sessions call them."""

from __future__ import annotations

import sys
from importlib import import_module

from mlops.quality.errors import run_main
from mlops.quality.verbs import dispatch
from mlops.training.__main__ import VERBS as TRAINING
from mlops.training.pipeline import StepFailed

VERBS = {
    "qualify": ("mlops.deployment.qualify:main", "package a version and let the gate decide"),
    "deploy": ("mlops.deployment.deploy:main", "promote a version to stage, and to prod"),
    "approve": ("mlops.deployment.approve:main", "let the model of stage into prod"),
    "reconcile": ("mlops.deployment.reconcile:main", "make the endpoints what Git says"),
    "rollback": ("mlops.deployment.rollback:main", "go back to what served before"),
    "status": ("mlops.deployment.status:main", "show what each environment serves"),
    "probe": ("mlops.deployment.probe:main", "put the model's tests to a running endpoint"),
    "changed": ("mlops.deployment.promotion.changed:main", "tell which environments changed"),
    "issue": ("mlops.deployment.promotion.difference:main", "open an issue on a difference"),
    "promote": ("mlops.deployment.promote:main", "open a pull request for stage or prod"),
    "history": ("mlops.deployment.served:main", "show what served when"),
    "keys": ("mlops.deployment.keys:main", "make and withdraw API keys"),
    "batch": ("mlops.deployment.batch.command:main", "score a table with an environment's model"),
    "up": ("mlops.deployment.stack:main_up", "start the server and the endpoints"),
    "down": ("mlops.deployment.stack:main_down", "stop them"),
    "release": ("mlops.deployment.release:main", "make a version that passed the champion"),
    "level": ("mlops.deployment.conformance:main", "show which demands of Level 3 are met"),
    # as it is on the floor below
    "train": TRAINING["train"],
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
