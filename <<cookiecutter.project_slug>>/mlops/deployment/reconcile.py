"""`nox -s reconcile`: make an environment's endpoint what the files in Git say.

Idempotent; one at a time for an environment; may be killed at any point and run again. What already
serves goes on serving until something else has shown that it may.
"""

from __future__ import annotations

import argparse
import dataclasses
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from mlops.deployment import history
from mlops.deployment.desired import approval
from mlops.deployment.desired.environment import ENVIRONMENTS, PROD, environment
from mlops.deployment.desired.model_file import DesiredModel, read_model_file
from mlops.deployment.packaging.candidate import read_lineage
from mlops.deployment.packaging.store import fetch, is_whole
from mlops.deployment.rollout.rolling import put_back, roll_out, switch
from mlops.deployment.rollout.site import Site, alone
from mlops.deployment.rollout.stages import by_digest, new_of, options
from mlops.deployment.serving import endpoint
from mlops.deployment.serving.traffic import Traffic
from mlops.quality.errors import UserError
from mlops.quality.project import ROOT, Project, load_project
from mlops.quality.terminal import console
from mlops.training.record import CHAMPION
from mlops.training.registry import registry

REFUSED_TAG = "mlops.rollout_refused"
# A worker that does not follow after so long is hung.
_HUNG_SECONDS = 30.0


@dataclass(frozen=True)
class Outcome:
    """What a reconcile came to. `reason` says why a model was refused; `url` where it serves."""

    environment: str
    desired: DesiredModel | None
    state: Literal["unchanged", "changed", "refused", "stopped", "nothing"]
    changes: tuple[str, ...] = ()
    reason: str = ""
    url: str = ""


def main(arguments: list[str]) -> int:
    """Reconcile the named environments; 1 where one of them was refused what Git asks for."""
    parser = argparse.ArgumentParser(
        prog="nox -s reconcile --",
        description="Make the endpoints what environments/*/model.yml and settings.yml say.",
    )
    parser.add_argument(
        "environments", nargs="*", help=f"of {', '.join(ENVIRONMENTS)} (default: stage prod)"
    )
    parser.add_argument(
        "--retry", action="store_true", help="roll out again what a guard has put back"
    )
    chosen = parser.parse_args(arguments)
    project = load_project(ROOT)
    out = console()
    code = 0
    for name in chosen.environments or ENVIRONMENTS[1:]:
        found = reconcile(project, name, lambda text: out.print(text, markup=False), chosen.retry)
        out.print(told(found), markup=False)
        code = code or int(found.state == "refused")
    return code


def told(found: Outcome) -> str:
    """The outcome as one line."""
    words = {
        "unchanged": "is as Git says",
        "changed": "is now as Git says",
        "refused": "is NOT as Git says",
        "stopped": "has ended: Git names no model for it",
        "nothing": "serves nothing: Git names no model for it",
    }
    serves = f": {found.desired}" if found.desired else ""
    where = f" at {found.url}" if found.url else ""
    why = f": {found.reason}" if found.reason else ""
    return f"{found.environment} {words[found.state]}{serves}{where}{why}"


def reconcile(project: Project, name: str, say, retry: bool = False) -> Outcome:  # type: ignore[no-untyped-def]
    """Make one environment what Git says; raises UserError where that cannot even be tried."""
    chosen = environment(project, name)
    desired = read_model_file(chosen.files)
    if desired and desired.model != project.settings.slug:
        where = chosen.files / "model.yml"
        raise UserError(f"{where}: model: expected {project.settings.slug}, found {desired.model}")
    with alone(chosen):
        site = Site(project, chosen, say)
        if desired is None:
            return _stop(site)
        return _reconcile(site, desired, retry=retry)


def _stop(site: Site) -> Outcome:
    name = site.environment.name
    if not site.clear("Git names no model"):
        return Outcome(name, None, "nothing")
    return Outcome(name, None, "stopped", ("the endpoint was ended",))


