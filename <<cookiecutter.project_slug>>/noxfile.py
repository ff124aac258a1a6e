"""Every command of this project. `nox --list` shows them; bare `nox` is what CI requires.

All sessions share one environment, `.venv`, which is made from the pinned list in `requirements/`
the first time and again only when that list changes. Arguments for a session follow `--`:
`nox -s data -- --help`.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path

import nox

ROOT = Path(__file__).parent
ENVIRONMENT = ROOT / ".venv"
BINARIES = ENVIRONMENT / ("Scripts" if os.name == "nt" else "bin")
# One lock file a level; the highest holds all that the lower ones hold.
LEVELS = ("quality", "training", "deployment", "operations")
LOCKS = [ROOT / "requirements" / f"{level}.lock" for level in LEVELS]
LOCK = [lock for lock in LOCKS if lock.exists()][-1]
FLOORS = [level for level in LEVELS if (ROOT / "mlops" / level).is_dir()]
TRAINING, DEPLOYMENT, OPERATIONS = (level in FLOORS for level in LEVELS[1:])

nox.needs_version = ">=2024.4.15"
nox.options.sessions = ["lint", "types", "tests", "data"]
nox.options.default_venv_backend = "none"
nox.options.error_on_external_run = False


def fingerprint() -> str:
    """What the environment is made from: the pinned list and the interpreter."""
    return f"{sys.version} {hashlib.sha256(LOCK.read_bytes()).hexdigest()}"


def prepare(session: nox.Session) -> None:
    """Make or refresh the shared environment; nothing is done when it is up to date."""
    marker = ENVIRONMENT / ".made-from"
    if marker.exists() and marker.read_text() == fingerprint():
        return
    session.log(f"installing {LOCK.relative_to(ROOT)} into .venv, once: minutes by pip, less by uv")
    marker.unlink(missing_ok=True)
    inside = Path(sys.prefix).resolve() == ENVIRONMENT.resolve()
    uv = shutil.which("uv") or (shutil.which("uv", path=str(BINARIES)) if inside else None)
    wanted = ["--quiet", "--require-hashes", "-r", str(LOCK)]
    if uv:
        if not inside:
            # --clear: an environment of another interpreter or a half-made one is of no use
            make = [uv, "venv", "--quiet", "--clear", "--python", sys.executable]
            session.run(*make, str(ENVIRONMENT), external=True)
        # compiled at once on all cores, not module by module when each is first imported
        install = [uv, "pip", "install", "--compile-bytecode", "--python", str(ENVIRONMENT)]
        session.run(*install, *wanted, external=True)
    else:
        if not inside:
            session.run(sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT), external=True)
        python = str(BINARIES / "python")
        session.run(python, "-m", "pip", "install", "--disable-pip-version-check", *wanted)
    marker.write_text(fingerprint())


def run(session: nox.Session, *command: str) -> None:
    """Run a command of the shared environment in the project's folder."""
    prepare(session)
    program = shutil.which(command[0], path=str(BINARIES)) or str(BINARIES / command[0])
    session.chdir(ROOT)
    # time to end what it started: nox's own half a second is too short for servers and steps
    session.run(program, *command[1:], silent=False, interrupt_timeout=60, terminate_timeout=30)


def notebooks() -> list[str]:
    """The notebooks by their paths; their outputs are not kept in Git."""
    return [path.relative_to(ROOT).as_posix() for path in ROOT.glob("notebooks/**/*.ipynb")]


def verb(session: nox.Session, *words: str) -> None:
    """Run one of the machinery's commands with the arguments that followed `--`."""
    run(session, "python", "-m", *words, *session.posargs)


# Level 1: DevOps ---------------------------------------------------------------------------------


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, formatting, YAML, notebooks, secrets, and that no floor imports from above."""
    run(session, "ruff", "check", "--quiet", ".")
    run(session, "black", "--check", "--quiet", ".")
    run(session, "yamllint", "--strict", ".")
    run(session, "lint-imports", "--no-logo", "--no-cache")
    if found := notebooks():
        run(session, "nbstripout", "--verify", "--keep-id", *found)
    run(session, "python", "-m", "mlops.quality.committed", "all")


@nox.session
def types(session: nox.Session) -> None:
    """Check types with mypy, strictly."""
    run(session, "mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests of your code, your data, your model and your notebooks."""
    run(session, "pytest", *(session.posargs or ["tests", "--cov"]))


