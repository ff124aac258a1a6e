"""Every command of the template's own repository. `nox --list` shows them."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path

import nox

ROOT = Path(__file__).parent
PROJECT = "<<cookiecutter.project_slug>>"
LOCK = ROOT / "requirements.lock"
ENVIRONMENT = ROOT / ".nox" / "shared"
BINARIES = ENVIRONMENT / "bin"
OWN = [
    "hooks",
    "tests",
    "benchmarks",
    "noxfile.py",
    "docs/hooks.py",
    "docs/examples/notebook_to_project/after",
]

nox.needs_version = ">=2024.4.15"
nox.options.sessions = ["tests"]
nox.options.default_venv_backend = "none"
nox.options.error_on_external_run = False


def run(session: nox.Session, *command: str) -> None:
    """Run a command in the environment that all sessions share, made from the pinned list."""
    prepare(session)
    variables = {
        "PATH": f"{BINARIES}{os.pathsep}{os.environ['PATH']}",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    # time for what it started to end: nox's own half a second is too short for servers
    session.run(
        str(BINARIES / command[0]),
        *command[1:],
        env=variables,
        interrupt_timeout=90,
        terminate_timeout=60,
    )


def prepare(session: nox.Session) -> None:
    """Make or refresh the shared environment; nothing is done when it is up to date."""
    marker = ENVIRONMENT / ".made-from"
    wanted = f"{sys.version} {hashlib.sha256(LOCK.read_bytes()).hexdigest()}"
    if marker.exists() and marker.read_text() == wanted:
        return
    session.log("installing requirements.lock (once)")
    session.run(sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT))
    pip = [str(BINARIES / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    if not shutil.which("uv"):
        # uv alone first, at its pinned version: it installs the rest some ten times faster.
        pinned = next(line for line in LOCK.read_text().split("\n") if line.startswith("uv=="))
        session.run(*pip, pinned.split()[0])
    uv = shutil.which("uv") or str(BINARIES / "uv")
    install = ["pip", "install", "-q", "--python", str(ENVIRONMENT), "--require-hashes"]
    session.run(uv, *install, "-r", str(LOCK))
    marker.write_text(wanted)


@nox.session
def tests(session: nox.Session) -> None:
    """Lint, type-check and test the template: raw, generated, and lived in."""
    run(session, "ruff", "check", "--quiet", "--no-cache", *OWN)
    run(session, "black", "--check", "--quiet", *OWN)
    run(session, "mypy")
    run(session, "pytest", *(session.posargs or ["-n", "2", "--dist", "loadfile"]))


@nox.session(default=False)
def demo(session: nox.Session) -> None:
    """Generate a project with the default answers into demo/, and train its model."""
    project = generated(session, ROOT / "demo", *session.posargs)
    session.chdir(project)
    run(session, "nox", "-s", "train")
    session.log(f"the project: cd {project}; its server stops with: nox -s down")


@nox.session(default=False)
def loop(session: nox.Session) -> None:
    """Generate a project at Level 4 into demo-loop/, and show the whole loop; `-- --keep` leaves it up."""
    project = generated(session, ROOT / "demo-loop", "maturity_level=4")
    session.chdir(project)
    run(session, "nox", "-s", "loop", "--", *session.posargs)
    session.log(f"the project: cd {project}")


def generated(session: nox.Session, target: Path, *answers: str) -> Path:
    """The project in a folder, generated and committed where there is none."""
    if not list(target.glob("*/noxfile.py")):
        options = ["--no-input", "--output-dir", str(target), *answers]
        run(session, "cookiecutter", str(ROOT), *options)
    (project,) = [path.parent for path in target.glob("*/noxfile.py")]
    if not (project / ".git").exists():
        who = [["config", "user.name", "demo"], ["config", "user.email", "demo@localhost"]]
        for words in (["init", "-q"], *who, ["add", "-A"], ["commit", "-qm", "Generate"]):
            session.run("git", "-C", str(project), *words, external=True)
    return project


@nox.session(default=False)
def docs(session: nox.Session) -> None:
    """Build the documentation into site/; `-- serve` shows it while you write."""
    run(session, "mkdocs", *(session.posargs or ["build", "--strict"]))


@nox.session(default=False)
def benchmarks(session: nox.Session) -> None:
    """Measure the runner beside DVC, generation, the first model, the package and its proofs."""
    for script in sorted((ROOT / "benchmarks").glob("*.py")):
        run(session, "python", str(script), *session.posargs)


@nox.session(default=False)
def lock(session: nox.Session) -> None:
    """Pin every package anew: of the generated project's levels, then of this repository."""
    options = ["--quiet", "--universal", "--python-version", "3.11", "--generate-hashes"]
    silent = ["--no-emit-index-url", "--no-emit-find-links", "--no-header", "--no-annotate"]
    folder = f"{PROJECT}/requirements"
    above: list[str] = []
    for level in ("deployment", "training", "quality"):
        files = ["--output-file", f"{folder}/{level}.lock", f"{folder}/{level}.in"]
        run(session, "uv", "pip", "compile", *options, *silent, *above, *session.posargs, *files)
        above = ["--constraints", f"{folder}/deployment.lock"]
    files = ["--output-file", "requirements.lock", "requirements.in"]
    run(session, "uv", "pip", "compile", *options, *silent, *above, *session.posargs, *files)


@nox.session(default=False)
def manifest(session: nox.Session) -> None:
    """Write down the digests of the machinery, by which an update sees what a user changed."""
    run(session, "python", "-m", "tests.machinery_lists", *session.posargs)