def _reconcile(site: Site, desired: DesiredModel, *, retry: bool) -> Outcome:
    traffic = site.traffic()
    if traffic.deployments:
        if site.lost:
            site.restore(traffic)
        _heal_packages(site, traffic)
        traffic = _heal_endpoint(site, traffic)
    else:
        wanted = options(site.environment.settings.serving)
        traffic = dataclasses.replace(traffic, options=wanted)
    serving = traffic.serving()
    is_there = serving is not None and serving.digest == desired.digest and not traffic.rollout
    try:
        package = _package(site, traffic, desired)
        reason = "" if is_there else _refusal(site, desired, package, retry=retry)
    except UserError as error:
        reason = str(error)
    if reason:
        return _refused(site, traffic, desired, reason)
    if traffic.rollout and (target := new_of(traffic)) and target.digest != desired.digest:
        put_back(site, "Git asks for another model now")
        traffic = site.traffic()
    reason = _lead(site, traffic, desired, package)
    if reason:
        _tag_refused(site, desired, reason)
        return _outcome(site, desired, "refused", reason)
    return _outcome(site, desired, "changed" if site.changes else "unchanged")


def _lead(site: Site, traffic: Traffic, desired: DesiredModel, package: Path) -> str:
    """Bring the traffic to the desired model; why it was put back, or nothing."""
    serving, reason = traffic.serving(), ""
    before = history.deployed(site.state, site.environment.name, desired.digest)
    if serving is None:
        site.changed(f"first: {desired}")
        reason = switch(site, traffic, desired, package, "the first model here").reason
    elif serving.digest == desired.digest and not traffic.rollout:
        _heal_shares(site, traffic, desired, package)
        last = history.last_deployed(site.state, site.environment.name)
        if last is not None and last["digest"] == desired.digest:
            return ""
        # a reconcile was cut short between the traffic and the log
    elif before is not None:
        site.changed(f"back to {desired}, which served here before ({before['time']})")
        cause = "back to what served here before"
        reason = switch(site, traffic, desired, package, cause).reason
    else:
        site.changed(f"rollout: version {serving.version} to {desired}")
        reason = roll_out(site, traffic, desired, package).reason
    if reason:
        return reason
    _log_deployed(site, desired, package)
    if site.environment.name == PROD:
        _crown(site, desired)
    return ""


def _heal_shares(site: Site, traffic: Traffic, desired: DesiredModel, package: Path) -> None:
    """Undo what somebody changed by hand, and take over settings that the workers follow."""
    wanted = options(site.environment.settings.serving)
    off = [
        each for each in traffic.deployments if (each.digest == desired.digest) != (each.share == 1)
    ]
    copies = [each for each in traffic.deployments if each.mirror]
    if off or copies or site.lost:
        site.changed("healed: the traffic was not what Git says")
        switch(site, traffic, desired, package, "healed: shares")
    if traffic.options != wanted:
        traffic = site.traffic()
        site.changed("settings of the endpoint taken over")
        site.apply(
            dataclasses.replace(traffic, revision=traffic.revision + 1, options=wanted),
            "settings changed",
        )


def _heal_packages(site: Site, traffic: Traffic) -> None:
    """Fetch anew what was changed on disk; the workers hold what they loaded."""
    for each in traffic.deployments:
        folder = site.environment.packages / each.digest
        if not is_whole(folder, each.digest):
            wanted = DesiredModel(traffic.model, each.version, each.digest, "", "")
            try:
                fetch(site.project, site.environment.packages, wanted)
                site.changed(f"healed: package {each.digest[:12]} was not whole, fetched anew")
            except UserError as error:
                site.say(f"package {each.digest[:12]} is not whole: {error}")