@nox.session
def data(session: nox.Session) -> None:
    """Check the data against its contract; names row, column and rule of every violation."""
    verb(session, "mlops.quality", "data")


@nox.session(default=False)
def format(session: nox.Session) -> None:
    """Format the code and mend what can be mended by itself."""
    run(session, "ruff", "check", "--fix", "--quiet", ".")
    run(session, "black", "--quiet", ".")
    if found := notebooks():
        run(session, "nbstripout", "--keep-id", *found)


@nox.session(default=False)
def machinery(session: nox.Session) -> None:
    """Run the tests of mlops/: worth it after a change there, or of the pinned packages."""
    run(session, "pytest", *(session.posargs or ["mlops"]))


@nox.session(default=False)
def audit(session: nox.Session) -> None:
    """Look for known vulnerabilities in the pinned list and for secrets in the tree."""
    verb(session, "mlops.quality", "audit")


@nox.session(default=False)
def hooks(session: nox.Session) -> None:
    """Install the Git hooks that run these checks before each commit."""
    run(session, "pre-commit", "install")


@nox.session(default=False)
def lock(session: nox.Session) -> None:
    """Pin the packages named in requirements/*.in anew, with hashes."""
    prepare(session)
    above: list[str] = []
    # From the highest level down: a lower list pins what the higher one chose.
    for file in [lock for lock in reversed(LOCKS) if lock.exists()]:
        wanted = file.with_suffix(".in").relative_to(ROOT).as_posix()
        pinned = file.relative_to(ROOT).as_posix()
        options = ["--quiet", "--universal", "--python-version", "3.11", "--generate-hashes"]
        silent = ["--no-emit-index-url", "--no-emit-find-links", "--no-header", "--no-annotate"]
        command = ["uv", "pip", "compile", *options, *silent, *above, *session.posargs]
        run(session, *command, "--output-file", pinned, wanted)
        above = ["--constraints", pinned]


@nox.session(default=False)
def level(session: nox.Session) -> None:
    """Show which demands of its maturity level the project meets, from evidence."""
    verb(session, f"mlops.{FLOORS[-1]}", "level")


@nox.session(default=False)
def update(session: nox.Session) -> None:
    """Take a newer version of the template, or a higher level: `-- --level 2`."""
    verb(session, "mlops.quality", "update")


# Level 2: automated training ---------------------------------------------------------------------

if TRAINING:

    @nox.session(default=False)
    def train(session: nox.Session) -> None:
        """Run the training pipeline and register the model; unchanged steps are not run again."""
        verb(session, f"mlops.{FLOORS[-1]}", "train")

    @nox.session(default=False)
    def reproduce(session: nox.Session) -> None:
        """Prove that a registered model comes out of its commit and data again, byte for byte."""
        verb(session, "mlops.training", "reproduce")

    @nox.session(default=False)
    def lineage(session: nox.Session) -> None:
        """Show which commit, data and run a model came from, or which models came from a data set."""
        verb(session, "mlops.training", "lineage")

    @nox.session(default=False)
    def release(session: nox.Session) -> None:
        """Make the candidate, or `-- --version N`, the champion."""
        verb(session, f"mlops.{FLOORS[-1]}", "release")

    @nox.session(default=False)
    def up(session: nox.Session) -> None:
        """Start the project's own MLflow server (and its endpoints) and print the addresses."""
        verb(session, f"mlops.{FLOORS[-1]}", "up")

    @nox.session(default=False)
    def down(session: nox.Session) -> None:
        """Stop the project's own MLflow server (and its endpoints); what they stored stays."""
        verb(session, f"mlops.{FLOORS[-1]}", "down")


# Level 3: automated deployment -------------------------------------------------------------------

