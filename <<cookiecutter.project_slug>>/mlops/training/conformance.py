"""`nox -s level` for Level 2: the pipeline, the last registered version and what is known of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

from mlops.quality import conformance
from mlops.quality.conformance import Demand, Finding, workflow_triggers
from mlops.quality.errors import UserError
from mlops.quality.project import load_project
from mlops.training import server, tracking
from mlops.training.pipeline import check, load_pipeline
from mlops.training.run import PIPELINE

STEPS = ("validate", "prepare", "train", "evaluate", "explain", "register")
RECORDED = (
    "mlops.commit",
    "mlops.dirty",
    "mlops.data",
    "mlops.data_digest",
    "mlops.lock_digest",
    "mlops.author",
)
FILES = ("model", "model_card.md", "report.html", "plots")


def main(arguments: list[str]) -> int:
    """Look at the evidence for Levels 1 and 2; 0 when every demand is met."""
    return conformance.show((*conformance.DEMANDS, *DEMANDS), arguments)


class Newest:
    """The newest registered version and its run, asked for once."""

    def __init__(self, root: Path) -> None:
        from mlops.training.registry import pick, registry  # noqa: PLC0415 - MLflow imports slowly

        project = load_project(root)
        with registry(project) as found:
            version = pick(found, None)
            run = found.client.get_run(version.run_id or "")
            children = found.client.search_runs(
                [run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{run.info.run_id}'"
            )
            model = found.client.list_artifacts(run.info.run_id, "model")
            files = found.client.list_artifacts(run.info.run_id)
        self.name = f"{project.settings.slug} version {version.version}"
        self.tags: dict[str, str] = dict(version.tags)
        self.aliases: tuple[str, ...] = tuple(version.aliases)
        self.run = run
        self.algorithms = {child.data.params.get("algorithm") for child in children}
        self.trials = len(children)
        self.files = {Path(file.path).name for file in [*files, *model]}


@cache
def _newest(root: Path) -> Newest:
    own = root / ".mlops" / "mlflow"
    if not tracking.external_uri() and not server.find(root) and not own.is_dir():
        raise UserError("nothing is trained yet: nox -s train")
    return Newest(root)


def _of_newest(look: Callable[[Newest], Finding]) -> Callable[[Path], Finding]:
    return lambda root: look(_newest(root))


def _pipeline(root: Path) -> Finding:
    steps = [step.name for step in check(load_pipeline(root / PIPELINE))]
    missing = [step for step in STEPS if step not in steps]
    if missing:
        return Finding(False, f"{PIPELINE} has no step {', '.join(missing)}")
    return Finding(True, f"{PIPELINE}: {' -> '.join(steps)}")


def _unattended(root: Path) -> Finding:
    wanted = {"push", "schedule", "workflow_dispatch"}
    missing = wanted - workflow_triggers(root, "train.yml")
    if missing:
        return Finding(False, f".github/workflows/train.yml does not run on {', '.join(missing)}")
    return Finding(True, ".github/workflows/train.yml: on push, on a schedule and by hand")


def _cached(root: Path) -> Finding:
    kept = sum(1 for _ in (root / ".mlops" / "cache" / "steps").glob("*/step.json"))
    if not kept:
        return Finding(False, "no step was run here yet: nox -s train")
    return Finding(True, f".mlops/cache keeps the results of {kept} steps")


def _recorded(newest: Newest) -> Finding:
    missing = [tag for tag in RECORDED if not newest.tags.get(tag)]
    missing += [f"file {name}" for name in FILES if name not in newest.files]
    data = newest.run.data
    if not data.params or not data.metrics:
        missing.append("parameters or metrics")
    if missing:
        return Finding(False, f"{newest.name} does not tell: {', '.join(missing)}")
    return Finding(
        True,
        f"{newest.name}: commit {newest.tags['mlops.commit'][:10]}, {newest.tags['mlops.data']}, "
        f"{len(data.params)} parameters, {len(data.metrics)} metrics",
    )


def _leaderboard(newest: Newest) -> Finding:
    if newest.trials < 2:
        return Finding(False, f"{newest.name}: its run has {newest.trials} trials below it")
    return Finding(True, f"{newest.trials} trials of {len(newest.algorithms)} algorithms recorded")


def _reproduced(newest: Newest) -> Finding:
    moment = newest.tags.get("mlops.reproduced_at")
    if not moment:
        return Finding(False, f"{newest.name} was not reproduced yet: nox -s reproduce")
    return Finding(True, f"{newest.name} came out again, byte for byte, at {moment}")


def _registered(newest: Newest) -> Finding:
    missing = [name for name in ("MLmodel", "input_example.json") if name not in newest.files]
    if missing:
        return Finding(False, f"{newest.name} has no {', '.join(missing)}")
    return Finding(True, f"{newest.name}: signature, input example, model card, link to its run")


def _released(root: Path) -> Finding:
    _newest(root)
    from mlops.training.record import CHAMPION, aliased  # noqa: PLC0415 - MLflow imports slowly
    from mlops.training.registry import registry  # noqa: PLC0415

    with registry(load_project(root)) as found:
        champion = aliased(found.client, found.model, CHAMPION)
    if champion is None:
        return Finding(False, "no version is the champion: nox -s release")
    by = champion.tags.get("mlops.released_by", "unknown")
    return Finding(True, f"champion is version {champion.version}, released by {by}")


DEMANDS = (
    Demand(2, "Training is a declared pipeline", _pipeline),
    Demand(2, "It runs unattended: on push, on a schedule and by hand", _unattended),
    Demand(2, "A step whose inputs did not change is not run again", _cached),
    Demand(2, "Each run records code, data, environment and results", _of_newest(_recorded)),
    Demand(2, "The search for the model is a recorded leaderboard", _of_newest(_leaderboard)),
    Demand(2, "The same commit and data re-create the same model", _of_newest(_reproduced)),
    Demand(2, "Models are registered with all that their use needs", _of_newest(_registered)),
    Demand(2, "A release is one command", _released),
)
