"""Write the sample data set next to this file, from the copy that scikit-learn ships.

Efron, Hastie, Johnstone and Tibshirani, "Least Angle Regression", Annals of Statistics 32 (2004):
442 patients, ten measurements in raw units at the start, disease progression one year later.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sklearn.datasets import load_diabetes

NAMES = {
    "bp": "blood_pressure",
    "s1": "total_cholesterol",
    "s2": "ldl",
    "s3": "hdl",
    "s4": "cholesterol_ratio",
    "s5": "log_triglycerides",
    "s6": "glucose",
    "target": "progression",
}
WHOLE = ["age", "sex", "progression"]


def main(target: Path) -> None:
    """Write the table to `target` as CSV: 442 rows, 11 columns, the same bytes each time."""
    table = load_diabetes(as_frame=True, scaled=False).frame.rename(columns=NAMES)
    table.astype(dict.fromkeys(WHOLE, int)).to_csv(target, index=False, lineterminator="\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write the diabetes study as CSV.")
    parser.add_argument("target", nargs="?", type=Path, default=Path(__file__).with_suffix(".csv"))
    main(parser.parse_args().target)
