"""`nox -s update`: a newer version of the template, or a higher level; what is yours stays."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mlops.quality.errors import UserError
from mlops.quality.machinery import Change, digest, plan
from mlops.quality.project import ROOT
from mlops.quality.strict import parse

RECORD = ".template.json"
# Git ignores it: the new version as rendered, to compare the files that were kept with.
OFFERED = ".mlops/update"
UNDO = "git restore . && git clean -d --force"
COLOURS = {"added": "green", "replaced": "cyan", "removed": "red", "kept": "yellow"}


@dataclass(frozen=True)
class Origin:
    """`.template.json`: the template that made the project ("" for a local folder) and how."""

    template: str
    version: str
    answers: Mapping[str, str]

    @property
    def level(self) -> int:
        """The recorded maturity level."""
        return int(self.answers["maturity_level"])


def main(arguments: list[str], root: Path = ROOT) -> int:
    """Update the project in `root`; 0 when it is done or there was nothing to do."""
    options = _options(arguments)
    origin = read_origin(root)
    source = options.template or origin.template
    if not source:
        hint = "say where the template is: nox -s update -- --template SOURCE"
        raise UserError(f"{root / RECORD}: template: made from a local folder; {hint}")
    level = options.level or origin.level
    if level < origin.level:
        raise UserError(f"--level {level}: the project is at level {origin.level}; it only rises")
    if not options.dry_run:
        refuse_dirty(root)
    console = Console(soft_wrap=True)
    with tempfile.TemporaryDirectory() as scratch:
        answers = {**origin.answers, "maturity_level": str(level)}
        with console.status(f"rendering {source}"):
            rendered = render(source, options.checkout, answers, Path(scratch))
            changes = plan(root, rendered)
        offered = read_origin(rendered)
        _show(console, changes, origin, offered)
        if options.dry_run:
            console.print("nothing was changed (--dry-run)")
        elif changes or (offered.version, offered.level) != (origin.version, origin.level):
            apply(root, rendered, changes, origin.template)
            _conclude(console, changes, root, rendered)
    return 0


def read_origin(root: Path) -> Origin:
    """The project's `.template.json`; raises UserError where it is missing or wrong."""
    path = root / RECORD
    try:
        origin = parse(Origin, json.loads(path.read_text(encoding="utf-8")), str(path))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; it records how the project was made") from None
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON: {error}") from None
    if origin.answers.get("maturity_level", "") not in ("1", "2", "3", "4"):
        raise UserError(f"{path}: answers: maturity_level: expected '1' to '4'")
    return origin


def refuse_dirty(root: Path) -> None:
    """Raise UserError unless Git holds every file of the project as it is now."""
    command = ["git", "status", "--porcelain", "--", "."]
    try:
        state = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise UserError("git: not found; an update needs it to be undone") from None
    if state.returncode:
        reason = state.stderr.partition("\n")[0].removeprefix("fatal: ")
        raise UserError(f"{root}: {reason}; an update needs the project in Git to be undone")
    if state.stdout:
        count = len(state.stdout.splitlines())
        raise UserError(f"{root}: {count} uncommitted changes; commit or stash them first")


