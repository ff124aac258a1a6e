"""Metrics overall and by segment, and the pages and pictures that show them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mlops.quality.assets import Asset, Tags
from mlops.training import plots
from mlops.training.evaluation import (
    Evaluation,
    evaluate,
    read_evaluation,
    segment_masks,
    write_evaluation,
)
from mlops.training.model_file import ModelCardFacts
from mlops.training.pages import Story, model_card, report, segment_gaps
from mlops.training.search import Leaderboard, Trial
from mlops.training.tests.problem import CONTRACT, metrics, table

ROWS = table()
TRUTH = ROWS["answer"]
PREDICTED = np.clip(0.5 + ROWS["a"].to_numpy() / 4, 0, 1)


def evaluated() -> Evaluation:
    return evaluate(ROWS, TRUTH, PREDICTED, CONTRACT, metrics)


def test_segments_share_out_the_rows_of_their_column() -> None:
    found = list(segment_masks(ROWS, CONTRACT))
    assert [(column, group) for column, group, _ in found] == [
        ("group", "1"),
        ("group", "2"),
        ("a", "below 0"),
        ("a", "0 and over"),
    ]
    for column in ("group", "a"):
        masks = np.array([mask for name, _, mask in found if name == column])
        assert (masks.sum(axis=0) == 1).all()


def test_a_segment_is_judged_by_its_own_rows() -> None:
    first = evaluated().segments[0]
    mask = (ROWS["group"] == 1).to_numpy()
    assert first.rows == mask.sum()
    assert first.metrics == metrics(TRUTH.to_numpy()[mask], PREDICTED[mask])


def test_an_empty_segment_is_left_out() -> None:
    rows = ROWS[ROWS["group"] == 2]
    assert [group for column, group, _ in segment_masks(rows, CONTRACT) if column == "group"] == [
        "2"
    ]


def test_what_is_not_defined_is_none_and_survives_the_file(tmp_path: Path) -> None:
    result = evaluate(ROWS, TRUTH, PREDICTED, CONTRACT, lambda *_: {"auc": float("nan")})
    assert result.metrics == {"auc": None}
    write_evaluation(result, tmp_path / "e.json")
    assert read_evaluation(tmp_path / "e.json") == result


def test_the_widest_gap_of_a_protected_group_is_told() -> None:
    (line,) = segment_gaps(CONTRACT, evaluated())
    assert "between groups of group" in line
    assert segment_gaps(dataclasses.replace(CONTRACT, protected=()), evaluated()) == []


@pytest.mark.parametrize(
    ("draw", "names"),
    [
        (
            lambda folder: plots.draw_classification(TRUTH.to_numpy(), PREDICTED, 0.5, folder),
            {"roc.png", "precision_recall.png", "calibration.png", "confusion_matrix.png"},
        ),
        (
            lambda folder: plots.draw_regression(ROWS["b"].to_numpy(), PREDICTED, folder),
            {"predicted.png", "errors.png"},
        ),
        (
            lambda folder: plots.draw_labels(
                np.arange(ROWS.shape[0]) % 3, np.eye(3)[np.arange(120) % 3], np.arange(3), folder
            ),
            {"confusion_matrix.png"},
        ),
        (
            lambda folder: plots.draw_importance(
                {"a": (0.2, 0.1), "b": (-0.01, 0.0)}, "accuracy", folder / "importance.png"
            ),
            {"importance.png"},
        ),
        (
            lambda folder: plots.draw_segments(
                evaluated().segments, 0.8, "accuracy", folder / "segments.png"
            ),
            {"segments.png"},
        ),
    ],
    ids=["classification", "regression", "labels", "importance", "segments"],
)
def test_pictures_are_drawn_and_are_the_same_for_the_same_numbers(
    draw: Callable[[Path], None], names: set[str], tmp_path: Path
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
        draw(folder)
    assert {path.name for path in one.iterdir()} == names
    for path in one.iterdir():
        assert path.read_bytes()[:4] == b"\x89PNG"
        assert path.read_bytes() == (two / path.name).read_bytes()


def story(**changes: object) -> Story:
    trials = tuple(Trial("line", {"C": 0.1 * n}, 0.9 - n / 10, 0.02, 1.0, 0.0) for n in range(3))
    tags = Tags(sha256="ab" * 32, source="a study", licence="CC0")
    whole = Story(
        contract=CONTRACT,
        asset=Asset("toy", "3", "toy.csv", tags, Path("toy.yml"), "Toys."),
        facts=ModelCardFacts("line", {"C": 0.1}, "cd" * 32, 90),
        board=Leaderboard("accuracy", "maximize", 90, 4.2, trials),
        evaluation=evaluated(),
        importance={"a": (0.01, 0.02), "b": (0.3, 0.1)},
        origin={"Commit": "abc123", "Author": "<b>Ada</b>"},
    )
    return dataclasses.replace(whole, **changes)  # type: ignore[arg-type]


def test_the_model_card_tells_what_a_reader_asks() -> None:
    card = model_card(story())
    accuracy = evaluated().metrics["accuracy"]
    for told in ("abc123", "cd" * 32, "ab" * 32, "toy version 3", "a study", f"{accuracy:.4f}"):
        assert told in card
    assert card.index("| b | 0.3000") < card.index("| a | 0.0100")
    assert "differences of a few hundredths are within chance" in card


def test_the_tables_of_the_card_are_whole() -> None:
    for block in re.findall(r"(?:^\|.*\n)+", model_card(story()), re.MULTILINE):
        assert len({line.count("|") for line in block.splitlines()}) == 1, block


def test_the_report_needs_nothing_around_it(tmp_path: Path) -> None:
    picture = tmp_path / "roc.png"
    picture.write_bytes(b"\x89PNG")
    page = report(story(), [picture])
    assert 'src="data:image/png;base64,' in page
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert "&lt;b&gt;Ada" in page
    assert "<b>Ada" not in page
