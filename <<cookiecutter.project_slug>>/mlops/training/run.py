"""`nox -s train`: the training pipeline from the data asset to the registered model."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from mlops.quality.assets import fetch, find_asset
from mlops.quality.errors import UserError
from mlops.quality.project import ROOT, Project, load_project
from mlops.quality.terminal import console
from mlops.training import provenance, server, tracking
from mlops.training.pipeline import StepResult, execute, load_pipeline
from mlops.training.pipeline.cpus import add_jobs_option
from mlops.training.progress import Progress

PIPELINE = "pipelines/train.yml"
REGISTERING = "register"


def main(arguments: list[str]) -> int:
    """Run the pipeline and show what came of it; 0 when a model is registered."""
    parser = argparse.ArgumentParser(
        prog="nox -s train --",
        description=f"Run {PIPELINE}. Steps whose code, parameters, data and environment did not "
        "change are taken from the cache.",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="another value for an input of the pipeline, such as seed=7; may be repeated",
    )
    parser.add_argument("--force", action="store_true", help="run every step again")
    add_jobs_option(parser)
    parser.add_argument("--cause", default="by hand", help="why: recorded with the run")
    options = parser.parse_args(arguments)

    project = load_project(ROOT)
    out = console()
    changed = overrides(options.set)
    results = train(project, out, changed, options.cause, force=options.force, jobs=options.jobs)
    show(project, out, results)
    return 0


def overrides(pairs: list[str]) -> dict[str, str]:
    """`["seed=7"]` as a mapping; raises UserError for anything without a name and a sign."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not (sign and name):
            raise UserError(f"--set {pair}: expected NAME=VALUE")
        found[name] = value
    return found


def train(
    project: Project,
    out: Console,
    changed: Mapping[str, str],
    cause: str,
    *,
    force: bool = False,
    jobs: int | None = None,
) -> Mapping[str, StepResult]:
    """Run the pipeline against the tracking server; returns the steps by name.

    The server is asked for first, so that an absent one costs no training; the project's own one
    starts while the first steps run.
    """
    own = None
    if uri := tracking.external_uri():
        tracking.check_reachable(uri)
    else:
        own = server.up(project.root, wait=False)
        uri = own.uri
    pipeline = load_pipeline(project.root / PIPELINE)
    recorded = {
        "commit": provenance.commit(project.root),
        "author": provenance.author(project.root),
        "cause": cause,
    }

    def ready(step: str) -> None:
        if own is not None and step == REGISTERING:
            server.wait_healthy(own, has_spinner=False)

    with Progress(out) as progress:
        results = execute(
            pipeline,
            store=project.state / "cache",
            resolve_asset=lambda name, version: fetch(
                find_asset(project.root / "data", name, version), project.state / "data"
            ),
            environment_digest=provenance.environment_digest(project.root),
            overrides={**recorded, **changed},
            environment={**tracking.CLIENT_SETTINGS, tracking.VARIABLE: uri},
            force=force,
            jobs=jobs,
            on_event=progress.show,
            before=ready,
        )
    return {result.name: result for result in results}


def show(project: Project, out: Console, results: Mapping[str, StepResult]) -> None:
    """Print the leaderboard, the candidate beside the champion, and where to look further."""
    from mlops.training.record import CHAMPION, aliased  # noqa: PLC0415 - MLflow imports slowly
    from mlops.training.search import read_leaderboard  # noqa: PLC0415

    answer = json.loads(results[REGISTERING].outputs["registered"].read_text())
    board = read_leaderboard(results["train"].outputs["leaderboard"])
    table = Table(title=f"Leaderboard, best of {len(board.trials)} trials", title_justify="left")
    table.add_column("#", justify="right")
    table.add_column("algorithm")
    table.add_column("parameters")
    table.add_column(f"{board.metric} (cross-validated)", justify="right")
    for rank, trial in enumerate(board.trials[:5], start=1):
        parameters = ", ".join(f"{name}={value}" for name, value in trial.parameters.items())
        score = f"{trial.score:.4f} ± {trial.spread:.4f}"
        table.add_row(str(rank), trial.algorithm, parameters, score)
    out.print(table)

    own = server.find(project.root)
    uri = tracking.external_uri() or (own.uri if own else "")
    client = tracking.client(uri)
    with tracking.one_line_errors(uri):
        champion = aliased(client, project.settings.slug, CHAMPION)
        mine = client.get_run(answer["run_id"]).data.metrics
        best = client.get_run(champion.run_id or "").data.metrics if champion else {}
    metrics = json.loads((results["evaluate"].outputs["report"] / "evaluation.json").read_text())
    versions = (str(champion.version) if champion else "", answer["version"])
    out.print(_comparison(list(metrics["metrics"]), mine, best, versions))
    if not champion:
        out.print("no champion yet: `nox -s release` makes the candidate the champion")
    state = "registered" if answer["new"] else "unchanged, registered before"
    name = f"{project.settings.slug} version {answer['version']}"
    out.print(f"[green]{state}[/] {name}, sha256 {answer['digest'][:12]}")
    out.print(f"run    {answer['run']}\nmodel  {answer['model']}")


def _comparison(
    names: list[str],
    candidate: Mapping[str, float],
    champion: Mapping[str, float],
    versions: tuple[str, str],
) -> Table:
    table = Table(title="On the evaluation rows", title_justify="left")
    table.add_column("metric")
    if champion:
        table.add_column(f"champion v{versions[0]}", justify="right")
    table.add_column(f"candidate v{versions[1]}", justify="right")
    if champion:
        table.add_column("difference", justify="right")
    for name in names:
        new, old = candidate.get(name, math.nan), champion.get(name, math.nan)
        row = [f"{old:.4f}", f"{new:.4f}", f"{new - old:+.4f}"] if champion else [f"{new:.4f}"]
        table.add_row(name, *row)
    return table
