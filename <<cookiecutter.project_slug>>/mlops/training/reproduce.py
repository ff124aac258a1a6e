"""`nox -s reproduce`: the same commit and data give the same model, shown by doing it again."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from mlflow.entities.model_registry import ModelVersion
from rich.console import Console

from mlops.quality.assets import fetch, find_asset
from mlops.quality.errors import UserError
from mlops.quality.project import ROOT, Project, load_project
from mlops.quality.terminal import console
from mlops.training import provenance
from mlops.training.model_file import load_model
from mlops.training.pipeline import execute, load_pipeline
from mlops.training.progress import Progress
from mlops.training.registry import pick, registry
from mlops.training.run import PIPELINE

STEP = "train"


def main(arguments: list[str]) -> int:
    """Train a registered version again from its commit; 0 when the bytes are the same."""
    parser = argparse.ArgumentParser(
        prog="nox -s reproduce --",
        description="Check the commit of a registered version out beside this one, train there "
        "with nothing from the cache, and compare the model digests.",
    )
    parser.add_argument("--version", help="its number (default: the newest)")
    options = parser.parse_args(arguments)
    project = load_project(ROOT)
    out = console()
    with registry(project) as found:
        version = pick(found, options.version)
        parameters = found.client.get_run(version.run_id or "").data.params
    commit, wanted = _check(project, version)
    name = f"{project.settings.slug} version {version.version}"
    out.print(f"{name}: commit {commit[:10]}, data {version.tags['mlops.data']}")
    with _checkout(project.root, commit) as root:
        digest = _train(project, root, parameters, out)
    if digest == wanted:
        _remember(project, version)
        out.print(f"[green]reproduced[/] {name}: sha256 {digest}")
        return 0
    out.print(f"[red]differs[/] {name}: registered sha256 {wanted}, now {digest}")
    if (python := version.tags.get("mlops.python")) != provenance.python():
        out.print(f"it was trained with Python {python}, this is {provenance.python()}")
    return 1


def _remember(project: Project, version: ModelVersion) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    with registry(project) as found:
        found.client.set_model_version_tag(found.model, version.version, "mlops.reproduced_at", now)


def _check(project: Project, version: ModelVersion) -> tuple[str, str]:
    """The commit and the digest to reproduce; raises UserError where that cannot be done."""
    tags, name = version.tags, f"{project.settings.slug} version {version.version}"
    commit, digest = tags.get("mlops.commit", ""), tags.get("mlops.model_digest", "")
    if not digest or not tags.get("mlops.data"):
        raise UserError(f"{name}: was not registered by `nox -s train`")
    if tags.get("mlops.dirty") == "true" or commit in ("", provenance.UNKNOWN):
        raise UserError(f"{name}: was trained with uncommitted changes; commit and train again")
    if tags.get("mlops.lock_digest") != provenance.environment_digest(project.root):
        raise UserError(
            f"{name}: was trained with other packages; git checkout {commit[:10]} and run it there"
        )
    return commit, digest


@contextmanager
def _checkout(root: Path, commit: str) -> Iterator[Path]:
    """The project as it was at a commit, in a temporary worktree."""
    git = ["git", "-C", str(root)]
    with tempfile.TemporaryDirectory(prefix="reproduce-") as folder:
        tree = Path(folder) / "tree"
        add = [*git, "worktree", "add", "--quiet", "--detach", str(tree), commit]
        done = subprocess.run(add, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise UserError(f"commit {commit[:10]} cannot be checked out: {done.stderr.strip()}")
        try:
            prefix = [*git, "rev-parse", "--show-prefix"]
            inner = subprocess.run(prefix, capture_output=True, text=True, check=True).stdout
            yield tree / inner.strip()
        finally:
            remove = [*git, "worktree", "remove", "--force", str(tree)]
            subprocess.run(remove, capture_output=True, check=False)


def _train(project: Project, root: Path, parameters: Mapping[str, str], out: Console) -> str:
    """Train in `root` from nothing with the run's parameters; returns the model digest."""
    pipeline = load_pipeline(root / PIPELINE)
    same = {name: value for name, value in parameters.items() if name in pipeline.inputs}

    def asset(name: str, version: str) -> Path:
        found = find_asset(root / "data", name, version)
        local = root / "data" / found.path
        mine = project.root / "data" / found.path
        if not found.remote and not local.exists() and mine.exists():
            shutil.copyfile(mine, local)  # a file that is not in Git; its digest decides
        return fetch(found, project.state / "data")

    with tempfile.TemporaryDirectory(prefix="reproduce-") as store, Progress(out) as progress:
        results = execute(
            pipeline,
            store=Path(store),
            resolve_asset=asset,
            environment_digest=provenance.environment_digest(project.root),
            overrides=same,
            until=STEP,
            on_event=progress.show,
        )
        _, facts = load_model(results[-1].outputs["model"])
        return facts.digest
