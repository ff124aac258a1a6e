"""Shadow A/B: champion and challenger on the same requests, of which the challenger got copies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import binomtest, fisher_exact

from mlops.deployment.measuring.intervals import wilson
from mlops.operations.experiments.sequential import Interval, paired
from mlops.operations.experiments.settings import ShadowSettings
from mlops.operations.experiments.verdict import Outcome, told
from mlops.quality.errors import UserError

Segments = Iterable[tuple[str, str, NDArray[np.bool_]]]


@dataclass(frozen=True)
class Agreement:
    """How many rows both answered alike, with the 95% interval of that share.

    `column` and `group` are empty for all rows. `stands_out`: a segment's share differs from that of
    the other rows by more than chance, with all segments told of taken together.
    """

    rows: int
    agreed: int
    low: float
    high: float
    column: str = ""
    group: str = ""
    stands_out: bool = False


@dataclass(frozen=True)
class Latency:
    """Median and 99% quantile of each model's requests, in ms, and of how many."""

    requests: int
    champion: tuple[float, float]
    challenger: tuple[float, float]


@dataclass(frozen=True)
class Accuracy:
    """Both models against the labels of the same rows.

    The figures are the shares of right answers; of values the mean absolute errors. `gain` is the
    challenger's advantage, a mean over requests: above 0 it is the better one. `mcnemar` is the
    exact p-value (Psychometrika 12, 1947) for one look alone; None for values.
    """

    rows: int
    champion: float
    challenger: float
    gain: Interval
    mcnemar: float | None


@dataclass(frozen=True)
class Shadow:
    """What a shadow has shown. `latency` and `accuracy` are None where nothing was measured."""

    agreement: Agreement
    segments: tuple[Agreement, ...]
    latency: Latency | None
    accuracy: Accuracy | None
    outcome: Outcome
    reasons: tuple[str, ...]


def pair(table: pd.DataFrame, champion: str, challenger: str) -> pd.DataFrame:
    """A row for each row that both packages, named by digest, answered; `table` is what was collected.

    Columns: those of the live row, and `champion`, `challenger` (labels, or values) and
    `challenger_latency_ms`. A request id that came twice cannot be told apart and is left out.
    """
    key, answer = ["request_id", "row"], "label" if "label" in table else "value"
    live = table[(table["role"] == "live") & (table["model_digest"] == champion)]
    copies = table[(table["role"] == "mirror") & (table["model_digest"] == challenger)]
    live = live.drop_duplicates(key, keep=False).rename(columns={answer: "champion"})
    copies = copies.drop_duplicates(key, keep=False)[[*key, answer, "latency_ms"]]
    renamed = {answer: "challenger", "latency_ms": "challenger_latency_ms"}
    found = live.merge(copies.rename(columns=renamed), on=key)
    return found.sort_values(["time", *key], ignore_index=True)


def compare(
    pairs: pd.DataFrame, settings: ShadowSettings, *, labels: bool, segments: Segments = ()
) -> Shadow:
    """What the pairs show, in the order of their `time`; `labels` says that answers are labels.

    A column `truth` holds what came of them, missing while it is unknown. `segments` are column,
    group and rows (a mask), as `segment_masks` gives them. Raises UserError where the truths are
    of another type than the answers.
    """
    alike = _alike(pairs, settings.tolerance, labels=labels)
    accuracy = _accuracy(pairs, settings, labels=labels)
    outcome, reason = _verdict(accuracy, settings)
    return Shadow(
        _agreement(alike),
        _segments(alike, segments, settings),
        _latency(pairs),
        accuracy,
        outcome,
        (reason,),
    )


def _alike(pairs: pd.DataFrame, tolerance: float, *, labels: bool) -> NDArray[np.bool_]:
    one, other = pairs["champion"].to_numpy(), pairs["challenger"].to_numpy()
    if labels:
        return np.asarray(one == other, dtype=bool)
    return np.asarray(np.abs(one - other) <= tolerance, dtype=bool)


def _agreement(alike: NDArray[np.bool_], column: str = "", group: str = "") -> Agreement:
    rows, agreed = len(alike), int(alike.sum())
    return Agreement(rows, agreed, *wilson(agreed, rows), column, group)


