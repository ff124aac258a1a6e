"""How good the answers are: every metric and the tendency of errors, overall and by segment."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mlops.deployment.measuring.intervals import Interval, bootstrap, percentiles, wilson
from mlops.deployment.measuring.measure import Measure
from mlops.deployment.measuring.scored import Scored
from mlops.training.evaluation import segment_masks

# Of all rows and of a segment's: a call of the user's metrics takes some milliseconds.
REPLICATES, SEGMENT_REPLICATES = 300, 100


def performance(scored: Scored, group: str, seed: int = 0) -> tuple[Measure, ...]:
    """`<group>.<metric>` and the errors, for all rows and as `<group>.<figure>[column=segment]`.

    Of classes: `error_rate`; of two also `false_positive_rate` and `false_negative_rate`; of more,
    of all rows, each label's `missed` (the share of its rows that got another) and `false_alarms`
    (the share of the others' rows that got it). Of values: `bias`, the mean of answer minus truth,
    and `absolute_error`, the mean of its size, both in the target's unit. A metric of the user's own
    takes the place of an error of the same name.
    """
    parts = [("", scored)]
    for column, segment, mask in segment_masks(scored.table, scored.contract):
        parts.append((f"[{column}={segment}]", scored.rows(mask)))
    found: dict[str, Measure] = {}
    for suffix, part in parts:
        for measure in (*_metrics(part, group, suffix, seed), *_errors(part, group, suffix, seed)):
            found.setdefault(measure.name, measure)
    return tuple(found.values())


def _metrics(scored: Scored, group: str, suffix: str, seed: int) -> Iterator[Measure]:
    rows = len(scored.truth)
    replicates = SEGMENT_REPLICATES if suffix else REPLICATES
    figures = scored.figures() if rows else {scored.metric: float("nan")}
    draws = scored.resampled(replicates, seed)
    for name, value in figures.items():
        interval = percentiles(np.array([draw.get(name, np.nan) for draw in draws]))
        why = "" if np.isfinite(value) else scored.undefined()
        yield _figure(f"{group}.{name}{suffix}", value, interval, rows, why)


def _figure(name: str, value: float, interval: Interval, rows: int, why: str = "") -> Measure:
    if not np.isfinite(value):
        return Measure(name, None, rows=rows, detail=why or f"not defined for these {rows} rows")
    low, high = interval
    if low is not None and low == high:
        # a faultless model on few rows: "1 to 1" would claim that it never errs
        return Measure(name, float(value), rows=rows, detail="the same in every resample")
    return Measure(name, float(value), low, high, rows)


def _errors(scored: Scored, group: str, suffix: str, seed: int) -> Iterator[Measure]:
    if scored.kind == "values":
        off = np.asarray(scored.predicted - scored.truth.astype(float))
        yield _mean(f"{group}.bias{suffix}", off, suffix, seed)
        yield _mean(f"{group}.absolute_error{suffix}", np.abs(off), suffix, seed)
        return
    wrong, truth = ~scored.right(), np.asarray(scored.truth)
    yield _share(f"{group}.error_rate{suffix}", wrong)
    if scored.kind == "binary":
        second = truth == scored.labels[-1]
        yield _share(f"{group}.false_positive_rate{suffix}", wrong[~second])
        yield _share(f"{group}.false_negative_rate{suffix}", wrong[second])
        return
    decided = scored.decided()
    for label in scored.labels if not suffix else ():
        yield _share(f"{group}.missed[{label}]", wrong[truth == label])
        yield _share(f"{group}.false_alarms[{label}]", (decided == label)[truth != label])


def _share(name: str, hits: NDArray[np.bool_]) -> Measure:
    rows = len(hits)
    if not rows:
        return Measure(name, None, detail="no rows of that kind")
    low, high = wilson(int(hits.sum()), rows)
    return Measure(name, float(hits.mean()), low, high, rows, f"{int(hits.sum())} of {rows}")


def _mean(name: str, values: NDArray[np.float64], suffix: str, seed: int) -> Measure:
    rows = len(values)
    if not rows:
        return Measure(name, None, detail="no rows")
    replicates = SEGMENT_REPLICATES if suffix else REPLICATES
    interval = bootstrap(lambda drawn: float(values[drawn].mean()), rows, replicates, seed)
    return _figure(name, float(values.mean()), interval, rows, "an answer is no number")
