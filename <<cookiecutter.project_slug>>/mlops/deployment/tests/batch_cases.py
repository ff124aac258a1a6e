"""Packages to score with and rows to score, some of them broken, of the tests' own."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import skops.io
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression

from mlops.deployment.packaging.compilation import compile_model
from mlops.deployment.packaging.package import seal
from mlops.deployment.tests import small
from mlops.quality.contract import Contract, Relation

CONTRACT = dataclasses.replace(small.CONTRACT, relations=(Relation("not_too_much", "a + m <= 10"),))


def make_package(
    folder: Path,
    *,
    form: str = "onnx",
    contract: Contract = CONTRACT,
    estimator: BaseEstimator | None = None,
    labels: tuple[str, str] | None = None,
) -> Path:
    """A sealed package of a small model, compiled or in its flavour."""
    fitted = small.model(LogisticRegression() if estimator is None else estimator, 0)
    if labels is not None:
        table = good_rows(150)
        fitted.fit(table[small.INPUTS], table["answer"].map(dict(enumerate(labels))))
    folder.mkdir(parents=True)
    values = dataclasses.asdict(contract)
    # JSON is YAML; a contract has no nulls
    for column in values["columns"].values():
        for key in [key for key, value in column.items() if value is None]:
            del column[key]
    (folder / "contract.yml").write_text(json.dumps(values))
    if form == "onnx":
        (folder / "model.onnx").write_bytes(compile_model(fitted, contract))
    else:
        (folder / "model").mkdir()
        (folder / "model" / "model.skops").write_bytes(skops.io.dumps(fitted))
    seal(folder, "small")
    return folder


def good_rows(number: int, seed: int = 1) -> pd.DataFrame:
    """Rows that keep the contract, with a column of the caller's and the target."""
    table = small.rows(2 * number, seed)
    table = table[~(table["a"] + table["m"] > 10)].head(number).reset_index(drop=True)
    table.insert(0, "id", [f"row {row}" for row in range(number)])
    return table


def broken_rows(number: int, seed: int = 2) -> pd.DataFrame:
    """Rows of which every rule of the contract is broken by some."""
    table = good_rows(number, seed)
    random = np.random.default_rng(seed)
    picks = iter(np.array_split(random.permutation(number)[: number // 4], 6))
    table.loc[next(picks), "a"] = 11.5
    table.loc[next(picks), "a"] = np.nan
    table["n"] = table["n"].astype(float)
    table.loc[next(picks), "n"] = 2.5
    table.loc[next(picks), "g"] = "z"
    table.loc[next(picks), "g"] = None
    rows = next(picks)
    table.loc[rows, "a"] = 10.0
    table.loc[rows, "m"] = 0.5
    return table
