"""The commands of Level 4: `python -m mlops.operations VERB`, as the nox sessions call them."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from importlib import import_module

from mlops.deployment.__main__ import VERBS as DEPLOYMENT
from mlops.operations.telling import telling
from mlops.quality.errors import run_main
from mlops.quality.verbs import dispatch
from mlops.training.pipeline import StepFailed

# What others want to hear of is told when these end.
TOLD = (
    "train",
    "qualify",
    "deploy",
    "approve",
    "reconcile",
    "rollback",
    "release",
    "probe",
    "retrain",
)
# As they are on the floor below.
_BELOW = (*TOLD[:-1], "up", "down")

VERBS = {
    "monitor": ("mlops.operations.monitor:main", "measure what an environment served"),
    "retrain": ("mlops.operations.retrain:main", "train anew where the policy says so"),
    "review": ("mlops.operations.review:main", "label what the model is not sure of"),
    "experiment": ("mlops.operations.experiment:main", "compare packages that served side by side"),
    "listen": ("mlops.operations.listen:main", "take MLflow's webhooks, and deploy what they name"),
    "loop": ("mlops.operations.loop.play:main", "show the whole loop, in a clone of its own"),
    "labels": ("mlops.operations.labels:main", "take in what turned out to be true"),
    "deliver": ("mlops.operations.deliver:main", "deliver events that wait, and show which do"),
    "heartbeat": ("mlops.operations.heartbeat:main", "notice a monitor that did not run"),
    "status": ("mlops.operations.status:main", "show what each environment serves, as a page too"),
    "level": ("mlops.operations.conformance:main", "show which demands of Level 4 are met"),
    **{verb: DEPLOYMENT[verb] for verb in _BELOW},
}


def main(arguments: list[str]) -> int:
    """Run one verb; what it needs is imported only then. A failed step exits with 1."""
    target, rest = dispatch("mlops.operations", VERBS, arguments)
    if not target:
        return 0
    verb = arguments[0]
    module, _, function = target.partition(":")
    try:
        with telling(verb) if verb in TOLD else nullcontext():
            return int(getattr(import_module(module), function)(rest))
    except StepFailed as failed:
        print(f"error: {failed}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    run_main(main)
