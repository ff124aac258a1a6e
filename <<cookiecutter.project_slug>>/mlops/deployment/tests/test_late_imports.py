"""What a command does not need, it does not import: that alone takes seconds."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from mlops.quality.project import ROOT

TELL = """
import importlib, json, sys
importlib.import_module(sys.argv[1])
print(json.dumps(sorted(sys.modules)))
"""


@pytest.mark.parametrize(
    ("command", "unneeded"),
    [
        ("deploy", {"mlops.deployment.qualify", "mlflow", "pandera", "sklearn"}),
        ("reconcile", {"mlops.deployment.qualify", "mlflow", "pandera", "sklearn"}),
        ("approve", {"mlflow", "pandera", "sklearn"}),
        ("status", {"mlflow", "pandera", "sklearn"}),
    ],
)
def test_a_command_starts_without_what_only_others_need(command: str, unneeded: set[str]) -> None:
    words = [sys.executable, "-c", TELL, f"mlops.deployment.{command}"]
    told = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert unneeded.isdisjoint(json.loads(told))
