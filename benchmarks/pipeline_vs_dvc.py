"""The pipeline runner beside `dvc repro` on the same four steps: cold, no-op, one change.

    python benchmarks/pipeline_vs_dvc.py [--repetitions 5]

Both are timed as whole processes, by turns. DVC is installed into a temporary environment. Prints a
Markdown table of medians; the exit code is 1 where the no-op takes more than a fifth of DVC's.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "<<cookiecutter.project_slug>>"
TARGET = 1 / 5  # of DVC's time without a change

STEPS = ("first", "second", "third", "fourth")
STEP = """
import sys
source, target, factor = sys.argv[1:]
numbers = [int(line) * int(factor) % 9973 for line in open(source)]
open(target, "w").write("\\n".join(map(str, numbers)) + "\\n")
"""
CHANGED = "third"  # the one change is of its parameter: two steps run again


def main() -> int:
    """Measure, print the table, judge."""
    parser = argparse.ArgumentParser(description="The pipeline runner beside `dvc repro`.")
    parser.add_argument("--repetitions", type=int, default=5)
    repetitions = parser.parse_args().repetitions
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dvc = install_dvc(folder / "environment")
        ours: dict[str, list[float]] = {}
        theirs: dict[str, list[float]] = {}
        for number in range(repetitions):
            print(f"repetition {number + 1} of {repetitions}", file=sys.stderr, flush=True)
            measure_ours(folder / f"ours{number}", ours)
            measure_dvc(folder / f"dvc{number}", dvc, theirs)
    return report(ours, theirs, repetitions)


def install_dvc(environment: Path) -> Path:
    """The `dvc` command of a new environment."""
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "-q", "--python", sys.executable, str(environment)], check=True)
    python = environment / "bin" / "python"
    subprocess.run([*uv, "pip", "install", "-q", "--python", str(python), "dvc"], check=True)
    dvc = environment / "bin" / "dvc"
    # once before the clock runs: it compiles its modules
    subprocess.run([str(dvc), "--version"], check=True, capture_output=True)
    return dvc


def measure_ours(folder: Path, times: dict[str, list[float]]) -> None:
    """Add the seconds of each case to `times`."""
    write_steps(folder / "code")
    (folder / "rows.txt").write_text(rows(), encoding="utf-8")
    for step in STEPS:
        (folder / f"{step}.yml").write_text(
            f"type: command\nname: {step}\nenvironment: azureml:any:1\ncode: code\n"
            "inputs: {rows: {type: uri_file}, factor: {type: integer}}\n"
            "outputs: {rows: {type: uri_file}}\n"
            f"command: python {step}.py ${{{{inputs.rows}}}} ${{{{outputs.rows}}}} "
            "${{inputs.factor}}\n",
            encoding="utf-8",
        )
    pipeline = folder / "pipeline.yml"
    words = [sys.executable, "-m", "mlops.training.pipeline", str(pipeline)]
    command = [*words, "--store", str(folder / "store")]
    pipeline.write_text(our_pipeline(factor=3), encoding="utf-8")
    clock(times, "cold", command, PROJECT, ran=4)
    clock(times, "no-op", command, PROJECT, ran=0)
    pipeline.write_text(our_pipeline(factor=5), encoding="utf-8")
    clock(times, "one change", command, PROJECT, ran=2)


def our_pipeline(factor: int) -> str:
    """The pipeline file: each step reads what the one before it wrote."""
    lines = ["type: pipeline", "jobs:"]
    source = "{type: uri_file, path: rows.txt}"
    for step in STEPS:
        value = factor if step == CHANGED else 2
        lines += [f"  {step}:", f"    component: ./{step}.yml", "    inputs:"]
        lines += [f"      rows: {source}", f"      factor: {value}"]
        source = f"${{{{parent.jobs.{step}.outputs.rows}}}}"
    return "\n".join(lines) + "\n"


def measure_dvc(folder: Path, dvc: Path, times: dict[str, list[float]]) -> None:
    """Add the seconds of each case to `times`."""
    write_steps(folder / "code")
    (folder / "rows.txt").write_text(rows(), encoding="utf-8")
    lines, source = ["stages:"], "rows.txt"
    for step in STEPS:
        target = f"{step}.txt"
        lines += [
            f"  {step}:",
            f"    cmd: {sys.executable} code/{step}.py {source} {target} ${{{step}}}",
            f"    deps: [code/{step}.py, {source}]",
            f"    params: [{step}]",
            f"    outs: [{target}]",
        ]
        source = target
    (folder / "dvc.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for words in (["init", "-q", "--no-scm"], ["config", "core.check_update", "false"]):
        subprocess.run([str(dvc), *words], cwd=folder, check=True, env=quiet_environment())
    command = [str(dvc), "repro"]
    write_parameters(folder, factor=3)
    clock(times, "cold", command, folder, ran=4)
    clock(times, "no-op", command, folder, ran=0)
    write_parameters(folder, factor=5)
    clock(times, "one change", command, folder, ran=2)


def write_parameters(folder: Path, factor: int) -> None:
    """DVC's params.yaml."""
    lines = [f"{step}: {factor if step == CHANGED else 2}" for step in STEPS]
    (folder / "params.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_steps(folder: Path) -> None:
    """The scripts, the same for both."""
    folder.mkdir(parents=True)
    for step in STEPS:
        (folder / f"{step}.py").write_text(f"# {step}{STEP}", encoding="utf-8")


def rows() -> str:
    """The data: a thousand whole numbers, one a line."""
    return "".join(f"{number}\n" for number in range(1000))


def clock(
    times: dict[str, list[float]], case: str, command: Sequence[str], folder: Path, ran: int
) -> None:
    """Time a process in seconds, and make sure that it ran the number of steps it should."""
    began = time.perf_counter()
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=True, env=quiet_environment()
    )
    times.setdefault(case, []).append(time.perf_counter() - began)
    found = done.stdout.count("Running stage") + done.stdout.count(": done")
    if found != ran:
        raise SystemExit(f"{case}: {found} steps ran, expected {ran}:\n{done.stdout}{done.stderr}")


def quiet_environment() -> dict[str, str]:
    """This process's variables, with DVC's reports switched off."""
    return {**os.environ, "DVC_NO_ANALYTICS": "1"}


def report(ours: dict[str, list[float]], theirs: dict[str, list[float]], repetitions: int) -> int:
    """Print the table; 1 where the target is missed."""
    print(f"Four trivial steps, whole processes, medians of {repetitions} (seconds):\n")
    print("| case | pipeline runner | `dvc repro` | ratio |\n| --- | ---: | ---: | ---: |")
    ratios = {}
    for case, found in ours.items():
        mine, other = statistics.median(found), statistics.median(theirs[case])
        ratios[case] = mine / other
        print(f"| {case} | {mine:.2f} | {other:.2f} | 1/{other / mine:.1f} |")
    met = ratios["no-op"] <= TARGET
    print(f"\nTarget, no-op at most 1/{1 / TARGET:.0f} of DVC's: {'met' if met else 'missed'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
