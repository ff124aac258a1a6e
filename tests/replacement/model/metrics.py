"""How good a prediction is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error


def metrics(truth: NDArray[np.generic], predicted: NDArray[np.float64]) -> Mapping[str, float]:
    """Errors in rentals per day, and the share of the variance that is explained."""
    return {
        "rmse": float(root_mean_squared_error(truth, predicted)),
        "mae": float(mean_absolute_error(truth, predicted)),
        "r2": float(r2_score(truth, predicted)) if len(truth) > 1 else float("nan"),
    }
