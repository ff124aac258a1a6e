"""The difference of two arms with an interval that holds at every look, however often one looks.

The interval is the asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas,
"Time-uniform central limit theory and asymptotic confidence sequences", Annals of Statistics 52, 2024.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import lambertw

Values = NDArray[np.float64]
Truths = NDArray[np.bool_]

# Outcomes whose mean is the centre: few enough to follow a trend, enough to add no noise.
_WINDOW = 1000


@dataclass(frozen=True)
class Outcomes:
    """What came of the units of an experiment, in the order in which they were assigned.

    Each array has shape (n,): the value, NaN while it is not known; whether the challenger answered;
    the challenger's share in force at that moment.
    """

    value: Values
    challenger: Truths
    share: Values


@dataclass(frozen=True)
class Interval:
    """An estimate in the unit of the values, its ends, and the known outcomes of each arm."""

    estimate: float
    low: float
    high: float
    champion: int
    challenger: int


@dataclass(frozen=True)
class Epoch:
    """Requests and those of them that count, such as failed ones, while the share was constant."""

    share: float
    champion: int
    champion_hits: int
    challenger: int
    challenger_hits: int


def half_width(number: Values, alpha: float, horizon: int) -> Values:
    """Half the width after `number` outcomes of variance 1 (Theorem 2.2).

    It is narrowest, for its kind, at `horizon` outcomes, which must be chosen beforehand: there
    x = n rho^2 solves x = log(x + 1) - 2 log(alpha), which Lambert's function gives.
    """
    square = float(-lambertw(-(alpha**2) / math.e, -1).real - 1) / horizon
    spread = number * square + 1
    return np.asarray(np.sqrt(2 * spread / square * np.log(np.sqrt(spread) / alpha)) / number)


def scores(value: Values, challenger: Truths, share: Values) -> Values:
    """For each outcome but the first, an unbiased estimate of the difference, shape (..., n - 1).

    A value less a centre is divided by the chance of the arm that it came from, and counts as
    negative for the champion (inverse-propensity weighting). The chance is that of its own moment:
    so shares may change, also along with the values. The centre is the mean of the last outcomes
    before it; it adds no bias, for it is known before the arm is drawn, and takes away most of the
    variance. The first outcome has none before it. Shares must lie between 0 and 1.
    """
    if not ((share > 0) & (share < 1)).all():
        raise ValueError(
            "an outcome of a moment when only one arm was possible tells no difference"
        )
    before = value.shape[-1] - 1
    total = np.cumsum(value, axis=-1)[..., :-1]
    total[..., _WINDOW:] -= total[..., :-_WINDOW].copy()
    centre = total / np.minimum(np.arange(1, before + 1), _WINDOW)
    chance = np.where(challenger, share, share - 1)[..., 1:]
    return np.asarray((value[..., 1:] - centre) / chance)


def sequence(
    found: Values, alpha: float, horizon: int, extra: Values | float = 0.0
) -> tuple[Values, Values]:
    """The mean of `found` after each outcome and half the interval's width, each shape (..., n).

    `extra` is added to the sum of squares that the variance is taken from.
    """
    number = np.arange(1, found.shape[-1] + 1, dtype=float)
    mean = np.cumsum(found, axis=-1) / number
    squares = np.cumsum(found * found, axis=-1) + extra
    variance = np.maximum(squares / number - mean * mean, 0.0)
    return mean, np.sqrt(variance) * half_width(number, alpha, horizon)


def difference(outcomes: Outcomes, *, alpha: float, horizon: int, unseen: float = 0.0) -> Interval:
    """Challenger minus champion, from all outcomes that are known; endless where there are too few.

    `unseen` is the size of an outcome that may not have shown up yet (1 for shares): one in each arm
    is added to the variance, or an arm without a single failure would seem to have none for sure.
    """
    told = np.isfinite(outcomes.value) & (outcomes.share > 0) & (outcomes.share < 1)
    challenger, share = outcomes.challenger[told], outcomes.share[told]
    arms = int((~challenger).sum()), int(challenger.sum())
    if not all(arms):
        return Interval(math.nan, -math.inf, math.inf, *arms)
    found = scores(outcomes.value[told], challenger, share)
    extra = _unseen(unseen, float(share.mean()))
    total, squares = float(found.sum()), float((found * found).sum()) + extra
    return _interval(len(found), total, squares, arms, alpha=alpha, horizon=horizon)


def counted(epochs: Sequence[Epoch], *, alpha: float, horizon: int) -> Interval:
    """The difference of the shares of hits, where only counts were kept.

    As `difference`, with 0 for the centre: so it is meant for rare hits, such as failed requests.
    """
    told = [each for each in epochs if 0 < each.share < 1]
    arms = sum(each.champion for each in told), sum(each.challenger for each in told)
    if not all(arms):
        return Interval(math.nan, -math.inf, math.inf, *arms)
    total = squares = share = 0.0
    for each in told:
        new, old = each.challenger_hits, each.champion_hits
        total += new / each.share - old / (1 - each.share)
        squares += new / each.share**2 + old / (1 - each.share) ** 2
        share += each.share * (each.champion + each.challenger) / sum(arms)
    squares += _unseen(1.0, share)
    return _interval(sum(arms), total, squares, arms, alpha=alpha, horizon=horizon)


def assignment(outcomes: Outcomes, *, alpha: float, horizon: int) -> Interval:
    """By how much the challenger was given more than its share; 0 is outside where that is no chance.

    Then units of one arm are lost or not drawn as the shares say, and no difference means anything.
    """
    drawn = outcomes.challenger - outcomes.share
    squares = float((outcomes.share * (1 - outcomes.share)).sum())
    arms = int((~outcomes.challenger).sum()), int(outcomes.challenger.sum())
    if not squares:
        return Interval(math.nan, -math.inf, math.inf, *arms)
    mean, width = float(drawn.mean()), half_width(np.array([len(drawn)]), alpha, horizon)
    half = math.sqrt(squares / len(drawn)) * float(width[0])
    return Interval(mean, mean - half, mean + half, *arms)


def paired(value: Values, *, alpha: float, horizon: int, unseen: float = 0.0) -> Interval:
    """The mean of differences of two arms that answered the same units, shape (n,)."""
    number = len(value)
    if not number:
        return Interval(math.nan, -math.inf, math.inf, 0, 0)
    squares = float((value * value).sum()) + 2 * unseen**2
    arms = (number, number)
    return _interval(number, float(value.sum()), squares, arms, alpha=alpha, horizon=horizon)


def _unseen(size: float, share: float) -> float:
    return (size / share) ** 2 + (size / (1 - share)) ** 2


def _interval(
    number: int, total: float, squares: float, arms: tuple[int, int], *, alpha: float, horizon: int
) -> Interval:
    mean = total / number
    width = float(half_width(np.array([number], dtype=float), alpha, horizon)[0])
    variance = squares / number - mean * mean
    # of what never varied, nobody knows how much it can
    half = math.sqrt(variance) * width if variance > 1e-12 * squares / number else math.inf
    return Interval(mean, mean - half, mean + half, *arms)
