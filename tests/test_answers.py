"""The questions: few, explained, and every offered answer works."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import pytest

from tests.conftest import Generate
from tests.template import Answers, brought_by_level, choices, levels, offered, settings


def questions() -> list[str]:
    return [key for key in settings() if not key.startswith("_")]


def prompts() -> dict[str, str | dict[str, str]]:
    return cast(dict[str, str | dict[str, str]], settings()["__prompts__"])


def test_at_most_six_questions_are_asked() -> None:
    assert len(questions()) <= 6


@pytest.mark.parametrize("question", questions())
def test_a_question_has_a_sentence(question: str) -> None:
    prompt = prompts()[question]
    sentence = prompt if isinstance(prompt, str) else prompt["__prompt__"]
    assert len(sentence.split()) >= 5
    assert "?" in sentence


@pytest.mark.parametrize(("question", "answers"), choices().items())
def test_a_choice_has_several_answers_and_each_a_label(question: str, answers: list[str]) -> None:
    labels = prompts()[question]
    assert len(answers) > 1
    assert isinstance(labels, dict)
    assert set(labels) == {"__prompt__", *answers}


def test_the_level_that_needs_only_a_laptop_is_the_default_and_each_brings_files() -> None:
    # Level 2 needs nothing but a laptop; the higher ones want a machine that serves.
    assert int(choices()["maturity_level"][0]) == 2
    assert levels() == [1, *brought_by_level()]


@pytest.mark.parametrize("answers", offered(), ids=lambda answers: "-".join(answers.values()))
def test_every_offered_answer_is_recorded(generated: Generate, answers: Answers) -> None:
    record = json.loads((generated(answers) / ".template.json").read_text())
    given = {"project_name": "Disease Progression", "project_slug": "disease-progression"}
    expected = {**given, "owner": "my-org", "cloud": settings()["__cloud"], **answers}
    assert record == {"template": "", "version": settings()["_version"], "answers": expected}


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Churn", "churn"),
        ("Churn in 2030: who leaves?", "churn-in-2030-who-leaves"),
        ("Größe & Gewicht", "grosse-gewicht"),
        ("a " * 40, "a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a"),
    ],
)
def test_the_slug_comes_from_the_name(generated: Generate, name: str, slug: str) -> None:
    assert generated({"project_name": name.strip()}).name == slug


LICENCES = {
    "MIT": "MIT License",
    "Apache-2.0": "Apache License",
    "BSD-3-Clause": "BSD 3-Clause License",
    "Proprietary": "Copyright (c) my-org. All rights reserved.",
}


@pytest.mark.parametrize("licence", choices()["licence"])
def test_a_licence_is_its_own_text_and_no_other(generated: Generate, licence: str) -> None:
    text = (generated({"licence": licence}) / "LICENSE").read_text()
    assert [name for name, words in LICENCES.items() if words in text] == [licence]
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


def test_a_project_says_nothing_of_the_folders_that_it_was_made_in(
    generated: Generate, template: Path
) -> None:
    root = generated({})
    for path in root.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert str(template).encode() not in content, path
            assert str(root.parent).encode() not in content, path
