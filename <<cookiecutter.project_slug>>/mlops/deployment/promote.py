"""`nox -s promote`: ask for a model's promotion by a pull request of one branch and one change."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from mlops.deployment import audit_log
from mlops.deployment.deploy import desired_of
from mlops.deployment.desired import repository
from mlops.deployment.desired.environment import ENVIRONMENTS, STAGE
from mlops.deployment.desired.model_file import FILE, DesiredModel, read_model_file
from mlops.deployment.promotion import branch, evidence, pull_request
from mlops.deployment.promotion.branch import Remote
from mlops.deployment.promotion.declared import begin, declared
from mlops.deployment.promotion.evidence import gather
from mlops.deployment.promotion.github import GitHub, connect
from mlops.deployment.promotion.remote import git_variables, remote_of
from mlops.deployment.promotion.text import Proposal, body, title
from mlops.quality.errors import UserError
from mlops.quality.project import ROOT, Project, load_project
from mlops.quality.terminal import console
from mlops.training import provenance
from mlops.training.registry import registry

EVENT = "promotion_asked"


def main(arguments: list[str]) -> int:
    """Open or update the pull request; 0 also where there is nothing to ask for."""
    parser = argparse.ArgumentParser(
        prog="nox -s promote --",
        description="Write which model an environment shall serve on a branch of its own, push it, "
        "and open a pull request that tells what changes and why. For stage it is the newest "
        "version that passed the gate; for prod the one that environments/stage/model.yml names "
        "in Git. A second call updates the same pull request.",
    )
    parser.add_argument("environment", choices=ENVIRONMENTS[1:])
    parser.add_argument("--version", help="another version that passed (for stage)")
    parser.add_argument(
        "--again", action="store_true", help="ask also where people have said no to it before"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print it, against the commit that is checked out"
    )
    options = parser.parse_args(arguments)
    if options.version and options.environment != STAGE:
        parser.error("--version: prod gets what stage has: nox -s promote -- stage --version N")
    project = load_project(ROOT)
    repository.require_repository(project.root)
    asked = Asked(project, console(), options.environment, options.version, os.environ)
    if options.dry_run:
        return show(asked)
    return promote(asked, connect(os.environ, project.root), again=options.again)


@dataclass(frozen=True)
class Asked:
    """What somebody asks for: an environment, and a version of that number or None."""

    project: Project
    out: Console
    target: str
    version: str | None
    environment: Mapping[str, str]

    @property
    def root(self) -> Path:
        """The project's folder."""
        return self.project.root.resolve()

    @property
    def names(self) -> tuple[str, ...]:
        """The environments whose files change; dev names what was promoted last."""
        return ENVIRONMENTS[:2] if self.target == STAGE else (self.target,)

    def say(self, text: str) -> None:
        """Print a line as it is."""
        self.out.print(text, markup=False, soft_wrap=True)


def show(asked: Asked) -> int:
    """Print what would be asked for; nothing is fetched, pushed or sent."""
    base = repository.git(asked.root, "rev-parse", "HEAD").strip()
    proposal = propose(asked, base)
    if not proposal.changes:
        asked.say(_nothing(asked, proposal.desired, "the commit that is checked out"))
        return 0
    asked.say(f"branch  {branch.branch_name(asked.target, proposal.desired)}")
    asked.say(f"title   {title(proposal)}\n\n{body(proposal)}")
    return 0


def promote(asked: Asked, github: GitHub, *, again: bool) -> int:
    """Push the branch and open or update its pull request, as far as they are not so already."""
    root = asked.root
    remote = _remote(root, github)
    into = pull_request.default_branch(github)
    base = remote.tip(into)
    if not base:
        raise UserError(f"remote {remote.name} has no branch {into}: push it first")
    proposal = propose(asked, base)
    desired = proposal.desired
    if not proposal.changes:
        asked.say(_nothing(asked, desired, into))
        return 0
    name = branch.branch_name(asked.target, desired)
    step = pull_request.decide(pull_request.of_branch(github, name, into), again=again)
    if step.action == "leave":
        asked.say(f"{title(proposal)}: {step.reason}; --again asks once more")
        return 0
    commit = _push(asked, remote, base, proposal)
    found = pull_request.open_or_update(
        github, step, branch=name, base=into, title=title(proposal), body=body(proposal)
    )
    asked.say(f"{found.url or f'pull request {found.number}'}  {title(proposal)}")
    if pull_request.needs_checks(asked.environment) and pull_request.start_checks(
        github, name, commit
    ):
        asked.say(f"started {pull_request.CHECKS} for {name}")
    _log(asked, proposal, name, commit, found.url)
    _summarise(asked, proposal)
    return 0


