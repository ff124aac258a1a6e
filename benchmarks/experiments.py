"""Simulated experiments: how often a verdict is wrong, what is found, and what a bandit loses.

    python benchmarks/experiments.py [--quick]

Every look counts: after each request from the moment when both arms have their minimum. The tables
stand in docs/explanation/experiments.md. The exit code is 1 where the truth was outside the interval
more often than declared, by more than three standard errors of the simulation.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
PROJECT = ROOT / "<<cookiecutter.project_slug>>"
ALPHA, REQUESTS, HORIZON, MINIMUM = 0.05, 20_000, 10_000, 500
AT_ONCE = 100  # runs in memory
STEPS = 40  # of a bandit

Values = NDArray[np.float64]
Truths = NDArray[np.bool_]


@dataclass(frozen=True)
class Case:
    """One simulated experiment: the mean of each arm, at a share and a level for each request."""

    name: str
    champion: float
    challenger: float
    share: Values
    level: Values
    kind: str = "share"
    unseen: float = 1.0


@dataclass(frozen=True)
class Runs:
    """What came of many runs: shares of them, the naive difference, and the median request."""

    outside: float
    z_test: float
    z_at_end: float
    better: float
    naive: float
    stopped: float


def case(name: str, champion: float, challenger: float, share: float = 0.5, **more: object) -> Case:
    """A case whose share and level stay as they are."""
    ones = np.ones(REQUESTS)
    return Case(name, champion, challenger, ones * share, ones, **more)  # type: ignore[arg-type]


def moving(name: str, champion: float, challenger: float) -> Case:
    """The challenger's share grows while everybody's rate grows threefold."""
    level = np.linspace(0.5, 1.5, REQUESTS)
    return Case(name, champion, challenger, np.repeat([0.05, 0.2, 0.5, 0.8], REQUESTS // 4), level)


def simulate(found: Case, runs: int) -> Runs:
    """Run a case many times and look after every request."""
    random = np.random.default_rng(2026)
    parts = [_part(found, random) for _ in range(runs // AT_ONCE)]
    columns = zip(*parts, strict=True)
    outside, z_test, z_at_end, better, naive, stopped = (np.concatenate(each) for each in columns)
    return Runs(
        outside=float(outside.mean()),
        z_test=float(z_test.mean()),
        z_at_end=float(z_at_end.mean()),
        better=float(better.mean()),
        naive=float(naive.mean()),
        stopped=float(np.median(stopped)),
    )


def _part(found: Case, random: np.random.Generator) -> tuple[Values, ...]:
    from mlops.operations.experiments.sequential import scores, sequence

    shape, share = (AT_ONCE, REQUESTS), found.share
    challenger = random.random(shape) < share
    mean = np.where(challenger, found.challenger, found.champion) * found.level
    if found.kind == "share":
        value = (random.random(shape) < mean).astype(float)
    else:
        value = random.lognormal(0.0, 1.0, shape) * mean / math.exp(0.5)
    extra = (found.unseen / share.mean()) ** 2 + (found.unseen / (1 - share.mean())) ** 2
    middle, half = sequence(
        scores(value, challenger, np.broadcast_to(share, shape)), ALPHA, HORIZON, extra
    )
    new, old = np.cumsum(challenger, axis=1), np.cumsum(~challenger, axis=1)
    looked = (np.minimum(new, old) >= MINIMUM)[:, 1:]
    # the mean effect of the requests so far is what the interval speaks of
    effect = np.cumsum((found.challenger - found.champion) * found.level[1:])
    truth = effect / np.arange(1, REQUESTS)
    outside = ((np.abs(middle - truth) > half) & looked).any(axis=1)
    better = (middle > half) & looked
    one, other, error = _plain(value, challenger, np.maximum(new, 1), np.maximum(old, 1))
    z = np.abs(one - other) > 1.959964 * error
    z_test = (z[:, 1:] & looked).any(axis=1)
    stopped = np.where(better.any(axis=1), better.argmax(axis=1) + 2.0, math.inf)
    naive = (one - other)[:, -1]
    told = (outside, z_test, z[:, -1], better.any(axis=1), naive)
    return (*(each.astype(float) for each in told), stopped)


def _plain(
    value: Values, challenger: Truths, new: NDArray[np.int64], old: NDArray[np.int64]
) -> tuple[Values, Values, Values]:
    """The arms' means after each request, and the standard error of their difference."""
    means, error = [], np.zeros(value.shape)
    for arm, number in ((challenger, new), (~challenger, old)):
        mean = np.cumsum(value * arm, axis=1) / number
        error += (np.cumsum(value * value * arm, axis=1) / number - mean**2) / number
        means.append(mean)
    return means[0], means[1], np.sqrt(np.maximum(error, 0))


def errors(runs: int) -> bool:
    """Print how often the truth was outside; returns whether that kept the declared rate."""
    cases = [
        case("10% and 10%, share 50%", 0.1, 0.1),
        case("10% and 10%, share 10%", 0.1, 0.1, 0.1),
        case("90% and 90%, share 5%", 0.9, 0.9, 0.05),
        case("10% and 11.5%, share 50%", 0.1, 0.115),
        case("values, lognormal, share 30%", 20.0, 20.0, 0.3, kind="value", unseen=0.0),
        moving("10% and 10%, share and level grow", 0.1, 0.1),
        case("0.2% and 0.2%, share 10%", 0.002, 0.002, 0.1),
        case("the same, nothing unseen", 0.002, 0.002, 0.1, unseen=0.0),
    ]
    print(
        "| arms | truth outside at any look | plain z-test finds a difference | naive difference |"
    )
    print("| --- | --- | --- | --- |")
    kept = True
    for each in cases:
        found = simulate(each, runs)
        z_test = f"{found.z_test:.1%}" if each.champion == each.challenger else "there is one"
        shown = f"{found.outside:.1%} | {z_test} | {found.naive:+.4f}"
        print(f"| {each.name} | {shown} |", flush=True)
        if each.unseen or each.kind == "value":
            kept &= found.outside <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / runs)
    return kept


