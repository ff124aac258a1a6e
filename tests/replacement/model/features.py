"""From the contract's columns to what an estimator takes."""

from __future__ import annotations

from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder


def features() -> ColumnTransformer:
    """The preprocessing, not fitted; the day itself is not used."""
    return ColumnTransformer(
        [
            ("numeric", SimpleImputer(), ["temperature", "humidity"]),
            ("weather", OneHotEncoder(handle_unknown="ignore"), ["weather"]),
            ("holiday", "passthrough", ["holiday"]),
        ]
    )
