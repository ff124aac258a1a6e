"""From the contract's columns to what an estimator takes."""

from __future__ import annotations

from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder

CATEGORICAL = ["sex"]
NUMERIC = [
    "age",
    "bmi",
    "blood_pressure",
    "total_cholesterol",
    "ldl",
    "hdl",
    "cholesterol_ratio",
    "log_triglycerides",
    "glucose",
]


def features() -> ColumnTransformer:
    """The preprocessing, not fitted yet: it is fitted with each estimator, on training rows only.

    What only one algorithm needs, such as scaling, stands with it in `model/estimator.py`: a tree
    behind a scaler cannot be compiled exactly, for its thresholds would be compared with numbers
    that were rounded in another place.
    """
    return ColumnTransformer(
        [
            ("numeric", SimpleImputer(strategy="median"), NUMERIC),
            (
                "categorical",
                OneHotEncoder(handle_unknown="ignore", sparse_output=False),
                CATEGORICAL,
            ),
        ]
    )
