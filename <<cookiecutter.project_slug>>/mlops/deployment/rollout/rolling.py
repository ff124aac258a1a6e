"""Rolling a new model out: stage by stage, each with its guards; a guard that fails puts all back."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path

from mlops.deployment import history
from mlops.deployment.desired.model_file import DesiredModel
from mlops.deployment.rollout.guards import Verdict, judge
from mlops.deployment.rollout.replay import golden_rows, replay
from mlops.deployment.rollout.site import Site
from mlops.deployment.rollout.stages import (
    Step,
    deployment_for,
    new_of,
    old_of,
    settled,
    staged,
    steps,
)
from mlops.deployment.serving import endpoint
from mlops.deployment.serving.counts import Counted, Counts, key, since
from mlops.deployment.serving.told import all_counts, read_told
from mlops.deployment.serving.traffic import Deployment, Traffic
from mlops.quality.errors import UserError

_LOOK_SECONDS = 0.1
# So many requests show that too many fail, before a stage is over.
_EARLY = 20


@dataclass(frozen=True)
class Rolled:
    """How a rollout ended; `reason` is empty where the new model serves."""

    reason: str


def roll_out(site: Site, traffic: Traffic, desired: DesiredModel, package: Path) -> Rolled:
    """Lead the traffic to a model through all stages, or go on where a rollout was cut short."""
    rollout = site.environment.settings.rollout
    plan = steps(rollout)
    at = traffic.rollout.stage if traffic.rollout else 0
    before = all_counts(read_told(site.folder))
    for number in range(min(at, len(plan) - 1), len(plan)):
        step = plan[number]
        site.say(f"stage {number + 1} of {len(plan)}: {step}")
        try:
            traffic = staged(traffic, desired, number, step)
            site.apply(traffic, f"stage {number + 1} of {len(plan)}: {step}")
            verdicts = _watch(site, traffic, step, before)
        except UserError as error:
            return _refuse(site, str(error), desired)
        for verdict in verdicts:
            site.say(f"  {'holds ' if verdict.holds else 'BROKEN'} {verdict}")
        site.log(
            "stage",
            digest=desired.digest,
            stage=number,
            verdicts={each.guard: str(each) for each in verdicts},
        )
        if broken := [str(each) for each in verdicts if not each.holds]:
            return _refuse(site, f"stage {number + 1}: {'; '.join(broken)}", desired)
    new, old = new_of(traffic), old_of(traffic)
    assert new is not None  # noqa: S101 - the last stage has it
    site.apply(settled(traffic, new, old, package, rollout), "confirmed: the old one stays warm")
    return Rolled("")


def switch(
    site: Site, traffic: Traffic, desired: DesiredModel, package: Path, cause: str
) -> Rolled:
    """Lead all traffic to a model at once: the first one, or one that has served here before.

    Where it does not load, what was before is brought back.
    """
    serving = traffic.serving()
    warm = serving if serving and serving.digest != desired.digest else _other(traffic, desired)
    target = deployment_for(traffic, desired)
    rollout = site.environment.settings.rollout
    after = settled(traffic, target, warm, package, rollout)
    try:
        site.apply(after, cause)
    except UserError as error:
        site.changed(f"put back: {error}")
        if traffic.deployments:
            before = dataclasses.replace(traffic, revision=after.revision + 1)
            site.apply(before, f"put back: {error}")
        else:
            site.clear(f"put back: {error}")
        return Rolled(str(error))
    return Rolled("")


def _refuse(site: Site, reason: str, desired: DesiredModel) -> Rolled:
    """Put back, and remember that this model did not hold."""
    put_back(site, reason)
    site.log(history.REFUSED, digest=desired.digest, version=desired.version, reason=reason)
    return Rolled(reason)


def put_back(site: Site, reason: str) -> None:
    """Give all traffic back to the model that served, and take the new one away."""
    traffic = site.traffic()
    old = old_of(traffic)
    if old is not None:
        endpoint.start(site.environment)
        back = dataclasses.replace(
            traffic,
            revision=traffic.revision + 1,
            deployments=(dataclasses.replace(old, share=1.0, mirror=0.0),),
            rollout=None,
        )
        site.apply(back, f"put back: {reason}")
    site.changed(f"put back: {reason}")


def _other(traffic: Traffic, desired: DesiredModel) -> Deployment | None:
    return next((each for each in traffic.deployments if each.digest != desired.digest), None)


def _watch(site: Site, traffic: Traffic, step: Step, rollout_began: Counted) -> tuple[Verdict, ...]:
    """Wait until a stage has shown enough, and judge it."""
    settings = site.environment.settings.rollout
    new, old = new_of(traffic), old_of(traffic)
    assert new is not None  # noqa: S101 - a stage has both
    assert old is not None  # noqa: S101
    began, started = all_counts(read_told(site.folder)), time.monotonic()

    def counted() -> tuple[Counts, Counts]:
        now = all_counts(read_told(site.folder))
        return _since(now, began, new), _since(now, rollout_began, old)

    def seen() -> int:
        candidate = counted()[0]
        return candidate.mirrored if step.mirrored else candidate.requests

    while seen() < step.stage.requests:
        candidate, present = counted()
        verdicts = judge(candidate, present, settings.guards, mirrored=step.mirrored)
        errors = next((each for each in verdicts if each.guard == "error_rate"), None)
        if errors and not errors.holds and seen() >= _EARLY:
            break
        took = time.monotonic() - started
        now = all_counts(read_told(site.folder))
        asked = sum(_since(now, began, each).requests for each in traffic.deployments)
        is_quiet = not asked and took > settings.replay_after
        if is_quiet or took > step.stage.seconds:
            why = f"no request within {took:.0f} s" if is_quiet else f"{took:.0f} s are over"
            _replay(site, why, lambda: seen() >= step.stage.requests)
            break
        site.running()
        time.sleep(_LOOK_SECONDS)
    time.sleep(2 * _LOOK_SECONDS)  # what the workers have not told yet
    candidate, present = counted()
    return judge(candidate, present, settings.guards, mirrored=step.mirrored)


def _replay(site: Site, why: str, is_enough) -> None:  # type: ignore[no-untyped-def]
    rows = golden_rows(site.project.root, site.project.contract)
    if not rows:
        site.say(f"  {why}, and there are no golden rows to replay")
        return
    with endpoint.own_key(site.environment) as headers:
        sent = replay(site.running(), rows, headers, is_enough)
    site.say(f"  {why}: replayed {sent} golden requests")
    site.log("replay", requests=sent, why=why)


def _since(now: Counted, before: Counted, deployed: Deployment) -> Counts:
    name = key(deployed.name, deployed.digest)
    return since(now.get(name, Counts()), before.get(name, Counts()))
