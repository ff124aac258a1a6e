"""A package is what was sealed, file for file, or it is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mlops.deployment.packaging.package import (
    MANIFEST,
    changes,
    copy_model,
    opened,
    read_manifest,
    seal,
)
from mlops.quality.errors import UserError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    target = tmp_path / "package"
    (target / "model").mkdir(parents=True)
    (target / "model" / "model.skops").write_bytes(b"weights")
    (target / "contract.yml").write_text("name: toy\n")
    return target


def test_the_same_files_have_the_same_digest(folder: Path, tmp_path: Path) -> None:
    digest = seal(folder, "toy")
    other = tmp_path / "other"
    (other / "model").mkdir(parents=True)
    # written in another order, and at another time
    (other / "contract.yml").write_text("name: toy\n")
    (other / "model" / "model.skops").write_bytes(b"weights")
    assert seal(other, "toy") == digest
    assert seal(other, "another") != digest


def test_sealing_it_again_changes_nothing(folder: Path) -> None:
    assert seal(folder, "toy") == seal(folder, "toy")
    assert changes(folder) == ()


def test_the_manifest_names_every_file_and_the_form(folder: Path) -> None:
    digest = seal(folder, "toy")
    manifest, found = read_manifest(folder)
    assert found == digest
    assert set(manifest.files) == {"contract.yml", "model/model.skops"}
    assert (manifest.name, manifest.format) == ("toy", "mlflow")
    (folder / "model.onnx").write_bytes(b"graph")
    seal(folder, "toy")
    assert read_manifest(folder)[0].format == "onnx"


@pytest.mark.parametrize(
    ("tamper", "told"),
    [
        (lambda f: (f / "contract.yml").write_text("name: tox\n"), "contract.yml was changed"),
        (lambda f: (f / "contract.yml").unlink(), "contract.yml is missing"),
        (lambda f: (f / "more.py").write_text("evil()"), "more.py was added"),
        (lambda f: (f / "model" / "model.skops").write_bytes(b"Weights"), "model.skops was"),
    ],
    ids=["changed", "removed", "added", "model"],
)
def test_whatever_is_done_to_a_file_is_seen(
    tamper: Callable[[Path], object], told: str, folder: Path
) -> None:
    digest = seal(folder, "toy")
    assert opened(folder, digest) == folder
    tamper(folder)
    (line,) = changes(folder)
    assert told in line
    with pytest.raises(UserError, match="not package"):
        opened(folder, digest)


def test_a_manifest_that_fits_the_changed_file_has_another_digest(folder: Path) -> None:
    digest = seal(folder, "toy")
    (folder / "contract.yml").write_text("name: tox\n")
    again = seal(folder, "toy")
    assert changes(folder) == ()
    assert changes(folder, digest) == (f"the digest is {again}, expected {digest}",)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "not a package"),
        ("{", "not a package"),
        ("[]", "holds no mapping"),
        (json.dumps({"version": 2, "name": "n", "format": "onnx", "files": {}}), "of format 2"),
        (json.dumps({"version": 1, "name": "n", "format": "onnx", "fils": {}}), "fils"),
    ],
)
def test_what_is_no_package_is_refused_in_one_line(
    content: str | None, told: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / MANIFEST).write_text(content)
    with pytest.raises(UserError, match=told):
        read_manifest(tmp_path)


def test_the_model_is_copied_in_its_form(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    copy_model(folder, target)
    assert (target / "model" / "model.skops").read_bytes() == b"weights"
    (folder / "model.onnx").write_bytes(b"graph")
    compiled = tmp_path / "compiled"
    compiled.mkdir()
    copy_model(folder, compiled)
    assert [path.name for path in compiled.iterdir()] == ["model.onnx"]
