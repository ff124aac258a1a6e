"""The model card tells all that is known, and shows text as text."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mlops.deployment.gate.decision import Decision, Verdict
from mlops.deployment.measuring.measure import Measure
from mlops.deployment.packaging.candidate import Lineage
from mlops.deployment.report.card import (
    CHAPTERS,
    Story,
    Verified,
    card_html,
    card_markdown,
    plots_of,
)
from mlops.deployment.tests.small import CONTRACT

DIGEST = "ab" * 32
HOSTILE = "<script>alert(1)</script> | `x`"
LINEAGE = Lineage(
    name="toy",
    run_id="run-1",
    algorithm="gradient_boosting",
    parameters={"max_depth": "3"},
    metric="roc_auc",
    goal="maximize",
    seed=1,
    commit="c0ffee",
    dirty=True,
    author="Ada",
    cause="person",
    data="table:1",
    data_digest="d" * 64,
    training_digest="e" * 64,
    contract_digest="f" * 64,
    model_digest="0" * 64,
    lock_digest="1" * 64,
    python="3.12.1",
)
REFUSED = Verdict("golden.accuracy", ">= 0.85", "refuse", HOSTILE, 0.5, 0.4, 0.6, 36)
PASSED = Verdict("evaluation.roc_auc", ">= 0.7", "pass", "", 0.8765, 0.8, 0.9, 111)
PROVEN = Verified("sane", "the answer lies from 0 to 1", "proven", "", "everywhere", "", (), ())
BROKEN = Verified(
    "rising",
    "when a grows, the answer never falls",
    "violated",
    "a counterexample reaches 0.2",
    "in a range with 40% of the evaluation rows",
    "3 of 111 rows break it",
    ("a 1.5 to 2.5", "g x, y"),
    ("a 1, g x: 0.75",),
)


@pytest.fixture
def story(tmp_path: Path) -> Story:
    picture = tmp_path / "what_it_rests_on.png"
    picture.write_bytes(b"png")
    figures = [Measure(f"{group}.figure", 0.25, 0.2, 0.3, 111, group) for group in CHAPTERS]
    example = {
        "why": "the highest answer",
        "row": 7,
        "answer": 0.9,
        "base": 0.5,
        "values": {"a": "1.5", "g": "x"},
        "shares": {"a": 0.3, "g": -0.1},
    }
    return Story(
        contract=dataclasses.replace(CONTRACT, description=f"Is it large? {HOSTILE}"),
        lineage=LINEAGE,
        compilation={"reason": "served in its MLflow flavour"},
        figures=tuple(figures),
        groups=(),
        explanation={"importance": {"a": 0.2, "g": 0.4}, "examples": [example]},
        verified=(PROVEN, BROKEN),
        counterexamples=("more: 3 of 9 inputs break after >= before\n  a  1  2 <",),
        plots=(picture,),
        decision=Decision(DIGEST, False, (REFUSED, PASSED), {"fairness": "nobody is meant"}),
    )


def both(story: Story) -> tuple[str, str]:
    return card_markdown(story), card_html(story)


@pytest.mark.parametrize("form", [0, 1], ids=["markdown", "html"])
def test_everything_is_told(form: int, story: Story) -> None:
    card = both(story)[form]
    for told in (
        "refused",
        DIGEST,
        "golden.accuracy",
        "nobody is meant",
        "served in its MLflow flavour",
        "max_depth 3",
        "in a range with 40% of the evaluation rows",
        "3 of 111 rows break it",
        "a 1.5 to 2.5; g x, y",
        "a 1, g x: 0.75",
        "more: 3 of 9 inputs break",
        "the highest answer, row 7",
        "a 1.5 (+0.300), g x (-0.100)",
        "with uncommitted changes",
        "c0ffee",
        "table:1",
        *[f"{group}.figure" for group in CHAPTERS],
        *(title.split(":")[0] for title in CHAPTERS.values()),
    ):
        assert told in card or told.replace(">", "&gt;") in card, told


def test_the_page_shows_hostile_text_as_text_and_asks_for_nothing(story: Story) -> None:
    page = card_html(story)
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "url(" not in page
    assert page.count("data:image/png;base64,cG5n") == 1


def test_every_element_of_the_page_is_closed(story: Story) -> None:
    optional = {"html", "meta", "img", "br"}
    opened: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            del attrs
            if tag not in optional:
                opened.append(tag)

        def handle_endtag(self, tag: str) -> None:
            if tag not in optional:
                assert opened.pop() == tag

    Reader().feed(card_html(story))
    assert opened == []


def test_a_bar_in_a_text_does_not_end_a_cell_of_markdown(story: Story) -> None:
    (line,) = [row for row in card_markdown(story).split("\n") if "golden.accuracy |" in row]
    assert len(re.findall(r"(?<!\\)\|", line)) == 7


def test_without_a_decision_nothing_is_said_of_the_gate(story: Story) -> None:
    for card in both(dataclasses.replace(story, decision=None)):
        assert "The gate" not in card
        assert "golden.accuracy" not in card
        assert "golden.figure" in card


def test_the_order_of_plots_does_not_depend_on_where_they_lie(tmp_path: Path) -> None:
    for first, second in (("a", "b"), ("d", "c")):
        for folder, name in ((first, "calibration"), (second, "accuracy"), (second, "shap")):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / f"{name}.png").touch()
        found = plots_of([tmp_path / first, tmp_path / second])
        assert [path.stem for path in found] == ["accuracy", "calibration", "shap"]


def test_few_rows_are_a_limit_and_many_are_not(story: Story) -> None:
    assert "they are wide" in card_markdown(story)
    many = dataclasses.replace(story, figures=(Measure("evaluation.f", 0.1, rows=5000),))
    assert "they are wide" not in card_markdown(many)


def test_what_is_proven_everywhere_is_no_limit(story: Story) -> None:
    limits = card_markdown(story).split("## Limits")[1]
    assert "rising is proven in a range with 40%" in limits
    assert "sane" not in limits
