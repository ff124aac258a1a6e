"""What steps judge: a model's answers beside the truth, by the user's functions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from mlops.deployment.measuring.scored import Scored
from mlops.deployment.packaging.candidate import Lineage
from mlops.quality.contract import Contract
from model import metrics as user
from model.data import label


def scored(
    scores: Path,
    table: pd.DataFrame,
    facts: Lineage,
    contract: Contract,
    labels: tuple[object, ...],
) -> Scored:
    """The answers to a table's rows beside the truth and what judges them."""
    return Scored(
        table=table,
        truth=label(table).to_numpy(),
        predicted=read_scores(scores),
        contract=contract,
        threshold=float(getattr(user, "THRESHOLD", 0.5)),
        labels=labels,
        metrics=user.metrics,
        metric=facts.metric,
        goal=facts.goal,
    )


def labels_of(training: pd.DataFrame, contract: Contract) -> tuple[object, ...]:
    """The labels that were learnt, sorted; none where values are predicted."""
    if contract.task == "regression":
        return ()
    return tuple(np.unique(label(training).to_numpy()).tolist())


def read_scores(path: Path) -> np.ndarray:
    """Answers as the model gave them, shape (n,) or (n, labels)."""
    answers = pd.read_parquet(path).to_numpy(dtype=float, copy=True)
    return answers[:, 0] if answers.shape[1] == 1 else answers
