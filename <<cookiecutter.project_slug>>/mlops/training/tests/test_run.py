"""The words of `nox -s train`."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mlops.quality.errors import UserError
from mlops.quality.project import ROOT
from mlops.training import provenance
from mlops.training.__main__ import VERBS
from mlops.training.run import overrides


def test_inputs_are_set_by_name_and_value() -> None:
    assert overrides(["seed=7", "cause=a=b"]) == {"seed": "7", "cause": "a=b"}


@pytest.mark.parametrize("pair", ["seed", "=7", ""])
def test_anything_else_is_refused(pair: str) -> None:
    with pytest.raises(UserError, match="expected NAME=VALUE"):
        overrides([pair])


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_and_does_nothing_else_then(verb: str) -> None:
    command = [sys.executable, "-m", "mlops.training", verb, "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"nox -s {verb}" in done.stdout


def test_an_unknown_verb_gets_a_hint() -> None:
    command = [sys.executable, "-m", "mlops.training", "trian"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: mlops.training: unknown verb 'trian'; did you mean 'train'?\n"


def test_a_folder_without_git_has_no_commit(tmp_path_factory: pytest.TempPathFactory) -> None:
    assert provenance.commit(tmp_path_factory.mktemp("plain")) == provenance.UNKNOWN


def test_a_commit_is_dirty_where_a_file_is_new_or_changed(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    root = tmp_path_factory.mktemp("git")
    (root / "file").write_text("one")
    author = ["-c", "user.name=ada", "-c", "user.email=ada@example.org"]
    for words in (["init", "-q"], ["add", "-A"], [*author, "commit", "-qm", "one"]):
        subprocess.run(["git", *words], cwd=root, check=True)
    clean = provenance.commit(root)
    assert len(clean) == 40
    (root / "new").write_text("two")
    assert provenance.commit(root) == f"{clean}-dirty"
