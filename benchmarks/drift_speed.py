"""Drift detection beside Evidently on the same two tables: seconds, and what each finds.

100,000 rows beside 100,000, 20 mixed columns; in the second pair ten of them have shifts of known
size. Evidently runs in an environment of its own, as it needs older libraries: give its interpreter.
`--windows` measures instead how often windows without a shift raise an alarm, and how often a shift
of known size is found.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from mlops.quality.contract import Contract

ROOT = Path(__file__).resolve().parents[1]
PROJECT = ROOT / "<<cookiecutter.project_slug>>"
Random = np.random.Generator
Table = dict[str, np.ndarray]

# What Evidently does with a pair of tables, in its own interpreter; the answer is one line of JSON.
EVIDENTLY = """
import json, sys, time
import pandas as pd
begin = time.perf_counter()
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset
imported = time.perf_counter() - begin
reference, current = (pd.read_parquet(path) for path in sys.argv[1:3])
kinds = json.loads(sys.argv[3])
begin = time.perf_counter()
definition = DataDefinition(
    numerical_columns=kinds["numbers"], categorical_columns=kinds["categories"]
)
report = Report([DataDriftPreset()])
pair = [Dataset.from_pandas(table, definition) for table in (current, reference)]
found = report.run(*pair).dict()["metrics"]
seconds = time.perf_counter() - begin
share = next(each["value"]["share"] for each in found if "drift_share" in each["config"])
drifted = []
for each in found:
    config = each["config"]
    if "column" in config:
        small = "p_value" in config["method"]
        beyond = each["value"] < config["threshold"] if small else each["value"] >= config["threshold"]
        drifted += [config["column"]] * bool(beyond)
print(json.dumps({"imported": imported, "seconds": seconds, "share": share, "columns": drifted}))
"""


def main() -> int:
    """Print tables of medians, and of what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--evidently", type=Path, help="a Python that can import evidently")
    parser.add_argument("--rows", type=int, default=100_000, help="of each table (100,000)")
    parser.add_argument("--turns", type=int, default=3, help="of each (default: 3)")
    parser.add_argument("--windows", type=int, help="measure false alarms and power over so many")
    parser.add_argument("--joint-windows", type=int, help="of which with the joint test")
    options = parser.parse_args()
    sys.path.insert(0, str(PROJECT))
    if options.windows:
        joint = options.windows if options.joint_windows is None else options.joint_windows
        print_rates(options.windows, joint)
    else:
        print_speed(options)
    return 0


def mixed(rows: int, random: Random, shifted: bool) -> Table:
    """20 columns: 10 numbers, 3 counts, 5 texts and 2 truth values; ten of them shifted or none."""

    def either(one: float, other: float) -> float:
        return other if shifted else one

    factor = random.normal(size=rows)
    near = [0.7 * factor + 0.71 * random.normal(size=rows) for _ in range(4)]
    skewed = random.gamma(2.0, size=rows)
    gaps = random.normal(size=rows)
    gaps[random.random(rows) < either(0.02, 0.12)] = np.nan
    return {
        "mean +0.3 sd": random.normal(either(0, 0.3), 1, rows),
        "spread x1.5": random.normal(0, either(1, 1.5), rows),
        "mean +0.02 sd": random.normal(either(0, 0.02), 1, rows),
        "skewed, reversed": either(0, 10) + either(1, -1) * skewed,
        "sign reversed": either(1, -1) * near[0],
        "number 1": near[1],
        "number 2": near[2],
        "number 3": random.exponential(size=rows),
        "number 4": np.round(random.normal(size=rows), 1),
        "missing +10 points": gaps,
        "count 4 to 5": random.poisson(either(4, 5), rows),
        "count 1": random.poisson(2, rows),
        "count 2": random.integers(0, 1000, rows),
        "three shares": drawn(random, rows, either(0.5, 0.35), either(0.2, 0.35)),
        "new text in 5%": drawn(random, rows, 0.5, 0.5 - either(0, 0.05)),
        "text 1": drawn(random, rows, 0.5, 0.3),
        "text 2": drawn(random, rows, 0.9, 0.09),
        "text of 200": np.char.add("v", random.integers(0, 200, rows).astype(str)),
        "true 30% to 45%": random.random(rows) < either(0.3, 0.45),
        "truth": random.random(rows) < 0.1,
    }


