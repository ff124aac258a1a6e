"""Champion and challenger on the same rows."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.stats import binomtest

from mlops.deployment.measuring.intervals import percentiles
from mlops.deployment.measuring.measure import Measure
from mlops.deployment.measuring.scored import Scored

REPLICATES = 300


def compare(challenger: Scored, champion: Scored, seed: int = 0) -> tuple[Measure, ...]:
    """`champion.<metric>`: how much better the challenger is; below 0 it is worse, whatever the goal.

    The rows are resampled for both at once, so that what makes a row hard counts for both. Of
    classes McNemar's exact test is told besides (Psychometrika 12, 1947). Not defined where the two
    do not answer the same rows alike.
    """
    rows, name = len(challenger.truth), f"champion.{challenger.metric}"
    if why := _unlike(challenger, champion):
        return (Measure(name, None, rows=rows, detail=why),)
    every = np.arange(rows)
    now = challenger.score(challenger.predicted, every)
    before = challenger.score(champion.predicted, every)
    if not np.isfinite(now - before):
        who = "challenger" if not np.isfinite(now) else "champion"
        why = f"{challenger.metric} of the {who} is not defined for these {rows} rows"
        return (Measure(name, None, rows=rows, detail=why),)
    other = dataclasses.replace(challenger, predicted=champion.predicted)
    low, high = percentiles(challenger.scores(REPLICATES, seed) - other.scores(REPLICATES, seed))
    return (Measure(name, now - before, low, high, rows, _mcnemar(challenger, champion)),)


def _unlike(challenger: Scored, champion: Scored) -> str:
    if not len(challenger.truth):
        return "there are no rows"
    if challenger.predicted.shape != champion.predicted.shape:
        return "the champion answers in another shape"
    if challenger.labels != champion.labels:
        return "the champion knows other labels"
    if not np.array_equal(challenger.truth, champion.truth):
        return "the champion was asked about other rows"
    return ""


def _mcnemar(challenger: Scored, champion: Scored) -> str:
    if challenger.kind == "values":
        return ""
    right, before = challenger.right(), champion.right()
    won, lost = int((right & ~before).sum()), int((before & ~right).sum())
    chance = binomtest(won, won + lost).pvalue if won + lost else 1.0
    return f"{won} rows now right, {lost} now wrong: McNemar p = {chance:.2g}"
