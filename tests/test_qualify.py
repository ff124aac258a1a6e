"""A generated project at Level 3: its models are packaged, judged, refused, excepted and released."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lived_in import Life
from tests.template import copy_template, render

STEPS = {
    "validate",
    "prepare",
    "compile",
    "score",
    "score_champion",
    "performance",
    "behaviour",
    "verify",
    "package",
    "speed",
    "decide",
    "record",
}


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """A committed project whose first model was trained; its server ends with the module."""
    template = copy_template(tmp_path_factory.mktemp("template") / "mlops-template")
    life = Life(render(template, tmp_path_factory.mktemp("life"), {"maturity_level": "3"}))
    life.run("git", "init", "--quiet")
    life.commit("Generate")
    life.ok("-s", "train")
    yield life
    life.nox("-s", "down")


def package_of(output: str) -> str:
    """The digest that `nox -s qualify` printed."""
    found = re.search(r"^package ([0-9a-f]{64})$", output, re.MULTILINE)
    assert found, output
    return found[1]


def log(life: Life) -> list[dict[str, object]]:
    """The audit log."""
    return [
        json.loads(line) for line in (life.root / ".mlops/audit.jsonl").read_text().split("\n")[:-1]
    ]


def test_nothing_is_released_before_it_was_judged(life: Life) -> None:
    done = life.nox("-s", "release")
    assert done.code != 0
    assert "version 1: the gate has not judged it yet: nox -s qualify" in done.output


def test_the_samples_model_passes(life: Life) -> None:
    done = life.ok("-s", "qualify")
    assert done.ran() == STEPS
    assert "passed disease-progression version 1: `nox -s release`" in done.output
    assert "form    compiled to ONNX" in done.output
    assert re.search(r"1, candidate .* ONNX .* passed", done.output), done.output
    card = (life.root / ".mlops" / "qualify" / "model_card.html").read_text()
    assert package_of(done.output)[:12] in card
    assert log(life)[-1]["passed"] is True
    assert life.changed() == ""


def test_packaging_it_again_from_nothing_gives_the_same_digest(life: Life) -> None:
    once = package_of(life.ok("-s", "qualify").output)
    shutil.rmtree(life.root / ".mlops" / "cache")
    shutil.rmtree(life.root / ".mlops" / "qualify")
    done = life.ok("-s", "qualify")
    assert done.ran() == STEPS
    assert package_of(done.output) == once


def test_what_did_not_change_is_not_done_again(life: Life) -> None:
    life.ok("-s", "qualify")
    assert life.ok("-s", "qualify").ran() == {"record"}


def test_a_changed_bound_asks_the_gate_alone(life: Life) -> None:
    life.ok("-s", "qualify")
    life.replace(
        "environments/dev/settings.yml", "roc_auc: {at_least: 0.78}", "roc_auc: {at_least: 0.999}"
    )
    done = life.nox("-s", "qualify")
    life.run("git", "checkout", "--quiet", ".")
    assert done.code != 0
    assert re.search(r"evaluation\.roc_auc .* >= 0\.999 .* refuse", done.output)
    assert "refused disease-progression version 1" in done.output
    assert "measure: evaluation.roc_auc" in done.output
    refused = life.nox("-s", "release")
    assert refused.code != 0
    assert "refused by the gate: evaluation.roc_auc" in refused.output
    assert log(life)[-1]["passed"] is False


def test_one_that_passed_becomes_the_champion(life: Life) -> None:
    life.ok("-s", "qualify")
    done = life.ok("-s", "release")
    assert "champion" in done.output
    assert log(life)[-1]["event"] == "release"
    assert log(life)[-1]["package"] == package_of(life.ok("-s", "qualify").output)


def test_one_that_cannot_be_compiled_and_is_worse_is_refused_until_somebody_answers_for_it(
    life: Life,
) -> None:
    life.replace(
        "model/estimator.py",
        "from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier",
        "from sklearn.ensemble import HistGradientBoostingClassifier",
    )
    text = (life.root / "model/estimator.py").read_text()
    start = text.index("    return {\n")
    only = (
        '    return {\n        "histogram": (\n'
        "            HistGradientBoostingClassifier(random_state=seed, max_iter=8, max_depth=2),\n"
        '            {"learning_rate": [0.1]},\n        ),\n    }\n'
    )
    (life.root / "model/estimator.py").write_text(text[:start] + only)
    life.commit("A single candidate")
    life.ok("-s", "train")
    done = life.nox("-s", "qualify")
    assert done.code != 0
    assert "form    HistGradientBoostingClassifier has no ONNX form" in done.output
    assert re.search(r"2, candidate .* MLflow flavour .* refused", done.output), done.output
    assert "champion.roc_auc" in done.output
    digest = package_of(done.output)
    refused = list(log(life)[-1]["refused"])  # type: ignore[call-overload]
    assert "champion.roc_auc" in refused
    accept(life, refused, digest)
    early = life.nox("-s", "qualify")
    assert early.code != 0
    assert "an exception counts once it is committed" in early.output
    life.commit("Accept the histogram for the time being")
    done = life.ok("-s", "qualify")
    assert "accepted by Ada" in done.output
    assert log(life)[-1]["excepted"]
    assert "champion" in life.ok("-s", "release").output
    # its package stays the same though it is now compared with nobody, and so do the exceptions
    assert package_of(life.ok("-s", "qualify").output) == digest


def accept(life: Life, measures: list[str], digest: str) -> None:
    """Write an exception for each refusal."""
    lines = [
        f"- measure: '{name}'\n  package: {digest[:12]}\n  by: Ada\n  reason: a trial\n"
        "  until: '2999-12-31'\n"
        for name in measures
    ]
    path = life.root / "environments/dev/exceptions.yml"
    path.write_text("exceptions:\n" + "".join(lines))


def test_a_package_that_was_tampered_with_is_not_released(life: Life) -> None:
    digest = package_of(life.ok("-s", "qualify").output)
    stored = life.root / ".mlops" / "mlflow" / "artifacts"
    (path,) = stored.rglob(f"packages/{digest}/contract.yml")
    whole = path.read_text()
    path.write_text(whole.replace("bmi", "bml"))
    done = life.nox("-s", "release")
    path.write_text(whole)
    assert done.code != 0
    assert "contract.yml was changed" in done.output


def test_the_level_is_told_from_what_was_done(life: Life) -> None:
    done = life.nox("-s", "level")
    for demand in (
        "A gate with declared rules is on",
        "The model is packaged once, under a digest",
        "The last model was verified and passed the gate",
        "A model card tells what was verified and where it holds",
    ):
        assert re.search(rf"\bmet\b[^\n]*{demand}", done.output), done.output


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        (
            "environments/dev/settings.yml",
            "golden.accuracy:",
            "goldne.accuracy:",
            "did you mean 'golden'",
        ),
        (
            "environments/dev/settings.yml",
            "at_least: 0.85",
            "at_leats: 0.85",
            "did you mean 'at_least'",
        ),
        ("tests/model/properties.yml", "monotone: {bmi:", "monotone: {bim:", "did you mean 'bmi'"),
        ("tests/model/relations.yml", "bmi: bmi + 2", "bmi: bim + 2", "bim"),
        ("tests/model/golden.csv", "24,1,", "240,1,", "golden.csv"),
    ],
)
def test_a_mistake_in_a_file_is_told_by_its_place(
    file: str, old: str, new: str, told: str, life: Life
) -> None:
    life.replace(file, old, new)
    done = life.nox("-s", "qualify")
    life.run("git", "checkout", "--quiet", ".")
    assert done.code != 0
    assert told in done.output
    assert Path(file).name in done.output
    assert "Traceback" not in done.output
