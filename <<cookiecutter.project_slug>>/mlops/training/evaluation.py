"""What the metrics say of a model on rows it has not seen: overall and for each segment."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops.quality.contract import Contract
from mlops.quality.strict import parse

if TYPE_CHECKING:
    from mlops.training.search import Metrics


@dataclass(frozen=True)
class SegmentMetrics:
    """The metrics of one group of rows; one that is not defined there is None."""

    column: str
    group: str
    rows: int
    metrics: Mapping[str, float | None]


@dataclass(frozen=True)
class Evaluation:
    """The metrics on all evaluation rows, and by segment."""

    rows: int
    metrics: Mapping[str, float | None]
    segments: tuple[SegmentMetrics, ...]


def evaluate(
    table: pd.DataFrame,
    truth: pd.Series,
    predicted: NDArray[np.float64],
    contract: Contract,
    metrics: Metrics,
) -> Evaluation:
    """Judge predictions, shape (n,) or (n, labels), for the n rows of `table`."""
    answers = truth.to_numpy()
    segments = [
        SegmentMetrics(
            column, group, int(mask.sum()), _defined(metrics(answers[mask], predicted[mask]))
        )
        for column, group, mask in segment_masks(table, contract)
    ]
    return Evaluation(len(table), _defined(metrics(answers, predicted)), tuple(segments))


def segment_masks(
    table: pd.DataFrame, contract: Contract
) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    """Each declared segment's column, group and rows (a mask); empty groups are left out."""
    for column, edges in contract.segments.items():
        values = table[column]
        if edges:
            bounds = [-np.inf, *edges, np.inf]
            masks = [
                (_band(low, high), ((values >= low) & (values < high)).to_numpy())
                for low, high in pairwise(bounds)
            ]
        else:
            groups = contract.columns[column].categories or (False, True)
            masks = [(str(group), (values == group).to_numpy()) for group in groups]
        for group, mask in masks:
            if mask.any():
                yield column, group, mask


def write_evaluation(evaluation: Evaluation, path: Path) -> None:
    """Write an evaluation as JSON."""
    path.write_text(json.dumps(dataclasses.asdict(evaluation), indent=1))


def read_evaluation(path: Path) -> Evaluation:
    """Read what `write_evaluation` wrote."""
    return parse(Evaluation, json.loads(path.read_text()), str(path))


def _band(low: float, high: float) -> str:
    if np.isinf(low):
        return f"below {high:g}"
    return f"{low:g} and over" if np.isinf(high) else f"{low:g} to {high:g}"


def _defined(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: None if np.isnan(value) else float(value) for name, value in values.items()}
