"""`nox -s qualify`: package a registered version, verify it, and let the gate decide."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from mlflow.entities.model_registry import ModelVersion
from rich.console import Console
from rich.table import Table

from mlops.deployment import audit_log
from mlops.deployment.exhaustive import load_properties
from mlops.deployment.gate.decision import ALWAYS, Decision, Verdict
from mlops.deployment.gate.settings import (
    EXCEPTIONS,
    SETTINGS,
    committed,
    load_settings,
    load_waivers,
)
from mlops.deployment.metamorphic.relation_file import load_relations
from mlops.deployment.packaging.candidate import (
    Lineage,
    fetch_candidate,
    fetch_package,
    read_lineage,
)
from mlops.deployment.packaging.compilation import read_compilation
from mlops.deployment.report.card import COUNTEREXAMPLES
from mlops.deployment.report.leaderboard import leaderboard
from mlops.deployment.steps.record import read_decision
from mlops.quality.assets import fetch, file_digest, find_asset
from mlops.quality.checks import load_checked
from mlops.quality.project import ROOT, Project, load_project
from mlops.quality.terminal import console
from mlops.training import provenance, tracking
from mlops.training.pipeline import StepResult, execute, load_pipeline
from mlops.training.pipeline.cpus import add_jobs_option
from mlops.training.progress import Progress
from mlops.training.record import CANDIDATE, CHAMPION, aliased
from mlops.training.registry import Registry, pick, registry

PIPELINE = "pipelines/qualify.yml"
TESTS = "tests/model"
LOCK = "requirements/deployment.lock"
_MARKS = {"pass": "[green]pass[/]", "refuse": "[red]refuse[/]", "excepted": "[yellow]excepted[/]"}


def main(arguments: list[str]) -> int:
    """Decide on a version; 0 when it may be promoted, 1 when it is refused."""
    parser = argparse.ArgumentParser(
        prog="nox -s qualify --",
        description=f"Run {PIPELINE}: compile and package a registered version, test and verify "
        "it, compare it with the champion, and decide by environments/dev/settings.yml. Exits "
        "with 1 when the model is refused.",
    )
    parser.add_argument("--version", help="its number (default: the candidate)")
    parser.add_argument("--all", action="store_true", help="show every rule, not only the failed")
    parser.add_argument("--force", action="store_true", help="run every step again")
    add_jobs_option(parser)
    options = parser.parse_args(arguments)
    project = load_project(ROOT)
    out = console()
    check_declared(project)
    with registry(project) as found:
        candidate = None if options.version else aliased(found.client, found.model, CANDIDATE)
        version = candidate or pick(found, options.version)
        champion = aliased(found.client, found.model, CHAMPION)
        folders = _gather(project, found, version, champion)
    results = _run(project, out, version, folders, force=options.force, jobs=options.jobs)
    decision = read_decision(results["decide"].outputs["decision"] / "decision.json")
    _log(project, version, decision)
    card = _keep_card(project, results["decide"].outputs["decision"])
    show(out, decision, every=options.all)
    for table in json.loads(
        (results["behaviour"].outputs["behaviour"] / COUNTEREXAMPLES).read_text()
    ):
        out.print(table, markup=False, highlight=False)
    with registry(project) as found:
        out.print(leaderboard(found.client, found.model))
    name = f"{project.settings.slug} version {version.version}"
    out.print(f"package {decision.package}")
    form = read_compilation(results["compile"].outputs["compiled"])
    out.print(f"form    {form.reason}", markup=False)
    out.print(f"card    {card}")
    if decision.passed:
        out.print(f"[green]passed[/] {name}: `nox -s release` makes it the champion")
        return 0
    out.print(f"[red]refused[/] {name}")
    out.print(how_to_except(decision), markup=False)
    return 1


def check_declared(project: Project) -> None:
    """Read all that people declare for the gate before anything runs; raises UserError."""
    load_settings(project.root / SETTINGS)
    load_waivers(project.root / EXCEPTIONS)
    load_relations(project.root / TESTS / "relations.yml", project.contract)
    load_properties(project.root / TESTS / "properties.yml", project.contract)
    load_checked(project.root / TESTS / "golden.csv", project.contract)


def show(out: Console, decision: Decision, *, every: bool = False) -> None:
    """Print the verdicts as a table: all of them, or those that say more than `pass`."""
    verdicts = decision.verdicts if every else [v for v in decision.verdicts if _telling(v)]
    table = Table(title=f"Gate: {_counts(decision)}", title_justify="left")
    for heading in ("figure", "value", "95% interval", "bound", "verdict", "reason"):
        table.add_column(heading, justify="right" if heading in ("value", "bound") else "left")
    for verdict in verdicts:
        mark = _MARKS.get(verdict.outcome, "-")
        interval = "" if verdict.low is None else f"{verdict.low:.4g} to {verdict.high:.4g}"
        value = "-" if verdict.value is None else f"{verdict.value:.4g}"
        table.add_row(
            _plain(verdict.measure), value, interval, verdict.bound, mark, _plain(verdict.reason)
        )
    for group, reason in decision.without.items():
        table.add_row(f"{group}.*", "-", "", "", "[yellow]off[/]", _plain(reason))
    out.print(table)


def _telling(verdict: Verdict) -> bool:
    crosses = "the interval crosses" in verdict.reason
    return verdict.outcome != "pass" or crosses


def _counts(decision: Decision) -> str:
    counts: dict[str, int] = {}
    for verdict in decision.verdicts:
        counts[verdict.outcome] = counts.get(verdict.outcome, 0) + 1
    words = {"pass": "passed", "refuse": "refused", "excepted": "excepted", "none": "not needed"}
    parts = [f"{counts[key]} {word}" for key, word in words.items() if key in counts]
    return f"{len(decision.verdicts)} rules: {', '.join(parts)} (`--all` shows every one)"


def _plain(text: str) -> str:
    """Text as rich prints it without reading `[sex]` as a style."""
    return text.replace("[", r"\[")


def _gather(
    project: Project, found: Registry, version: ModelVersion, champion: ModelVersion | None
) -> Mapping[str, Path]:
    """Folders with the candidate, the champion's package (empty without one) and recent rows.

    A champion from before there were packages comes in its MLflow flavour.
    """
    state = project.state / "qualify"
    folder = fetch_candidate(found, version, state / "models")
    empty = state / "none"
    empty.mkdir(parents=True, exist_ok=True)
    best = empty
    if champion is not None and champion.version != version.version:
        packaged = fetch_package(found, champion, state / "packages")
        best = packaged or fetch_candidate(found, champion, state / "models")
    recent = _recent(project, read_lineage(folder), state)
    return {"candidate": folder, "champion": best, "recent": recent}


def _recent(project: Project, facts: Lineage, state: Path) -> Path:
    """A folder with the rows that judge models of these data; an empty one where they name none."""
    asset = find_asset(project.root / "data", *facts.data.split(":", 1))
    folder = state / "recent" / (asset.tags.judged_by.replace(":", "-") or "none")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if asset.tags.judged_by:
        name, _, version = asset.tags.judged_by.partition(":")
        rows = fetch(find_asset(project.root / "data", name, version), project.state / "data")
        shutil.copyfile(rows, folder / rows.name)
    return folder


def _run(
    project: Project,
    out: Console,
    version: ModelVersion,
    folders: Mapping[str, Path],
    *,
    force: bool,
    jobs: int | None,
) -> Mapping[str, StepResult]:
    pipeline = load_pipeline(project.root / PIPELINE)
    facts = read_lineage(folders["candidate"])
    has_waivers = bool(load_waivers(project.root / EXCEPTIONS))
    overrides = {
        **{name: str(folder) for name, folder in folders.items()},
        "data": f"azureml:{facts.data}",
        "seed": str(facts.seed),
        "version": str(version.version),
        "today": datetime.now(UTC).date().isoformat(),
        "author": provenance.author(project.root),
        "exceptions_commit": committed(project.root, EXCEPTIONS) if has_waivers else "none",
    }
    with Progress(out) as progress:
        results = execute(
            pipeline,
            store=project.state / "cache",
            resolve_asset=lambda name, number: fetch(
                find_asset(project.root / "data", name, number), project.state / "data"
            ),
            environment_digest=file_digest(project.root / LOCK),
            overrides=overrides,
            environment={
                **tracking.CLIENT_SETTINGS,
                tracking.VARIABLE: tracking.tracking_uri(project.root),
            },
            force=force,
            jobs=jobs,
            on_event=progress.show,
        )
    return {result.name: result for result in results}


def _log(project: Project, version: ModelVersion, decision: Decision) -> None:
    excepted = {v.measure: v.reason for v in decision.verdicts if v.outcome == "excepted"}
    audit_log.append(
        project.state,
        "gate",
        {
            "model": project.settings.slug,
            "version": str(version.version),
            "package": decision.package,
            "passed": decision.passed,
            "refused": {v.measure: v.reason for v in decision.refused()},
            "excepted": excepted,
            "without": dict(decision.without),
            "by": provenance.author(project.root),
            "commit": provenance.commit(project.root),
        },
    )


def _keep_card(project: Project, folder: Path) -> Path:
    """The last card where a person finds it."""
    target = project.state / "qualify" / "model_card.html"
    shutil.copyfile(folder / "model_card.html", target)
    return target


def how_to_except(decision: Decision) -> str:
    """What to write to accept the first refusal that can be accepted."""
    names = [verdict.measure for verdict in decision.refused()]
    first = next((name for name in names if name.partition(".")[0] not in ALWAYS), None)
    if first is None:
        return f"No exception is possible for {', '.join(names)}"
    return (
        f"To accept a refusal, commit an exception to {EXCEPTIONS}:\n"
        f"  - measure: {first}\n    package: {decision.package[:12]}\n"
        "    by: your name\n    reason: why\n    until: the last day, such as '2027-01-31'"
    )
