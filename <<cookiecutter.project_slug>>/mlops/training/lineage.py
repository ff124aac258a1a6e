"""`nox -s lineage`: from a model version to its commit, data and run, and from data to models."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from mlflow.entities.model_registry import ModelVersion
from rich.table import Table

from mlops.quality.errors import UserError
from mlops.quality.project import ROOT, load_project
from mlops.quality.terminal import console
from mlops.training.record import versions
from mlops.training.registry import Registry, pick, registry
from mlops.training.tracking import model_link, run_link


@dataclass(frozen=True)
class Origin:
    """Where one model version comes from; digests are SHA-256."""

    model: str
    version: str
    aliases: tuple[str, ...]
    model_digest: str
    commit: str
    dirty: bool
    author: str
    cause: str
    data: str
    data_digest: str
    lock_digest: str
    python: str
    run: str
    link: str


def main(arguments: list[str]) -> int:
    """Show the origin of one version, or of all that came from a data asset or a commit."""
    parser = argparse.ArgumentParser(
        prog="nox -s lineage --", description="Walk from a model to commit and data, or back."
    )
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--version", help="a model version (default: the newest)")
    start.add_argument("--data", help="a data asset, NAME or NAME:VERSION, or its SHA-256")
    start.add_argument("--commit", help="a commit, or the beginning of one")
    start.add_argument("--all", action="store_true", help="every version")
    parser.add_argument("--json", action="store_true", help="for machines")
    options = parser.parse_args(arguments)
    with registry(load_project(ROOT)) as found:
        origins = _origins(found, options)
    if options.json:
        print(json.dumps([asdict(origin) for origin in origins], indent=1))
    elif len(origins) == 1:
        _print_one(origins[0])
    else:
        _print_all(origins)
    return 0


def origin(found: Registry, version: ModelVersion) -> Origin:
    """What the registry knows of a version's making."""
    tags = version.tags
    experiment = found.client.get_run(version.run_id).info.experiment_id if version.run_id else ""
    return Origin(
        model=found.model,
        version=str(version.version),
        aliases=tuple(version.aliases),
        model_digest=tags.get("mlops.model_digest", ""),
        commit=tags.get("mlops.commit", "unknown"),
        dirty=tags.get("mlops.dirty") == "true",
        author=tags.get("mlops.author", "unknown"),
        cause=tags.get("mlops.cause", "unknown"),
        data=tags.get("mlops.data", ""),
        data_digest=tags.get("mlops.data_digest", ""),
        lock_digest=tags.get("mlops.lock_digest", ""),
        python=tags.get("mlops.python", ""),
        run=run_link(found.uri, experiment, version.run_id or ""),
        link=model_link(found.uri, found.model, str(version.version)),
    )


def _origins(found: Registry, options: argparse.Namespace) -> Sequence[Origin]:
    if not (options.data or options.commit or options.all):
        return [origin(found, pick(found, options.version))]
    every = [origin(found, version) for version in versions(found.client, found.model)]
    if options.all:
        return every
    if options.commit:
        chosen = [one for one in every if one.commit.startswith(options.commit)]
    else:
        wanted = options.data
        chosen = [
            one
            for one in every
            if wanted in (one.data, one.data.partition(":")[0], one.data_digest)
        ]
    if not chosen:
        what = f"commit {options.commit}" if options.commit else f"data {options.data}"
        raise UserError(f"{found.model}: no version comes from {what}")
    return chosen


def _print_one(one: Origin) -> None:
    out = console()
    marks = f" ({', '.join(one.aliases)})" if one.aliases else ""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_row("model", f"{one.model} version {one.version}{marks}")
    table.add_row("digest", one.model_digest)
    table.add_row("commit", one.commit + (" with uncommitted changes" if one.dirty else ""))
    table.add_row("author", one.author)
    table.add_row("cause", one.cause)
    table.add_row("data", f"{one.data} sha256 {one.data_digest}")
    table.add_row("packages", f"sha256 {one.lock_digest}, Python {one.python}")
    table.add_row("run", one.run)
    table.add_row("registry", one.link)
    out.print(table)


def _print_all(origins: Sequence[Origin]) -> None:
    table = Table()
    for heading in ("version", "aliases", "commit", "data", "digest", "author", "cause"):
        table.add_column(heading)
    for one in origins:
        commit = one.commit[:10] + ("-dirty" if one.dirty else "")
        aliases = ", ".join(one.aliases)
        digest = one.model_digest[:12]
        table.add_row(one.version, aliases, commit, one.data, digest, one.author, one.cause)
    console().print(table)