def render(source: str, checkout: str | None, answers: Mapping[str, str], scratch: Path) -> Path:
    """The template's project for these answers, in a new folder below `scratch`.

    `source` is what cookiecutter takes: a folder, a zip, a Git URL, `gh:owner/name`; `checkout` is
    a branch, tag or commit. Raises UserError with the first cause where cookiecutter fails.
    """
    output, config = scratch / "rendered", scratch / "config.json"
    # A configuration of its own: nobody's defaults, clones and replays get mixed up with this.
    places = {"cookiecutters_dir": str(scratch / "clones"), "replay_dir": str(scratch / "replay")}
    config.write_text(json.dumps(places), encoding="utf-8")
    command = [sys.executable, "-m", "cookiecutter", "--no-input", "--config-file", str(config)]
    command += ["--output-dir", str(output), *(["--checkout", checkout] if checkout else [])]
    command += [source, *(f"{key}={value}" for key, value in answers.items())]
    done = subprocess.run(
        command,
        env={**os.environ, "GIT_TERMINAL_PROMPT": "0"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise UserError(f"{source}: cannot be rendered: {_cause(done.stdout, done.stderr)}")
    return next(output.iterdir())


def apply(root: Path, rendered: Path, changes: list[Change], template: str) -> None:
    """Carry out the changes, then record the new version; each file is replaced atomically.

    `template` stays recorded where the new record has none. Raises UserError where a file cannot
    be written; what was done by then is undone with Git.
    """
    try:
        for change in changes:
            if change.kind == "removed":
                (root / change.path).unlink()
                _prune((root / change.path).parent)
            elif change.kind != "kept":
                source = rendered / change.path
                _replace(root / change.path, source.read_bytes(), like=source)
        if any(change.kind == "kept" for change in changes):
            shutil.rmtree(root / OFFERED, ignore_errors=True)
            shutil.copytree(rendered, root / OFFERED)
        record = json.loads((rendered / RECORD).read_text(encoding="utf-8"))
        record["template"] = record["template"] or template
        content = (json.dumps(record, indent=2) + "\n").encode()
        _replace(root / RECORD, content, like=rendered / RECORD)
    except (OSError, KeyboardInterrupt) as error:
        raise UserError(f"stopped half-way: {error!r}; undo it with: {UNDO}") from None


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="nox -s update --", description="Take a newer version of the template."
    )
    parser.add_argument("--template", help="where it is: URL, gh:owner/name, folder or zip")
    parser.add_argument("--checkout", help="branch, tag or commit of it (default: the newest)")
    parser.add_argument("--level", type=int, choices=(1, 2, 3, 4), help="raise the maturity level")
    parser.add_argument("--dry-run", action="store_true", help="show the changes, make none")
    return parser.parse_args(arguments)


def _cause(output: str, errors: str) -> str:
    """The line that says why: a hook's own, a traceback's last, or else the first of the output."""
    lines = [line for line in (errors or output).splitlines() if line.strip()] or [
        "no reason given"
    ]
    crashed = any(line.startswith("Traceback") for line in lines)
    return lines[-1 if crashed else 0].removeprefix("error: ").removeprefix("ValueError: ")


def _show(console: Console, changes: list[Change], origin: Origin, offered: Origin) -> None:
    table = Table("change", "file", "why", box=None, pad_edge=False)
    for change in sorted(changes, key=lambda change: list(COLOURS).index(change.kind)):
        kind = Text(change.kind, style=COLOURS[change.kind])
        table.add_row(kind, Text(change.path, overflow="fold"), Text(change.reason))
    if changes:
        console.print(table)
    else:
        console.print("the machinery is up to date")
    console.print(
        f"version {origin.version} -> {offered.version}, level {origin.level} -> {offered.level}",
        highlight=False,
    )


def _conclude(console: Console, changes: list[Change], root: Path, rendered: Path) -> None:
    """Print the commands to type now: how to compare what was kept, how to pin, check and commit."""
    for path in [change.path for change in changes if change.kind == "kept"]:
        if (rendered / path).exists():
            console.print(f"compare: git diff --no-index -- {path} {OFFERED}/{path}", markup=False)
    wanted = Path("requirements", "model.in")
    same = (root / wanted).exists() and digest(root / wanted) == digest(rendered / wanted)
    # The template's pins know nothing of the packages that the project has added.
    pin = any(change.path.endswith(".lock") for change in changes) and not same
    check = "nox -s lock && nox" if pin else "nox"
    console.print(
        f"nothing is committed; next: git diff, then {check} && git add --all && git commit"
    )


def _replace(path: Path, content: bytes, like: Path) -> None:
    """Write `content` to `path` in one step, with the permissions of `like`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(content)
    shutil.copymode(like, file.name)
    Path(file.name).replace(path)


def _prune(folder: Path) -> None:
    while not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
