"""A bandit: the share of traffic of each arm by Thompson sampling, within declared bounds.

An arm's share is the probability that it is the best one (Thompson, "On the likelihood that one unknown
probability exceeds another", Biometrika 25, 1933), brought inside the bounds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlops.operations.experiments.settings import BanditSettings, bounds_of
from mlops.quality.errors import UserError

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Arm:
    """What is known of an arm: the mean of its outcomes, their standard deviation, and their number.

    `number` is the effective one, so it need not be whole.
    """

    name: str
    mean: float
    deviation: float
    number: float


@dataclass(frozen=True)
class Allocation:
    """The share of each arm from now on, the probability that it is the best, and why so."""

    shares: Mapping[str, float]
    best: Mapping[str, float]
    reasons: tuple[str, ...]


def arm(name: str, value: Values, share: Values) -> Arm:
    """An arm's figures from its known outcomes and its own share in force at each, shape (n,).

    Each outcome weighs 1 / share. Without that, an arm that got most of its traffic in good times
    would seem good. The effective number is (sum w)^2 / sum w^2 (Kish, "Survey sampling", 1965).
    """
    known = np.isfinite(value) & (share > 0)
    if not known.any():
        return Arm(name, math.nan, math.nan, 0.0)
    weight, value = 1 / share[known], value[known]
    mean = float(np.average(value, weights=weight))
    deviation = math.sqrt(float(np.average((value - mean) ** 2, weights=weight)))
    number = float(weight.sum() ** 2 / (weight * weight).sum())
    return Arm(name, mean, deviation, number)


def allocate(
    arms: Sequence[Arm], shares: Mapping[str, float], settings: BanditSettings, seed: int
) -> Allocation:
    """The shares that follow from what is known of the arms; the same for the same seed.

    `shares` are those in force. They add up to 1, and so do the new ones. Raises UserError where the
    bounds leave no room for that.
    """
    names = [each.name for each in arms]
    if set(names) != set(shares) or len(names) != len(shares):
        raise UserError(f"bandit: shares of {sorted(shares)}, but outcomes of {sorted(names)}")
    bounds = np.array([bounds_of(name, settings) for name in names])
    if bounds[:, 0].sum() > 1 + 1e-9 or bounds[:, 1].sum() < 1 - 1e-9:
        low, high = bounds.sum(axis=0)
        raise UserError(
            f"bandit: floors add up to {low:g} and ceilings to {high:g}: expected 1 between"
        )
    present = np.array([shares[name] for name in names])
    few = [each for each in arms if each.number < settings.minimum]
    if few:
        wanted, best = present, np.full(len(arms), math.nan)
        why = [f"{_few(each, settings.minimum)}: nothing moves but into the bounds" for each in few]
    else:
        wanted = best = chances(arms, settings, seed)
        chance = zip(names, best, strict=True)
        why = [f"{name} is the best with probability {p:.3f}" for name, p in chance]
    low, high = _reachable(present, bounds, settings.step)
    found = into_bounds(wanted, low, high)
    return Allocation(
        dict(zip(names, found.tolist(), strict=True)),
        dict(zip(names, best.tolist(), strict=True)),
        tuple(why),
    )


def chances(arms: Sequence[Arm], settings: BanditSettings, seed: int) -> Values:
    """The probability that each arm is the best, from the posteriors' draws.

    Of shares: Beta(1 + hits, 1 + misses), from a uniform prior. Of values: the mean plus Student's t
    times the standard error, the posterior without prior knowledge of mean and variance (Gelman and
    others, "Bayesian data analysis", 3rd edition, section 3.2).
    """
    random, drawn = np.random.default_rng(seed), []
    for each in arms:
        if settings.kind == "share":
            hits = each.mean * each.number
            drawn.append(random.beta(1 + hits, 1 + each.number - hits, settings.draws))
        else:
            error = each.deviation / math.sqrt(each.number - 1)
            drawn.append(each.mean + error * random.standard_t(each.number - 1, settings.draws))
    table = np.array(drawn) if settings.goal == "higher" else -np.array(drawn)
    return np.bincount(table.argmax(axis=0), minlength=len(arms)) / settings.draws


def into_bounds(wanted: Values, low: Values, high: Values) -> Values:
    """The nearest shares to those wanted that keep both bounds exactly and add up to 1.

    Nearest by Euclid: all are moved by the same amount and cut at the bounds; the amount is found by
    bisection, down to the rounding of doubles.
    """
    least, most = -1.0 - float(wanted.max()), 1.0 + float(abs(wanted).max())
    for _ in range(100):
        middle = (least + most) / 2
        if np.clip(wanted + middle, low, high).sum() > 1:
            most = middle
        else:
            least = middle
    return np.asarray(np.clip(wanted + least, low, high))


def _reachable(present: Values, bounds: Values, step: float) -> tuple[Values, Values]:
    """The bounds of one step. The declared bounds go before the step where both cannot be kept."""
    low = np.clip(present - step, bounds[:, 0], bounds[:, 1])
    high = np.clip(present + step, bounds[:, 0], bounds[:, 1])
    if low.sum() > 1 or high.sum() < 1:
        return bounds[:, 0], bounds[:, 1]
    return low, high


def _few(each: Arm, minimum: int) -> str:
    return f"{each.number:.0f} known outcomes of {each.name}, {minimum} are needed"