def _heal_endpoint(site: Site, traffic: Traffic) -> Traffic:
    """Have the endpoint run, at its address, with its workers, by the traffic as it is."""
    serving = site.environment.settings.serving
    found = endpoint.find(site.environment)
    if found and (why := endpoint.is_elsewhere(found, serving)):
        site.changed(f"moving: {why}: a short gap")
        endpoint.stop(site.environment)
        found = None
    if found is None:
        site.changed("the endpoint was not running: started")
        found = endpoint.start(site.environment)
    try:
        endpoint.wait_followed(found, traffic.revision, _HUNG_SECONDS)
    except UserError as error:
        if traffic.rollout:
            # the rollout itself says why, and puts back
            return traffic
        site.changed(f"the endpoint was restarted: {error}")
        endpoint.stop(site.environment)
        endpoint.wait_followed(endpoint.start(site.environment), traffic.revision)
    if endpoint.resize(site.environment, found):
        site.changed(f"workers: now {serving.workers}")
        endpoint.wait_followed(found, traffic.revision)
    return traffic


def _refusal(site: Site, desired: DesiredModel, package: Path, *, retry: bool) -> str:
    """Why the environment may not get the model; empty where it may."""
    name, rules = site.environment.name, site.environment.settings.approval
    if history.deployed(site.state, name, desired.digest):
        return ""
    if not retry and (why := history.refused(site.state, name, desired.digest)):
        return f"put back before: {why} (to try again: --retry)"
    if not rules.required:
        return ""
    # what the package itself tells, which its digest covers
    author = read_lineage(package).author
    found = approval.look(site.environment.root, site.environment.files, author, datetime.now(UTC))
    if why := approval.refusal(desired, found, rules):
        return f"{why}: nox -s approve"
    return ""


def _package(site: Site, traffic: Traffic, desired: DesiredModel) -> Path:
    """The folder with the desired package; raises UserError where it is not to be had as desired."""
    folder = site.environment.packages / desired.digest
    known = by_digest(traffic.deployments, desired.digest) or history.deployed(
        site.state, site.environment.name, desired.digest
    )
    # what was let in once needs no registry: a rollback works while that is away
    if known and is_whole(folder, desired.digest):
        return folder
    return fetch(site.project, site.environment.packages, desired)


def _refused(site: Site, traffic: Traffic, desired: DesiredModel, reason: str) -> Outcome:
    serving = traffic.serving()
    if traffic.rollout:
        put_back(site, reason)
    goes_on = f"; version {serving.version} goes on serving" if serving else ""
    site.log("refused", digest=desired.digest, version=desired.version, reason=reason)
    return _outcome(site, desired, "refused", reason + goes_on)


def _outcome(
    site: Site,
    desired: DesiredModel,
    state: Literal["unchanged", "changed", "refused"],
    reason: str = "",
) -> Outcome:
    found = endpoint.find(site.environment)
    url = found.url if found else ""
    return Outcome(site.environment.name, desired, state, tuple(site.changes), reason, url)


def _log_deployed(site: Site, desired: DesiredModel, package: Path) -> None:
    facts = read_lineage(package)
    record = approval.read_approval(site.environment.files)
    approved = record if record and record.digest == desired.digest else None
    # a model that comes back was approved when it came first
    known = history.approved(site.state, site.environment.name, desired.digest)
    site.log(
        history.DEPLOYED,
        model=desired.model,
        version=desired.version,
        digest=desired.digest,
        run=facts.run_id,
        commit=facts.commit,
        data=facts.data,
        data_digest=facts.data_digest,
        trained_by=facts.author,
        approved_by=f"{approved.by} <{approved.email}>" if approved else known["approved_by"],
        approved_at=approved.at if approved else known["approved_at"],
        approval_reason=approved.reason if approved else known["approval_reason"],
    )


def _crown(site: Site, desired: DesiredModel) -> None:
    """Point the registry's champion to what prod serves."""
    try:
        with registry(site.project) as found:
            found.client.set_registered_model_alias(found.model, CHAMPION, desired.version)
    except UserError as error:
        site.say(f"the registry's champion was not moved: {error}")


def _tag_refused(site: Site, desired: DesiredModel, reason: str) -> None:
    try:
        with registry(site.project) as found:
            said = f"{site.environment.name}: {reason}"[:4000]
            found.client.set_model_version_tag(found.model, desired.version, REFUSED_TAG, said)
    except UserError as error:
        site.say(f"the registry's version was not tagged: {error}")
