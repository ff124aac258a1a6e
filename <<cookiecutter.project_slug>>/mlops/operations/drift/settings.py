"""What counts as drift: the thresholds that people decide, and their check."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mlops.quality.errors import UserError
from mlops.quality.strict import refuse_unknown


@dataclass(frozen=True)
class JointSettings:
    """The classifier between reference and current.

    `auc` is what it must exceed to speak of drift; at most `rows` of each table are drawn for it.
    """

    auc: float = 0.55
    rows: int = 5000


@dataclass(frozen=True)
class DriftSettings:
    """When a column has drifted. Both must hold: chance explains it too rarely, and it is large.

    `alpha` is the highest chance that a window without any drift raises an alarm, over all tests
    together. `numbers` and `categories` are the largest distance of a column's values that is no
    drift, `missing` the largest difference of its share of missing values, `answers` the largest
    distance of the answers; all from 0 to 1. `columns` gives single columns a distance of their own,
    `exclude` names columns that are not compared. With fewer than `minimum_rows` rows in a table
    there is no verdict. `joint: null` switches the joint test off.
    """

    alpha: float = 0.01
    numbers: float = 0.1
    categories: float = 0.1
    missing: float = 0.05
    answers: float = 0.1
    columns: Mapping[str, float] = field(default_factory=dict)
    exclude: tuple[str, ...] = ()
    minimum_rows: int = 100
    joint: JointSettings | None = field(default_factory=JointSettings)


def check_drift_settings(settings: DriftSettings, inputs: Iterable[str], where: str) -> None:
    """Raise UserError for a value that makes no sense, or a column that is not among `inputs`."""
    names = tuple(inputs)
    if not 0 < settings.alpha < 1:
        raise UserError(f"{where}: alpha: expected more than 0 and less than 1")
    for key in ("numbers", "categories", "missing", "answers"):
        _check_distance(getattr(settings, key), f"{where}: {key}")
    for name, value in settings.columns.items():
        _check_distance(value, f"{where}: columns: {name}")
    refuse_unknown(settings.columns, names, f"{where}: columns")
    refuse_unknown(settings.exclude, names, f"{where}: exclude")
    if settings.minimum_rows < 20:
        raise UserError(f"{where}: minimum_rows: expected 20 or more")
    if settings.joint is not None:
        if not 0.5 <= settings.joint.auc < 1:
            raise UserError(f"{where}: joint: auc: expected 0.5 or more and less than 1")
        if settings.joint.rows < 100:
            raise UserError(f"{where}: joint: rows: expected 100 or more")


def _check_distance(value: float, where: str) -> None:
    if not 0 <= value < 1:
        raise UserError(f"{where}: expected 0 or more and less than 1, found {value:g}")
