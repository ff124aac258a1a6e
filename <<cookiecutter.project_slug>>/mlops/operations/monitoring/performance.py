"""How good the answers of a window were, as labels arrive: figures, and whether they have decayed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from mlops.deployment.measuring.intervals import bootstrap, wilson
from mlops.deployment.measuring.measure import Measure
from mlops.deployment.measuring.performance import REPLICATES, performance
from mlops.deployment.measuring.scored import Scored
from mlops.operations.monitoring.settings import Bound, PerformanceLimits
from mlops.operations.monitoring.verdict import Outcome, Verdict, bounded, difference, reason_of

GROUP, GATE = "performance", "evaluation"


@dataclass(frozen=True)
class Performance:
    """The figures of a window, and what is said of them."""

    measures: tuple[Measure, ...]
    verdicts: tuple[Verdict, ...]


def live_performance(
    judged: Scored,
    kpi: NDArray[np.float64],
    limits: PerformanceLimits,
    at_gate: Mapping[str, Measure],
    *,
    seed: int,
) -> Performance:
    """`performance.<metric>` and the errors of all labelled rows, as the gate takes them, and the KPI.

    `kpi` holds the KPIs that were given, shape (n,); `at_gate` the gate's figures by name, empty where
    they are not known. Rows of one request count as independent. Of too few labels no metric gets an
    interval: resampling takes seconds.
    """
    part = _at_most(judged, limits.most, seed)
    # resampling each segment would take as long again
    whole = dataclasses.replace(part, contract=dataclasses.replace(part.contract, segments={}))
    enough = len(judged.truth) >= limits.labels
    measures = performance(whole, GROUP, seed) if enough else quick_figures(judged)
    found = {measure.name: measure for measure in measures}
    verdicts: list[Verdict] = []
    if not enough:
        verdicts.append(_too_few(judged, found, limits.labels))
    elif limits.worse_by is not None:
        verdicts.append(_decay(judged, found, at_gate, limits.worse_by))
    for name, bound in limits.bounds.items() if enough else ():
        figure = found.get(f"{GROUP}.{name}") or Measure(
            f"{GROUP}.{name}", None, detail=f"there is no such figure; known are {_known(found)}"
        )
        verdicts += bounded("performance", figure, bound.at_least, bound.at_most)
    mean = kpi_figure(kpi, seed)
    if limits.kpi != Bound():
        verdicts += _of_kpi(mean, limits)
    return Performance((*measures, mean), tuple(verdicts))


def kpi_figure(values: NDArray[np.float64], seed: int) -> Measure:
    """The mean KPI with its 95% interval; of fewer than two values without one."""
    rows = len(values)
    if not rows:
        return Measure(f"{GROUP}.kpi", None, detail="no KPI was given")
    value = float(values.mean())
    if rows < 2 or float(values.std()) == 0:
        said = "a single one" if rows < 2 else "all alike"
        return Measure(f"{GROUP}.kpi", value, rows=rows, detail=said)
    low, high = bootstrap(lambda drawn: float(values[drawn].mean()), rows, REPLICATES, seed)
    return Measure(f"{GROUP}.kpi", value, low, high, rows)


def quick_figures(part: Scored) -> tuple[Measure, ...]:
    """The figures that need no resampling: of metrics without an interval, of errors with one."""
    rows = len(part.truth)
    if not rows:
        return ()
    found = [
        Measure(f"{GROUP}.{name}", value if np.isfinite(value) else None, rows=rows)
        for name, value in part.figures().items()
    ]
    if part.kind == "values":
        off = np.abs(part.predicted - part.truth.astype(float))
        return (*found, _mean(f"{GROUP}.absolute_error", off))
    wrong = ~part.right()
    low, high = wilson(int(wrong.sum()), rows)
    return (*found, Measure(f"{GROUP}.error_rate", float(wrong.mean()), low, high, rows))


def _decay(
    judged: Scored, found: Mapping[str, Measure], at_gate: Mapping[str, Measure], worse_by: float
) -> Verdict:
    """Whether the deciding metric is worse than at the gate by more than a share of its figure."""
    name = f"{GROUP}.{judged.metric}"
    now, before = found[name], at_gate.get(f"{GATE}.{judged.metric}")
    if now.value is None:
        return Verdict("performance", name, "no_verdict", now.detail, rows=now.rows)
    figures = (now.value, now.low, now.high)
    if before is None or before.value is None:
        said = "its figure at the gate is not known"
        return Verdict("performance", name, "no_verdict", said, *figures, rows=now.rows)
    more, less = (before, now) if judged.goal == "maximize" else (now, before)
    low, high = difference(_ends(more), _ends(less))
    gap = _ends(more)[0] - _ends(less)[0]
    bound = worse_by * abs(before.value)
    breached = low > bound
    outcome: Outcome = "breached" if breached else "holds"
    at = f"{gap:+.4g} worse than {before.value:.4g} at the gate, 95% interval {low:.4g} to {high:.4g}"
    reason = f"{reason_of(now, breached=breached, kept=gap <= bound)}; {at}"
    return Verdict("performance", name, outcome, reason, *figures, before.value, bound, now.rows)


def _of_kpi(mean: Measure, limits: PerformanceLimits) -> tuple[Verdict, ...]:
    if mean.rows < limits.labels:
        said = f"{mean.rows} KPIs; {limits.labels} are needed"
        figures = (mean.value, mean.low, mean.high)
        return (Verdict("performance", mean.name, "no_verdict", said, *figures, rows=mean.rows),)
    return bounded("performance", mean, limits.kpi.at_least, limits.kpi.at_most)


def _too_few(judged: Scored, found: Mapping[str, Measure], needed: int) -> Verdict:
    name, rows = f"{GROUP}.{judged.metric}", len(judged.truth)
    now = found.get(name, Measure(name, None))
    said = f"{rows} labelled rows; {needed} are needed"
    return Verdict("performance", name, "no_verdict", said, now.value, now.low, now.high, rows=rows)


def _at_most(judged: Scored, most: int, seed: int) -> Scored:
    rows = len(judged.truth)
    if rows <= most:
        return judged
    return judged.rows(np.sort(np.random.default_rng(seed).choice(rows, most, replace=False)))


def _ends(measure: Measure) -> tuple[float, float, float]:
    """A figure with both ends of its interval; a point where it has none."""
    value = measure.value if measure.value is not None else float("nan")
    low = value if measure.low is None else measure.low
    return value, low, value if measure.high is None else measure.high


def _known(found: Mapping[str, Measure]) -> str:
    return ", ".join(name.partition(".")[2] for name in found)


def _mean(name: str, values: NDArray[np.float64]) -> Measure:
    """A mean with Student's interval (Biometrika 6, 1908); of one value without."""
    value, rows = float(values.mean()), len(values)
    if rows < 2:
        return Measure(name, value, rows=rows)
    half = float(student.ppf(0.975, rows - 1)) * float(values.std(ddof=1)) / rows**0.5
    return Measure(name, value, max(0.0, value - half), value + half, rows)