def power(runs: int) -> None:
    """Print how often a better challenger is found."""
    print(f"| arms | found within {REQUESTS:,} | median request | z-test, once, at the end |")
    print("| --- | --- | --- | --- |")
    for now, share in ((0.11, 0.5), (0.115, 0.5), (0.12, 0.5), (0.13, 0.5), (0.13, 0.1)):
        found = simulate(case("", 0.1, now, share), runs)
        median = f"{found.stopped:,.0f}" if math.isfinite(found.stopped) else "not within"
        print(
            f"| 10% and {now:.1%}, share {share:.0%} | {found.better:.1%} | {median} | {found.z_at_end:.1%} |",
            flush=True,
        )


def shadow(runs: int, requests: int = 4000) -> bool:
    """Print what copies show once labels arrive; returns whether the declared rate was kept.

    Both models err independently of each other, which is the hardest case for a comparison.
    """
    from mlops.operations.experiments.sequential import sequence

    print(
        f"| right answers | truth outside at any look | found within {requests:,} labels | median |"
    )
    print("| --- | --- | --- | --- |")
    kept, random = True, np.random.default_rng(2026)
    for old, new in ((0.8, 0.8), (0.8, 0.82), (0.8, 0.84), (0.8, 0.88)):
        shape = (runs, requests)
        gain = (random.random(shape) < new).astype(float) - (random.random(shape) < old)
        mean, half = sequence(gain, ALPHA, 2000, 2.0)
        mean, half = mean[:, 199:], half[:, 199:]
        outside = float((np.abs(mean - (new - old)) > half).any(axis=1).mean())
        better = mean > half
        first = np.where(better.any(axis=1), better.argmax(axis=1) + 200.0, math.inf)
        median = f"{np.median(first):,.0f}" if math.isfinite(np.median(first)) else "not within"
        shown = f"{outside:.1%} | {better.any(axis=1).mean():.1%} | {median}"
        print(f"| {old:.0%} and {new:.0%} | {shown} |", flush=True)
        kept &= outside <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / runs)
    return kept


Rates = Mapping[str, float]


def bandit(runs: int) -> None:
    """Print what a bandit and fixed shares lose against the best arm alone."""
    flat, growing = (1.0, 1.0), (0.5, 1.5)
    cases: tuple[tuple[str, Rates, tuple[float, float]], ...] = (
        ("10% and 11.5%", {"a": 0.1, "b": 0.115}, flat),
        ("10% and 13%", {"a": 0.1, "b": 0.13}, flat),
        ("10%, 11% and 13%", {"a": 0.1, "c": 0.11, "b": 0.13}, flat),
        ("10% and 11.5%, level grows", {"a": 0.1, "b": 0.115}, growing),
    )
    print("| arms | lost: equal shares | lost: 90% old | lost: bandit | its traffic to the best |")
    print("| --- | --- | --- | --- | --- |")
    for name, rates, ends in cases:
        gaps = {arm: max(rates.values()) - rate for arm, rate in rates.items()}
        equal = REQUESTS * sum(gaps.values()) / len(gaps)
        rest = sum(gaps.values()) - gaps["a"]
        old = REQUESTS * (0.9 * gaps["a"] + 0.1 * rest / (len(gaps) - 1))
        done = [_bandit_run(rates, np.linspace(*ends, STEPS), gaps, seed) for seed in range(runs)]
        lost, to_best = np.array(done).T
        low, high = np.quantile(lost, [0.05, 0.95])
        shown = f"{lost.mean():.0f} ({low:.0f} to {high:.0f}) | {to_best.mean():.0%}"
        print(f"| {name} | {equal:.0f} | {old:.0f} | {shown} |", flush=True)


def _bandit_run(rates: Rates, level: Values, gaps: Rates, seed: int) -> tuple[float, float]:
    from mlops.operations.experiments.bandit import allocate, arm
    from mlops.operations.experiments.settings import BanditSettings

    random, names = np.random.default_rng(seed), list(rates)
    best = max(rates, key=lambda name: rates[name])
    settings, shares = BanditSettings(), dict.fromkeys(names, 1 / len(names))
    value: dict[str, list[Values]] = {name: [] for name in names}
    share: dict[str, list[Values]] = {name: [] for name in names}
    lost = to_best = 0.0
    for step in range(STEPS):
        sent = random.multinomial(REQUESTS // STEPS, list(shares.values()))
        for name, number in zip(names, sent, strict=True):
            value[name].append((random.random(number) < rates[name] * level[step]).astype(float))
            share[name].append(np.full(number, shares[name]))
            lost += number * gaps[name] * level[step]
        to_best += shares[best] / STEPS
        arms = [
            arm(name, np.concatenate(value[name]), np.concatenate(share[name])) for name in names
        ]
        shares = dict(allocate(arms, shares, settings, seed=step).shares)
    return lost, to_best


def sections(quick: bool) -> Iterator[bool]:
    """Each table in turn; whether it kept its target."""
    runs = 100 if quick else 1000
    yield errors(runs)
    print()
    power(runs)
    print()
    yield shadow(runs)
    print()
    bandit(5 if quick else 200)


def main() -> int:
    """Print the tables; 0 where the declared rate was kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the runs, or less")
    options = parser.parse_args()
    sys.path.insert(0, str(PROJECT))
    return 0 if all(list(sections(options.quick))) else 1


if __name__ == "__main__":
    sys.exit(main())
