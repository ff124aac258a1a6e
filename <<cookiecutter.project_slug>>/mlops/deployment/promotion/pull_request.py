"""The pull request of a promotion: found, opened or brought up to date, and its checks started."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from mlops.deployment.promotion.github import (
    GitHub,
    RefusedError,
    ask,
    field,
    place,
    record,
    records,
)
from mlops.quality.errors import UserError

CHECKS = "ci.yml"
WRITE, READ = "pull-requests: write", "pull-requests: read"
ACTIONS = "actions: write"


@dataclass(frozen=True)
class PullRequest:
    """A pull request, as GitHub lists it."""

    number: int
    state: Literal["open", "closed"]
    merged: bool
    title: str
    body: str
    url: str


@dataclass(frozen=True)
class Step:
    """What to do with a promotion's pull request, and why."""

    action: Literal["open", "update", "leave"]
    found: PullRequest | None
    reason: str


def decide(known: Sequence[PullRequest], *, again: bool) -> Step:
    """Whether to open a pull request, to update one, or to leave it at what people decided.

    One that was closed said no; one that was merged, whose model the branch no longer names, was
    rolled back. Neither is asked for a second time by a machine, unless a person says `again`.
    """
    for each in known:
        if each.state == "open":
            return Step("update", each, f"pull request {each.number} is open")
    if known and not again:
        last = max(known, key=lambda each: each.number)
        ended = "was merged, and taken back since" if last.merged else "was closed, not merged"
        return Step("leave", last, f"pull request {last.number} {ended}")
    return Step("open", None, "there is none yet")


def default_branch(github: GitHub) -> str:
    """The repository's default branch."""
    found = field(ask(github, "GET", "", "metadata: read"), "default_branch")
    if not found:
        raise UserError(f"GitHub: {github.repository} has no default branch")
    return found


def of_branch(github: GitHub, branch: str, base: str) -> list[PullRequest]:
    """The pull requests from a branch of the repository itself into `base`, closed ones as well."""
    head = f"{github.owner}:{branch}"
    query = {"state": "all", "head": head, "base": base, "per_page": "100"}
    return [_read(each) for each in records(ask(github, "GET", "/pulls", READ, query=query))]


def open_or_update(
    github: GitHub, step: Step, *, branch: str, base: str, title: str, body: str
) -> PullRequest:
    """Open the pull request, or replace its text; returns it as it is now."""
    found = step.found
    if step.action == "open":
        about = {"title": title, "body": body, "head": branch, "base": base}
        try:
            return _read(record(ask(github, "POST", "/pulls", WRITE, body=about)))
        except RefusedError as error:
            # another call was quicker, or this one's first attempt had arrived
            there = [each for each in of_branch(github, branch, base) if each.state == "open"]
            if error.status != 422 or not there:
                raise
            found = there[0]
    assert found is not None  # noqa: S101 - a step that updates has one
    if (found.title, found.body) == (title, body):
        return found
    where = place("pulls", str(found.number))
    return _read(record(ask(github, "PATCH", where, WRITE, body={"title": title, "body": body})))


def needs_checks(environment: Mapping[str, str]) -> bool:
    """Whether the checks have to be started by hand.

    What a workflow's own token does starts no workflow, so that a required check would be waited
    for for ever; what an App or a person does starts them.
    """
    own = environment.get("GITHUB_ACTIONS") == "true"
    return own and environment.get("MLOPS_APP_TOKEN", "").lower() != "true"


def start_checks(github: GitHub, branch: str, commit: str) -> bool:
    """Start the checks of a branch, unless they ran or run for that commit; whether it did."""
    where = place("actions", "workflows", CHECKS)
    query = {"head_sha": commit, "per_page": "1"}
    runs = record(ask(github, "GET", f"{where}/runs", "actions: read", query=query))
    if records(runs.get("workflow_runs")):
        return False
    ask(github, "POST", f"{where}/dispatches", ACTIONS, body={"ref": branch})
    return True


def _read(each: Mapping[str, object]) -> PullRequest:
    number = each.get("number")
    if not isinstance(number, int):
        raise UserError("GitHub: answered with a pull request that has no number")
    return PullRequest(
        number,
        "open" if each.get("state") == "open" else "closed",
        bool(each.get("merged_at")),
        field(each, "title"),
        field(each, "body"),
        field(each, "html_url"),
    )
