"""How good a prediction is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    f1_score,
    log_loss,
    precision_score,
    recall_score,
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
    return {
        "roc_auc": float(roc_auc_score(truth, predicted)) if ranked else float("nan"),
        "accuracy": float(accuracy_score(truth, decided)),
        "precision": float(precision_score(truth, decided, zero_division=np.nan)),
        "recall": float(recall_score(truth, decided, zero_division=np.nan)),
        "f1": float(f1_score(truth, decided, zero_division=np.nan)),
        "brier": float(brier_score_loss(truth, predicted)) if ranked else float("nan"),
        "log_loss": float(log_loss(truth, predicted, labels=[0, 1])),
    }
