"""A watch: everything that is measured of what an environment served in its window."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pandas as pd

from mlops.deployment import history
from mlops.deployment.desired.environment import Environment
from mlops.deployment.serving.told import read_told
from mlops.deployment.serving.traffic import Deployment, read_traffic
from mlops.operations.events.heartbeat import last_beat
from mlops.operations.experiments.review_queue import Queue, queue_path, read_queue
from mlops.operations.experiments.review_training import without_reviewed
from mlops.operations.monitoring.answered import known_labels
from mlops.operations.monitoring.collected_files import files_in, hours
from mlops.operations.monitoring.labelled import Problem, joined
from mlops.operations.monitoring.labels import FOLDER, Labels, no_labels, read_labels
from mlops.operations.monitoring.remote_labels import labels_folder
from mlops.operations.monitoring.service import look, read_seen, service, write_seen
from mlops.operations.monitoring.staleness import Last, staleness
from mlops.operations.monitoring.training_rows import Reference, Split, labels_of, reference_of
from mlops.operations.monitoring.verdict import Verdict
from mlops.operations.monitoring.window import Window, read_window
from mlops.operations.package_watch import Package, Place, Served, watch_package
from mlops.operations.settings import Operations
from mlops.quality.errors import UserError
from mlops.quality.project import Project

# What the monitor remembers of the endpoint's counters, and where labels lie: in its folder.
SEEN, COPIED = "counters.json", "labels-copied"


@dataclass(frozen=True)
class Watched:
    """One environment's window, from `start` until `now`.

    What serves now comes first among the packages, the largest share before the others; those that
    only answered in the window have no share. `new_labels` were given since it serves, and
    `trained` is when a model was trained last. `notes` say what a person should know of the reading.
    """

    environment: str
    model: str
    start: datetime
    now: datetime
    packages: tuple[Package, ...]
    staleness: tuple[Verdict, ...]
    new_labels: int = 0
    trained: datetime | None = None
    notes: tuple[str, ...] = ()

    @property
    def serving(self) -> Package | None:
        """The package that serves now; None where nothing does."""
        first = self.packages[0] if self.packages else None
        return first if first is not None and first.deployment.share > 0 else None

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """All that is said of the package that serves, and of the environment."""
        return (*(self.serving.verdicts if self.serving else ()), *self.staleness)


def beat_of(environment: str) -> str:
    """The name of the monitor's heartbeat."""
    return f"monitor-{environment}"


def opened(
    project: Project,
    environment: Environment,
    settings: Operations,
    functions: tuple[Problem, Split],
    now: datetime,
) -> Place:
    """The window of an environment that ends now."""
    start = now - timedelta(hours=settings.monitoring.window_hours)
    return Place(project, environment, settings, *functions, now, start)


def watch(place: Place, trained: datetime | None = None) -> Watched:
    """Measure everything; `trained` is when a model was trained last, None where that is not known.

    What cannot be measured has no verdict, with a reason. Raises UserError for labels that are wrong.
    """
    environment, limits = place.environment, place.settings.monitoring
    folder = environment.folder
    folder.mkdir(parents=True, exist_ok=True)
    seen = look(read_seen(folder / SEEN), read_told(folder), place.now)
    write_seen(seen, folder / SEEN)
    window = read_window(folder, place.start, place.now, now=place.now, most=limits.rows)
    traffic = read_traffic(folder)
    deployed = _deployments(traffic.deployments if traffic else (), window)
    references = {each.digest: _reference(place, each) for each in deployed}
    labels = labels_for(place, window, tuple(references.values()))
    judging = without_reviewed(labels, queue_of(place))
    labelled = joined(window, judging).parts
    packages = tuple(
        watch_package(
            place,
            Served(
                each,
                window.parts.get(each.digest, pd.DataFrame()),
                labelled.get(each.digest, pd.DataFrame()),
                service(seen, place.start, place.now, each.digest),
            ),
            references[each.digest],
        )
        for each in deployed
    )
    since = _since(place, deployed)
    last = Last(
        serving=since,
        traffic=_last_traffic(environment, place.now),
        labels=labels.last,
        training=trained,
        monitor=last_beat(place.project.state, beat_of(environment.name)),
    )
    return Watched(
        environment.name,
        traffic.model if traffic else place.project.settings.slug,
        place.start,
        place.now,
        packages,
        staleness(last, place.now, limits.staleness),
        int((labels.table["given"] > since).sum()) if since and len(labels.table) else 0,
        trained,
        (*window.notes(), *_passed_over(len(labels.table) - len(judging.table))),
    )


def _deployments(deployments: tuple[Deployment, ...], window: Window) -> tuple[Deployment, ...]:
    """What serves now, the largest share first; then what else answered in the window."""
    found = sorted((each for each in deployments if each.share > 0), key=lambda each: -each.share)
    known = {each.digest for each in found}
    for digest, rows in window.parts.items():
        if digest not in known and len(rows):
            last = rows.iloc[-1]
            found.append(Deployment(str(last["deployment"]), str(last["model_version"]), digest))
    return tuple(found)


def _reference(place: Place, deployed: Deployment) -> Reference | str:
    """The reference of a package, or why there is none."""
    try:
        packages = place.environment.packages
        return reference_of(place.project, packages, deployed.digest, place.split)
    except UserError as error:
        return str(error)


def labels_for(place: Place, window: Window, references: tuple[Reference | str, ...]) -> Labels:
    """All labels of the environment, read as one of the packages names them; none without a package."""
    found = [each for each in references if isinstance(each, Reference)]
    if not found:
        return no_labels()
    folder, declared = place.environment.folder, place.settings.monitoring.labels
    known = known_labels(window.parts.values(), labels_of(found[0], place.problem))
    files = labels_folder(declared, folder / FOLDER, folder / COPIED)
    return read_labels(files, found[0].contract, known)


def queue_of(place: Place) -> Queue:
    """What people reviewed in an environment."""
    return read_queue(queue_path(place.project.state, place.environment.name))


def _passed_over(number: int) -> tuple[str, ...]:
    why = "people gave to answers that were chosen for doubt: nothing is judged by them"
    return (f"{number} labels {why}",) if number else ()


def _since(place: Place, deployed: tuple[Deployment, ...]) -> datetime | None:
    """Since when what serves now does so; None where the audit log does not tell."""
    if not deployed:
        return None
    entry = history.deployed(place.project.state, place.environment.name, deployed[0].digest)
    return datetime.fromisoformat(str(entry["time"])) if entry else None


def _last_traffic(environment: Environment, now: datetime) -> datetime | None:
    """When something was collected last, as the newest files tell."""
    moments = [
        datetime.fromtimestamp(path.stat().st_mtime, UTC)
        for _, folder in sorted(hours(environment.folder / "collected"), reverse=True)[:2]
        for path in files_in(folder)
    ]
    return min(max(moments), now) if moments else None
