"""What must not be committed: large files, conflict markers, secrets. The Git hooks call it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from mlops.quality.errors import run_main
from mlops.quality.leaks import find_leaks
from mlops.quality.tree import stored_elsewhere, tracked_files

ROOT = Path(__file__).resolve().parents[2]
LARGEST = 5_000_000  # bytes; a repository never forgets what it once held


def large_files(root: Path, files: Sequence[Path]) -> list[str]:
    """A line for every file above the limit that Git LFS does not keep."""
    large = {path: (root / path).stat().st_size for path in files}
    large = {path: size for path, size in large.items() if size > LARGEST}
    kept_out = stored_elsewhere(root, list(large))
    return [
        f"{path.as_posix()}: {size / 1e6:.1f} MB, at most {LARGEST / 1e6:.0f} MB may be committed; "
        "keep it outside and name it as a data asset, or use Git LFS"
        for path, size in large.items()
        if path not in kept_out
    ]


def conflict_markers(root: Path, files: Sequence[Path]) -> list[str]:
    """A line for every conflict marker that a merge left behind."""
    markers = (b"<" * 7 + b" ", b">" * 7 + b" ")
    return [
        f"{path.as_posix()}:{number}: a conflict marker of a merge"
        for path in files
        for number, line in enumerate((root / path).read_bytes().splitlines(), start=1)
        if line.startswith(markers)
    ]


def secrets(root: Path, files: Sequence[Path]) -> list[str]:
    """A line for every likely secret."""
    advice = "take it out and revoke it; if it is none, end the line with"
    return [f"{leak}; {advice} '# pragma: allowlist secret'" for leak in find_leaks(root, files)]


CHECKS: dict[str, Callable[[Path, Sequence[Path]], list[str]]] = {
    "large": large_files,
    "conflicts": conflict_markers,
    "secrets": secrets,
}


def main(arguments: list[str], root: Path = ROOT) -> int:
    """Run the checks on the given files, or on all of the repository's; 1 when one fails."""
    parser = argparse.ArgumentParser(prog="python -m mlops.quality.committed", description=__doc__)
    parser.add_argument("check", choices=[*CHECKS, "all"])
    parser.add_argument("file", nargs="*", type=Path, help="relative to the project's folder")
    given = parser.parse_args(arguments)
    files = [path for path in given.file if (root / path).is_file()]
    if not given.file:
        files = tracked_files(root)
    checks = CHECKS.values() if given.check == "all" else [CHECKS[given.check]]
    problems = [problem for check in checks for problem in check(root, files)]
    print("".join(f"{problem}\n" for problem in problems), end="")
    return int(bool(problems))


if __name__ == "__main__":
    run_main(main)
