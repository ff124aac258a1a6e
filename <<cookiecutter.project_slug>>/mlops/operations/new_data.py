"""The data of a retraining: labelled recent rows, old rows or both, declared as assets and committed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pandas as pd

from mlops.deployment.desired import repository
from mlops.deployment.qualify import TESTS
from mlops.operations.experiments.review_queue import queue_path, read_queue
from mlops.operations.labelled_rows import labelled_since
from mlops.operations.package_watch import Place
from mlops.operations.retraining.assets import (
    Declared,
    declare_again,
    declare_table,
    judged_by,
    origins_of,
)
from mlops.operations.retraining.cause import Cause
from mlops.operations.retraining.recent import Recent, parted, recent_rows, require_inputs
from mlops.quality.assets import fetch
from mlops.quality.checks import load_checked

_WHAT = {"old": "Old rows", "recent": "Recent rows", "both": "Old and recent rows"}


@dataclass(frozen=True)
class NewData:
    """What a model learns from, what judges it, and the commit that declares both.

    `notes` say which rows were left out.
    """

    learnt: Declared
    judge: Declared
    rows: int
    judging: int
    commit: str
    notes: tuple[str, ...] = ()


def declare_data(place: Place, cause: Cause) -> NewData:
    """Declare the data of a retraining as new versions of assets, and commit the definitions.

    The latest share of the recent rows judges, whatever is learnt from. `place.now` ends the time that is
    looked at. Raises UserError where there are too few rows, or labels are wrong.
    """
    project, policy = place.project, place.settings.retraining
    old = load_checked(fetch(project.asset, project.state / "data"), project.contract)
    golden = load_checked(project.root / TESTS / "golden.csv", project.contract)
    recent = _recent(place, old)
    known = pd.concat([origins_of(project.asset, len(old)), recent.origins], ignore_index=True)
    parts = parted(recent, old, golden, project.contract, judging=policy.judging, data=cause.data)
    data, name = project.root / "data", project.asset.name
    since = f"{place.now - timedelta(days=policy.recent_days):%Y-%m-%d}"
    source = f"labelled requests to {place.environment.name}, {since} to {place.now:%Y-%m-%d}"
    judge = declare_table(
        data,
        f"{name}-recent",
        parts.judging,
        place=policy.assets,
        description=f"The latest {len(parts.judging)} labelled rows; they judge what learnt from others.",
        source=source,
        origins=known.iloc[parts.judging_places + len(old)],
    )
    if cause.data == "old":
        about = f"The rows of version {project.asset.version}, judged by recent ones."
        learnt = declare_again(data, project.asset, description=about)
    else:
        if cause.data == "both":
            source = f"{name}:{project.asset.version}, and {source}"
        about = f"{_WHAT[cause.data]}: {len(parts.learnt)}, because of {', '.join(cause.triggers)}."
        learnt = declare_table(
            data,
            name,
            parts.learnt,
            place=policy.assets,
            description=about,
            source=source,
            origins=known.iloc[parts.learnt_places + len(old)],
        )
    learnt = judged_by(learnt, judge)
    root = project.root.resolve()
    files = [each.asset.definition.resolve() for each in (learnt, judge)]
    made = repository.commit(root, files, f"Declare {learnt.name}, judged by {judge.name}")
    return NewData(learnt, judge, len(parts.learnt), len(parts.judging), made, recent.left_out)


def _recent(place: Place, old: pd.DataFrame) -> Recent:
    contract = place.project.contract
    require_inputs(contract)
    found, _ = labelled_since(
        place, place.now - timedelta(days=place.settings.retraining.recent_days)
    )
    same = bool((place.problem.label(old).to_numpy() == old[contract.target].to_numpy()).all())
    queue = read_queue(queue_path(place.project.state, place.environment.name))
    labellers = place.settings.review.labellers
    return recent_rows(found, contract, label_is_target=same, queue=queue, labellers=labellers)
