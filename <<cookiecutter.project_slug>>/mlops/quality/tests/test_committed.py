"""The checks before a commit: each blocks what it is for, and lets digests pass."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from mlops.quality.committed import LARGEST, main
from mlops.quality.tree import tracked_files

# Put together here, so that the scan of this very file stays clean.
TOKEN = "ghp_" + "aB3dE5gH7" * 4
DIGEST = hashlib.sha256(b"rows").hexdigest()


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True)


def test_large_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "fits.bin").write_bytes(bytes(LARGEST))
    assert main(["large"], tmp_path) == 0
    (tmp_path / "big.bin").write_bytes(bytes(LARGEST + 1))
    assert main(["large", "big.bin"], tmp_path) == 1
    assert capsys.readouterr().out.startswith("big.bin: 5.0 MB, at most 5 MB")


def test_large_file_in_lfs(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "big.bin").write_bytes(bytes(LARGEST + 1))
    assert main(["large"], tmp_path) == 1
    (tmp_path / ".gitattributes").write_text("*.bin filter=lfs\n")
    assert main(["large"], tmp_path) == 0


@pytest.mark.parametrize("marker", ["<" * 7 + " HEAD", ">" * 7 + " topic"])
def test_conflict_marker(tmp_path: Path, marker: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "page.md").write_text(f"Title\n=======\n{marker}\n")
    assert main(["conflicts"], tmp_path) == 1
    assert capsys.readouterr().out == "page.md:3: a conflict marker of a merge\n"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f'token = "{TOKEN}"', id="GitHub token"),
        pytest.param("-----BEGIN RSA " + "PRIVATE KEY-----", id="private key"),
        pytest.param("https://me:" + "hunter22secret@example.org/", id="password in a URL"),
        pytest.param('password = "' + 'correct-horse-8"', id="password"),
        pytest.param(f'key = "{DIGEST}"', id="hexadecimal key"),
    ],
)
def test_secret(tmp_path: Path, text: str) -> None:
    (tmp_path / "settings.py").write_text(text + "\n")
    assert main(["secrets"], tmp_path) == 1
    (tmp_path / "settings.py").write_text(text + "  # pragma: allowlist secret\n")
    assert main(["secrets"], tmp_path) == 0


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("data/rows.yml", f"tags:\n  sha256: {DIGEST}\n"),
        ("requirements/q.lock", f"a==1 \\\n    --hash=sha256:{DIGEST}\n"),
        ("model.yml", f'digest: "{DIGEST}"\n'),
        ("ci.yml", f'uses: "actions/checkout@{DIGEST[:40]}"\n'),
        ("machinery.json", f'{{"noxfile.py": "{DIGEST}"}}\n'),
        ("settings.yml", "password: ${{ secrets.PASSWORD }}\n"),
    ],
)
def test_digests_and_references_are_no_secrets(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text)
    assert main(["secrets"], tmp_path) == 0


def test_only_named_files_are_looked_at(tmp_path: Path) -> None:
    (tmp_path / "leak.py").write_text(f'token = "{TOKEN}"\n')
    (tmp_path / "fine.py").write_text("x = 1\n")
    assert main(["all", "fine.py", "deleted.py"], tmp_path) == 0
    assert main(["all"], tmp_path) == 1


def test_the_tree_with_git_and_without(tmp_path: Path) -> None:
    for name in ("kept.py", ".venv/x.py", "__pycache__/x.pyc", ".github/ci.yml", ".env"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    names = [path.as_posix() for path in tracked_files(tmp_path)]
    assert names == [".env", ".github/ci.yml", "kept.py"]
    (tmp_path / ".gitignore").write_text(".env\n.venv/\n__pycache__/\n")
    git(tmp_path, "init", "--quiet")
    names = [path.as_posix() for path in tracked_files(tmp_path)]
    assert names == [".github/ci.yml", ".gitignore", "kept.py"]
