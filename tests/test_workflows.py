"""The workflows of this repository and of the project: safe, valid, and nothing but its commands."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import pytest

from tests.template import PROJECT, ROOT, level_of
from tests.workflow_rules import (
    RULES,
    Rule,
    Workflow,
    actions_are_pinned,
    commands_are,
    commands_are_sessions,
    commands_hold_no_expressions,
    credentials_do_not_persist,
    is_short,
    jobs_end,
    machines_keep_their_state,
    pull_requests_have_one_check,
    read_workflow,
    rights_are_for_few,
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
DEPLOYING = f"""\
on: push
permissions: {{}}
jobs:
  stage:
    runs-on: ${{{{ vars.RUNNER || 'ubuntu-latest' }}}}
    timeout-minutes: 5
    permissions: {{contents: read}}
    environment: stage
    concurrency: {{group: stage, cancel-in-progress: false}}
    steps:
      - uses: {CHECKOUT}
        with: {{persist-credentials: false, clean: "${{{{ vars.RUNNER == '' }}}}"}}
      - run: .venv/bin/nox -s lint
  prod:
    runs-on: ubuntu-latest
    timeout-minutes: 5
    permissions: {{contents: write, pull-requests: write, actions: write}}
    environment: prod
    concurrency: {{group: prod, cancel-in-progress: false}}
    steps:
      - uses: {CHECKOUT}
        with: {{persist-credentials: false}}
      - run: .venv/bin/nox -s promote
        env: {{GITHUB_TOKEN: "${{{{ github.token }}}}"}}
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
def test_a_good_workflow_that_deploys_breaks_no_rule(rule: Rule) -> None:
    assert list(rule(read_workflow(DEPLOYING))) == []


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


DEPLOYING_DEFECTS: list[tuple[str, str, Rule, str]] = [
    ("permissions: {}\n", "permissions: {}\nconcurrency: x\n", runs_do_not_pile_up, "of all env"),
    ("    concurrency: {group: stage,", "    x: {group: stage,", runs_do_not_pile_up, "stage: no"),
    ("group: prod", "group: stage", runs_do_not_pile_up, "two environments share"),
    ("progress: false}\n    steps", "progress: true}\n    steps", runs_do_not_pile_up, "neither"),
    ("contents: write, ", "contents: read, ", rights_are_least, "prod: permissions are not"),
    ("{contents: read}", "{contents: write}", rights_are_least, "stage: permissions are not"),
    ("-s promote", "-s promote lint", rights_are_for_few, "prod: may write, and runs"),
    ("nox -s promote", "nox", rights_are_for_few, "prod: may write, and runs .venv/bin/nox"),
    ("nox -s promote", "nox -s lint", rights_are_for_few, "for what asks nothing"),
    ("env: {GITHUB_TOKEN", "x: {GITHUB_TOKEN", rights_are_for_few, "no token for promote"),
    (
        "    environment: prod\n",
        "    env: {X: '${{ github.token }}'}\n",
        rights_are_for_few,
        "more",
    ),
    ("-s lint", "-s lint -- ${{ inputs.x }}", commands_hold_no_expressions, "an expression in"),
    ("vars.RUNNER == ''", "vars.OTHER == ''", machines_keep_their_state, "deletes what RUNNER"),
    (", clean: ", ", x: ", machines_keep_their_state, "stage: the checkout deletes"),
]


@pytest.mark.parametrize(
    ("good", "bad", "rule", "said"),
    DEPLOYING_DEFECTS,
    ids=[f"{bad.strip()[:30]}" for _, bad, *_ in DEPLOYING_DEFECTS],
)
def test_a_defect_of_what_deploys_is_named(good: str, bad: str, rule: Rule, said: str) -> None:
    assert good in DEPLOYING
    broken = list(rule(read_workflow(DEPLOYING.replace(good, bad, 1))))
    assert any(said in line for line in broken), broken


def theirs(name: str) -> Workflow:
    path = PROJECT / ".github" / "workflows" / f"{name}.yml"
    return read_workflow(path.read_text(encoding="utf-8"))


def ran(workflow: Workflow, job: str) -> list[str]:
    """The commands of a job, in their order, without the folder that nox lies in."""
    steps = cast(list[Mapping[str, object]], workflow.jobs[job]["steps"])
    return [str(step["run"]).removeprefix(".venv/bin/") for step in steps if "run" in step]


