"""The confidence sequence keeps its promise at every look, with few events and with moving shares."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from mlops.operations.experiments.sequential import (
    Epoch,
    Outcomes,
    assignment,
    counted,
    difference,
    half_width,
    paired,
    scores,
    sequence,
)

Values = NDArray[np.float64]
Truths = NDArray[np.bool_]
ALPHA, HORIZON = 0.05, 10_000


def drawn(
    before: float, now: float, *, runs: int = 400, requests: int = 6000, share: float = 0.5
) -> tuple[Values, Truths]:
    """Values of 0 and 1, and whether the challenger answered, each of shape (runs, requests)."""
    random = np.random.default_rng(7)
    challenger = random.random((runs, requests)) < share
    value = random.random((runs, requests)) < np.where(challenger, now, before)
    return value.astype(float), challenger


def looked(challenger: Truths, minimum: int) -> Truths:
    """The looks at which each arm has enough, but for the first request."""
    arms = np.minimum(np.cumsum(challenger, axis=1), np.cumsum(~challenger, axis=1))
    return np.asarray(arms >= minimum)[:, 1:]


def missed(
    value: Values, challenger: Truths, share: float, truth: float, *, unseen: float = 1.0
) -> float:
    """In which share of runs the interval leaves out the truth at any look."""
    extra = (unseen / share) ** 2 + (unseen / (1 - share)) ** 2
    found = scores(value, challenger, np.full(value.shape, share))
    mean, half = sequence(found, ALPHA, HORIZON, extra)
    outside = (np.abs(mean - truth) > half) & looked(challenger, 250)
    return float(outside.any(axis=1).mean())


def z_test_errs(value: Values, challenger: Truths) -> float:
    """In which share of runs the plain test at 5% finds a difference at any look."""
    new, old = np.cumsum(challenger, axis=1), np.cumsum(~challenger, axis=1)
    new, old = np.maximum(new, 1), np.maximum(old, 1)
    one = np.cumsum(value * challenger, axis=1) / new
    other = np.cumsum(value * ~challenger, axis=1) / old
    error = np.sqrt(one * (1 - one) / new + other * (1 - other) / old)
    found = (np.abs(one - other) > 1.96 * error)[:, 1:] & looked(challenger, 250)
    return float(found.any(axis=1).mean())


def test_peeking_after_every_request_errs_no_more_than_was_declared() -> None:
    value, challenger = drawn(0.1, 0.1)
    assert missed(value, challenger, 0.5, 0.0) <= ALPHA
    assert z_test_errs(value, challenger) > 4 * ALPHA


@pytest.mark.parametrize(
    ("before", "now", "share"), [(0.1, 0.115, 0.5), (0.1, 0.1, 0.1), (0.9, 0.9, 0.1)]
)
def test_the_truth_is_inside_at_every_look(before: float, now: float, share: float) -> None:
    value, challenger = drawn(before, now, share=share)
    assert missed(value, challenger, share, now - before) <= ALPHA


def test_skewed_values_are_covered_too() -> None:
    random = np.random.default_rng(3)
    challenger = random.random((300, 5000)) < 0.3
    value = random.lognormal(3.0, 1.0, challenger.shape)
    assert missed(value, challenger, 0.3, 0.0, unseen=0.0) <= 1.3 * ALPHA


def test_without_the_unseen_outcome_rare_events_seem_certain() -> None:
    value, challenger = drawn(0.002, 0.002, share=0.1)
    assert missed(value, challenger, 0.1, 0.0) <= 1.3 * ALPHA
    assert missed(value, challenger, 0.1, 0.0, unseen=0.0) > 2 * ALPHA


def test_a_difference_of_the_stated_size_is_found() -> None:
    value, challenger = drawn(0.1, 0.13, runs=200, requests=10_000)
    found = scores(value, challenger, np.full(value.shape, 0.5))
    mean, half = sequence(found, ALPHA, HORIZON, 8.0)
    better = (mean > half) & looked(challenger, 250)
    assert better.any(axis=1).mean() > 0.9


def moving(runs: int, requests: int) -> tuple[Values, Truths, Values]:
    """A share that grows while everybody's values do; the arms themselves do not differ."""
    random = np.random.default_rng(11)
    share = np.repeat([0.1, 0.5, 0.9], requests // 3)
    level = np.repeat([0.05, 0.15, 0.3], requests // 3)
    challenger = random.random((runs, requests)) < share
    value = (random.random((runs, requests)) < level).astype(float)
    return value, challenger, np.broadcast_to(share, challenger.shape)


def test_a_share_that_moves_with_the_times_makes_no_difference() -> None:
    value, challenger, share = moving(300, 6000)
    mean, half = sequence(scores(value, challenger, share), ALPHA, HORIZON, 8.0)
    assert abs(mean[:, -1].mean()) < 4 * mean[:, -1].std() / math.sqrt(300)
    outside = (np.abs(mean) > half) & looked(challenger, 250)
    assert outside.any(axis=1).mean() <= ALPHA
    naive = [v[c].mean() - v[~c].mean() for v, c in zip(value, challenger, strict=True)]
    assert np.mean(naive) > 0.05


def test_the_last_look_is_the_same_as_the_sequences() -> None:
    value, challenger = drawn(0.1, 0.12, runs=1)
    share = np.full(value.shape, 0.5)
    mean, half = sequence(scores(value, challenger, share), ALPHA, HORIZON, 8.0)
    outcomes = Outcomes(value[0], challenger[0], share[0])
    found = difference(outcomes, alpha=ALPHA, horizon=HORIZON, unseen=1.0)
    assert (found.estimate, found.low, found.high) == pytest.approx(
        (mean[0, -1], mean[0, -1] - half[0, -1], mean[0, -1] + half[0, -1])
    )
    assert (found.champion, found.challenger) == ((~challenger[0]).sum(), challenger[0].sum())


def test_what_is_not_known_yet_and_what_could_not_be_drawn_is_left_out() -> None:
    value, challenger = drawn(0.1, 0.12, runs=1, requests=1000)
    value, challenger, share = value[0], challenger[0], np.full(1000, 0.5)
    alone = difference(Outcomes(value, challenger, share), alpha=ALPHA, horizon=HORIZON)
    more = Outcomes(
        np.concatenate([value, [np.nan, 1.0, 1.0]]),
        np.concatenate([challenger, [True, False, True]]),
        np.concatenate([share, [0.5, 0.0, 1.0]]),
    )
    assert difference(more, alpha=ALPHA, horizon=HORIZON) == alone


def test_one_arm_alone_or_no_variation_tells_nothing() -> None:
    nothing = Outcomes(np.ones(9), np.ones(9, dtype=bool), np.full(9, 0.5))
    assert difference(nothing, alpha=ALPHA, horizon=HORIZON).low == -math.inf
    same = Outcomes(np.ones(900), np.arange(900) % 2 == 0, np.full(900, 0.5))
    assert difference(same, alpha=ALPHA, horizon=HORIZON).high == math.inf
    assert paired(np.zeros(0), alpha=ALPHA, horizon=HORIZON).high == math.inf


def test_a_share_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="only one arm"):
        scores(np.ones(3), np.ones(3, dtype=bool), np.ones(3))


def test_counts_tell_what_the_requests_tell() -> None:
    random = np.random.default_rng(5)
    share = np.repeat([0.2, 0.6], 20_000)
    challenger = random.random(40_000) < share
    failed = random.random(40_000) < np.where(challenger, 0.03, 0.01)
    epochs = []
    for part in (0.2, 0.6):
        at = share == part
        new, old = failed[at & challenger], failed[at & ~challenger]
        epochs.append(Epoch(part, len(old), int(old.sum()), len(new), int(new.sum())))
    by_count = counted(epochs, alpha=ALPHA, horizon=HORIZON)
    outcomes = Outcomes(failed.astype(float), challenger, share)
    by_request = difference(outcomes, alpha=ALPHA, horizon=HORIZON, unseen=1.0)
    assert by_count.low < 0.02 < by_count.high
    assert by_count.estimate == pytest.approx(by_request.estimate, abs=0.002)
    assert by_count.high - by_count.low == pytest.approx(by_request.high - by_request.low, rel=0.1)
    assert 0.005 < counted([Epoch(0.3, 700, 0, 300, 0)], alpha=ALPHA, horizon=HORIZON).high < 0.05
    assert counted([Epoch(1.0, 0, 0, 9, 1)], alpha=ALPHA, horizon=HORIZON).high == math.inf


def test_an_assignment_that_is_not_as_the_shares_say_is_found() -> None:
    random = np.random.default_rng(2)
    share = np.repeat([0.1, 0.5], 2000)
    honest = random.random(4000) < share
    known = np.full(4000, np.nan)
    fine = assignment(Outcomes(known, honest, share), alpha=0.001, horizon=HORIZON)
    assert fine.low < 0 < fine.high
    lost = ~(honest & (random.random(4000) < 0.4))
    kept = Outcomes(known[lost], honest[lost], share[lost])
    assert assignment(kept, alpha=0.001, horizon=HORIZON).high < 0


def test_the_interval_is_narrowest_where_it_was_tuned_to_be() -> None:
    def width(horizon: float) -> float:
        return float(half_width(np.array([5000.0]), ALPHA, horizon)[0])  # type: ignore[arg-type]

    best = minimize_scalar(width, bounds=(500, 50_000), method="bounded").x
    assert best == pytest.approx(5000, rel=0.01)
