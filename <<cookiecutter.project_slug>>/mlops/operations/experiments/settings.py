"""What people decide about experiments: the sections of an environment's settings, checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from mlops.quality.errors import UserError
from mlops.quality.strict import parse

# Why an answer is looked at that no rule names.
UNCERTAIN = "uncertain"


@dataclass(frozen=True)
class GuardRail:
    """What the challenger may not make worse by more than `margin`, in the metric's own unit.

    `goal` says which direction is the better one.
    """

    margin: float
    goal: Literal["lower", "higher"] = "lower"


def _guards() -> Mapping[str, GuardRail]:
    return {"error_rate": GuardRail(0.01), "slow_rate": GuardRail(0.02)}


@dataclass(frozen=True)
class ExperimentSettings:
    """How a challenger is compared with the champion on live traffic.

    `share` is the challenger's while it runs. `unit` is the column whose values are assigned as a
    whole: `request_id`, or with a routing key the column that holds it; a unit's value is the mean
    of its first `hours`. `kind` is `share` for a value of 0 or 1, and `value` for any other, of
    which `goal` says what is better. `alpha` is the chance of a wrong verdict, `difference` the
    smallest that matters. A verdict needs `minimum` known outcomes of each arm, a guard-rail
    `guard_minimum` requests; `horizon` is the number of outcomes, of both arms together, at which
    the interval is narrowest. After `days` the experiment ends. A request is slow after `slow_ms`.
    """

    share: float = 0.5
    unit: str = "request_id"
    hours: float = 0.0
    kind: Literal["share", "value"] = "share"
    goal: Literal["higher", "lower"] = "higher"
    alpha: float = 0.05
    difference: float = 0.01
    minimum: int = 500
    guard_minimum: int = 200
    horizon: int = 10_000
    days: float = 28.0
    slow_ms: float = 50.0
    guards: Mapping[str, GuardRail] = field(default_factory=_guards)

    @property
    def unseen(self) -> float:
        """The size of an outcome that may not have shown up yet."""
        return 1.0 if self.kind == "share" else 0.0


@dataclass(frozen=True)
class BanditSettings:
    """How far and how fast a bandit may move the shares of traffic.

    Each arm keeps a share from `floor` to `ceiling`, or its own in `floors` and `ceilings`; one step
    moves a share by at most `step`. Nothing moves before each arm has `minimum` known outcomes.
    `draws` from the posterior make one step.
    """

    kind: Literal["share", "value"] = "share"
    goal: Literal["higher", "lower"] = "higher"
    floor: float = 0.05
    ceiling: float = 0.95
    floors: Mapping[str, float] = field(default_factory=dict)
    ceilings: Mapping[str, float] = field(default_factory=dict)
    step: float = 0.2
    minimum: int = 100
    draws: int = 10_000


@dataclass(frozen=True)
class ShadowSettings:
    """How a challenger is compared with the champion on copies of requests.

    `tolerance` is how far apart two values may lie and still agree, in the target's unit. A segment
    is told of from `minimum` rows on, a verdict given from `labels` labelled requests on; `alpha` is
    the chance of a wrong one, and `difference` the smallest that matters (a share of right answers;
    of values, in the target's unit). At `horizon` labelled requests the interval is narrowest.
    """

    tolerance: float = 0.0
    minimum: int = 30
    labels: int = 200
    alpha: float = 0.05
    difference: float = 0.01
    horizon: int = 2_000


@dataclass(frozen=True)
class ReviewSettings:
    """Which answers people look at.

    Those whose two most probable labels are at most `margin` apart (None: none for that), and those
    for which one of the `rules`, comparisons of columns by name, holds; at most `per_window` of a
    window. A label counts once `labellers` people gave one and more than half of them agree.
    """

    margin: float | None = 0.2
    rules: Mapping[str, str] = field(default_factory=dict)
    per_window: int = 50
    labellers: int = 1


def experiment_settings(values: object, where: str) -> ExperimentSettings:
    """The section that `values` hold; raises UserError that names the place, the key and the value."""
    found = parse(ExperimentSettings, values, where)
    _inside(found.share, 0, 1, f"{where}: share")
    _inside(found.alpha, 0, 0.5, f"{where}: alpha")
    for key in ("difference", "days", "slow_ms"):
        _positive(getattr(found, key), f"{where}: {key}")
    if not (found.hours >= 0 and math.isfinite(found.hours)):
        raise UserError(f"{where}: hours: expected 0 or more, found {found.hours:g}")
    for key in ("minimum", "guard_minimum", "horizon"):
        _at_least(getattr(found, key), 50, f"{where}: {key}")
    if not found.unit.strip():
        raise UserError(f"{where}: unit: expected a column, such as request_id")
    for name, guard in found.guards.items():
        _positive(guard.margin, f"{where}: guards: {name}: margin")
    return found


def bandit_settings(values: object, where: str) -> BanditSettings:
    """The section that `values` hold; raises UserError that names the place, the key and the value."""
    found = parse(BanditSettings, values, where)
    limits = {"floor": found.floor, "ceiling": found.ceiling}
    limits |= {f"floors: {name}": value for name, value in found.floors.items()}
    limits |= {f"ceilings: {name}": value for name, value in found.ceilings.items()}
    for key, value in limits.items():
        if not 0 <= value <= 1:
            raise UserError(f"{where}: {key}: expected 0 to 1, found {value:g}")
    for name in ("", *found.floors, *found.ceilings):
        low, high = bounds_of(name, found)
        if low > high:
            place = name or "floor"
            raise UserError(f"{where}: {place}: the floor {low:g} is above the ceiling {high:g}")
    if not 0 < found.step <= 1:
        raise UserError(f"{where}: step: expected more than 0, at most 1, found {found.step:g}")
    _at_least(found.minimum, 2, f"{where}: minimum")
    _at_least(found.draws, 1000, f"{where}: draws")
    return found


def bounds_of(arm: str, settings: BanditSettings) -> tuple[float, float]:
    """The least and the largest share of an arm."""
    low = settings.floors.get(arm, settings.floor)
    return low, settings.ceilings.get(arm, settings.ceiling)


def shadow_settings(values: object, where: str) -> ShadowSettings:
    """The section that `values` hold; raises UserError that names the place, the key and the value."""
    found = parse(ShadowSettings, values, where)
    _inside(found.alpha, 0, 0.5, f"{where}: alpha")
    _positive(found.difference, f"{where}: difference")
    if not (found.tolerance >= 0 and math.isfinite(found.tolerance)):
        raise UserError(f"{where}: tolerance: expected 0 or more, found {found.tolerance:g}")
    _at_least(found.minimum, 1, f"{where}: minimum")
    for key in ("labels", "horizon"):
        _at_least(getattr(found, key), 50, f"{where}: {key}")
    return found


def review_settings(values: object, where: str) -> ReviewSettings:
    """The section that `values` hold; raises UserError that names the place, the key and the value.

    Whether the columns of its rules exist is known only where they are used.
    """
    found = parse(ReviewSettings, values, where)
    if found.margin is not None and not 0 <= found.margin <= 1:
        raise UserError(f"{where}: margin: expected 0 to 1, found {found.margin:g}")
    for name in found.rules:
        if name == UNCERTAIN or "," in name or not name.strip():
            expected = f"expected a name without commas other than {UNCERTAIN}"
            raise UserError(f"{where}: rules: {expected}, found {name!r}")
    _at_least(found.per_window, 1, f"{where}: per_window")
    _at_least(found.labellers, 1, f"{where}: labellers")
    return found


def _inside(value: float, low: float, high: float, where: str) -> None:
    if not low < value < high:
        raise UserError(
            f"{where}: expected more than {low:g} and less than {high:g}, found {value:g}"
        )


def _positive(value: float, where: str) -> None:
    if not (value > 0 and math.isfinite(value)):
        raise UserError(f"{where}: expected more than 0, found {value:g}")


def _at_least(value: int, least: int, where: str) -> None:
    if value < least:
        raise UserError(f"{where}: expected {least} or more, found {value}")
