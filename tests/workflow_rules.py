"""What every workflow keeps to: pure functions from a workflow to the rules that it breaks."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

import yaml

Node = Mapping[str, object]

LONGEST = 60  # lines
_PINNED = re.compile(r"\./[\w./-]+|[\w.-]+/[\w./-]+@[0-9a-f]{40}")
_PINNED_LINE = re.compile(r"uses: (\./\S+|\S+@[0-9a-f]{40} # v\d+\.\d+\.\d+)$")
_NOX = re.compile(r"(?:\.venv/bin/)?nox(?: -s(?P<sessions>(?: \w+)+))?(?: -- .+)?")
# What a session asks of GitHub, by the rights of its token. All others get no token at all.
RIGHTS: Mapping[str, Mapping[str, str]] = {
    "promote": {"contents": "write", "pull-requests": "write", "actions": "write"},
    "approve": {"actions": "read", "pull-requests": "read"},
    "deliver": {"contents": "write"},
    "issue": {"issues": "write"},
}
# The one job that is no command of the project: it turns the others' results into one check.
GATHERING = "pass"
GATHERED = 'test "$RESULT" = success'


@dataclass(frozen=True)
class Workflow:
    """A workflow file: its text and what the text says."""

    text: str
    content: Node

    @property
    def jobs(self) -> Mapping[str, Node]:
        return cast(Mapping[str, Node], self.content["jobs"])

    @property
    def triggers(self) -> object:
        # YAML 1.1 reads the key `on` as true.
        return self.content.get("on", cast(Mapping[object, object], self.content).get(True))


Rule = Callable[[Workflow], Iterator[str]]


def read_workflow(text: str) -> Workflow:
    """Parse a workflow's text."""
    return Workflow(text, cast(Node, yaml.safe_load(text)))


def sessions_of(noxfile: str) -> set[str]:
    """The names of the sessions that a noxfile's text defines, those behind an `if` included."""
    return {
        node.name
        for node in ast.walk(ast.parse(noxfile))
        if isinstance(node, ast.FunctionDef)
        and any("session" in ast.unparse(decorator) for decorator in node.decorator_list)
    }


def steps_of(job: Node) -> list[Node]:
    """The steps of a job, none for one that calls another workflow."""
    return cast(list[Node], job.get("steps", []))


def actions_are_pinned(workflow: Workflow) -> Iterator[str]:
    """An action is named by its full commit, with the version as a comment."""
    for job in workflow.jobs.values():
        for used in [job, *steps_of(job)]:
            if "uses" in used and not _PINNED.fullmatch(str(used["uses"])):
                yield f"{used['uses']}: not pinned to a commit"
    for line in workflow.text.splitlines():
        if "uses:" in line and not _PINNED_LINE.search(line):
            yield f"{line.strip()}: no version in a comment"


def jobs_end(workflow: Workflow) -> Iterator[str]:
    """Every job has a time limit."""
    for name, job in workflow.jobs.items():
        if not isinstance(job.get("timeout-minutes"), int):
            yield f"{name}: no timeout-minutes"


def rights_are_least(workflow: Workflow) -> Iterator[str]:
    """Nothing by default; a job that checks out may read, and else what its sessions ask of GitHub."""
    if workflow.content.get("permissions") != {}:
        yield "permissions: {} is not at the top"
    for name, job in workflow.jobs.items():
        checks_out = any("actions/checkout" in str(step.get("uses")) for step in steps_of(job))
        expected = {"contents": "read"} if checks_out else {}
        for session in (one for step in steps_of(job) for one in _sessions(step)):
            expected |= RIGHTS.get(session, {})
        if job.get("permissions", {}) != expected:
            yield f"{name}: permissions are not {expected}"


def rights_are_for_few(workflow: Workflow) -> Iterator[str]:
    """Where a job may write, no code of the project's own runs; a token is for whom it is given to."""
    everywhere = [workflow.content, *workflow.jobs.values()]
    if any("github.token" in str(each.get("env")) for each in everywhere):
        yield "a token is in the environment of more than a step"
    for name, job in workflow.jobs.items():
        writes = "write" in cast(Node, job.get("permissions", {})).values()
        for step in steps_of(job):
            sessions = set(_sessions(step))
            asks = sessions and sessions <= {*RIGHTS, "heartbeat"}
            if writes and "run" in step and not asks:
                yield f"{name}: may write, and runs {step['run']}"
            given = "github.token" in str(step.get("env"))
            if given and not (sessions and sessions <= set(RIGHTS)):
                yield f"{name}: a token for what asks nothing of GitHub"
            if not given and sessions & set(RIGHTS):
                yield f"{name}: no token for {', '.join(sorted(sessions))}"


def commands_hold_no_expressions(workflow: Workflow) -> Iterator[str]:
    """What others can write, such as a title, reaches a command through its environment alone."""
    for name, command in _commands(workflow):
        if "${{" in command:
            yield f"{name}: an expression in {command!r}"