@pytest.mark.parametrize(
    ("name", "level"),
    [("ci", 1), ("audit", 1), ("train", 2), ("deploy", 3), ("monitor", 4), ("retrain", 4)],
)
def test_each_level_brings_its_workflows(name: str, level: int) -> None:
    assert level_of(f".github/workflows/{name}.yml") == level
    assert {path.stem for path in THEIRS} >= {name}


def test_a_workflow_uses_what_its_level_has() -> None:
    """A session of a higher level stands behind a condition that is false below."""
    train = theirs("train")
    gate = next(
        s for s in cast(list[Mapping[str, object]], train.jobs["train"]["steps"]) if "id" in s
    )
    assert (gate["run"], gate["if"]) == (
        ".venv/bin/nox -s qualify",
        "hashFiles('mlops/deployment/**') != ''",
    )
    assert train.jobs["train"]["outputs"] == {"gate": "${{ steps.gate.outcome }}"}
    assert str(train.jobs["promote"]["if"]).startswith("needs.train.outputs.gate == 'success' && ")


def test_a_merge_is_deployed_stage_before_prod_and_not_cancelled() -> None:
    deploy = theirs("deploy")
    on = cast(Mapping[str, Mapping[str, object]], deploy.triggers)
    assert set(on) == {"push", "workflow_dispatch"}
    assert on["push"] == {"branches": ["main"], "paths": ["environments/**"]}
    for name in ("stage", "prod"):
        job = deploy.jobs[name]
        assert job["environment"] == name
        assert job["concurrency"] == {"group": f"deploy-{name}", "cancel-in-progress": False}
        assert f"needs.changed.outputs.{name} == 'true'" in str(job["if"])
    assert deploy.jobs["prod"]["needs"] == ["changed", "stage"]
    for word in ("!cancelled()", "!failure()", "needs.stage.result != 'cancelled'"):
        assert word in str(deploy.jobs["prod"]["if"]), "a skipped stage is no obstacle, a failed is"
    assert ran(deploy, "changed") == ['nox -s changed -- --since "$BEFORE"']
    assert ran(deploy, "stage") == ["nox -s reconcile probe -- stage"]
    assert ran(deploy, "prod") == [
        "nox -s approve -- --from-github",
        "nox -s reconcile probe -- prod",
    ]
    assert deploy.jobs["promote"]["needs"] == "stage"
    assert ran(deploy, "promote") == ["nox -s promote -- prod"]


def test_a_merged_promotion_starts_no_training() -> None:
    on = cast(Mapping[str, Mapping[str, list[str]]], theirs("train").triggers)
    paths = on["push"]["paths"]
    # the last pattern that fits a path decides
    assert paths.index("!environments/dev/model.yml") > paths.index("environments/dev/**")
    assert not any(path.startswith(("environments/stage", "environments/prod")) for path in paths)


def test_an_event_starts_a_retraining_that_asks_for_its_promotion() -> None:
    retrain = theirs("retrain")
    on = cast(Mapping[str, Mapping[str, object]], retrain.triggers)
    types = ["data_drift", "prediction_drift", "performance"]
    assert on["repository_dispatch"] == {"types": types}
    events = (PROJECT / "mlops/operations/events/event.py").read_text()
    assert all(f'"{kind}"' in events for kind in types)
    assert retrain.content["concurrency"] == {"group": "retrain", "cancel-in-progress": False}
    assert retrain.jobs["promote"]["needs"] == "retrain"
    assert ran(retrain, "promote") == ran(theirs("train"), "promote") == ["nox -s promote -- stage"]


def test_a_monitor_has_a_watch_of_another_rhythm() -> None:
    monitor = theirs("monitor")
    on = cast(Mapping[str, list[Mapping[str, str]]], monitor.triggers)
    hourly, watch = (each["cron"] for each in on["schedule"])
    assert hourly != watch
    assert f"github.event.schedule != '{watch}'" in str(monitor.jobs["monitor"]["if"])
    assert watch not in str(monitor.jobs["tell"]["if"])
    assert "!cancelled()" in str(monitor.jobs["tell"]["if"]), "a monitor that failed is told, too"
    assert ran(monitor, "monitor") == ["nox -s monitor"]
    assert [line.split(" --")[0] for line in ran(monitor, "tell")] == [
        "nox -s heartbeat",
        "nox -s deliver",
        "nox -s issue",
    ]


def test_the_checks_of_a_pull_request_can_be_started_by_name() -> None:
    assert "workflow_dispatch" in cast(Mapping[str, object], theirs("ci").triggers)
    asking = (PROJECT / "mlops/deployment/promotion/pull_request.py").read_text()
    assert 'CHECKS = "ci.yml"' in asking


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
