"""What people decide for retraining: the sections `retraining` and `remedy` of an environment's settings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mlops.operations.retraining.cause import TRIGGERS, Data, Trigger
from mlops.quality.errors import UserError
from mlops.quality.strict import parse, refuse_unknown


def _data() -> dict[str, Data]:
    return {"code": "old"}


@dataclass(frozen=True)
class Policy:
    """When a model is trained anew; None switches a rule off.

    `triggers`: what asks for it; a person always may. `data`: on what, by trigger (otherwise both).
    `cool_down_hours` from the start of one to the start of the next. `one_at_a_time`; one that runs for
    `longest_hours` needs a person. `one_candidate`: none while one waits for its approval. `per_week`: starts within seven days. `new_labels`: labelled rows
    since the champion's training, and after `label_days` without them a person is called. `not_helped`:
    after so many losses in a row against one champion a person is called. `sound_data`: nothing is
    learnt from data that break their contract. `expires_days`: an older signal no longer counts.
    `every_days`: the schedule. `recent_days`: how far back recent rows are learnt from, of which the latest
    share `judging` is kept apart to judge by. `assets`: where new data assets are put, as a folder's URL that
    fsspec opens; empty for `data/retraining/` on this machine.
    """

    triggers: tuple[Trigger, ...] = ("data_drift", "prediction_drift", "performance", "data")
    data: Mapping[str, Data] = field(default_factory=_data)
    cool_down_hours: float | None = 24.0
    one_at_a_time: bool = True
    longest_hours: float = 6.0
    one_candidate: bool = True
    per_week: int | None = 3
    new_labels: int | None = 200
    label_days: float | None = 14.0
    not_helped: int | None = 2
    sound_data: bool = True
    expires_days: float | None = 14.0
    every_days: float | None = None
    recent_days: float = 30.0
    judging: float = 0.25
    assets: str = ""


@dataclass(frozen=True)
class Remedies:
    """When a model is taken back. `automatic_rollback`: without a person. `watch_hours`: how long after
    a deployment a loss is laid at its door.
    """

    automatic_rollback: bool = False
    watch_hours: float = 24.0


def parse_policy(values: object, where: str) -> Policy:
    """The section `retraining`, checked; raises UserError that names place, key and what was expected."""
    found = parse(Policy, values, where)
    refuse_unknown(found.data, TRIGGERS, f"{where}: data")
    keys = ("cool_down_hours", "longest_hours", "label_days", "expires_days", "every_days")
    _check_positive(found, (*keys, "recent_days"), where)
    if not 0 < found.judging < 1:
        raise UserError(
            f"{where}: judging: expected a share between 0 and 1, found {found.judging:g}"
        )
    for key in ("per_week", "new_labels", "not_helped"):
        value = getattr(found, key)
        if value is not None and value < 1:
            raise UserError(f"{where}: {key}: expected 1 or more, or null, found {value}")
    return found


def parse_remedies(values: object, where: str) -> Remedies:
    """The section `remedy`, checked; raises UserError that names place, key and what was expected."""
    found = parse(Remedies, values, where)
    _check_positive(found, ("watch_hours",), where)
    return found


def _check_positive(found: object, keys: Sequence[str], where: str) -> None:
    for key in keys:
        value = getattr(found, key)
        if value is not None and not (value > 0 and math.isfinite(value)):
            raise UserError(f"{where}: {key}: expected more than 0, found {value:g}")
