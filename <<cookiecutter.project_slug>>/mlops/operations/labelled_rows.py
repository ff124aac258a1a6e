"""The rows of an environment that have a label by now, from a moment on."""

from __future__ import annotations

from datetime import datetime

from mlops.deployment.serving.traffic import read_traffic
from mlops.operations.experiments.review_training import without_reviewed
from mlops.operations.monitoring.labelled import Joined, joined
from mlops.operations.monitoring.labels import Labels
from mlops.operations.monitoring.training_rows import Reference, reference_of
from mlops.operations.monitoring.window import Window, read_window
from mlops.operations.package_watch import Place
from mlops.operations.watch import labels_for, queue_of
from mlops.quality.errors import UserError


def labelled_since(
    place: Place, start: datetime, *, to_judge: bool = False
) -> tuple[Joined, Reference]:
    """All labelled live rows from `start` until `place.now`, and the reference of what serves most.

    `to_judge` leaves out the labels that people gave to doubtful answers. Raises UserError where
    nothing was deployed, or a label is wrong.
    """
    window, labels, about = read_since(place, start)
    if to_judge:
        labels = without_reviewed(labels, queue_of(place))
    return joined(window, labels), about


def read_since(place: Place, start: datetime) -> tuple[Window, Labels, Reference]:
    """The live rows from `start` until `place.now`, all labels, and the reference of what serves most.

    Raises UserError where nothing was deployed, or a label is wrong.
    """
    environment = place.environment
    traffic = read_traffic(environment.folder)
    if traffic is None or not traffic.deployments:
        raise UserError(f"{environment.name}: nothing was deployed here yet: nox -s deploy")
    digest = max(traffic.deployments, key=lambda each: each.share).digest
    about = reference_of(place.project, environment.packages, digest, place.split)
    most = place.settings.monitoring.rows
    window = read_window(environment.folder, start, place.now, now=place.now, most=most)
    return window, labels_for(place, window, (about,)), about
