"""The pictures of the card are drawn for every kind of model, and show what they are given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.image import imread

from mlops.deployment.measuring.calibration import calibration
from mlops.deployment.measuring.fairness import fairness
from mlops.deployment.measuring.measure import Measure
from mlops.deployment.measuring.performance import performance
from mlops.deployment.measuring.scored import Scored
from mlops.deployment.report import model_plots
from mlops.deployment.report.model_plots import (
    draw_all,
    draw_calibration,
    draw_groups,
    draw_importance,
    draw_intervals,
)
from mlops.deployment.tests.scoring import binary, calibrated, labels, table, values


def three() -> Scored:
    rows = table(120)
    told = np.random.default_rng(0).dirichlet([1, 1, 1], 120)
    return labels((np.arange(120) % 3).tolist(), told.tolist(), rows)


def regression() -> Scored:
    random, rows = np.random.default_rng(0), table(120)
    return values(rows["x"].tolist(), (rows["x"] + random.normal(0, 1, 120)).tolist(), rows)


KINDS: dict[str, tuple[Callable[[], Scored], set[str]]] = {
    "two labels": (
        calibrated,
        {"accuracy", "selection_rate", "recall", "false_positive_rate"},
    ),
    "three labels": (three, {"accuracy"}),
    "values": (regression, {"mean_answer", "absolute_error"}),
}


def drawn(scored: Scored, folder: Path) -> dict[str, bytes]:
    folder.mkdir()
    fair = fairness(scored, minimum=10)
    measures = [*performance(scored, "evaluation"), *calibration(scored), *fair.measures]
    draw_all(scored, measures, fair.groups, folder)
    draw_importance({"x": 0.3, "noise": 0.0, "age": 0.1}, folder / "importance.png")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_model_has_its_pictures(kind: str, tmp_path: Path) -> None:
    make, figures = KINDS[kind]
    pictures = drawn(make(), tmp_path / "one")
    assert set(pictures) == {
        "calibration.png",
        "metric_by_segment.png",
        "fairness_gaps.png",
        "importance.png",
        *(f"fairness_{figure}.png" for figure in figures),
    }
    assert all(content[:4] == b"\x89PNG" for content in pictures.values())
    assert b"Software" not in b"".join(pictures.values())


def test_the_same_figures_give_the_same_bytes(tmp_path: Path) -> None:
    assert drawn(calibrated(), tmp_path / "one") == drawn(calibrated(), tmp_path / "two")


def test_a_bad_model_s_picture_differs_from_a_good_one_s(tmp_path: Path) -> None:
    good = calibrated()
    draw_calibration(good, tmp_path / "good.png")
    turned = binary(good.truth.tolist(), (1 - good.predicted).tolist(), good.table)
    draw_calibration(turned, tmp_path / "bad.png")
    assert (tmp_path / "good.png").read_bytes() != (tmp_path / "bad.png").read_bytes()


def test_few_rows_and_undefined_figures_are_left_out(tmp_path: Path) -> None:
    scored = binary([0, 1], [0.1, 0.9])
    fair = fairness(scored, minimum=20)
    draw_all(scored, fair.measures, fair.groups, tmp_path)
    assert list(tmp_path.iterdir()) == []
    draw_intervals([Measure("fairness.recall[sex]", None)], "Nothing", tmp_path / "none.png")
    draw_groups((), "recall", tmp_path / "none.png")
    assert list(tmp_path.iterdir()) == []


def test_a_figure_without_an_interval_is_drawn_as_a_point(tmp_path: Path) -> None:
    one, other = Measure("e.a[sex=f]", 0.5, rows=3), Measure("e.a[sex=f]", 0.5, 0.1, 0.9, rows=3)
    for name, measure in (("point", one), ("interval", other)):
        draw_intervals([measure], "A", tmp_path / f"{name}.png")
    assert (tmp_path / "point.png").read_bytes() != (tmp_path / "interval.png").read_bytes()


def test_a_picture_grows_with_what_it_shows(tmp_path: Path) -> None:
    for number in (3, 30):
        measures = [Measure(f"e.a[g={n}]", n / 30, 0.0, 1.0, rows=9) for n in range(number)]
        draw_intervals(measures, "A", tmp_path / f"{number}.png")
    heights = [imread(tmp_path / f"{number}.png").shape[0] for number in (3, 30)]
    assert heights[1] > 2 * heights[0]


def test_the_pictures_leave_matplotlib_as_it_was() -> None:
    assert "axes.titleweight" in model_plots._STYLE
    assert mpl.rcParams["axes.titleweight"] == "normal"