def drawn(random: Random, rows: int, first: float, second: float) -> np.ndarray:
    """Texts of which the first two have these shares, and the third the rest."""
    rest = max(1 - first - second, 0.0)
    return random.choice(["first", "second", "third"], rows, p=[first, second, rest])


def contract_of(table: pd.DataFrame) -> Contract:
    """A contract whose inputs are the table's columns."""
    from mlops.quality.contract import Column, Contract

    kinds = {"f": "number", "i": "integer", "b": "boolean"}
    columns = {
        name: Column(kinds.get(table[name].dtype.kind, "string"), "", missing=True)
        for name in table
    }
    columns["target"] = Column("number", "")
    return Contract("measured", "", "regression", "target", columns)


def print_speed(options: argparse.Namespace) -> None:
    """Both by turns, on tables without and with shifts."""
    random = np.random.default_rng(0)
    reference = pd.DataFrame(mixed(options.rows, random, False))
    pairs = {
        "no shift": pd.DataFrame(mixed(options.rows, random, False)),
        "ten shifts": pd.DataFrame(mixed(options.rows, random, True)),
    }
    print("| tables | what | seconds | fastest | slowest | times ours |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    told: list[str] = []
    for name, current in pairs.items():
        taken, found = timed_pair(reference, current, options)
        ours = statistics.median(next(iter(taken.values())))
        for what, seconds in taken.items():
            middle = statistics.median(seconds)
            print(
                f"| {name} | {what} | {middle:.2f} | {min(seconds):.2f} | {max(seconds):.2f} "
                f"| {middle / ours:.1f} |",
                flush=True,
            )
        told += [f"{name}, {what}: {said}" for what, said in found.items()]
    print(*told, sep="\n")


def timed_pair(
    reference: pd.DataFrame, current: pd.DataFrame, options: argparse.Namespace
) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Seconds of each turn by what ran, and what it found."""
    from mlops.operations.drift.measure import measure_drift
    from mlops.operations.drift.settings import DriftSettings

    contract = contract_of(reference)
    ways = {"columns and joint": DriftSettings(), "columns alone": DriftSettings(joint=None)}
    taken: dict[str, list[float]] = {what: [] for what in ways}
    said: dict[str, str] = {}
    for _ in range(options.turns):
        for what, settings in ways.items():
            begin = time.perf_counter()
            drift = measure_drift(reference, current, contract, settings, seed=0)
            taken[what].append(time.perf_counter() - begin)
            said[what] = "; ".join(drift.reasons) or "no drift"
        if options.evidently:
            found = evidently(options.evidently, reference, current)
            taken.setdefault("Evidently", []).append(found.seconds)
            taken.setdefault("Evidently, its import", []).append(found.imported)
            verdict = "drift" if found.share >= 0.5 else "no drift"
            said["Evidently"] = f"{verdict} of the table; columns: {', '.join(found.columns)}"
    return taken, said


@dataclass(frozen=True)
class Evidently:
    """What one run of it took, which share of the columns drifted, and which."""

    imported: float
    seconds: float
    share: float
    columns: list[str]


def evidently(python: Path, reference: pd.DataFrame, current: pd.DataFrame) -> Evidently:
    """One run of Evidently's drift preset with its own choice of tests, without telemetry."""
    texts = [name for name in reference if reference[name].dtype.kind not in "fi"]
    kinds = {"numbers": [name for name in reference if name not in texts], "categories": texts}
    with tempfile.TemporaryDirectory() as folder:
        paths = [f"{folder}/{name}.parquet" for name in ("reference", "current")]
        reference.to_parquet(paths[0])
        current.to_parquet(paths[1])
        run = subprocess.run(
            [str(python), "-W", "ignore", "-c", EVIDENTLY, *paths, json.dumps(kinds)],
            env={**os.environ, "DO_NOT_TRACK": "1", "XDG_CONFIG_HOME": folder},
            capture_output=True,
            text=True,
            check=False,
        )
    if run.returncode:
        raise SystemExit(run.stderr)
    return Evidently(**json.loads(run.stdout.splitlines()[-1]))


def small(rows: int, random: Random) -> Table:
    """10 columns: six numbers, of which four hang together, two texts, a truth value, gaps."""
    factor = random.normal(size=rows)
    table = {f"near {n}": 0.7 * factor + 0.71 * random.normal(size=rows) for n in range(4)}
    gaps = random.normal(size=rows)
    gaps[random.random(rows) < 0.05] = np.nan
    return {
        **table,
        "skewed": random.exponential(size=rows),
        "count": random.poisson(4, rows).astype(float),
        "text": drawn(random, rows, 0.5, 0.3),
        "many": np.char.add("v", random.zipf(1.6, rows).clip(max=300).astype(str)),
        "truth": (random.random(rows) < 0.1),
        "gaps": gaps,
    }


def some(table: Table, name: str, share: float, value: object, random: Random) -> np.ndarray:
    """A column with a share of its values replaced."""
    changed = table[name].astype(object)
    changed[random.random(len(changed)) < share] = value
    return changed


# What is done to which column, and whether the joint test alone can see it.
SHIFTS: Mapping[str, tuple[str, Callable[[Table, Random], np.ndarray]]] = {
    "mean by 0.3 standard deviations": ("near 0", lambda t, _: t["near 0"] + 0.3),
    "mean by 0.5 standard deviations": ("near 0", lambda t, _: t["near 0"] + 0.5),
    "spread twice as wide": ("near 0", lambda t, _: t["near 0"] * 2),
    "a skewed column reversed": ("skewed", lambda t, _: 3 - t["skewed"]),
    "a fifth of the texts replaced by another": (
        "text",
        lambda t, r: some(t, "text", 0.2, "third", r),
    ),
    "a new text in 5% of the rows": ("text", lambda t, r: some(t, "text", 0.05, "new", r)),
    "true in 20% instead of 10%": ("truth", lambda t, r: some(t, "truth", 0.11, True, r)),
    "15% missing instead of 5%": ("gaps", lambda t, r: some(t, "gaps", 0.105, np.nan, r)),
    "a column's sign, correlations 0.5": ("", lambda t, _: -t["near 0"]),
    "a column's rows mixed, correlations 0.5": ("", lambda t, r: r.permutation(t["near 0"])),
}


def print_rates(windows: int, joint: int) -> None:
    """False alarms and power over pairs of tables that are drawn anew for each seed."""
    print("| shift | reference, window | windows | found |")
    print("| --- | --- | ---: | ---: |")
    for rows in ((442, 200), (2000, 500), (5000, 5000)):
        for what, count, with_joint in (("columns", windows, False), ("with joint", joint, True)):
            found = sum(alarm(rows, seed, None, with_joint) for seed in range(count))
            line = f"| none, {what} | {rows[0]:,}, {rows[1]:,} | {count} | {found / count:.2%} |"
            print(line, flush=True)
    for rows in ((442, 200), (2000, 500)):
        for shift in SHIFTS:
            count = min(joint, 200)
            found = sum(alarm(rows, seed, shift, not SHIFTS[shift][0]) for seed in range(count))
            line = f"| {shift} | {rows[0]:,}, {rows[1]:,} | {count} | {found / count:.0%} |"
            print(line, flush=True)


def alarm(rows: tuple[int, int], seed: int, shift: str | None, with_joint: bool) -> bool:
    """Whether a window raises an alarm; where it has a shift, for the column that has it."""
    from mlops.operations.drift.measure import measure_drift
    from mlops.operations.drift.settings import DriftSettings

    random = np.random.default_rng(seed)
    before, now = small(rows[0], random), small(rows[1], random)
    column = ""
    if shift is not None:
        column, change = SHIFTS[shift]
        now[column or "near 0"] = change(now, random)
    reference, current = pd.DataFrame(before), pd.DataFrame(now)
    settings = DriftSettings() if with_joint else DriftSettings(joint=None)
    contract = contract_of(reference)
    drift = measure_drift(reference, current, contract, settings, seed=seed)
    if shift is None:
        return bool(drift.data_drift)
    if not column:
        return drift.joint is not None and drift.joint.drifted
    return any(found.drifted and found.column == column for found in drift.columns)


if __name__ == "__main__":
    sys.exit(main())
