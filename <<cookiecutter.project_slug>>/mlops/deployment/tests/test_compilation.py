"""A compiled model answers as the original does, or says how far it is off."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from mlops.deployment.exhaustive import thresholds
from mlops.deployment.inputs.generation import generate, unknown_categories
from mlops.deployment.packaging import compilation
from mlops.deployment.packaging.columns_read import columns_read
from mlops.deployment.packaging.compilation import Compilation, NotCompilableError, Parity
from mlops.deployment.packaging.predictor import load_predict, onnx_predict
from mlops.deployment.tests.small import CONTRACT, INPUTS, LINES, TREES, model, rows
from mlops.quality.contract import Column, Contract
from mlops.quality.errors import UserError
from mlops.training.search import predict

EVERY = {**TREES, **LINES}


@pytest.mark.parametrize("name", EVERY)
def test_it_answers_the_same_on_what_the_contract_allows(name: str) -> None:
    fitted = model(clone(EVERY[name]), 0)
    answers = onnx_predict(compilation.compile_model(fitted, CONTRACT))
    known = rows(150, 0)[INPUTS]
    drawn = generate(CONTRACT, 512, 0, near=thresholds(fitted, CONTRACT), reference=known).table
    strange = unknown_categories(CONTRACT, drawn)
    assert drawn["m"].isna().any()
    assert len(strange)
    for table in (known, drawn, strange, known.head(1)):
        found = compilation.compare(lambda t: predict(fitted, t), answers, table, 1.0)
        assert found.rows == len(table)
        assert found.largest < 1e-5


def test_the_same_models_give_the_same_bytes_in_other_processes() -> None:
    code = (
        "import hashlib\n"
        "from mlops.deployment.packaging.compilation import compile_model\n"
        "from mlops.deployment.tests.small import CONTRACT, LINES, TREES, model\n"
        "for estimator in {**TREES, **LINES}.values():\n"
        "    made = compile_model(model(estimator, 0), CONTRACT)\n"
        "    print(hashlib.sha256(made).hexdigest())\n"
    )
    told = set()
    for seed in ("1", "2", "3", "4"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": "."},
        )
        told.add(done.stdout)
    (digests,) = told
    assert len(set(digests.split())) == len(EVERY)


def test_a_forest_behind_a_scaler_is_off_beside_its_thresholds() -> None:
    fitted = model(RandomForestClassifier(50, max_depth=6), 0, scaled=True)
    answers = onnx_predict(compilation.compile_model(fitted, CONTRACT))
    near = generate(CONTRACT, 2048, 0, near=thresholds(fitted, CONTRACT), reference=rows(9, 0))
    found = compilation.compare(lambda t: predict(fitted, t), answers, near.table, 1.0)
    assert found.largest > 1e-3


@pytest.mark.parametrize(
    ("estimator", "told"), [(HistGradientBoostingClassifier(max_iter=3), "HistGradientBoosting")]
)
def test_what_has_no_onnx_form_says_so(estimator: BaseEstimator, told: str) -> None:
    with pytest.raises(NotCompilableError, match=rf"{told}\w+ has no ONNX form: .{{10,200}}$"):
        compilation.compile_model(model(estimator, 0), CONTRACT)


def reading(column: str, transformer: object) -> tuple[Pipeline, Contract]:
    """A model of `a` and another column, and a contract with that column as a date or a truth."""
    table = rows(80, 0)
    table["day"] = pd.date_range("2026-01-01", periods=80)
    table["open"] = np.arange(80) % 2 == 0
    columns = [("a", SimpleImputer(), ["a"]), ("other", transformer, [column])]
    fitted = Pipeline(
        [("features", ColumnTransformer(columns)), ("model", LogisticRegression())]
    ).fit(table.drop(columns="answer"), table["answer"])
    extra = {"day": Column("datetime", "d"), "open": Column("boolean", "o")}
    return fitted, Contract(
        "more", "More?", "classification", "answer", {**extra, **CONTRACT.columns}
    )


def test_a_date_that_the_model_reads_cannot_be_compiled_and_one_that_it_does_not_can() -> None:
    fitted, contract = reading("open", "passthrough")
    assert columns_read(fitted, contract) == ("open", "a")
    answers = onnx_predict(compilation.compile_model(fitted, contract))
    table = rows(20, 1).assign(open=[True, False] * 10)
    found = compilation.compare(lambda t: predict(fitted, t), answers, table, 1.0)
    assert found.largest < 1e-5
    encoder = OneHotEncoder(handle_unknown="ignore")
    with pytest.raises(NotCompilableError, match="column day: a datetime has no ONNX form"):
        compilation.compile_model(*reading("day", encoder))


def test_the_difference_tells_the_row_and_what_is_no_number_is_infinitely_far() -> None:
    table = rows(4, 0)

    def told(*values: float) -> Parity:
        return compilation.compare(lambda _: np.zeros(4), lambda _: np.array(values), table, 2.0)

    assert told(0, 0, 1, -3) == Parity(4, 1.5, 3)
    assert told(0, np.nan, 0, 0) == Parity(4, np.inf, 1)
    both = compilation.compare(
        lambda _: np.full(4, np.nan), lambda _: np.full(4, np.nan), table, 1.0
    )
    assert both.largest == 0
    other = compilation.compare(lambda _: np.zeros(4), lambda _: np.zeros((4, 3)), table, 1.0)
    assert other.largest == np.inf


def test_values_are_compared_in_their_own_spread() -> None:
    assert compilation.spread(np.array([0.0, 10.0]), "regression") == 5
    assert compilation.spread(np.array([0.0, 10.0]), "classification") == 1
    assert compilation.spread(np.array([3.0, 3.0]), "regression") == 1


def test_the_figures_of_a_model_in_its_flavour_are_those_of_itself() -> None:
    apart = {"training": Parity(10, 0.02, 3)}
    compiled, *parity = compilation.measures(Compilation("onnx", "well", 1e-5, apart))
    assert (compiled.name, compiled.value) == ("compile.onnx", 1)
    assert [(m.name, m.value) for m in parity] == [("compile.difference[training]", 0.02)]
    compiled, same = compilation.measures(Compilation("mlflow", "no form", 1e-5, apart))
    assert (compiled.value, same.value, same.detail) == (0, 0.0, "no form")
    lost = compilation.measures(Compilation("onnx", "", 1e-5, {"x": Parity(1, np.inf, 0)}))
    assert lost[1].value is None


def test_what_was_written_of_a_compilation_is_read_again(tmp_path: Path) -> None:
    said = Compilation("onnx", "at most 1e-07 apart", 1e-5, {"training": Parity(10, 1e-7, 3)})
    compilation.write_compilation(said, tmp_path)
    assert compilation.read_compilation(tmp_path) == said


def test_what_is_no_model_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds neither"):
        load_predict(tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(UserError, match="the ONNX model does not load"):
        load_predict(tmp_path)
