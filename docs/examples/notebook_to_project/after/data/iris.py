"""Cell 2: which table, which names, which rows. Writes it as CSV to the path that it is given."""

from __future__ import annotations

import argparse
from pathlib import Path

from sklearn.datasets import load_iris

COLUMNS = ["sepal_length", "sepal_width", "petal_length", "petal_width", "species"]


def main(target: Path) -> None:
    """Write 100 rows, 5 columns, the same bytes each time."""
    table = load_iris(as_frame=True).frame.set_axis(COLUMNS, axis=1)
    table[table["species"] != 0].to_csv(target, index=False, lineterminator="\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write two species of Fisher's irises as CSV.")
    parser.add_argument("target", type=Path)
    main(parser.parse_args().target)
