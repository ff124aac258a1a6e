"""Recent rows: what was asked of an environment and has its label since, as rows to learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from mlops.deployment.measuring.leakage import row_digests
from mlops.operations.monitoring.answered import inputs_of, kept_columns
from mlops.operations.monitoring.labelled import Joined
from mlops.operations.retraining.cause import Data
from mlops.quality.checks import check_table
from mlops.quality.contract import Contract
from mlops.quality.errors import UserError


@dataclass(frozen=True)
class Recent:
    """Labelled rows in the contract's form, the oldest first.

    `table` has the contract's columns, and `requests` the id of each row's request. `left_out` says how
    many rows are not in it, and why.
    """

    table: pd.DataFrame
    requests: tuple[str, ...]
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Parts:
    """Rows to learn from, and the latest ones, kept apart to judge by. None is in both."""

    learnt: pd.DataFrame
    judging: pd.DataFrame


def require_inputs(contract: Contract) -> None:
    """Raise UserError where the contract does not let inputs be collected as they are."""
    if kept := kept_columns(contract, "hashed", "never"):
        raise UserError(
            f"model/contract.yml: {', '.join(kept)}: not collected as it is, so recent rows cannot be "
            "learnt from; retraining: data: old"
        )


def recent_rows(joined: Joined, contract: Contract, *, label_is_target: bool) -> Recent:
    """The joined rows that tell the contract's target and keep the contract.

    `label_is_target`: the label that is learnt is the target itself, so that either may be given. The
    rows of one request stay together, requests stand in the order of their answers.
    """
    require_inputs(contract)
    nothing = pd.DataFrame(columns=list(contract.columns))
    parts = [rows for rows in joined.parts.values() if len(rows)]
    if not parts:
        return Recent(nothing, ())
    every = pd.concat(parts, ignore_index=True)
    every["began"] = every.groupby("request_id")["time"].transform("min")
    every = every.sort_values(["began", "request_id", "row"], kind="stable", ignore_index=True)
    target = every["target"]
    if label_is_target:
        target = target.where(target.notna(), every["label"])
    told = target.notna().to_numpy(dtype=bool)
    left_out = _said(~told, f"the label does not tell {contract.target}, from which it is made")
    if not told.any():
        return Recent(nothing, (), left_out)
    rows = every[told].reset_index(drop=True)
    table = inputs_of(rows, contract).assign(**{contract.target: target[told].to_numpy()})
    checked = check_table(table[list(contract.columns)], contract)
    broken = np.zeros(len(table), dtype=bool)
    for violation in checked.violations:
        if violation.row is None:
            raise UserError(f"recent rows: {violation}")
        broken[violation.row - 1] = True
    first = f"the first: {checked.violations[0]}" if checked.violations else ""
    left_out += _said(broken, f"they break the contract; {first}")
    requests = tuple(rows["request_id"].astype(str)[~broken])
    return Recent(checked.table[~broken].reset_index(drop=True), requests, left_out)


def parted(
    recent: Recent,
    old: pd.DataFrame,
    golden: pd.DataFrame,
    contract: Contract,
    *,
    judging: float,
    data: Data,
) -> Parts:
    """The rows to learn from: the `old` ones, the recent ones or both; and those that judge.

    The latest share `judging` of the recent rows judges, whatever is learnt from. A request is wholly in
    one part. Of rows with the same inputs the latest stays, but old ones stay where they alone are learnt
    from: so none judges that was learnt from, neither here nor once `split` of `model/data.py` has parted
    them anew. Golden rows judge already. Raises UserError where a part would be empty.
    """
    number = len(recent.table)
    first = _first_judging(recent.requests, number, judging)
    tables = [recent.table] if data == "recent" else [old, recent.table]
    whole = pd.concat([table[list(contract.columns)] for table in tables], ignore_index=True)
    place = np.arange(len(whole)) - (len(whole) - number)
    digests = pd.Series(row_digests(whole, contract.inputs))
    stays: Literal["first", "last"] = "first" if data == "old" else "last"
    kept = ~digests.duplicated(keep=stays).to_numpy()
    kept &= ~digests.isin(row_digests(golden, contract.inputs)).to_numpy()
    judge = whole[kept & (place >= first)].reset_index(drop=True)
    learnt = old if data == "old" else whole[kept & (place < first)].reset_index(drop=True)
    if learnt.empty or judge.empty:
        raise UserError(f"{number} recent rows with a label: too few to learn from and to judge by")
    return Parts(learnt, judge)


def _first_judging(requests: Sequence[str], number: int, judging: float) -> int:
    """Where the judging rows begin: at a request's first row."""
    first = number - round(number * judging)
    while 0 < first < number and requests[first] == requests[first - 1]:
        first -= 1
    return first


def _said(chosen: np.ndarray, why: str) -> tuple[str, ...]:
    count = int(chosen.sum())
    return (f"{count} rows are left out: {why}",) if count else ()
