"""The pictures of the model card; the same figures give the same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from mlops.deployment.calibration import chances, curve
from mlops.deployment.fairness import GroupFigures
from mlops.deployment.measure import Measure
from mlops.deployment.scored import Scored

mpl.use("Agg")
_BLUE = "#2563eb"


def draw_all(
    scored: Scored, measures: Sequence[Measure], groups: Sequence[GroupFigures], folder: Path
) -> None:
    """Calibration, the deciding metric by segment, and the figures of protected groups."""
    if scored.kind != "values" and len(scored.truth) >= 20:
        draw_calibration(scored, folder / "calibration.png")
    name = f"evaluation.{scored.metric}"
    fitting = [m for m in measures if m.name.startswith(name) and m.value is not None]
    if fitting:
        draw_intervals(fitting, name, folder / "segments_with_intervals.png")
    gaps = [m for m in measures if m.group == "fairness" and m.value is not None]
    if groups and gaps:
        draw_intervals(gaps, "largest difference between groups", folder / "fairness.png")


def draw_calibration(scored: Scored, path: Path) -> None:
    """The share that came true against the probability that was told."""
    told, true, _ = curve(*chances(scored))
    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="#9aa5b1", linestyle="--", linewidth=1)
    axes.plot(told, true, marker="o", color=_BLUE)
    axes.set(xlabel="probability told", ylabel="share that came true", title="Calibration")
    _save(figure, path)


def draw_intervals(measures: Sequence[Measure], title: str, path: Path) -> None:
    """Figures as points with their 95% intervals, one under the other."""
    figure = Figure(figsize=(6, 1.2 + 0.32 * len(measures)), layout="constrained")
    axes = figure.subplots()
    for place, measure in enumerate(measures):
        value = measure.value or 0.0
        low = value if measure.low is None else measure.low
        high = value if measure.high is None else measure.high
        axes.plot([low, high], [place, place], color="#9ab6f5", linewidth=4)
        axes.plot([value], [place], marker="o", color=_BLUE)
    labels = [measure.name.partition(".")[2] for measure in measures]
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    axes.set_title(title)
    _save(figure, path)


def draw_importance(importance: Mapping[str, float], path: Path) -> None:
    """The mean absolute share of each column."""
    ranked = sorted(importance.items(), key=lambda item: item[1])
    figure = Figure(figsize=(6, 1 + 0.3 * len(ranked)), layout="constrained")
    axes = figure.subplots()
    axes.barh([name for name, _ in ranked], [value for _, value in ranked], color=_BLUE)
    axes.set_title("Mean absolute SHAP value")
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=110, metadata={"Software": None})
