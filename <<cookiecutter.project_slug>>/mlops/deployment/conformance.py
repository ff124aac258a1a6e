"""`nox -s level` for Level 3: the package and its gate, what serves where, and who let it in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from mlops.deployment import audit_log, history, status
from mlops.deployment.desired.environment import PROD, STAGE, environment
from mlops.deployment.desired.model_file import read_model_file
from mlops.deployment.gate.settings import SETTINGS, load_settings
from mlops.quality import conformance
from mlops.quality.conformance import Demand, Finding
from mlops.quality.project import load_project
from mlops.training import conformance as training

_CARD = ".mlops/qualify/model_card.html"


def main(arguments: list[str]) -> int:
    """Look at the evidence for Levels 1 to 3; 0 when every demand is met."""
    demands = (*conformance.DEMANDS, *training.DEMANDS, *DEMANDS)
    return conformance.show(demands, arguments)


def _last(root: Path) -> dict[str, object] | None:
    state = load_project(root).state
    decisions = [entry for entry in audit_log.entries(state) if entry.get("event") == "gate"]
    return dict(decisions[-1]) if decisions else None


def _packaged(root: Path) -> Finding:
    last = _last(root)
    if last is None:
        return Finding(False, "no model was packaged here yet: nox -s qualify")
    return Finding(True, f"version {last['version']} is package {str(last['package'])[:12]}")


def _gated(root: Path) -> Finding:
    gate = load_settings(root / SETTINGS).gate
    without = ", ".join(gate.without)
    told = f"{len(gate.rules)} rules in {SETTINGS}"
    return Finding(True, told + (f", none for {without}" if without else ""))


def _decided(root: Path) -> Finding:
    last = _last(root)
    if last is None:
        return Finding(False, "the gate has not decided here yet: nox -s qualify")
    word = "passed" if last["passed"] else f"refused for {json.dumps(last['refused'])[:80]}"
    return Finding(bool(last["passed"]), f"version {last['version']} {word}, {last['time']}")


def _told(root: Path) -> Finding:
    there = (root / _CARD).is_file()
    return Finding(there, _CARD if there else "there is no model card yet: nox -s qualify")


def _declared(root: Path) -> Finding:
    project = load_project(root)
    missing = [
        name for name in (STAGE, PROD) if read_model_file(environment(project, name).files) is None
    ]
    if missing:
        return Finding(False, f"no model.yml for {', '.join(missing)} yet: nox -s deploy")
    return Finding(True, "environments/*/model.yml and settings.yml")


def _as_declared(root: Path) -> Finding:
    project = load_project(root)
    for name in (STAGE, PROD):
        found = status.look(project, name)
        if found.desired is None:
            return Finding(False, f"{name} serves nothing yet: nox -s deploy")
        if found.differences:
            return Finding(False, f"{name}: {found.differences[0]}")
    return Finding(True, "stage and prod serve what Git says")


def _deployed(root: Path) -> Mapping[str, object] | None:
    return history.last_deployed(load_project(root).state, PROD)


def _approved(root: Path) -> Finding:
    if not environment(load_project(root), PROD).settings.approval.required:
        return Finding(False, "environments/prod/settings.yml asks for no approval")
    last = _deployed(root)
    if last is None or not last.get("approved_by"):
        return Finding(False, "no approved model was deployed to prod yet: nox -s deploy")
    return Finding(True, f"version {last['version']}: {last['approved_by']}, {last['approved_at']}")


def _tested(root: Path) -> Finding:
    last, state = _deployed(root), load_project(root).state
    if last is None:
        return Finding(False, "nothing was deployed to prod yet: nox -s deploy")
    for name in (STAGE, PROD):
        events = history.events(state, name, "tested")
        if not any(entry.get("digest") == last["digest"] for entry in events):
            return Finding(False, f"the tests of the model were not put to {name} yet")
    return Finding(
        True, f"version {last['version']}: tests/model against stage and prod, over HTTP"
    )


def _guarded(root: Path) -> Finding:
    rollout = environment(load_project(root), PROD).settings.rollout
    off = [name for name, value in vars(rollout.guards).items() if value is None]
    shares = ", ".join(f"{stage.share:.0%}" for stage in rollout.live)
    if rollout.mirror is None or len(rollout.live) < 2:
        return Finding(False, "prod's rollout has no mirror stage, or takes one step only")
    without = f"; off: {', '.join(off)}" if off else ""
    return Finding(True, f"{rollout.mirror.share:.0%} mirrored, then {shares}{without}")


def _traced(root: Path) -> Finding:
    last = _deployed(root)
    if last is None:
        return Finding(False, "nothing was deployed to prod yet: nox -s deploy")
    wanted = ("run", "commit", "data", "data_digest")
    if missing := [key for key in wanted if not last.get(key)]:
        return Finding(False, f"the audit log does not tell its {', '.join(missing)}")
    return Finding(True, f"run {last['run']}, commit {str(last['commit'])[:10]}, {last['data']}")


DEMANDS = (
    Demand(3, "A gate with declared rules is on", _gated),
    Demand(3, "The model is packaged once, under a digest", _packaged),
    Demand(3, "The last model was verified and passed the gate", _decided),
    Demand(3, "A model card tells what was verified and where it holds", _told),
    Demand(3, "What each environment serves is declared in Git", _declared),
    Demand(3, "What serves is what Git says", _as_declared),
    Demand(3, "A person approved what prod serves", _approved),
    Demand(3, "The model's tests ran against the running endpoints", _tested),
    Demand(3, "A rollout is guarded", _guarded),
    Demand(3, "A deployment is traced back to its data", _traced),
)
