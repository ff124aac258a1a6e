"""Cell 4, first line: the preprocessing, not fitted."""

from __future__ import annotations

from sklearn.preprocessing import StandardScaler


def features() -> StandardScaler:
    """All columns are numbers; they are scaled."""
    return StandardScaler()