def _segments(
    alike: NDArray[np.bool_], segments: Segments, settings: ShadowSettings
) -> tuple[Agreement, ...]:
    """By Fisher's exact test against the other rows, with Holm's correction (Scand. J. Statist. 1979)."""
    found = [(column, group, mask) for column, group, mask in segments if mask.any()]
    found = [each for each in found if each[2].sum() >= settings.minimum]
    chances = []
    for _, _, mask in found:
        counts = [[int(part.sum()), int((~part).sum())] for part in (alike[mask], alike[~mask])]
        chances.append(float(fisher_exact(counts).pvalue))
    shown: set[int] = set()
    for rank, place in enumerate(np.argsort(chances)):
        if chances[place] > settings.alpha / (len(chances) - rank):
            break
        shown.add(int(place))
    result = []
    for place, (column, group, mask) in enumerate(found):
        part = _agreement(alike[mask], column, group)
        spread = (part.rows, part.agreed, part.low, part.high)
        result.append(Agreement(*spread, column, group, stands_out=place in shown))
    return tuple(result)


def _latency(pairs: pd.DataFrame) -> Latency | None:
    """None where copies were not timed: off the request path they are collected with 0 ms."""
    both = pairs.drop_duplicates("request_id")[["latency_ms", "challenger_latency_ms"]]
    both = both[(both > 0).all(axis=1)]
    if both.empty:
        return None
    points = np.quantile(both.to_numpy(dtype=float), [0.5, 0.99], axis=0)
    (one, other), (one_high, other_high) = points.tolist()
    return Latency(len(both), (one, one_high), (other, other_high))


def _accuracy(pairs: pd.DataFrame, settings: ShadowSettings, *, labels: bool) -> Accuracy | None:
    if "truth" not in pairs or not pairs["truth"].notna().any():
        return None
    known = pairs[pairs["truth"].notna()]
    mcnemar: float | None = None
    if labels:
        _check_truth(known)
        one = (known["champion"] == known["truth"]).to_numpy(dtype=float)
        other = (known["challenger"] == known["truth"]).to_numpy(dtype=float)
        won, lost = int((other > one).sum()), int((one > other).sum())
        mcnemar = float(binomtest(won, won + lost).pvalue) if won + lost else 1.0
        gain: NDArray[np.float64] = other - one
    else:
        truth = known["truth"].to_numpy(dtype=float)
        one = np.abs(known["champion"].to_numpy(dtype=float) - truth)
        other = np.abs(known["challenger"].to_numpy(dtype=float) - truth)
        gain = one - other
    # rows of one request are no independent evidence
    requests = pd.Series(gain).groupby(known["request_id"].to_numpy(), sort=False).mean()
    interval = paired(
        np.asarray(requests, dtype=np.float64),
        alpha=settings.alpha,
        horizon=settings.horizon,
        unseen=1.0 if labels else 0.0,
    )
    return Accuracy(len(known), float(one.mean()), float(other.mean()), interval, mcnemar)


def _check_truth(known: pd.DataFrame) -> None:
    def is_text(column: str) -> bool:
        return isinstance(known[column].iloc[0], str)

    if is_text("truth") != is_text("champion"):
        truth, answer = known["truth"].iloc[0], known["champion"].iloc[0]
        raise UserError(
            f"shadow: the labels, such as {truth!r}, are of another type than {answer!r}"
        )


def _verdict(accuracy: Accuracy | None, settings: ShadowSettings) -> tuple[Outcome, str]:
    requests = accuracy.gain.challenger if accuracy else 0
    if accuracy is None or requests < settings.labels:
        return "no verdict yet", f"{requests} labelled requests, {settings.labels} are needed"
    gain = accuracy.gain
    shown = f"the challenger's gain over {requests} labelled requests is {told(gain)}"
    if gain.low > 0:
        return "challenger better", shown
    if gain.high < 0:
        return "challenger worse", shown
    if -settings.difference < gain.low and gain.high < settings.difference:
        return "no difference that matters", f"{shown}, within {settings.difference:g}"
    return "no verdict yet", f"{shown}, which leaves open who is better"
