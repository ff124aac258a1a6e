"""What the tests of the commands share."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from mlops.quality import conformance, data_check

CONTRACT = """\
name: toys
description: Toys
task: regression
target: b
columns:
  a: {type: number, description: A, range: [0, 9]}
  b: {type: integer, description: B}
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small project that the commands take for theirs."""
    table = "a,b\n1,2\n3,4\n"
    (tmp_path / "toys.csv").write_text(table)
    (tmp_path / "contract.yml").write_text(CONTRACT)
    digest = hashlib.sha256(table.encode()).hexdigest()
    (tmp_path / "toys.yml").write_text(
        f'name: toys\nversion: "1"\npath: toys.csv\ntags: {{sha256: "{digest}", source: s}}\n'
    )
    (tmp_path / "project.yml").write_text(
        "name: Toys\nslug: toys\nowner: ada\ndata: toys.yml\ncontract: contract.yml\n"
    )
    for module in (conformance, data_check):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    return tmp_path
