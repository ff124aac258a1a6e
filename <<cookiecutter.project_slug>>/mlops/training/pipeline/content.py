"""Digests of files and folders."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_below(path: Path) -> list[Path]:
    """The file itself, or every file below a folder, sorted."""
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.is_file())
    return [path]


def content_digest(path: Path) -> str:
    """SHA-256 of a file, or of a folder's relative names and contents."""
    if not path.is_dir():
        return file_digest(path)
    return combined_digest(
        f"{file.relative_to(path).as_posix()}:{file_digest(file)}" for file in files_below(path)
    )


def combined_digest(parts: Iterable[str]) -> str:
    """SHA-256 of text lines."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
