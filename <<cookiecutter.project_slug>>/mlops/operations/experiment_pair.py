"""What an environment's packages show of each other, pair by pair: on copies, and live."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from mlops.deployment import history
from mlops.deployment.desired.environment import ENVIRONMENTS, environment
from mlops.deployment.desired.model_file import read_model_file
from mlops.deployment.history import Served
from mlops.deployment.serving.traffic import Deployment, read_traffic
from mlops.operations.experiment_advice import Standing, advice
from mlops.operations.experiment_copies import on_copies
from mlops.operations.experiment_rows import (
    Collected,
    Known,
    read_known,
    read_rows,
    with_known,
)
from mlops.operations.experiment_times import Times, challenger_of, common_times, failures
from mlops.operations.experiment_trial import Rules, Trial, trial
from mlops.operations.experiments.shadow import Shadow
from mlops.operations.experiments.verdict import Outcome
from mlops.operations.monitoring.service import Step, read_seen
from mlops.operations.package_watch import Place
from mlops.operations.watch import SEEN

_DECIDED = ("challenger better", "challenger worse", "no difference that matters")


@dataclass(frozen=True)
class Compared:
    """A champion and a challenger with their present shares, what they show, and what follows from it.

    `shadow` is None without copies, `trial` where both never answered live at the same time.
    """

    champion: Deployment
    challenger: Deployment
    shadow: Shadow | None
    trial: Trial | None
    advice: str
    notes: tuple[str, ...] = ()

    @property
    def outcome(self) -> Outcome | None:
        """The outcome that counts: that of live answers, or where they leave it open, of copies."""
        return _counts(self.shadow, self.trial)

    @property
    def is_worse(self) -> bool:
        """Whether the challenger is shown to be worse, or breaks a guard-rail."""
        return self.outcome == "challenger worse"


@dataclass(frozen=True)
class Shown:
    """What an environment shows from `start` until `now`; `notes` tell of the reading."""

    environment: str
    model: str
    start: datetime
    now: datetime
    pairs: tuple[Compared, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Read:
    """Everything that was read."""

    place: Place
    collected: Collected
    known: Known
    served: Sequence[Served]
    steps: Sequence[Step]
    deployments: tuple[Deployment, ...]


def shown(place: Place) -> Shown:
    """Compare what serves most with each other package that answered from `place.start` on.

    Nothing is changed. Raises UserError for labels, or settings, that do not fit.
    """
    name, state = place.environment.name, place.project.state
    about = Shown(name, place.project.settings.slug, place.start, place.now)
    deployments = _deployments(place)
    if not deployments:
        return dataclasses.replace(about, notes=(f"{name} serves nothing",))
    collected = read_rows(place)
    served = history.served(state, name)
    first = deployments[0]
    others = _others(first, deployments, collected)
    pairs = [_ordered(served, first, other) for other in others]
    digests = tuple(dict.fromkeys(each.digest for both in pairs for each in both))
    known = read_known(place, collected.live, digests)
    steps = read_seen(place.environment.folder / SEEN).steps
    read = _Read(place, collected, known, served, steps, deployments)
    notes = [*collected.notes(), *known.notes]
    if known.passed_over:
        why = "people gave to answers that were chosen for doubt: nothing is judged by them"
        notes.append(f"{known.passed_over} labels {why}")
    if not others:
        notes.append(f"nothing to compare: only version {first.version} answered")
    found = tuple(_compared(read, *both) for both in pairs)
    return dataclasses.replace(about, pairs=found, notes=tuple(notes))


def _deployments(place: Place) -> tuple[Deployment, ...]:
    """What is deployed, what serves most first; what Git names where the endpoint has no traffic."""
    traffic = read_traffic(place.environment.folder)
    if traffic and traffic.deployments:
        return tuple(sorted(traffic.deployments, key=lambda each: -each.share))
    desired = read_model_file(place.environment.files)
    return (Deployment("", desired.version, desired.digest),) if desired else ()


def _others(
    first: Deployment, deployments: Sequence[Deployment], collected: Collected
) -> tuple[Deployment, ...]:
    """The other packages that answered, and those that get requests or copies by now."""
    there = {each.digest: each for each in deployments if each.share > 0 or each.mirror > 0}
    for digest in (*collected.live.parts, *collected.copies.parts):
        there.setdefault(digest, Deployment(*collected.version(digest), digest))
    return tuple(each for digest, each in there.items() if digest != first.digest)


def _ordered(
    served: Sequence[Served], first: Deployment, other: Deployment
) -> tuple[Deployment, Deployment]:
    if challenger_of(served, first.digest, other.digest) == first.digest:
        return other, first
    return first, other


def _compared(read: _Read, champion: Deployment, challenger: Deployment) -> Compared:
    place = read.place
    old, new = champion.digest, challenger.digest
    rows = [
        with_known(
            read.collected.live.parts.get(digest, pd.DataFrame()), read.known.parts.get(digest)
        )
        for digest in (old, new)
    ]
    times = common_times(read.served, old, new, place.start, place.now)
    copies = read.collected.copies.parts.get(new, pd.DataFrame())
    about, rules = read.known.references.get(old), place.settings.shadow
    shadow, why = on_copies(rows[0], copies, about, rules)
    notes = [*why, *_of_times(times, place.start)]
    tried = None
    if times.spans and not any(each.empty for each in rows):
        tried = _trial(read, rows, times, champion, challenger)
    elif times.spans:
        notes.append("both had a share of the requests, but no live row of one was collected")
    return Compared(
        champion, challenger, shadow, tried, _follows(read, challenger, shadow, tried), tuple(notes)
    )


def _trial(
    read: _Read,
    rows: Sequence[pd.DataFrame],
    times: Times,
    champion: Deployment,
    challenger: Deployment,
) -> Trial:
    place, live = read.place, champion.share + challenger.share
    rules = Rules(
        place.settings.experiment,
        place.settings.bandit,
        str(place.environment.files / "settings.yml"),
    )
    epochs = failures(read.steps, times.spans, champion.digest, challenger.digest)
    share = challenger.share / live if live else 0.0
    return trial(rows[0], rows[1], times, epochs, rules, share=share, now=place.now)


def _of_times(times: Times, start: datetime) -> list[str]:
    notes = []
    if times.spans and (begun := times.spans[0].start) < start:
        said = f"both answered live since {begun:%Y-%m-%d %H:%M} UTC, before the window began"
        notes.append(f"{said}: the intervals hold at all looks only with one beginning")
    if times.unconfirmed:
        said = "the log does not say that every worker followed"
        notes.append(f"{times.unconfirmed} changes of the traffic do not count: {said}")
    if not times.spans:
        notes.append("both never answered live at the same time: there is nothing to test")
    return notes


def _follows(
    read: _Read, challenger: Deployment, shadow: Shadow | None, tried: Trial | None
) -> str:
    """What follows from the outcome that counts."""
    project, name = read.place.project, read.place.environment.name
    found = {each: read_model_file(environment(project, each).files) for each in ENVIRONMENTS}
    desired = {each: model.digest for each, model in found.items() if model}
    standing = Standing(name, challenger, desired)
    outcome = _counts(shadow, tried)
    return advice(outcome, standing, live=tried is not None) if outcome else ""


def _counts(shadow: Shadow | None, tried: Trial | None) -> Outcome | None:
    found = [each for each in (tried and tried.verdict.outcome, shadow and shadow.outcome) if each]
    return next((each for each in found if each in _DECIDED), found[0] if found else None)