if DEPLOYMENT:

    @nox.session(default=False)
    def qualify(session: nox.Session) -> None:
        """Package the candidate, verify it, and let the gate decide whether it may be promoted."""
        verb(session, f"mlops.{FLOORS[-1]}", "qualify")

    @nox.session(default=False)
    def deploy(session: nox.Session) -> None:
        """Promote the newest version that passed the gate to stage, test it there, then to prod."""
        verb(session, f"mlops.{FLOORS[-1]}", "deploy")

    @nox.session(default=False)
    def approve(session: nox.Session) -> None:
        """Let the model that stage serves into prod: `-- --reason '...'`."""
        verb(session, f"mlops.{FLOORS[-1]}", "approve")

    @nox.session(default=False)
    def reconcile(session: nox.Session) -> None:
        """Make the endpoints what the files in environments/ say."""
        verb(session, f"mlops.{FLOORS[-1]}", "reconcile")

    @nox.session(default=False)
    def rollback(session: nox.Session) -> None:
        """Revert the last change of what prod (or `-- stage`) serves, and reconcile."""
        verb(session, f"mlops.{FLOORS[-1]}", "rollback")

    @nox.session(default=False)
    def status(session: nox.Session) -> None:
        """Show what each environment shall serve and does serve; `-- --check` fails on a difference."""
        verb(session, f"mlops.{FLOORS[-1]}", "status")

    @nox.session(default=False)
    def history(session: nox.Session) -> None:
        """Show what served in prod and why: `-- --at 2026-05-03`."""
        verb(session, "mlops.deployment", "history")

    @nox.session(default=False)
    def keys(session: nox.Session) -> None:
        """Make an API key of an environment, or withdraw one."""
        verb(session, "mlops.deployment", "keys")

    @nox.session(default=False)
    def probe(session: nox.Session) -> None:
        """Put the tests of the model to an environment's running endpoint."""
        verb(session, f"mlops.{FLOORS[-1]}", "probe")

    @nox.session(default=False)
    def changed(session: nox.Session) -> None:
        """Tell which environments' files changed since a commit; for workflows."""
        verb(session, "mlops.deployment", "changed")

    @nox.session(default=False)
    def issue(session: nox.Session) -> None:
        """Open an issue at GitHub where what serves is not what Git says, and close it where it is."""
        verb(session, "mlops.deployment", "issue")

    @nox.session(default=False)
    def promote(session: nox.Session) -> None:
        """Open a pull request that brings a model into stage, or `-- prod`."""
        verb(session, "mlops.deployment", "promote")

    @nox.session(default=False)
    def batch(session: nox.Session) -> None:
        """Score a table with the model of prod: `-- --input rows.csv --output scores`."""
        verb(session, "mlops.deployment", "batch")


# Level 4: automated retraining -------------------------------------------------------------------

if OPERATIONS:

    @nox.session(default=False)
    def monitor(session: nox.Session) -> None:
        """Measure what prod (or `-- stage`) served: drift, quality, performance, service; tell breaches."""
        verb(session, "mlops.operations", "monitor")

    @nox.session(default=False)
    def retrain(session: nox.Session) -> None:
        """Do what the monitor's figures ask for: train on recent data and promote, or go back."""
        verb(session, "mlops.operations", "retrain")

    @nox.session(default=False)
    def review(session: nox.Session) -> None:
        """Label what the model is not sure of: the labels become training rows."""
        verb(session, "mlops.operations", "review")

    @nox.session(default=False)
    def experiment(session: nox.Session) -> None:
        """Say what packages show that served, or got copies, side by side; traffic stays as it is."""
        verb(session, "mlops.operations", "experiment")

    @nox.session(default=False)
    def listen(session: nox.Session) -> None:
        """Take the webhooks of MLflow's registry; with `-- --deploy` bring new versions to stage."""
        verb(session, "mlops.operations", "listen")

    @nox.session(default=False)
    def loop(session: nox.Session) -> None:
        """Show the whole loop in minutes, in a clone of its own: train, serve, drift, retrain."""
        verb(session, "mlops.operations", "loop")

    @nox.session(default=False)
    def labels(session: nox.Session) -> None:
        """Take in what turned out to be true of answered requests: `-- prod truth.csv`."""
        verb(session, "mlops.operations", "labels")

    @nox.session(default=False)
    def deliver(session: nox.Session) -> None:
        """Deliver the events that wait, and show which do; `-- --check` fails on what waits for long."""
        verb(session, "mlops.operations", "deliver")

    @nox.session(default=False)
    def heartbeat(session: nox.Session) -> None:
        """Tell of a monitor that did not run; for a schedule of its own, or another machine's."""
        verb(session, "mlops.operations", "heartbeat")
