"""Step 1: refuse data that breaks its contract; give the columns their types."""

from __future__ import annotations

import argparse
from pathlib import Path

from mlops.quality.checks import load_checked
from mlops.quality.contract import load_contract
from mlops.quality.errors import run_main
from mlops.quality.project import load_settings


def main(arguments: list[str]) -> int:
    """Write the typed table of `--data` to `--table` (Parquet)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--table", type=Path, required=True)
    options = parser.parse_args(arguments)
    contract = load_contract(Path(load_settings(Path()).contract))
    table = load_checked(options.data, contract)
    table.to_parquet(options.table, index=False)
    print(f"{len(table)} rows keep the contract '{contract.name}'")
    return 0


if __name__ == "__main__":
    run_main(main)
