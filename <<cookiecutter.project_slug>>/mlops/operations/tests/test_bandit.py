"""The bandit's shares: within their bounds, steady, the same for the same seed, and towards the best."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops.operations.experiments.bandit import Arm, allocate, arm, chances, into_bounds
from mlops.operations.experiments.settings import BanditSettings
from mlops.quality.errors import UserError

EQUAL = {"champion": 0.5, "challenger": 0.5}


def share_arms(before: float, now: float, number: float = 1000) -> list[Arm]:
    return [Arm("champion", before, 0.3, number), Arm("challenger", now, 0.3, number)]


def test_the_better_arm_gets_more_but_no_more_than_a_step() -> None:
    found = allocate(share_arms(0.1, 0.2), EQUAL, BanditSettings(step=0.2), seed=1)
    assert found.best["challenger"] > 0.99
    assert found.shares == pytest.approx({"champion": 0.3, "challenger": 0.7})
    assert "challenger is the best with probability" in found.reasons[1]


def test_of_a_cost_the_lower_arm_gets_more() -> None:
    found = allocate(share_arms(0.1, 0.2), EQUAL, BanditSettings(goal="lower"), seed=1)
    assert found.shares["champion"] > 0.6


def test_the_floor_is_kept_exactly() -> None:
    shares = {"champion": 0.15, "challenger": 0.85}
    limits = BanditSettings(floor=0.07, ceiling=0.99)
    found = allocate(share_arms(0.1, 0.9), shares, limits, seed=1)
    assert found.shares == {"champion": 0.07, "challenger": 0.93}


def test_a_floor_of_its_own_goes_before_the_step() -> None:
    shares = {"champion": 1.0, "challenger": 0.0}
    limits = BanditSettings(floors={"challenger": 0.3}, step=0.1)
    found = allocate(share_arms(0.5, 0.1), shares, limits, seed=1)
    assert found.shares["challenger"] == 0.3
    assert found.shares["champion"] == pytest.approx(0.7, abs=1e-12)


def test_few_outcomes_move_nothing() -> None:
    found = allocate(
        [Arm("champion", 0.1, 0.3, 900), Arm("challenger", 0.9, 0.3, 99)],
        {"champion": 0.8, "challenger": 0.2}, BanditSettings(), seed=1,
    )  # fmt: skip
    assert found.shares == pytest.approx({"champion": 0.8, "challenger": 0.2})
    assert found.reasons[0].startswith("99 known outcomes of challenger, 100 are needed")
    assert math.isnan(found.best["challenger"])


def test_the_same_seed_gives_the_same_shares() -> None:
    found = [allocate(share_arms(0.1, 0.11), EQUAL, BanditSettings(), seed) for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]


def test_the_probability_of_being_best_is_that_of_the_posteriors() -> None:
    # of Beta(4, 2) against Beta(3, 3), summed exactly (Cook, MD Anderson report 005, 2005)
    def beta(a: float, b: float) -> float:
        return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)

    exact = 0.0
    for i in range(4):
        exact += math.exp(beta(3 + i, 5) - beta(1 + i, 2) - beta(3, 3)) / (2 + i)
    arms = [Arm("a", 0.75, 0.0, 4), Arm("b", 0.5, 0.0, 4)]
    found = chances(arms, BanditSettings(draws=200_000), seed=3)
    assert found[0] == pytest.approx(exact, abs=0.005)


def test_of_values_the_spread_decides_how_sure_it_is() -> None:
    limits = BanditSettings(kind="value")
    sure = chances([Arm("a", 10.0, 1.0, 200), Arm("b", 10.5, 1.0, 200)], limits, seed=1)
    unsure = chances([Arm("a", 10.0, 20.0, 200), Arm("b", 10.5, 20.0, 200)], limits, seed=1)
    assert sure[1] > 0.99
    assert 0.5 < unsure[1] < 0.7


def test_good_times_make_no_good_arm() -> None:
    random = np.random.default_rng(6)
    share, level = np.repeat([0.1, 0.9], 5000), np.repeat([0.1, 0.4], 5000)
    challenger = random.random(10_000) < share
    value = (random.random(10_000) < level).astype(float)
    new = arm("challenger", value[challenger], share[challenger])
    old = arm("champion", value[~challenger], 1 - share[~challenger])
    assert new.mean == pytest.approx(0.25, abs=0.03)
    assert old.mean == pytest.approx(0.25, abs=0.03)
    assert value[challenger].mean() - value[~challenger].mean() > 0.2
    assert new.number < challenger.sum()


def test_unknown_outcomes_do_not_count() -> None:
    found = arm("a", np.array([1.0, 0.0, np.nan]), np.full(3, 0.5))
    assert (found.mean, found.number) == (0.5, 2)
    assert arm("a", np.array([np.nan]), np.ones(1)).number == 0


@pytest.mark.parametrize(
    ("limits", "shares", "message"),
    [
        (BanditSettings(floor=0.6), EQUAL, "floors add up to 1.2"),
        (BanditSettings(ceiling=0.4), EQUAL, "ceilings to 0.8"),
        (BanditSettings(), {"champion": 1.0}, "shares of ['champion'], but outcomes of"),
    ],
)
def test_what_cannot_add_up_is_refused(
    limits: BanditSettings, shares: dict[str, float], message: str
) -> None:
    with pytest.raises(UserError) as caught:
        allocate(share_arms(0.1, 0.2), shares, limits, seed=1)
    assert message in str(caught.value)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_any_shares_keep_their_bounds_and_add_up(data: st.DataObject) -> None:
    number = data.draw(st.integers(2, 6))
    parts = st.lists(st.floats(0, 1), min_size=number, max_size=number)
    low = np.array(data.draw(parts)) / number
    high = low + np.array(data.draw(parts))
    if high.sum() < 1:
        high += 1 - high.sum()
    wanted = np.array(data.draw(parts)) + 1e-6
    found = into_bounds(wanted / wanted.sum(), low, high)
    assert (found >= low).all()
    assert (found <= high).all()
    assert found.sum() == pytest.approx(1, abs=1e-12)


def test_a_bandit_loses_less_than_fixed_shares() -> None:
    random = np.random.default_rng(9)
    truth, limits = {"champion": 0.10, "challenger": 0.14}, BanditSettings(draws=2000)
    shares, hits, asked = dict(EQUAL), dict.fromkeys(truth, 0), dict.fromkeys(truth, 0)
    for step in range(40):
        for name, share in shares.items():
            sent = round(500 * share)
            asked[name] += sent
            hits[name] += random.binomial(sent, truth[name])
        arms = [Arm(name, hits[name] / asked[name], 0.0, asked[name]) for name in truth]
        shares = dict(allocate(arms, shares, limits, seed=step).shares)
        assert min(shares.values()) >= limits.floor
    lost = asked["champion"] * 0.04
    assert lost < 0.3 * 20_000 * 0.5 * 0.04
