"""How good a prediction is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    log_loss,
    precision_recall_fscore_support,
    roc_auc_score,
)

# A probability from here on counts as a yes.
THRESHOLD = 0.5


def metrics(truth: NDArray[np.generic], predicted: NDArray[np.float64]) -> Mapping[str, float]:
    """Every metric by name; `pipelines/train.yml` names the one that decides.

    `truth` holds the labels, shape (n,). `predicted` holds the probability of label 1, shape (n,).
    A metric that is not defined (one label only, in a small segment) is NaN.
    """
    decided = (predicted >= THRESHOLD).astype(int)
    ranked = len(np.unique(truth)) > 1
    precision, recall, f1, _ = precision_recall_fscore_support(
        truth, decided, average="binary", zero_division=np.nan
    )
    return {
        "roc_auc": float(roc_auc_score(truth, predicted)) if ranked else float("nan"),
        "accuracy": float(accuracy_score(truth, decided)),
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(f1),
        "brier": float(brier_score_loss(truth, predicted)) if ranked else float("nan"),
        "log_loss": float(log_loss(truth, predicted, labels=[0, 1])),
    }
