"""Data quality of a window: missing, new and extreme values against the training rows, and refusals.

Rows that break the contract are refused at the door, so collected rows keep it; what is left to see
is how many were refused, and what changed within the contract.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from mlops.deployment.measuring.intervals import wilson
from mlops.operations.monitoring.column_reference import ColumnReference
from mlops.operations.monitoring.settings import QualityLimits
from mlops.operations.monitoring.verdict import Share, Verdict, share_risen
from mlops.quality.contract import Column, Contract

GROUP = "data_quality"
_WORDS = {
    "missing": "are missing",
    "unseen": "have a value that no training row had",
    "beyond": "lie beyond what the training rows had",
}
_BEFORE = {
    "missing": "in training",
    "unseen": "to be expected after training",
    "beyond": "in training",
}


@dataclass(frozen=True)
class _Change:
    """A share of a column's values now and in the training rows, with examples.

    Of `unknown` training rows it is not known.
    """

    figure: str
    column: str
    now: Share
    before: Share
    examples: str = ""
    unknown: int = 0


def data_quality(
    inputs: pd.DataFrame,
    contract: Contract,
    reference: Mapping[str, ColumnReference],
    refused: Share | None,
    limits: QualityLimits,
) -> tuple[Verdict, ...]:
    """`data_quality.<figure>[column]` for each column, and `data_quality.refused`.

    `inputs` are collected inputs with the contract's types; a column that is collected hashed can
    only be missing. `reference` is that of the package that answered them. `refused` of all requests
    broke the contract; None where nobody counted. A share breaches its bound where the whole 95%
    interval of its rise is beyond.
    """
    found: list[Verdict] = []
    for name in map(str, inputs):
        column = contract.columns[name]
        for change in _changes(inputs[name], reference[name], column):
            limit = getattr(limits, change.figure)
            if limit is not None:
                found.append(_judge(change, limit, limits.rows))
    if limits.refused is not None:
        found.append(_refusals(refused, limits.refused, limits.rows))
    return tuple(found)


def _changes(values: pd.Series, before: ColumnReference, column: Column) -> list[_Change]:
    gone = values.isna().to_numpy(dtype=bool)
    rows = len(values)
    found = [
        _Change(
            "missing",
            before.name,
            Share(int(gone.sum()), rows),
            Share(round(before.missing * before.rows), before.rows),
        )
    ]
    known = values[~gone]
    if column.collect == "hashed":
        return found
    if before.texts is not None:
        # compared by their texts, as the reference counted them: 1, not the 1.0 of a column with gaps
        told = (known.astype("int64") if column.type == "integer" else known).astype(str)
        strange = told[~told.isin(before.texts)]
        now = Share(len(strange), len(known))
        # the share of values to come that never came before is that of those that came once:
        # Good, Biometrika 40 (1953)
        expected = Share(before.once, before.known)
        found.append(
            _Change("unseen", before.name, now, expected, _examples(strange), before.others)
        )
    elif before.span is not None:
        low, high = before.span
        numbers = known.to_numpy(dtype=float)
        # the reference's ends are rounded
        slack = 1e-9 * max(abs(low), abs(high))
        out = (numbers < low - slack) | (numbers > high + slack)
        now = Share(int(out.sum()), len(known))
        examples = ""
        if out.any():
            ends = f"{numbers.min():g} to {numbers.max():g}"
            examples = f"; training rows: {low:g} to {high:g}, now {ends}"
        found.append(_Change("beyond", before.name, now, Share(0, before.known), examples))
    return found


def _judge(change: _Change, limit: float, needed: int) -> Verdict:
    name = f"{GROUP}.{change.figure}[{change.column}]"
    now, before = change.now, change.before
    low, high = wilson(now.hits, now.rows)
    figures = (now.value, low, high, before.value, limit, now.rows, change.column)
    if now.rows < needed:
        said = f"{now.rows} values; {needed} are needed"
        return Verdict("data_quality", name, "no_verdict", said, *figures)
    if change.unknown:
        said = f"the values of {change.unknown} training rows are not known: the package keeps 50"
        return Verdict("data_quality", name, "no_verdict", said, *figures)
    least, most = share_risen(now, before)
    said = (
        f"{now.value:.1%} of {now.rows} {_WORDS[change.figure]}, "
        f"{before.value:.1%} of {before.rows} {_BEFORE[change.figure]}: {least:+.1%} to {most:+.1%}"
        f"{change.examples}"
    )
    return Verdict("data_quality", name, "breached" if least > limit else "holds", said, *figures)


def _refusals(refused: Share | None, limit: float, needed: int) -> Verdict:
    name = f"{GROUP}.refused"
    if refused is None:
        return Verdict("data_quality", name, "no_verdict", "nobody counted the requests")
    low, high = wilson(refused.hits, refused.rows)
    figures = (refused.value, low, high, None, limit, refused.rows)
    if refused.rows < needed:
        said = f"{refused.rows} requests; {needed} are needed"
        return Verdict("data_quality", name, "no_verdict", said, *figures)
    said = f"{refused.hits} of {refused.rows} requests broke the contract"
    return Verdict("data_quality", name, "breached" if low > limit else "holds", said, *figures)


def _examples(strange: pd.Series) -> str:
    if strange.empty:
        return ""
    counts = strange.value_counts()
    shown = ", ".join(f"'{str(value)[:40]}' {n} times" for value, n in counts.head(3).items())
    return f"; {shown}"
