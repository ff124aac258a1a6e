"""A stored model: the same bytes for the same model, and nothing that runs code when loaded."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import skops.io
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from mlops.quality.errors import UserError
from mlops.training.model_file import canonical, load_model, model_digest, save_model
from mlops.training.search import pipeline
from mlops.training.tests.problem import INPUTS, table

ROWS = table()
ESTIMATORS = {
    "logistic_regression": LogisticRegression(),
    "random_forest": RandomForestClassifier(5, random_state=0),
    "gradient_boosting": GradientBoostingClassifier(n_estimators=5, random_state=0),
    "hist_gradient_boosting": HistGradientBoostingClassifier(max_iter=5, random_state=0),
}


def fitted(name: str) -> Pipeline:
    return pipeline(StandardScaler(), ESTIMATORS[name]).fit(ROWS[INPUTS], ROWS["answer"])


@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_same_training_gives_the_same_bytes(name: str) -> None:
    # skops itself differs each time, by addresses and by time
    assert canonical(skops.io.dumps(fitted(name))) == canonical(skops.io.dumps(fitted(name)))


@pytest.mark.parametrize("name", ESTIMATORS)
def test_making_bytes_canonical_twice_changes_nothing(name: str) -> None:
    once = canonical(skops.io.dumps(fitted(name)))
    assert canonical(once) == once


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_model_comes_back_as_it_was(name: str, tmp_path: Path) -> None:
    model = fitted(name)
    digest = save_model(model, tmp_path, name, {"depth": 1}, len(ROWS))
    loaded, facts = load_model(tmp_path)
    assert (facts.algorithm, facts.digest, facts.rows) == (name, digest, len(ROWS))
    np.testing.assert_array_equal(
        loaded.predict_proba(ROWS[INPUTS]), model.predict_proba(ROWS[INPUTS])
    )


def test_another_model_has_another_digest() -> None:
    one = skops.io.dumps(fitted("logistic_regression"))
    fewer = pipeline(StandardScaler(), LogisticRegression())
    other = skops.io.dumps(fewer.fit(ROWS[INPUTS][1:], ROWS["answer"][1:]))
    assert model_digest(one) != model_digest(other)


def test_bytes_that_were_tampered_with_are_not_loaded(tmp_path: Path) -> None:
    save_model(fitted("logistic_regression"), tmp_path, "line", {}, 1)
    other = canonical(skops.io.dumps(fitted("random_forest")))
    (tmp_path / "model.skops").write_bytes(other)
    with pytest.raises(UserError, match=r"not the bytes that model.json speaks of"):
        load_model(tmp_path)


class Stranger(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A transformer that is defined neither in scikit-learn nor in model/."""

    def fit(self, *_: object) -> Stranger:
        return self

    def transform(self, rows: object) -> object:
        return rows


def test_a_type_from_elsewhere_is_refused_when_saving(tmp_path: Path) -> None:
    model = pipeline(Stranger(), LogisticRegression()).fit(ROWS[INPUTS], ROWS["answer"])
    with pytest.raises(UserError, match=r"Stranger; only types of scikit-learn, NumPy and model/"):
        save_model(model, tmp_path, "line", {}, 1)
    assert not list(tmp_path.iterdir())


def test_a_file_that_asks_for_code_is_not_loaded(tmp_path: Path) -> None:
    save_model(fitted("logistic_regression"), tmp_path, "line", {}, 1)
    data = _asking_for(canonical((tmp_path / "model.skops").read_bytes()), "subprocess", "Popen")
    facts = json.loads((tmp_path / "model.json").read_text())
    facts["digest"] = __import__("hashlib").sha256(data).hexdigest()
    (tmp_path / "model.json").write_text(json.dumps(facts))
    (tmp_path / "model.skops").write_bytes(data)
    with pytest.raises(UserError, match=r"subprocess\.Popen"):
        load_model(tmp_path)


def _asking_for(data: bytes, module: str, name: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(target, "w") as new:
        for item in old.namelist():
            content = old.read(item)
            if item == "schema.json":
                schema = json.loads(content)
                schema["__module__"], schema["__class__"] = module, name
                content = json.dumps(schema).encode()
            new.writestr(item, content)
    return target.getvalue()
