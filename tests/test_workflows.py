"""The workflows of this repository and of the project: safe, valid, and nothing but its commands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.template import PROJECT, ROOT
from tests.workflow_rules import (
    RULES,
    Rule,
    actions_are_pinned,
    commands_are,
    commands_are_sessions,
    credentials_do_not_persist,
    is_short,
    jobs_end,
    pull_requests_have_one_check,
    read_workflow,
    rights_are_least,
    runs_do_not_pile_up,
    sessions_of,
    versions_are_text,
)

OURS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
THEIRS = sorted((PROJECT / ".github" / "workflows").glob("*.yml"))
ACTIONS = sorted((PROJECT / ".github" / "actions").glob("*/action.yml"))
BINARIES = Path(sys.executable).parent

CHECKOUT = "actions/checkout@de0fac2e4500dabe0009e67214ff5f5447ce83dd # v6.0.2"
GOOD = f"""\
on:
  pull_request:
permissions: {{}}
concurrency:
  group: ci-${{{{ github.ref }}}}
  cancel-in-progress: ${{{{ github.event_name == 'pull_request' }}}}
jobs:
  checks:
    runs-on: ubuntu-latest
    timeout-minutes: 5
    permissions:
      contents: read
    strategy:
      matrix:
        python: ["3.11"]
    steps:
      - uses: {CHECKOUT}
        with:
          persist-credentials: false
      - uses: ./.github/actions/setup
      - run: .venv/bin/nox -s lint types
  pass:
    if: always()
    needs: [checks]
    runs-on: ubuntu-latest
    timeout-minutes: 5
    steps:
      - env:
          RESULT: ${{{{ needs.checks.result }}}}
        run: test "$RESULT" = success
