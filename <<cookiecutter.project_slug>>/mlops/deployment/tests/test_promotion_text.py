"""The text of a promotion says all that a reviewer needs, whatever names the data brought."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from mlops.deployment.desired.model_file import DesiredModel
from mlops.deployment.gate.decision import Decision, Verdict
from mlops.deployment.promotion.branch import Change
from mlops.deployment.promotion.text import Figure, Origin, Proposal, body, code, fenced, title

NEW = DesiredModel("small", "5", "ab" * 32, "run5", "c0ffee")
OLD = DesiredModel("small", "4", "cd" * 32, "run4", "c0ffed")
VERDICTS = (
    Verdict("golden.accuracy", ">= 0.85", "pass", "", 0.9),
    Verdict("champion.roc_auc", ">= -0.05 (safe)", "pass", "better", 0.01, -0.02, 0.04, 100),
    Verdict("fairness.recall[sex]", "<= 0.2", "excepted", "accepted by Ada", 0.3),
)
PROPOSAL = Proposal(
    target="stage",
    desired=NEW,
    changes=(
        Change("dev", "environments/dev/model.yml", OLD),
        Change("stage", "environments/stage/model.yml", OLD),
    ),
    cause="Trained anew because of data drift in prod.\n- `bmi` drifts",
    champion="3",
    figures=(Figure("roc_auc", 0.82, 0.8), Figure("brier", 0.2, None)),
    decision=Decision(NEW.digest, True, VERDICTS, {"speed": "measured elsewhere"}),
    judged_by="Ada",
    exceptions="",
    origin=Origin("c0ffee", "diabetes:2", "ef" * 32, "Ada", "logistic_regression"),
)
NASTY = "x` | <img src=x onerror=1> @admin [a](http://evil) ``` \n## Approved\n- [x] \u202eevil \x1b[31m"


def html(text: str) -> str:
    return str(MarkdownIt("gfm-like", {"linkify": False}).render(text))


def test_it_tells_what_why_how_good_whence_and_how_back() -> None:
    text = body(PROPOSAL)
    assert title(PROPOSAL) == "Promote small version 5 to stage"
    for expected in (
        "| `environments/stage/model.yml` | version 4 `cdcdcdcdcdcd` | version 5 `abababababab` |",
        "Trained anew because of data drift in prod.",
        "The champion is version 3.",
        "| `roc_auc` | 0.82 | 0.8 | +0.02 |",
        "| `brier` | 0.2 | - | - |",
        "**passed**, judged by `Ada`: 3 rules, 2 passed, 1 excepted",
        "| `champion.roc_auc` | 0.01 | -0.02 to 0.04 | `>= -0.05 (safe)` | pass | `better` |",
        "| `fairness.recall[sex]` | 0.3 |  | `<= 0.2` | excepted | `accepted by Ada` |",
        "- `speed.*` is off: `measured elsewhere`",
        "| run | `run5` |",
        "| commit | `c0ffee` |",
        "| data | `diabetes:2` (SHA-256 `efefefefefef`) |",
        "Reverting this brings version 4 `cdcdcdcdcdcd` back.",
        "`nox -s rollback -- stage`",
    ):
        assert expected in text, expected
    assert "golden.accuracy" not in text, "what plainly passed is counted, not listed"


def test_it_says_where_something_is_not_known() -> None:
    first = dataclasses.replace(
        PROPOSAL,
        changes=(Change("stage", "environments/stage/model.yml", None),),
        cause=" ",
        champion="",
        decision=None,
        exceptions="golden.accuracy: for now",
    )
    text = body(first)
    for expected in (
        "Its training told no cause.",
        "There is no champion yet to compare with.",
        "The registry has no reasons. Exceptions: `golden.accuracy: for now`.",
        "Nothing served in stage before. Reverting this ends its endpoint.",
        "| `environments/stage/model.yml` | nothing | version 5",
    ):
        assert expected in text, expected


@pytest.mark.parametrize(
    ("changed", "told", "otherwise"),
    [
        ({"tested": "stage at 2026"}, "passed in stage at 2026", "The tests of the model"),
        ({"put_back": "prod: slow"}, "put back before**: `prod: slow`", "put back before"),
        ({"run_url": "https://x/1"}, "[this run](https://x/1)", "this run"),
        ({"champion": "5"}, "Version 5 is the champion itself.", "champion itself"),
    ],
)
def test_what_is_only_sometimes_known(changed: dict[str, str], told: str, otherwise: str) -> None:
    assert told in body(dataclasses.replace(PROPOSAL, **changed))  # type: ignore[arg-type]
    assert otherwise not in body(PROPOSAL)


def everywhere(text: str) -> Proposal:
    verdict = Verdict(text, text, "excepted", text, 1.0)
    return dataclasses.replace(
        PROPOSAL,
        desired=dataclasses.replace(NEW, model=text, run=text),
        cause=text,
        figures=(Figure(text, 1.0, 2.0),),
        decision=Decision(NEW.digest, True, (verdict,), {text: text}),
        judged_by=text,
        origin=Origin(*[text] * 5),
        put_back=text,
    )


def test_names_are_no_markup() -> None:
    page, plain = html(body(everywhere(NASTY))), html(body(everywhere("x")))
    for tag in ("<h2", "<td", "<tr", "<a ", "<li", "<img", "<table", "<strong"):
        assert page.count(tag) == plain.count(tag), tag
    assert "@admin" not in without_code(page)
    assert "\u202e" not in page
    assert "\x1b" not in page


@settings(max_examples=60, deadline=None)
@given(st.text("`|\\\n\r~<>[]()@#*_-x \t\u202e\x00", max_size=25))
def test_no_text_gets_out_of_its_code(text: str) -> None:
    told = html(f"| a | b |\n| --- | --- |\n| {code(text)} | end |\n\n{fenced(text)}\n\nafter")
    assert told.count("<td") == 2
    assert "<p>after</p>" in told
    assert without_code(told).replace("\n", "").count("<") == without_code(
        html("| a | b |\n| --- | --- |\n| `x` | end |\n\n```text\nx\n```\n\nafter")
    ).count("<") - (2 if code(text) == "-" else 0)


def test_a_long_text_is_cut_and_fits_github() -> None:
    many = tuple(Figure(f"figure{number}", 1.0, 1.0) for number in range(500))
    long = dataclasses.replace(everywhere("y" * 30_000), figures=many)
    text = body(long)
    assert "and 460 more" in text
    assert len(text) < 65_536


def without_code(page: str) -> str:
    import re

    return re.sub(r"<code.*?</code>", "<code></code>", page, flags=re.DOTALL)
