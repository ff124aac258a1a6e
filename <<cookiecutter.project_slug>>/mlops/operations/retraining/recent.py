"""Recent rows: what was asked of an environment and has its label since, as rows to learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops.deployment.measuring.leakage import row_digests
from mlops.operations.experiments.review_queue import NO_REVIEW, Queue
from mlops.operations.experiments.review_training import REVIEW, disputed, origins
from mlops.operations.monitoring.answered import inputs_of, kept_columns
from mlops.operations.monitoring.labelled import Joined
from mlops.operations.retraining.cause import Data
from mlops.quality.checks import check_table
from mlops.quality.contract import Contract
from mlops.quality.errors import UserError


@dataclass(frozen=True)
class Recent:
    """Labelled rows in the contract's form, the oldest first.

    `table` has the contract's columns, `requests` the id of each row's request, and `origins` where each
    row and its label come from. `left_out` says how many rows are not in it, and why.
    """

    table: pd.DataFrame
    requests: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    origins: pd.DataFrame = field(default_factory=pd.DataFrame)


@dataclass(frozen=True)
class Parts:
    """Rows to learn from, and the latest ones, kept apart to judge by. None is in both.

    The places say which rows they are: from 0 on among the recent ones, from -1 down among the old ones,
    the last of them first.
    """

    learnt: pd.DataFrame
    judging: pd.DataFrame
    learnt_places: NDArray[np.int64]
    judging_places: NDArray[np.int64]


def require_inputs(contract: Contract) -> None:
    """Raise UserError where the contract does not let inputs be collected as they are."""
    if kept := kept_columns(contract, "hashed", "never"):
        raise UserError(
            f"model/contract.yml: {', '.join(kept)}: not collected as it is, so recent rows cannot be "
            "learnt from; retraining: data: old"
        )


def recent_rows(
    joined: Joined,
    contract: Contract,
    *,
    label_is_target: bool,
    queue: Queue = NO_REVIEW,
    labellers: int = 1,
) -> Recent:
    """The joined rows that tell the contract's target and keep the contract.

    `label_is_target`: the label that is learnt is the target itself, so that either may be given. The
    rows of one request stay together, requests stand in the order of their answers. Of `queue` come the
    names of those who gave a label; a label that they no longer agree on is left out.
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
    rows = every[told].assign(value=target[told]).reset_index(drop=True)
    split = disputed(rows, queue, labellers)
    left_out += _said(split, "people disagree about their label since")
    rows = rows[~split].reset_index(drop=True)
    table = inputs_of(rows, contract).assign(**{contract.target: rows["value"].to_numpy()})
    checked = check_table(table[list(contract.columns)], contract)
    broken = np.zeros(len(table), dtype=bool)
    for violation in checked.violations:
        if violation.row is None:
            raise UserError(f"recent rows: {violation}")
        broken[violation.row - 1] = True
    first = f"the first: {checked.violations[0]}" if checked.violations else ""
    left_out += _said(broken, f"they break the contract; {first}")
    kept = rows[~broken]
    requests = tuple(kept["request_id"].astype(str))
    table = checked.table[~broken].reset_index(drop=True)
    return Recent(table, requests, left_out, origins(kept, queue))


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
    them anew. Golden rows judge already, and requests of which people reviewed a row are learnt from only:
    they were chosen because the champion doubted them, and any other model seems better there. Raises UserError where a part would be empty.
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
    judges = place >= first
    judges[len(whole) - number :] &= ~_reviewed(recent)
    judge = whole[kept & judges].reset_index(drop=True)
    learnt = old if data == "old" else whole[kept & ~judges].reset_index(drop=True)
    if learnt.empty or judge.empty:
        raise UserError(f"{number} recent rows with a label: too few to learn from and to judge by")
    learnt_places = place[place < 0] if data == "old" else place[kept & ~judges]
    return Parts(learnt, judge, learnt_places, place[kept & judges])


def _reviewed(recent: Recent) -> NDArray[np.bool_]:
    """Of which rows people reviewed a row of the same request, shape (n,)."""
    requests = pd.Series(recent.requests, dtype=object)
    if recent.origins.empty:
        return np.zeros(len(requests), dtype=bool)
    named = requests[recent.origins["source"].to_numpy() == REVIEW]
    return requests.isin(named).to_numpy(dtype=bool)


def _first_judging(requests: Sequence[str], number: int, judging: float) -> int:
    """Where the judging rows begin: at a request's first row."""
    first = number - round(number * judging)
    while 0 < first < number and requests[first] == requests[first - 1]:
        first -= 1
    return first


def _said(chosen: np.ndarray, why: str) -> tuple[str, ...]:
    count = int(chosen.sum())
    return (f"{count} rows are left out: {why}",) if count else ()
