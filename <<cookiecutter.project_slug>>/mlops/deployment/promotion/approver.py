"""Who let a deployment through at GitHub: who approved it there, or who merged what it deploys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from mlops.deployment.desired.environment import PROD
from mlops.deployment.promotion.github import (
    Json,
    ask,
    connect,
    field,
    place,
    record,
    records,
)
from mlops.deployment.promotion.text import plain
from mlops.quality.errors import UserError


@dataclass(frozen=True)
class Approver:
    """A person at GitHub. `name` is the login, `email` the address that GitHub gives every account:
    nobody can claim either for himself. `url` is where GitHub shows the approval.
    """

    name: str
    email: str
    reason: str
    url: str


def approver(environment: Mapping[str, str], target: str = PROD) -> Approver:
    """Who approved this workflow run's deployment to `target`, or merged the commit that it deploys.

    Asks GitHub, by what a workflow's variables tell. Raises UserError outside a workflow, and where
    nobody has approved: a direct push, or a machine that merged.
    """
    run, commit = (environment.get(f"GITHUB_{key}", "") for key in ("RUN_ID", "SHA"))
    if not run.isdigit() or not commit:
        raise UserError("GITHUB_RUN_ID and GITHUB_SHA are not set: this works in a workflow alone")
    github = connect(environment)
    host = urlsplit(github.server).hostname or ""
    reviews = records(
        ask(github, "GET", place("actions", "runs", run, "approvals"), "actions: read")
    )
    url = f"{github.server}/{github.repository}/actions/runs/{run}"
    if found := from_reviews(reviews, target, host, url):
        return found
    where = place("commits", commit, "pulls")
    pulls = records(ask(github, "GET", where, "pull-requests: read"))
    for each in merged_as(pulls, commit):
        number = place("pulls", field(each, "number"))
        return from_merge(record(ask(github, "GET", number, "pull-requests: read")), host)
    raise UserError(
        f"nobody has approved {commit[:10]} for {target}: no deployment review of run {run}, "
        "and no pull request that was merged as this commit"
    )


def from_reviews(reviews: Sequence[Json], target: str, host: str, url: str) -> Approver | None:
    """The last review of an environment, if it approves; None where there is none.

    `reviews` as GitHub's review history of a run lists them, the oldest first. Raises UserError
    where the last one rejects.
    """
    of_target = [
        each
        for each in reviews
        if target in {field(one, "name") for one in records(each.get("environments"))}
        and each.get("state") in ("approved", "rejected")
    ]
    if not of_target:
        return None
    last = of_target[-1]
    user = record(last.get("user"))
    if last.get("state") == "rejected":
        raise UserError(f"{target}: {field(user, 'login')} has rejected this deployment: {url}")
    reason = plain(field(last, "comment")) or f"approved the deployment: {url}"
    return _person(user, reason, url, host)


def merged_as(pulls: Sequence[Json], commit: str) -> list[Json]:
    """The pull requests that became exactly that commit, of those that GitHub connects with it."""
    return [
        each
        for each in pulls
        if each.get("merged_at") and field(each, "merge_commit_sha") == commit
    ]


def from_merge(pull: Json, host: str) -> Approver:
    """Who merged a pull request; raises UserError where that was a machine."""
    url = field(pull, "html_url")
    reason = f"merged pull request {field(pull, 'number')}: {plain(field(pull, 'title'))}"
    return _person(record(pull.get("merged_by")), reason, url, host)


def _person(user: Json, reason: str, url: str, host: str) -> Approver:
    login, number = field(user, "login"), field(user, "id")
    if not login or not number:
        raise UserError(f"GitHub does not tell who approved: {url}")
    if user.get("type") != "User":
        raise UserError(f"{login} is no person, and cannot approve: {url}")
    return Approver(login, f"{number}+{login}@users.noreply.{host}", reason[:500], url)
