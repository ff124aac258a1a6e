"""The sample's place taken by another problem, as the project's README says: a regression."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.lived_in import Life
from tests.template import ROOT, copy_template, render

REPLACEMENT = ROOT / "tests" / "replacement"
DAYS = 400
# They run what is declared, whatever the problem is.
STAY = ("test_notebooks.py", "conftest.py", "test_relations.py", "test_properties.py")


def bicycles() -> pd.DataFrame:
    """A year of rentals that a formula and some noise made up."""
    random = np.random.default_rng(11)
    days = pd.date_range("2025-01-01", periods=DAYS, freq="D", tz="UTC")
    season = np.sin((np.arange(DAYS) - 100) / 365 * 2 * np.pi)
    temperature = np.round(11 + 10 * season + random.normal(0, 4, DAYS), 1)
    weather = np.where(
        random.random(DAYS) < 0.65, "clear", np.where(temperature < 3, "snow", "rain")
    )
    holiday = np.arange(DAYS) % 7 >= 5
    rentals = 400 + 35 * temperature - 250 * (weather == "rain") - 400 * (weather == "snow")
    rentals = rentals + 150 * holiday + random.normal(0, 60, DAYS)
    humidity = np.round(random.uniform(30, 100, DAYS))
    humidity[::17] = np.nan
    return pd.DataFrame(
        {
            "day": days,
            "temperature": temperature,
            "humidity": humidity,
            "weather": weather,
            "holiday": holiday,
            "rentals": rentals.clip(min=0).round().astype(int),
        }
    )


def golden() -> pd.DataFrame:
    """Days that nobody counted, with what the formula without its noise gives."""
    temperature = np.repeat([2.0, 12.0, 24.0], 4)
    weather = np.tile(["clear", "rain"], 6)
    holiday = np.tile([False, False, True, True], 3)
    return pd.DataFrame(
        {
            "day": pd.date_range("2024-06-01", periods=12, freq="D", tz="UTC"),
            "temperature": temperature,
            "humidity": np.linspace(40, 90, 12).round(),
            "weather": weather,
            "holiday": holiday,
            "rentals": (400 + 35 * temperature - 250 * (weather == "rain") + 150 * holiday).astype(
                int
            ),
        }
    )


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    template = copy_template(tmp_path_factory.mktemp("template") / "mlops-template")
    answers = {"project_name": "Bicycles", "maturity_level": "3"}
    life = Life(render(template, tmp_path_factory.mktemp("bikes"), answers))
    life.run("git", "init", "--quiet")
    life.commit("Generate")
    replace(life)
    life.commit("Rent bicycles")
    yield life
    life.nox("-s", "down")


def replace(life: Life) -> None:
    """Do what the README lists: contract, data asset, five functions, pipeline inputs, tests."""
    root = life.root
    for folder in ("model", "tests/code", "tests/data", "tests/model", "notebooks"):
        for path in (root / folder).glob("*"):
            if path.is_file() and path.name not in STAY:
                path.unlink()
    shutil.copytree(REPLACEMENT / "model", root / "model", dirs_exist_ok=True)
    shutil.copytree(REPLACEMENT / "tests", root / "tests" / "model", dirs_exist_ok=True)
    for name in ("relations.yml", "properties.yml"):
        shutil.copy(REPLACEMENT / "gate" / name, root / "tests" / "model" / name)
    shutil.copy(REPLACEMENT / "gate" / "settings.yml", root / "environments" / "dev")
    golden().to_csv(root / "tests" / "model" / "golden.csv", index=False)
    for path in (root / "data").glob("diabetes*"):
        path.unlink()
    table = root / "data" / "bicycles.parquet"
    bicycles().to_parquet(table, index=False)
    digest = hashlib.sha256(table.read_bytes()).hexdigest()
    (root / "data" / "bicycles.yml").write_text(
        'name: bicycles\nversion: "1"\ntype: uri_file\npath: bicycles.parquet\n'
        f"tags:\n  sha256: {digest}\n  source: made up by a formula\n"
    )
    life.replace("project.yml", "data/diabetes.yml", "data/bicycles.yml")
    life.replace("pipelines/train.yml", "azureml:diabetes:1", "azureml:bicycles:1")
    life.replace("pipelines/train.yml", "../data/diabetes.yml", "../data/bicycles.yml")
    life.replace("pipelines/train.yml", "metric: roc_auc", "metric: rmse")
    life.replace("pipelines/train.yml", "goal: maximize", "goal: minimize")


def test_it_passes_its_checks(life: Life) -> None:
    done = life.ok()
    assert f"bicycles version 1: {DAYS} rows, 6 columns keep the contract" in done.output
    assert life.changed() == ""


def test_it_trains_and_registers(life: Life) -> None:
    done = life.ok("-s", "train")
    assert "registered bicycles version 1" in done.output
    registered = life.root / ".mlops" / "cache" / "effects" / "register" / "outputs" / "registered"
    run = json.loads(registered.read_text())["run_id"]
    files = next((life.root / ".mlops" / "mlflow" / "artifacts").glob(f"*/{run}/artifacts"))
    plots = {path.name for path in (files / "plots").iterdir()}
    assert plots == {"predicted.png", "errors.png", "segments.png", "importance.png"}
    card = (files / "model_card.md").read_text()
    for told in (
        "rmse, minimize",
        "| rmse |",
        "weather snow",
        "holiday True",
        "bicycles version 1",
    ):
        assert told in card
    evaluation = json.loads((files / "figures" / "evaluation.json").read_text())
    assert evaluation["metrics"]["r2"] > 0.5


def test_its_model_is_loaded_from_the_registry_and_predicts(life: Life, tmp_path: Path) -> None:
    uri = life.ok("-s", "up").output.split("MLflow: ")[1].split()[0]
    code = (
        "import mlflow, pandas as pd; "
        "model = mlflow.pyfunc.load_model('models:/bicycles@candidate'); "
        "rows = model.input_example; print('predicted', len(model.predict(rows)))"
    )
    done = life.run(
        str(life.root / ".venv" / "bin" / "python"), "-c", code, MLFLOW_TRACKING_URI=uri
    )
    assert "predicted 5" in done.output, done.output


def test_its_model_comes_out_again(life: Life) -> None:
    assert "reproduced bicycles version 1" in life.ok("-s", "reproduce").output
    assert "bicycles:1 sha256" in life.ok("-s", "lineage").output


def test_its_model_goes_through_the_gate_with_its_own_metrics(life: Life) -> None:
    done = life.ok("-s", "qualify", "--", "--all")
    assert "form    compiled to ONNX" in done.output
    for figure in ("golden.rmse", "evaluation.r2", "calibration.slope", "champion.rmse"):
        assert figure in done.output
    assert "bicycles have nobody to be fair to" in done.output
    assert "champion" in life.ok("-s", "release").output


def test_a_worse_one_is_refused_by_its_metrics_and_by_the_champion(life: Life) -> None:
    life.replace("model/estimator.py", '"alpha": [0.1, 1.0, 10.0]', '"alpha": [20000.0]')
    text = (life.root / "model/estimator.py").read_text()
    start, end = text.index('        "gradient_boosting"'), text.index("    }\n")
    (life.root / "model/estimator.py").write_text(text[:start] + text[end:])
    life.replace(
        "model/estimator.py", "from sklearn.ensemble import GradientBoostingRegressor\n", ""
    )
    life.commit("Hold everything back")
    life.ok("-s", "train")
    done = life.nox("-s", "qualify")
    assert done.code != 0
    refused = json.loads((life.root / ".mlops/audit.jsonl").read_text().split("\n")[-2])["refused"]
    assert {"golden.rmse", "evaluation.rmse", "champion.rmse"} <= set(refused)
