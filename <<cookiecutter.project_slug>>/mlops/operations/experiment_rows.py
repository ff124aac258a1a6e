"""What an environment collected for experiments: its rows, and what is known of each by now."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mlops.operations.experiments.review_training import without_reviewed
from mlops.operations.monitoring.answered import known_labels
from mlops.operations.monitoring.labelled import joined, scored
from mlops.operations.monitoring.labels import KEY, Labels
from mlops.operations.monitoring.training_rows import Reference, labels_of, reference_of
from mlops.operations.monitoring.window import Window, read_window
from mlops.operations.package_watch import Place
from mlops.operations.watch import labels_for, queue_of
from mlops.quality.errors import UserError

# How a package's answer is called in its rows: of labels, and of values.
LABEL, VALUE = "label", "value"


@dataclass(frozen=True)
class Collected:
    """The live rows of a window and the copies, by package."""

    live: Window
    copies: Window

    def notes(self) -> tuple[str, ...]:
        """What a person should know of the reading."""
        # the copies are read from the same files
        own = (note for note in self.copies.notes() if note.endswith("of the requests"))
        return (*self.live.notes(), *(f"copies: {note}" for note in own))

    def version(self, digest: str) -> tuple[str, str]:
        """The deployment and the version of a package that has rows here, as told last."""
        for window in (self.live, self.copies):
            if (rows := window.parts.get(digest)) is not None and len(rows):
                return str(rows["deployment"].iloc[-1]), str(rows["model_version"].iloc[-1])
        return "", ""


@dataclass(frozen=True)
class Known:
    """What is known of the live rows of some packages.

    `parts` has `KEY`, `truth` (None where unknown) and `kpi` (NaN where unknown) by package;
    `references` what each was made from. `passed_over` labels came from review.
    """

    parts: dict[str, pd.DataFrame]
    references: dict[str, Reference]
    passed_over: int
    notes: tuple[str, ...]


def read_rows(place: Place) -> Collected:
    """The rows from `place.start` until `place.now`."""
    folder, most = place.environment.folder, place.settings.monitoring.rows
    span = (place.start, place.now)
    return Collected(
        read_window(folder, *span, now=place.now, most=most),
        read_window(folder, *span, now=place.now, role="mirror", most=most),
    )


def read_known(place: Place, live: Window, digests: tuple[str, ...]) -> Known:
    """The labels and KPIs of these packages' rows, but for labels that people gave to doubtful answers.

    Raises UserError for labels that are wrong.
    """
    references, notes = {}, []
    for digest in digests:
        try:
            packages = place.environment.packages
            references[digest] = reference_of(place.project, packages, digest, place.split)
        except UserError as error:
            notes.append(f"nothing is judged by labels of {digest[:12]}: {error}")
    given = labels_for(place, live, tuple(references.values()))
    judging = without_reviewed(given, queue_of(place))
    parts, wrong = _parts(place, live, judging, references)
    passed_over = len(given.table) - len(judging.table)
    return Known(parts, references, passed_over, (*notes, *wrong))


def answer_of(rows: pd.DataFrame) -> str:
    """The column with a package's answers; empty where only probabilities were collected."""
    return next((name for name in (LABEL, VALUE) if name in rows), "")


def with_known(rows: pd.DataFrame, known: pd.DataFrame | None) -> pd.DataFrame:
    """Rows with `truth` and `kpi`, as far as they are known."""
    if known is None or known.empty:
        return rows.assign(truth=None, kpi=np.nan)
    typed = rows.astype({"row": "int64", "request_id": object})
    found = typed.merge(known, on=KEY, how="left", validate="many_to_one")
    return found.assign(truth=found["truth"].astype(object).where(found["truth"].notna(), None))


def _parts(
    place: Place, live: Window, labels: Labels, references: dict[str, Reference]
) -> tuple[dict[str, pd.DataFrame], list[str]]:
    parts, notes = {}, []
    for digest, rows in joined(live, labels).parts.items():
        if digest not in references:
            continue
        found = rows[KEY].assign(truth=None, kpi=rows["kpi"].astype(float))
        given = (rows["label"].notna() | rows["target"].notna()).to_numpy(dtype=bool)
        if given.any():
            try:
                truth = _truth(place, references[digest], live.parts[digest], rows)
                found["truth"] = found["truth"].astype(object)
                found.loc[given, "truth"] = pd.Series(truth, index=found.index[given], dtype=object)
            except UserError as error:
                notes.append(f"nothing is judged by labels of {digest[:12]}: {error}")
        parts[digest] = found
    return parts, notes


def _truth(
    place: Place, about: Reference, rows: pd.DataFrame, labelled: pd.DataFrame
) -> list[object]:
    """The truth of each row that has a label or a target, in their order."""
    labels = known_labels([rows], labels_of(about, place.problem))
    return list(scored(labelled, about.contract, place.problem, labels).truth.tolist())
