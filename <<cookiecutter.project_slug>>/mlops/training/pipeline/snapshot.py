"""The code a step may see: a copy of its `code:` folder, narrowed to what its module imports.

What is not copied is not there, and what is copied is in the cache key: a changed line re-runs
exactly the steps whose module imports it, and an import that cannot be seen statically fails loudly.
"""

from __future__ import annotations

import ast
import functools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from mlops.training.pipeline.content import combined_digest, file_digest
from mlops.training.pipeline.ignore import can_skip, is_ignored, read_patterns

_NEVER = (".git", "__pycache__")


@functools.lru_cache(maxsize=32)
def code_files(folder: Path, store: Path) -> tuple[str, ...]:
    """The files of a code folder that are not ignored, as POSIX paths; never the store's own."""
    patterns = read_patterns(folder)
    found: list[str] = []
    for parent, folders, files in os.walk(folder):
        base = Path(parent).relative_to(folder).as_posix()
        prefix = "" if base == "." else f"{base}/"
        folders[:] = [
            name
            for name in folders
            if name not in _NEVER
            and Path(parent, name) != store
            and not can_skip(f"{prefix}{name}/", patterns)
        ]
        found += [
            f"{prefix}{name}" for name in files if not is_ignored(f"{prefix}{name}", patterns)
        ]
    return tuple(sorted(found))


def step_files(folder: Path, store: Path, words: list[str]) -> tuple[str, ...]:
    """The files a command gets: for `python -m X` and `python X.py` only the imported modules.

    Files that are not Python are all kept. Any other command gets the whole folder.
    """
    files = code_files(folder, store)
    entry = _entry(frozenset(files), words)
    if entry is None or not any(name in files for name in entry[1]):
        return files
    root, start = entry
    modules = _closure(folder, frozenset(files), root, start)
    return tuple(name for name in files if not name.endswith(".py") or name in modules)


def snapshot_digest(folder: Path, files: tuple[str, ...]) -> str:
    """SHA-256 over names, contents and executable bits."""
    return combined_digest(
        f"{name}:{os.access(folder / name, os.X_OK)}:{file_digest(folder / name)}" for name in files
    )


def copy_snapshot(folder: Path, files: tuple[str, ...], target: Path) -> None:
    """Copy the files below a new folder."""
    for name in files:
        copy = target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / name, copy)


def module_files(files: frozenset[str], module: str, root: str = "") -> list[str]:
    """The files that importing a dotted module reads, its parents' `__init__.py` included."""
    found, path = [], root
    for part in module.split("."):
        path += part
        package, plain = f"{path}/__init__.py", f"{path}.py"
        found += [package] if package in files else [plain] if plain in files else []
        path += "/"
    return found


def _entry(files: frozenset[str], words: list[str]) -> tuple[str, list[str]] | None:
    """The folder at which imports start, and the files run first."""
    if len(words) > 2 and words[:2] == ["python", "-m"] and "${{" not in words[2]:
        main = words[2].replace(".", "/") + "/__main__.py"
        return "", module_files(files, words[2]) + ([main] if main in files else [])
    if len(words) > 1 and words[0] == "python" and words[1].endswith(".py"):
        script = PurePosixPath(os.path.normpath(words[1])).as_posix()
        parent = PurePosixPath(script).parent.as_posix()
        return ("" if parent == "." else f"{parent}/"), [script]
    return None


def _closure(folder: Path, files: frozenset[str], root: str, start: list[str]) -> set[str]:
    seen: set[str] = set()
    waiting = [name for name in start if name in files]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        source = folder / name
        stat = source.stat()
        for module in _imported(source, stat.st_mtime_ns, stat.st_size, name.removeprefix(root)):
            waiting += module_files(files, module, root)
    return seen


@functools.lru_cache(maxsize=4096)
def _imported(source: Path, _mtime: int, _size: int, relative: str) -> tuple[str, ...]:
    """The dotted names that a file's import statements may mean, wherever they stand in it."""
    try:
        tree = ast.parse(source.read_bytes())
    except (SyntaxError, ValueError):
        return ()  # the step itself will say so
    return tuple(dict.fromkeys(_names(tree, PurePosixPath(relative).parent.parts)))


def _names(tree: ast.Module, package: tuple[str, ...]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*parents, *([node.module] if node.module else [])])
            yield from ([base] if base else [])
            # a name may be a module of the package as well as an attribute
            yield from (f"{base}.{alias.name}".lstrip(".") for alias in node.names)
