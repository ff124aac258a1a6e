"""How long it takes to generate a project, beside a plain copy of the same files.

Whole processes, in turn, on the same machine: `cookiecutter --no-input` with its hooks, and `cp -r`
of what it made. Exits with 1 where generation takes longer than the target.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGET = 1.5  # seconds


def main() -> int:
    """Print a table of medians; 0 when the target is met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7, help="counted runs (default: 7)")
    runs = parser.parse_args().runs
    times: dict[str, list[float]] = {"cookiecutter": [], "cp -r": []}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(runs + 1):
            made = Path(folder) / f"made-{number}"
            generate = [sys.executable, "-m", "cookiecutter", str(ROOT), "--no-input"]
            generation = timed([*generate, "--output-dir", str(made)])
            copying = timed(["cp", "-r", str(made), str(Path(folder) / f"copy-{number}")])
            if number:  # the first warms the file cache up
                times["cookiecutter"].append(generation)
                times["cp -r"].append(copying)
            shutil.rmtree(made)
    print("| | median, s | fastest, s | slowest, s |\n| --- | ---: | ---: | ---: |")
    for name, found in times.items():
        middle = statistics.median(found)
        print(f"| {name} | {middle:.2f} | {min(found):.2f} | {max(found):.2f} |")
    met = statistics.median(times["cookiecutter"]) <= TARGET
    print(f"\nTarget, at most {TARGET} s: {'met' if met else 'missed'}.")
    return 0 if met else 1


def timed(command: list[str]) -> float:
    """Seconds that a command takes as a whole process."""
    begin = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


if __name__ == "__main__":
    sys.exit(main())
