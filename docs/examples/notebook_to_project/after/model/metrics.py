"""Cell 5: how good it is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score


def metrics(truth: NDArray[np.generic], predicted: NDArray[np.float64]) -> Mapping[str, float]:
    """`predicted` is the probability of virginica, shape (n,)."""
    return {"accuracy": float(accuracy_score(truth, (predicted >= 0.5).astype(int)))}
