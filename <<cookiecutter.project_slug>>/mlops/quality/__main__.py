"""The commands of Level 1: `python -m mlops.quality VERB`, as the nox sessions call them."""

from __future__ import annotations

from importlib import import_module

from mlops.quality.errors import run_main
from mlops.quality.verbs import dispatch

VERBS = {
    "data": ("mlops.quality.data_check", "check the data against its contract"),
    "audit": ("mlops.quality.audit", "look for known vulnerabilities and secrets"),
    "level": ("mlops.quality.conformance", "show which demands of Level 1 are met"),
    "update": ("mlops.quality.update", "take a newer template, or a higher level"),
}


def main(arguments: list[str]) -> int:
    """Run one verb; what it needs is imported only then."""
    module, rest = dispatch("mlops.quality", VERBS, arguments)
    return int(import_module(module).main(rest)) if module else 0


if __name__ == "__main__":
    run_main(main)