def propose(asked: Asked, base: str) -> Proposal:
    """The promotion with its evidence; without changes where `base` says so already."""
    project, target = asked.project, asked.target
    before = ENVIRONMENTS[ENVIRONMENTS.index(target) - 1]
    of_stage = None if target == STAGE else _served_before(asked.root, before)
    with registry(project) as found:
        if of_stage is None:
            version = evidence.passed(found, asked.version)
            desired = desired_of(project, version)
        else:
            version, desired = evidence.of_desired(found, of_stage), of_stage
        changes = tuple(branch.changes(asked.root, base, asked.names, desired))
        # dev has no endpoint of its own, where tests could have passed
        tested = "" if target == STAGE else before
        url = _run_url(asked.environment)
        return gather(
            project,
            found,
            version,
            desired,
            target=target,
            changes=changes,
            declared=declared(asked.root, base, version.tags.get("mlops.commit", "")),
            before=tested,
            run_url=url,
        )


def _served_before(root: Path, name: str) -> DesiredModel:
    folder = root / "environments" / name
    desired = read_model_file(folder)
    if desired is None:
        raise UserError(
            f"{folder / FILE}: there is nothing to promote yet: nox -s promote -- {name}"
        )
    if not repository.is_committed(root, folder / FILE):
        raise UserError(f"{folder / FILE}: has changes that no commit holds")
    return desired


def _remote(root: Path, github: GitHub) -> Remote:
    name = remote_of(root)
    url = repository.git(root, "remote", "get-url", "--push", name).strip()
    return Remote(root, name, git_variables(url, github.server, github.token))


def _push(asked: Asked, remote: Remote, base: str, proposal: Proposal) -> str:
    """Have the remote's branch bring this promotion; returns its commit."""
    desired = proposal.desired
    name = branch.branch_name(asked.target, desired)
    tip = remote.tip(name)
    if branch.is_as_wanted(
        asked.root,
        tip,
        base,
        names=asked.names,
        wanted=desired,
        declared=proposal.declared,
    ):
        return tip
    message = f"{title(proposal)}\n\nPackage {desired.digest}"
    start = begin(asked.root, base, proposal.declared)
    made = branch.make_commit(asked.root, start, proposal.changes, desired, message)
    remote.push(made, name, tip)
    asked.say(f"pushed {made[:10]} to {name}")
    return made


def _nothing(asked: Asked, desired: DesiredModel, where: str) -> str:
    return f"{asked.target} names {desired} already on {where}: nothing to promote"


def _run_url(environment: Mapping[str, str]) -> str:
    """The workflow run that asks; empty outside one."""
    server, repo, run = (
        environment.get(f"GITHUB_{key}", "") for key in ("SERVER_URL", "REPOSITORY", "RUN_ID")
    )
    return f"{server}/{repo}/actions/runs/{run}" if server and repo and run.isdigit() else ""


def _log(asked: Asked, proposal: Proposal, name: str, commit: str, url: str) -> None:
    desired = proposal.desired
    facts = {
        "environment": asked.target,
        "version": desired.version,
        "digest": desired.digest,
        "branch": name,
        "commit": commit,
        "pull_request": url,
        "note": proposal.cause,
        "by": provenance.author(asked.root),
    }
    audit_log.append(asked.project.state, EVENT, facts)


def _summarise(asked: Asked, proposal: Proposal) -> None:
    """The text once more, on the page of the workflow's run."""
    if path := asked.environment.get("GITHUB_STEP_SUMMARY"):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(f"# {title(proposal)}\n\n{body(proposal)}\n")
