"""What the loop changes in its clone's settings, so that it fits in minutes; the rest stays as it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

from mlops.deployment.desired import repository
from mlops.deployment.desired.approval import FILE as APPROVAL
from mlops.deployment.desired.environment import ENVIRONMENTS, PROD, STAGE
from mlops.deployment.desired.model_file import FILE as MODEL
from mlops.quality.strict import read_yaml

MESSAGE = "Settings of the loop"
_SERVED = (MODEL, APPROVAL)
_DRIFTS = ("data_drift", "prediction_drift", "performance")
_LOCAL: Mapping[str, object] = {"host": "127.0.0.1", "port": 0, "workers": 1}
# By environment, what is changed and why. A section of events is dropped: a play tells nobody outside.
CHANGES: Mapping[str, Mapping[str, object]] = {
    STAGE: {"serving": _LOCAL, "events": None},
    PROD: {
        "serving": {**_LOCAL, "collect": True, "collect_seconds": 1.0},
        "rollout": {
            "mirror": {"share": 1.0, "requests": 300, "seconds": 60},
            "live": [
                {"share": 0.1, "requests": 40, "seconds": 60},
                {"share": 0.5, "requests": 100, "seconds": 60},
                {"share": 1.0, "requests": 100, "seconds": 60},
            ],
        },
        "monitoring": {"window_hours": 0.004, "step_hours": 0.001, "labels": ""},
        # the records of this traffic are those of the old data: both would count them twice
        "retraining": {"data": {**dict.fromkeys(_DRIFTS, "recent"), "code": "old"}},
        "events": None,
    },
}


def told() -> tuple[str, ...]:
    """The changes in words, a line for each environment and section."""
    lines = []
    for name, sections in CHANGES.items():
        for section, value in sections.items():
            said = "none" if value is None else yaml.safe_dump(value, default_flow_style=True)
            lines.append(f"environments/{name}/settings.yml: {section}: {' '.join(said.split())}")
    return tuple(lines)


def change(project: Path) -> str:
    """Make the changes in a clone and commit them; returns the commit."""
    paths = _forget(project)
    for name, sections in CHANGES.items():
        path = project / "environments" / name / "settings.yml"
        values = merged(read_yaml(path), sections)
        text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
        path.write_text(
            f"# Changed by `nox -s loop`, in its clone alone.\n{text}", encoding="utf-8"
        )
        paths.append(path)
    return repository.commit(project, paths, MESSAGE)


def _forget(project: Path) -> list[Path]:
    """Take out what the environments serve: the play's own registry has none of those models."""
    files = [project / "environments" / name / file for name in ENVIRONMENTS for file in _SERVED]
    there = [path for path in files if path.is_file()]
    for path in there:
        path.unlink()
    return there


def merged(values: Mapping[str, object], changes: Mapping[str, object]) -> dict[str, object]:
    """The values with the changes in place: sections by key, all else replaced, None taken out."""
    found = dict(values)
    for key, value in changes.items():
        there = found.get(key)
        if value is None:
            found.pop(key, None)
        elif isinstance(value, Mapping):
            found[key] = merged(there if isinstance(there, Mapping) else {}, value)
        else:
            found[key] = value
    return found
