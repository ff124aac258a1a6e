"""`nox -s level`: which demands of its maturity level the project meets, from evidence.

The ladder is the public one of Microsoft's MLOps maturity model and of AWS's paper on continuous
delivery for machine learning. Nothing is met because a box was ticked: each demand looks at files,
the registry or the last runs, and says where it looked.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from rich.markup import escape
from rich.table import Table

from mlops.quality.assets import fetch
from mlops.quality.checks import load_checked
from mlops.quality.errors import UserError
from mlops.quality.project import ROOT, load_project
from mlops.quality.strict import read_yaml
from mlops.quality.terminal import console


@dataclass(frozen=True)
class Finding:
    """Whether a demand is met, and the evidence: where it lies, or what is missing."""

    met: bool
    evidence: str


@dataclass(frozen=True)
class Demand:
    """One statement of the ladder and the look at its evidence."""

    level: int
    text: str
    look: Callable[[Path], Finding]


def main(arguments: list[str]) -> int:
    """Look at the evidence for Level 1; 0 when every demand is met."""
    return show(DEMANDS, arguments)


def show(demands: Sequence[Demand], arguments: list[str]) -> int:
    """Print each demand with its finding; 0 when all are met, 1 when something is missing."""
    parser = argparse.ArgumentParser(
        prog="nox -s level --", description="Show which demands of its level the project meets."
    )
    parser.parse_args(arguments)
    out = console()
    missing = 0
    for number in sorted({demand.level for demand in demands}):
        table = Table(title=f"Level {number}", title_justify="left", show_lines=False)
        for heading in ("", "demand", "evidence, or what is missing"):
            table.add_column(heading, overflow="fold")
        for demand in demands:
            if demand.level == number:
                finding = look(demand, ROOT)
                missing += not finding.met
                mark = "[green]met[/]" if finding.met else "[red]missing[/]"
                table.add_row(mark, demand.text, escape(finding.evidence))
        out.print(table)
    total = len(demands)
    out.print(f"{total - missing} of {total} demands are met")
    return 1 if missing else 0


def look(demand: Demand, root: Path) -> Finding:
    """The finding of one demand; a mistake in a file that it reads is a finding too."""
    try:
        return demand.look(root)
    except UserError as error:
        return Finding(False, str(error))


def workflow_triggers(root: Path, name: str) -> set[str]:
    """The events that start a workflow of the project; raises UserError where there is none."""
    values = read_yaml_workflow(root / ".github" / "workflows" / name)
    events = values.get("on")
    return set(events) if isinstance(events, dict | list) else {str(events)}


def read_yaml_workflow(path: Path) -> dict[str, object]:
    """A workflow file; YAML 1.1 reads its key `on` as the truth value, which is undone here."""
    if not path.is_file():
        raise UserError(f"{path}: no such workflow")
    try:
        values = yaml.safe_load(_text(path))
    except (yaml.YAMLError, ValueError):
        raise UserError(f"{path}: not valid YAML") from None
    if not isinstance(values, dict):
        raise UserError(f"{path}: expected a workflow, found something else")
    return {("on" if key is True else str(key)): value for key, value in values.items()}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise UserError(f"{path}: cannot be read") from None


def _checked_on_push(root: Path) -> Finding:
    missing = {"push", "pull_request"} - workflow_triggers(root, "ci.yml")
    if missing:
        return Finding(
            False, f".github/workflows/ci.yml does not run on {', '.join(sorted(missing))}"
        )
    if not (root / ".git").exists():
        return Finding(False, "the folder is not a Git repository: git init")
    return Finding(True, ".github/workflows/ci.yml runs nox on push and pull request")


def _checked_before_commit(root: Path) -> Finding:
    hooks = read_yaml(root / ".pre-commit-config.yaml").get("repos")
    if not hooks:
        return Finding(False, ".pre-commit-config.yaml names no hook")
    if not (root / ".git" / "hooks" / "pre-commit").is_file():
        return Finding(False, "the hooks are not installed: nox -s hooks")
    return Finding(True, ".pre-commit-config.yaml, installed in .git/hooks")


def _pinned(root: Path) -> Finding:
    locks = sorted((root / "requirements").glob("*.lock"))
    loose = [
        f"{lock.name}: {line.split()[0]}"
        for lock in locks
        for line in _entries(_text(lock))
        if "--hash=sha256:" not in line or "==" not in line
    ]
    if not locks or loose:
        return Finding(False, f"no hash for {loose[0]}" if loose else "no lock: nox -s lock")
    return Finding(True, f"requirements/{locks[-1].name}: every package pinned with hashes")


def _entries(text: str) -> Iterable[str]:
    whole = text.replace("\\\n", " ")
    return [line for line in whole.splitlines() if line.strip() and not line.startswith("#")]


def _data_is_versioned(root: Path) -> Finding:
    project = load_project(root)
    path = fetch(project.asset, project.state / "data")
    asset = project.asset
    digest = asset.tags.sha256[:12]
    return Finding(True, f"{asset.name} version {asset.version}, sha256 {digest}, {path.name}")


def _contract_holds(root: Path) -> Finding:
    project = load_project(root)
    table = load_checked(fetch(project.asset, project.state / "data"), project.contract)
    relations = len(project.contract.relations)
    columns = len(project.contract.columns)
    where = project.settings.contract
    return Finding(
        True, f"{where}: {columns} columns, {relations} relations, kept by {len(table)} rows"
    )


def _notebooks_run(root: Path) -> Finding:
    found = sorted((root / "notebooks").glob("*.ipynb"))
    test = root / "tests" / "code" / "test_notebooks.py"
    if not test.is_file():
        return Finding(False, "tests/code/test_notebooks.py is gone")
    return Finding(True, f"tests/code/test_notebooks.py runs {len(found)} of notebooks/")


def _typed(root: Path) -> Finding:
    try:
        settings = tomllib.loads(_text(root / "pyproject.toml"))
    except tomllib.TOMLDecodeError as error:
        return Finding(False, f"pyproject.toml: not valid TOML: {error}")
    mypy = settings.get("tool", {}).get("mypy", {})
    if mypy.get("strict") is not True or "model" not in mypy.get("files", []):
        return Finding(False, "pyproject.toml: [tool.mypy] is not strict for model/")
    return Finding(True, "pyproject.toml: mypy is strict for model/ and mlops/")


def _scanned(root: Path) -> Finding:
    if "schedule" not in workflow_triggers(root, "audit.yml"):
        return Finding(False, ".github/workflows/audit.yml has no schedule")
    if "secrets" not in _text(root / ".pre-commit-config.yaml"):
        return Finding(False, ".pre-commit-config.yaml does not look for secrets")
    return Finding(True, ".github/workflows/audit.yml on a schedule; a hook before each commit")


DEMANDS = (
    Demand(1, "Every push and pull request is checked by the laptop's commands", _checked_on_push),
    Demand(1, "The same checks run before a commit", _checked_before_commit),
    Demand(1, "The environment is pinned, and rebuilt by one command", _pinned),
    Demand(1, "Data is a named, versioned asset with a digest", _data_is_versioned),
    Demand(1, "The data contract is declared once, and the data keeps it", _contract_holds),
    Demand(1, "Notebooks run from top to bottom in the tests", _notebooks_run),
    Demand(1, "Types are checked where data changes hands", _typed),
    Demand(1, "Secrets and vulnerabilities are looked for on a schedule", _scanned),
)
