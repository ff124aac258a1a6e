"""The pictures of the model card; the same figures give the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mlops.deployment.measuring.calibration import chances, curve
from mlops.deployment.measuring.group_figures import GroupFigures
from mlops.deployment.measuring.intervals import Interval
from mlops.deployment.measuring.measure import Measure
from mlops.deployment.measuring.scored import Scored
from mlops.training.plots import ACCENT, INK, QUIET, SHADE

_STYLE: Mapping[str, object] = {
    "font.size": 10,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.titlesize": 11,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "legend.frameon": False,
}
_WIDTH, _LINE, _REST = 6.4, 0.28, 1.1
# One point of a picture of intervals: its name, the figure, and its interval.
_Point = tuple[str, float, Interval]


def draw_all(
    scored: Scored, measures: Sequence[Measure], groups: Sequence[GroupFigures], folder: Path
) -> None:
    """Calibration, the deciding metric by segment, and the figures of each protected group."""
    if len(scored.truth) >= 20:
        draw_calibration(scored, folder / "calibration.png")
    name = f"evaluation.{scored.metric}"
    fitting = [m for m in measures if m.name.partition("[")[0] == name and m.value is not None]
    if fitting:
        draw_intervals(fitting, f"{scored.metric} by segment", folder / "metric_by_segment.png")
    gaps = [m for m in measures if m.group == "fairness" and m.value is not None]
    if gaps:
        draw_intervals(gaps, "Largest difference between groups", folder / "fairness_gaps.png")
    for figure in dict.fromkeys(name for group in groups for name in group.figures):
        draw_groups(groups, figure, folder / f"fairness_{figure}.png")


def draw_calibration(scored: Scored, path: Path) -> None:
    """What came true against what was told, with the share of rows as the size of each point."""
    told, true, share = curve(*chances(scored))
    labels = ("predicted probability", "observed share")
    if scored.kind == "values":
        labels = ("predicted, in standard deviations", "true, in standard deviations")

    def draw(axes: Axes) -> None:
        ends = [float(min(told.min(), true.min())), float(max(told.max(), true.max()))]
        if scored.kind != "values":
            ends = [0.0, 1.0]
        axes.plot(ends, ends, color=QUIET, linestyle="--", label="perfect")
        axes.plot(
            told, true, color=ACCENT, linewidth=2, marker="o", label=f"{len(share)} equal groups"
        )
        axes.set(title="Calibration", xlabel=labels[0], ylabel=labels[1])
        axes.legend(loc="upper left")

    _save(path, 4.2, draw)


def draw_intervals(measures: Sequence[Measure], title: str, path: Path) -> None:
    """Figures as points with their 95% intervals, one under the other."""
    points: list[_Point] = [
        (_label(m), m.value, _both(m.low, m.high)) for m in measures if m.value is not None
    ]
    _draw_points(points, title, "with 95% intervals", path)


def draw_groups(groups: Sequence[GroupFigures], figure: str, path: Path) -> None:
    """One figure of every protected group with its 95% interval."""
    points: list[_Point] = []
    for group in groups:
        value = group.figures.get(figure)
        if value is not None:
            name = f"{group.attribute}: {group.group} ({group.rows})"
            points.append((name, value, group.intervals.get(figure, (None, None))))
    title = f"{figure.replace('_', ' ').capitalize()} by protected group (rows)"
    _draw_points(points, title, "with 95% intervals", path)


def draw_importance(importance: Mapping[str, float], path: Path) -> None:
    """The mean absolute share of each column in the answers."""
    ranked = sorted(importance.items(), key=lambda item: (item[1], item[0]))

    def draw(axes: Axes) -> None:
        axes.barh(
            [name for name, _ in ranked], [v for _, v in ranked], color=SHADE, edgecolor=ACCENT
        )
        axes.set(title="What the answers rest on", xlabel="mean absolute SHAP value")

    _save(path, _REST + _LINE * max(len(ranked), 3), draw)


def _label(measure: Measure) -> str:
    figure, _, segment = measure.name.partition(".")[2].partition("[")
    segment = segment.removesuffix("]")
    if measure.group == "fairness":
        return f"{figure.replace('_', ' ')}, {segment}"
    return f"{segment.replace('=', ': ') or 'all rows'} ({measure.rows})"


def _both(low: float | None, high: float | None) -> Interval:
    return (None, None) if low is None or high is None else (low, high)


def _draw_points(points: Sequence[_Point], title: str, what: str, path: Path) -> None:
    if not points:
        return

    def draw(axes: Axes) -> None:
        for place, (_, value, (low, high)) in enumerate(points):
            if low is not None and high is not None:
                axes.hlines(place, low, high, color=SHADE, linewidth=6)
            axes.plot([value], [place], color=ACCENT, marker="o")
        axes.set_yticks(range(len(points)), [name for name, _, _ in points])
        axes.set_ylim(len(points) - 0.5, -0.5)
        axes.grid(axis="x", color=QUIET, alpha=0.3)
        axes.set(title=title, xlabel=what)

    _save(path, _REST + _LINE * max(len(points), 3), draw)


def _save(path: Path, height: float, draw: Callable[[Axes], None]) -> None:
    with mpl.rc_context(_STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(_WIDTH, height), layout="constrained")
        draw(figure.add_subplot())
        figure.savefig(path, dpi=120, metadata={"Software": None})
