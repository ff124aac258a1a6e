"""How long it takes from the README's command to the registered model, on a warm package cache.

A fresh clone of what is committed; the command is the README's own. Its phases are told apart by
what nox prints. Runs once to warm the cache up, then as often as asked.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# What begins each phase, in the order in which it is printed.
PHASES = {
    "nox and the template's environment": r"",
    "generation and first commit": r"-m cookiecutter|bin/cookiecutter",
    "the project's environment": r"installing requirements/training.lock",
    "training until registered": r"-m mlops.training train",
}


def main() -> int:
    """Print a table of the phases' medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="counted runs (default: 3)")
    runs = parser.parse_args().runs
    found: list[dict[str, float]] = [measured() for _ in range(runs + 1)][1:]
    print("| phase | median, s | fastest, s | slowest, s |\n| --- | ---: | ---: | ---: |")
    for name in [*PHASES, "all"]:
        seconds = [run[name] for run in found]
        middle = statistics.median(seconds)
        print(f"| {name} | {middle:.1f} | {min(seconds):.1f} | {max(seconds):.1f} |")
    return 0


def measured() -> dict[str, float]:
    """Seconds of each phase of one run in a fresh clone."""
    readme = (ROOT / "README.md").read_text()
    (command,) = re.findall(r"^(python3 -m venv .*-s demo)$", readme, re.MULTILINE)
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        begin = time.perf_counter()
        starts = {next(iter(PHASES)): begin}
        process = subprocess.Popen(
            ["bash", "-c", command],
            cwd=clone,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        ended = begin
        for line in process.stdout or ():
            for name, sign in PHASES.items():
                if name not in starts and re.search(sign, line):
                    starts[name] = time.perf_counter()
            if re.search(r"^registered .* version", line):
                ended = time.perf_counter()
        if process.wait() != 0 or ended == begin or len(starts) != len(PHASES):
            sys.exit(f"the demo did not register a model: {starts}")
        (project,) = (clone / "demo").glob("*")
        down = [str(project / ".venv" / "bin" / "python"), "-m", "mlops.training", "down"]
        subprocess.run(down, cwd=project, check=True, stdout=subprocess.DEVNULL)
    moments = [*starts.values(), ended]
    phases = {
        name: later - earlier
        for name, earlier, later in zip(starts, moments, moments[1:], strict=False)
    }
    return {**phases, "all": ended - begin}


if __name__ == "__main__":
    sys.exit(main())
