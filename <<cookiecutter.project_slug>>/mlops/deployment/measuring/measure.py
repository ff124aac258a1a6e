"""What is measured of a model: one figure with its interval, in the form that the gate reads."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops.quality.strict import parse

# From a table with the contract's inputs to what the metrics judge, as mlops.training.search.predict
# gives it: values or the probability of label 1, shape (n,); of each label, shape (n, labels).
Predict = Callable[[pd.DataFrame], NDArray[np.float64]]


@dataclass(frozen=True)
class Measure:
    """One figure of a model.

    `name` is `group.figure` or `group.figure[segment]`. `value` is None where it is not defined,
    and `detail` then says why. `low` and `high` bound the 95% interval, where there is one. `rows`
    is the number of rows it was taken from. `declared` is the limit that was declared beside the
    test itself, for rules that refer to it.
    """

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    rows: int = 0
    detail: str = ""
    declared: float | None = None

    @property
    def group(self) -> str:
        """The first part of the name: what kind of figure this is."""
        return self.name.partition(".")[0]


@dataclass(frozen=True)
class Measures:
    """The figures that one step took."""

    measures: tuple[Measure, ...]


def write_measures(measures: Iterable[Measure], path: Path) -> None:
    """Write figures as JSON; what is not finite becomes None."""
    rows = [dataclasses.asdict(measure) for measure in measures]
    for row in rows:
        for key in ("value", "low", "high", "declared"):
            if row[key] is not None and not math.isfinite(row[key]):
                row[key] = None
    path.write_text(json.dumps({"measures": rows}, indent=1))


def read_measures(path: Path) -> tuple[Measure, ...]:
    """Read what `write_measures` wrote; raises UserError for anything else."""
    return parse(Measures, json.loads(path.read_text()), str(path)).measures
