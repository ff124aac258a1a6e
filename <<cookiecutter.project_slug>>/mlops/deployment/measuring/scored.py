"""A model's answers to rows whose truth is known."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops.deployment.measuring.intervals import resamples
from mlops.quality.contract import Contract
from mlops.quality.errors import UserError

if TYPE_CHECKING:
    from mlops.training.search import Metrics


@dataclass(frozen=True)
class Scored:
    """Rows, what is true of them, and what the model answered.

    `truth` has shape (n,). `predicted` holds values or the probability of the second label, shape
    (n,), or the probability of each of `labels`, shape (n, labels). `labels` are all that the model
    knows, sorted, whether or not they occur in these rows. `metric` decides and `goal` is maximize
    or minimize. Raises UserError where the labels do not fit the answers.
    """

    table: pd.DataFrame
    truth: NDArray[np.generic]
    predicted: NDArray[np.float64]
    contract: Contract
    threshold: float
    labels: tuple[object, ...]
    metrics: Metrics
    metric: str
    goal: str
    _resampled: dict[tuple[int, int], tuple[Mapping[str, float], ...]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        answers = {"values": 0, "binary": 2}.get(self.kind) or self.predicted.shape[-1]
        if self.kind != "values" and len(self.labels) != answers:
            listed = ", ".join(map(str, self.labels)) or "none"
            raise UserError(f"the model tells {answers} labels apart, named are: {listed}")

    @property
    def kind(self) -> str:
        """`values`, `binary` or `labels`."""
        if self.contract.task == "regression":
            return "values"
        return "binary" if self.predicted.ndim == 1 else "labels"

    def decided(self) -> NDArray[np.generic]:
        """The label that each answer amounts to, shape (n,)."""
        labels: NDArray[np.generic] = np.asarray(self.labels)
        if self.kind == "binary":
            return np.asarray(labels[(self.predicted >= self.threshold).astype(int)])
        return np.asarray(labels[self.predicted.argmax(axis=1)])

    def right(self) -> NDArray[np.bool_]:
        """Where the decided label is the true one; an answer that is no number never is."""
        finite = np.isfinite(self.predicted)
        known = np.asarray(finite.all(axis=1) if finite.ndim == 2 else finite)
        return np.asarray((self.decided() == self.truth) & known)

    def rows(self, chosen: NDArray[np.intp] | NDArray[np.bool_]) -> Scored:
        """Some of the rows, by number or mask."""
        return dataclasses.replace(
            self,
            table=self.table.iloc[chosen if chosen.dtype != bool else np.flatnonzero(chosen)],
            truth=self.truth[chosen],
            predicted=self.predicted[chosen],
        )

    def figures(
        self,
        rows: NDArray[np.intp] | None = None,
        predicted: NDArray[np.float64] | None = None,
    ) -> Mapping[str, float]:
        """The user's metrics of all or some rows, of these or other answers.

        NaN, of the deciding one at least, where a metric is not defined for them.
        """
        answers = self.predicted if predicted is None else predicted
        chosen = np.arange(len(self.truth)) if rows is None else rows
        try:
            found = self._judged(self.truth[chosen], answers[chosen])
        except (ValueError, ArithmeticError):
            found = {}
        return {self.metric: float("nan"), **found}

    def undefined(self) -> str:
        """Why a metric of all rows is not a number, as far as can be told."""
        why = f"not defined for these {len(self.truth)} rows"
        try:
            self._judged(self.truth, self.predicted)
        except (ValueError, ArithmeticError) as error:
            why += f": {' '.join(str(error).split())[:120]}"
        return why

    def score(self, predicted: NDArray[np.float64], rows: NDArray[np.intp]) -> float:
        """The deciding metric of other answers to some of the rows, oriented so that more is better."""
        sign = 1.0 if self.goal == "maximize" else -1.0
        return sign * self.figures(rows, predicted)[self.metric]

    def resampled(self, replicates: int, seed: int) -> tuple[Mapping[str, float], ...]:
        """The user's metrics of rows drawn with replacement, one mapping for each replicate.

        They are kept: all figures of the same rows rest on the same draws.
        """
        from sklearn import config_context  # noqa: PLC0415 - imports slowly

        if (replicates, seed) not in self._resampled:
            # what the metrics ask of scikit-learn is the same each time, and checked for all rows
            with config_context(skip_parameter_validation=True):
                draws = resamples(len(self.truth), replicates, seed)
                self._resampled[replicates, seed] = tuple(self.figures(rows) for rows in draws)
        return self._resampled[replicates, seed]

    def scores(self, replicates: int, seed: int) -> NDArray[np.float64]:
        """The deciding metric of the rows drawn, shape (replicates,), oriented as `score`.

        The same seed draws the same rows, also of other answers to as many: what is hard is so
        for both.
        """
        sign = 1.0 if self.goal == "maximize" else -1.0
        return np.array([sign * found[self.metric] for found in self.resampled(replicates, seed)])

    def _judged(
        self, truth: NDArray[np.generic], predicted: NDArray[np.float64]
    ) -> Mapping[str, float]:
        with warnings.catch_warnings():
            # resampled rows may hold one label only: the metric is NaN then, which says enough
            warnings.simplefilter("ignore")
            return self.metrics(truth, predicted)
