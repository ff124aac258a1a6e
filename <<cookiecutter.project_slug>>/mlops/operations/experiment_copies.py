"""Two packages on the same requests, of which the challenger got copies, from what was collected."""

from __future__ import annotations

import dataclasses

import pandas as pd

from mlops.operations.experiment_rows import LABEL, answer_of
from mlops.operations.experiments.settings import ShadowSettings
from mlops.operations.experiments.shadow import Segments, Shadow, compare, pair
from mlops.operations.monitoring.answered import inputs_of, kept_columns
from mlops.operations.monitoring.training_rows import Reference
from mlops.training.evaluation import segment_masks


def on_copies(
    live: pd.DataFrame, copies: pd.DataFrame, about: Reference | None, settings: ShadowSettings
) -> tuple[Shadow | None, tuple[str, ...]]:
    """What the champion's live rows and the challenger's copies show, or None, and why.

    `live` has `truth`, None where it is unknown. `about` is what the champion was made from; without
    it nothing is said of segments.
    """
    if copies.empty or live.empty:
        return None, ()
    answer = answer_of(live)
    if not answer or answer_of(copies) != answer:
        return None, ("the copies' answers are of another kind than the champion's",)
    digests = (str(each["model_digest"].iloc[0]) for each in (live, copies))
    pairs = pair(pd.concat([live, copies], ignore_index=True), *digests)
    if pairs.empty:
        return None, ("no copy belongs to a live row of the champion",)
    segments = _segments(pairs, about) if about else ()
    return compare(pairs, settings, labels=answer == LABEL, segments=segments), ()


def _segments(pairs: pd.DataFrame, about: Reference) -> Segments:
    """The contract's segments by the columns that are collected as they are."""
    kept = kept_columns(about.contract, "as_is")
    declared = {name: each for name, each in about.contract.segments.items() if name in kept}
    contract = dataclasses.replace(about.contract, segments=declared)
    return segment_masks(inputs_of(pairs, contract), contract)