"""


def id_of(value: object) -> str:
    if isinstance(value, Path):
        return value.relative_to(ROOT).as_posix().replace(f"{PROJECT.name}/", "project/")
    return getattr(value, "__name__", str(value))


def sessions() -> Rule:
    return commands_are_sessions({"lint", "types"})


@pytest.mark.parametrize("rule", [*RULES, sessions()], ids=id_of)
def test_a_good_workflow_breaks_no_rule(rule: Rule) -> None:
    assert list(rule(read_workflow(GOOD))) == []


@pytest.mark.parametrize("rule", RULES, ids=id_of)
@pytest.mark.parametrize("path", [*OURS, *THEIRS], ids=id_of)
def test_workflow_keeps_the_rule(path: Path, rule: Rule) -> None:
    assert list(rule(read_workflow(path.read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize("path", THEIRS, ids=id_of)
def test_every_command_is_a_session_of_the_project(path: Path) -> None:
    known = sessions_of((PROJECT / "noxfile.py").read_text(encoding="utf-8"))
    workflow = read_workflow(path.read_text(encoding="utf-8"))
    assert list(commands_are_sessions(known)(workflow)) == []


@pytest.mark.parametrize("path", OURS, ids=id_of)
def test_ours_runs_the_test_command_of_the_readme(path: Path) -> None:
    """`.ci/run` reads the command from README.md."""
    workflow = read_workflow(path.read_text(encoding="utf-8"))
    assert list(commands_are("bash .ci/run")(workflow)) == []


DEFECTS: list[tuple[str, str, Rule, str]] = [
    (CHECKOUT, "actions/checkout@v6", actions_are_pinned, "not pinned"),
    (CHECKOUT, "actions/checkout@main # v6.0.2", actions_are_pinned, "not pinned"),
    (" # v6.0.2", "", actions_are_pinned, "no version in a comment"),
    ("    timeout-minutes: 5\n    perm", "    perm", jobs_end, "checks: no timeout"),
    ("permissions: {}\n", "", rights_are_least, "not at the top"),
    ("contents: read", "contents: write", rights_are_least, "checks: permissions are not"),
    ("contents: read", "issues: read", rights_are_least, "checks: permissions are not"),
    ("persist-credentials: false", "fetch-depth: 0", credentials_do_not_persist, "is not false"),
    ('["3.11"]', "[3.10]", versions_are_text, "3.1 is a number"),
    ("  group: ci-${{ github.ref }}\n", "", runs_do_not_pile_up, "no concurrency group"),
    (" ${{ github.event_name == 'pull_request' }}", " true", runs_do_not_pile_up, "neither"),
    ("  pass:", "  last:", pull_requests_have_one_check, "no job named pass"),
    ("needs: [checks]", "needs: []", pull_requests_have_one_check, "need all of checks"),
    ("    if: always()\n", "", pull_requests_have_one_check, "counts as passed"),
    ("needs.checks.result", "needs.other.result", pull_requests_have_one_check, "the result"),
    ("jobs:\n", "jobs:\n" + "\n" * 60, is_short, "at most 60"),
    (".venv/bin/nox -s lint types", "pytest", sessions(), "'pytest' is no nox session"),
    ("-s lint types", "-s lint; curl x | sh", sessions(), "is no nox session"),
    ("-s lint types", "-s lint deploy", sessions(), "there is no session deploy"),
    ("nox -s lint types", "nox", commands_are("nox"), "is not 'nox'"),
]


@pytest.mark.parametrize(
    ("good", "bad", "rule", "said"), DEFECTS, ids=[f"{bad.strip()[:30]}" for _, bad, *_ in DEFECTS]
)
def test_a_defect_is_named(good: str, bad: str, rule: Rule, said: str) -> None:
    assert good in GOOD
    broken = list(rule(read_workflow(GOOD.replace(good, bad, 1))))
    assert any(said in line for line in broken), broken


def test_sessions_behind_a_condition_count() -> None:
    text = "@nox.session\ndef a(s): ...\nif X:\n    @nox.session(default=False)\n    def b(s): ..."
    assert sessions_of(f"{text}\ndef c(s): ...\n") == {"a", "b"}


def tool(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(BINARIES / name), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def zizmor(folder: Path) -> subprocess.CompletedProcess[str]:
    settings = ["--config", str(ROOT / "tests" / "zizmor.yml"), "--no-progress", "--offline"]
    return tool("zizmor", *settings, "--collect=all", str(folder))


@pytest.mark.parametrize("folder", [ROOT / ".github", PROJECT / ".github"], ids=id_of)
def test_zizmor_finds_nothing(folder: Path) -> None:
    done = zizmor(folder)
    assert done.returncode == 0, done.stdout + done.stderr


def test_zizmor_blocks_an_injection(tmp_path: Path) -> None:
    (tmp_path / ".github" / "workflows").mkdir(parents=True)
    bad = GOOD.replace("run: .venv/bin/nox", "run: echo ${{ github.event.pull_request.title }}")
    (tmp_path / ".github" / "workflows" / "ci.yml").write_text(bad)
    done = zizmor(tmp_path)
    assert done.returncode != 0
    assert "template-injection" in done.stdout


SCHEMAS = [
    *[(path, "github-workflows") for path in [*OURS, *THEIRS]],
    *[(path, "github-actions") for path in ACTIONS],
    *[(folder / ".github" / "dependabot.yml", "dependabot") for folder in (ROOT, PROJECT)],
]


@pytest.mark.parametrize(("path", "schema"), SCHEMAS, ids=id_of)
def test_file_keeps_its_schema(path: Path, schema: str) -> None:
    done = tool("check-jsonschema", "--builtin-schema", f"vendor.{schema}", str(path))
    assert done.returncode == 0, done.stdout


def test_the_schema_blocks_an_unknown_key(tmp_path: Path) -> None:
    path = tmp_path / "ci.yml"
    path.write_text(GOOD.replace("timeout-minutes", "timeout"))
    done = tool("check-jsonschema", "--builtin-schema", "vendor.github-workflows", str(path))
    assert done.returncode != 0


def test_the_set_up_installs_with_hashes() -> None:
    (action,) = ACTIONS
    text = action.read_text(encoding="utf-8")
    assert "--require-hashes -r requirements/quality.lock" in text
    assert list(actions_are_pinned(read_workflow("jobs: {}\n" + text))) == []
