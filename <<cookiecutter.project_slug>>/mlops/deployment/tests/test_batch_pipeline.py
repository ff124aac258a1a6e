"""The batch pipeline's definition runs, and gives what the scoring gives."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from mlops.deployment.tests.environments import fitted_model
from mlops.training.detached import ROOT
from mlops.training.pipeline import execute, load_pipeline


def test_the_pipeline_scores_a_table(tmp_path: Path) -> None:
    from mlops.deployment.tests.environments import make_package
    from mlops.deployment.tests.small import INPUTS, rows

    digest = make_package(tmp_path / "packages", fitted_model(1))
    table = rows(50, 4)[INPUTS]
    table.to_csv(tmp_path / "rows.csv", index=False)
    results = execute(
        load_pipeline(ROOT / "pipelines" / "batch.yml"),
        store=tmp_path / "cache",
        resolve_asset=lambda name, version: tmp_path / name / version,
        environment_digest="-",
        overrides={
            "table": str(tmp_path / "rows.csv"),
            "package": str(tmp_path / "packages" / digest),
            "version": "7",
        },
        on_event=lambda _: None,
    )
    (scored,) = [result for result in results if result.name == "score_table"]
    found = pd.read_parquet(scored.outputs["scores"])
    expected = fitted_model(1).predict_proba(table)[:, 1]
    assert list(found["model_version"].unique()) == ["7"]
    assert abs(found["probability_1"] - expected).max() < 1e-5
