"""The pictures of an evaluation, as PNG files that are the same for the same numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.calibration import calibration_curve
from sklearn.metrics import confusion_matrix, precision_recall_curve, roc_curve

from mlops.training.evaluation import SegmentMetrics

INK, ACCENT, QUIET, SHADE = "#1f2933", "#2563eb", "#9aa5b1", "#dbe7ff"
_STYLE: dict[str, object] = {
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
Truth = NDArray[np.generic]
Predicted = NDArray[np.float64]


def draw_classification(truth: Truth, chance: Predicted, threshold: float, folder: Path) -> None:
    """ROC, precision-recall, calibration and confusion matrix of a yes-or-no model.

    `truth` holds labels 0 and 1, `chance` the probability of 1, both of shape (n,).
    """
    _save(folder / "roc.png", lambda axes: _roc(axes, truth, chance))
    _save(folder / "precision_recall.png", lambda axes: _precision_recall(axes, truth, chance))
    _save(folder / "calibration.png", lambda axes: _calibration(axes, truth, chance))
    decided = (chance >= threshold).astype(int)
    _save(folder / "confusion_matrix.png", lambda axes: _confusion(axes, truth, decided))


def draw_labels(
    truth: Truth, chances: Predicted, labels: NDArray[np.generic], folder: Path
) -> None:
    """The confusion matrix of a model of several labels; `chances` has shape (n, labels)."""
    decided = labels[chances.argmax(axis=1)]
    _save(folder / "confusion_matrix.png", lambda axes: _confusion(axes, truth, decided))


def draw_regression(truth: Truth, predicted: Predicted, folder: Path) -> None:
    """Predicted against true values, and the errors, of a regression; both of shape (n,)."""
    _save(folder / "predicted.png", lambda axes: _predicted(axes, truth, predicted))
    _save(folder / "errors.png", lambda axes: _errors(axes, truth, predicted))


def draw_segments(
    segments: Sequence[SegmentMetrics], overall: float, metric: str, path: Path
) -> None:
    """One metric for each segment, beside its value on all rows."""
    shown = [segment for segment in segments if segment.metrics.get(metric) is not None]

    def draw(axes: Axes) -> None:
        values = [segment.metrics[metric] or 0.0 for segment in shown]
        names = [f"{s.column} {s.group} ({s.rows})" for s in shown]
        axes.barh(names, values, color=SHADE, edgecolor=ACCENT)
        axes.axvline(overall, color=INK, linewidth=1, linestyle="--", label=f"all: {overall:.3f}")
        for text in axes.bar_label(axes.containers[0], fmt="%.3f", padding=3):  # type: ignore[arg-type]
            text.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1})
        axes.invert_yaxis()
        axes.set(title=f"{metric} by segment (rows)", xlim=(0, max([*values, overall]) * 1.15))
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1))

    _save(path, draw)


def draw_importance(importance: Mapping[str, tuple[float, float]], metric: str, path: Path) -> None:
    """How much worse a metric gets when one column is shuffled: mean and spread by column."""
    ranked = sorted(importance.items(), key=lambda item: item[1][0])

    def draw(axes: Axes) -> None:
        means = [mean for _, (mean, _) in ranked]
        spreads = [spread for _, (_, spread) in ranked]
        names = [name for name, _ in ranked]
        axes.barh(names, means, xerr=spreads, color=SHADE, edgecolor=ACCENT, ecolor=INK)
        axes.axvline(0, color=QUIET, linewidth=1)
        axes.set(title="What the model relies on", xlabel=f"{metric} gets worse by, when shuffled")

    _save(path, draw)


def _save(path: Path, draw: object) -> None:
    with mpl.rc_context(_STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(5.6, 4.2), layout="constrained")
        draw(figure.add_subplot())  # type: ignore[operator]
        figure.savefig(path, dpi=144, metadata={"Software": None})


def _roc(axes: Axes, truth: Truth, chance: Predicted) -> None:
    false_positive, true_positive, _ = roc_curve(truth, chance)
    area = float(np.trapezoid(true_positive, false_positive))
    axes.plot([0, 1], [0, 1], color=QUIET, linestyle="--", label="chance")
    axes.plot(false_positive, true_positive, color=ACCENT, linewidth=2, label=f"AUC {area:.3f}")
    axes.fill_between(false_positive, true_positive, color=SHADE, alpha=0.5)
    axes.set(title="ROC", xlabel="false positive rate", ylabel="true positive rate")
    axes.legend(loc="lower right")


def _precision_recall(axes: Axes, truth: Truth, chance: Predicted) -> None:
    precision, recall, _ = precision_recall_curve(truth, chance)
    rate = float(np.mean(truth.astype(float)))
    axes.axhline(rate, color=QUIET, linestyle="--", label=f"share of yes {rate:.2f}")
    axes.step(recall, precision, where="post", color=ACCENT, linewidth=2)
    axes.set(title="Precision and recall", xlabel="recall", ylabel="precision", ylim=(0, 1.03))
    axes.legend(loc="lower left")


def _calibration(axes: Axes, truth: Truth, chance: Predicted) -> None:
    bins = int(np.clip(len(truth) // 15, 3, 10))
    seen, foretold = calibration_curve(truth, chance, n_bins=bins, strategy="quantile")
    axes.plot([0, 1], [0, 1], color=QUIET, linestyle="--", label="perfect")
    axes.plot(foretold, seen, color=ACCENT, linewidth=2, marker="o", label=f"{bins} equal groups")
    axes.set(title="Calibration", xlabel="predicted probability", ylabel="observed share")
    axes.legend(loc="upper left")


def _confusion(axes: Axes, truth: Truth, decided: NDArray[np.generic]) -> None:
    labels = np.unique(np.concatenate([truth, decided]))
    counts = confusion_matrix(truth, decided, labels=labels)
    axes.imshow(counts, cmap="Blues")
    for row, column in np.ndindex(*counts.shape):
        color = "white" if counts[row, column] > counts.max() / 2 else INK
        text = f"{counts[row, column]}"
        axes.text(column, row, text, ha="center", va="center", fontsize=16, color=color)
    axes.set(title="Confusion matrix", xlabel="predicted", ylabel="true")
    axes.set_xticks(range(len(labels)), [str(label) for label in labels])
    axes.set_yticks(range(len(labels)), [str(label) for label in labels])
    axes.spines[:].set_visible(False)


def _predicted(axes: Axes, truth: Truth, predicted: Predicted) -> None:
    values = truth.astype(float)
    ends = [min(values.min(), predicted.min()), max(values.max(), predicted.max())]
    axes.plot(ends, ends, color=QUIET, linestyle="--", label="perfect")
    axes.scatter(values, predicted, s=18, color=ACCENT, alpha=0.6, edgecolors="none")
    axes.set(title="Predicted and true values", xlabel="true", ylabel="predicted")
    axes.legend(loc="upper left")


def _errors(axes: Axes, truth: Truth, predicted: Predicted) -> None:
    errors = predicted - truth.astype(float)
    axes.hist(errors, bins="auto", color=SHADE, edgecolor=ACCENT)
    axes.axvline(0, color=QUIET, linestyle="--")
    mean = float(errors.mean())
    axes.axvline(mean, color=INK, linewidth=1, label=f"mean {mean:.3g}")
    axes.set(title="Errors", xlabel="predicted minus true", ylabel="rows")
    axes.legend()