def machines_keep_their_state(workflow: Workflow) -> Iterator[str]:
    """On a machine of one's own a checkout leaves what Git ignores: endpoints, audit log, server."""
    for name, job in workflow.jobs.items():
        variable = re.search(r"vars\.(\w+)", str(job.get("runs-on")))
        for step in steps_of(job):
            if variable and "actions/checkout" in str(step.get("uses")):
                clean = cast(Node, step.get("with", {})).get("clean", True)
                if clean not in (False, f"${{{{ vars.{variable[1]} == '' }}}}"):
                    yield f"{name}: the checkout deletes what {variable[1]} keeps"


def credentials_do_not_persist(workflow: Workflow) -> Iterator[str]:
    """A checkout leaves no token behind for later steps."""
    for name, job in workflow.jobs.items():
        for step in steps_of(job):
            kept = cast(Node, step.get("with", {})).get("persist-credentials", True)
            if "actions/checkout" in str(step.get("uses")) and kept is not False:
                yield f"{name}: persist-credentials is not false"


def versions_are_text(workflow: Workflow) -> Iterator[str]:
    """A version is quoted: unquoted, 3.10 is 3.1."""
    for path, value in _leaves(workflow.content, ""):
        if re.search(r"python|version", path) and isinstance(value, float | int):
            yield f"{path[1:]}: {value} is a number"


def runs_do_not_pile_up(workflow: Workflow) -> Iterator[str]:
    """Concurrency is declared, and only a pull request's runs are cancelled.

    What deploys declares it for each environment: of the runs that wait GitHub keeps the newest
    alone, and a group of the whole workflow would lose what only an older one changed.
    """
    declared = workflow.content.get("concurrency")
    deploying = {name: job for name, job in workflow.jobs.items() if "environment" in job}
    groups = {name: job.get("concurrency") for name, job in deploying.items()} or {"": declared}
    if deploying and declared is not None:
        yield "a concurrency group of all environments"
    if deploying and len({str(group) for group in groups.values()}) < len(groups):
        yield "two environments share a concurrency group"
    wanted = "${{ github.event_name == 'pull_request' }}"
    allowed = (False,) if deploying else (False, wanted)
    for name, group in groups.items():
        if not isinstance(group, Mapping) or "group" not in group:
            yield f"{name}: no concurrency group".removeprefix(": ")
        elif group.get("cancel-in-progress") not in allowed:
            yield f"cancel-in-progress is neither {' nor '.join(map(str, allowed)).lower()}"


def pull_requests_have_one_check(workflow: Workflow) -> Iterator[str]:
    """A workflow of pull requests ends in one job that all others lead to, also when they fail."""
    triggers = workflow.triggers
    if not isinstance(triggers, Mapping) or "pull_request" not in triggers:
        return
    last = workflow.jobs.get(GATHERING)
    if last is None:
        yield f"no job named {GATHERING}"
        return
    others = set(workflow.jobs) - {GATHERING}
    if set(cast(list[str], last.get("needs", []))) != others:
        yield f"{GATHERING}: does not need all of {', '.join(sorted(others))}"
    if last.get("if") != "always()":
        yield f"{GATHERING}: is skipped, which counts as passed, when another job fails"
    results = {str(cast(Node, step.get("env", {})).get("RESULT")) for step in steps_of(last)}
    if results != {f"${{{{ needs.{other}.result }}}}" for other in others}:
        yield f"{GATHERING}: does not look at the result of every job"


def commands_are_sessions(sessions: set[str]) -> Rule:
    """The rule that every command is `nox`, with sessions that exist."""

    def rule(workflow: Workflow) -> Iterator[str]:
        for name, command in _commands(workflow):
            if name == GATHERING and command == GATHERED:
                continue
            found = _NOX.fullmatch(command)
            if found is None:
                yield f"{name}: {command!r} is no nox session"
                continue
            for session in (found["sessions"] or "").split():
                if session not in sessions:
                    yield f"{name}: there is no session {session}"

    return rule


def commands_are(expected: str) -> Rule:
    """The rule that there is one command, this one."""

    def rule(workflow: Workflow) -> Iterator[str]:
        for name, command in _commands(workflow):
            if command != expected and not (name == GATHERING and command == GATHERED):
                yield f"{name}: {command!r} is not {expected!r}"

    return rule


def is_short(workflow: Workflow) -> Iterator[str]:
    """A workflow is read whole by whoever reviews it."""
    if (lines := len(workflow.text.splitlines())) > LONGEST:
        yield f"{lines} lines, at most {LONGEST}"


RULES: tuple[Rule, ...] = (
    actions_are_pinned,
    jobs_end,
    rights_are_least,
    rights_are_for_few,
    commands_hold_no_expressions,
    machines_keep_their_state,
    credentials_do_not_persist,
    versions_are_text,
    runs_do_not_pile_up,
    pull_requests_have_one_check,
    is_short,
)


def _sessions(step: Node) -> list[str]:
    found = _NOX.fullmatch(str(step.get("run", "")).strip())
    return (found["sessions"] or "").split() if found else []


def _commands(workflow: Workflow) -> Iterator[tuple[str, str]]:
    for name, job in workflow.jobs.items():
        for step in steps_of(job):
            if "run" in step:
                yield name, str(step["run"]).strip()


def _leaves(node: object, path: str) -> Iterator[tuple[str, object]]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _leaves(value, f"{path}.{key}")
    elif isinstance(node, list):
        for value in node:
            yield from _leaves(value, path)
    else:
        yield path, node
