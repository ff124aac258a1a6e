"""What people declare for the gate: bounds in `settings.yml`, exceptions in `exceptions.yml`."""

from __future__ import annotations

import math
import subprocess
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from mlops.deployment.desired.settings import Measuring, read_sections
from mlops.deployment.gate.decision import ALWAYS, GROUPS, Gate, Rule, Waiver
from mlops.quality.errors import UserError
from mlops.quality.strict import parse, read_yaml, refuse_unknown

SETTINGS = "environments/dev/settings.yml"
EXCEPTIONS = "environments/dev/exceptions.yml"


@dataclass(frozen=True)
class Settings:
    """What the gate needs of dev's settings."""

    gate: Gate
    measuring: Measuring


@dataclass(frozen=True)
class _Waiver:
    measure: str
    package: str
    by: str
    reason: str
    until: str


@dataclass(frozen=True)
class _Exceptions:
    exceptions: tuple[_Waiver, ...]


def load_settings(path: Path) -> Settings:
    """Read the settings of an environment with a gate; raises UserError that names file and key."""
    values = read_sections(path)
    where = f"{path}: gate"
    if values.gate is None:
        raise UserError(f"{path}: 'gate' is missing")
    rules = []
    for name, bound in values.gate.rules.items():
        group, dot, _ = name.partition(".")
        if not dot:
            raise UserError(
                f"{where}: rules: {name}: expected group.figure, such as golden.accuracy"
            )
        refuse_unknown([group], GROUPS, f"{where}: rules")
        if bound.at_least is None and bound.at_most is None:
            raise UserError(f"{where}: rules: {name}: expected at_least or at_most")
        for limit in (bound.at_least, bound.at_most):
            if isinstance(limit, float) and math.isnan(limit):
                raise UserError(f"{where}: rules: {name}: a bound is a number, found NaN")
        rules.append(Rule(name, bound.at_least, bound.at_most, bound.by, bound.absent))
    refuse_unknown(values.gate.without, GROUPS, f"{where}: without")
    for group, reason in values.gate.without.items():
        if group in ALWAYS:
            raise UserError(f"{where}: without: {group} may not be switched off")
        if not reason.strip():
            raise UserError(f"{where}: without: {group}: a reason is expected")
        if any(rule.measure.partition(".")[0] == group for rule in rules):
            raise UserError(
                f"{where}: without: {group} is switched off, but there are rules for it"
            )
    return Settings(Gate(tuple(rules), values.gate.without), values.measuring)


def load_waivers(path: Path) -> tuple[Waiver, ...]:
    """Read the recorded exceptions; raises UserError for one that is not named and reasoned."""
    found = []
    for number, entry in enumerate(parse(_Exceptions, read_yaml(path), str(path)).exceptions, 1):
        where = f"{path}: exceptions: number {number}"
        for key in ("by", "reason"):
            if not str(getattr(entry, key)).strip():
                raise UserError(f"{where}: {key}: expected text")
        if len(entry.package) < 12 or set(entry.package) - set("0123456789abcdef"):
            raise UserError(f"{where}: package: expected 12 digits or more of the digest")
        try:
            until = date.fromisoformat(entry.until)
        except ValueError:
            raise UserError(f"{where}: until: expected a day such as '2027-01-31'") from None
        found.append(Waiver(entry.measure, entry.package, entry.by, entry.reason, until))
    return tuple(found)


def committed(root: Path, file: str) -> str:
    """The commit that last changed a file; raises UserError where Git does not hold it as it is."""
    _git(root, "rev-parse", "--git-dir")
    changed = _git(root, "status", "--porcelain", "--", file)
    there = _git(root, "ls-files", "--", file)
    if changed or not there:
        raise UserError(f"{file}: an exception counts once it is committed")
    return _git(root, "log", "-1", "--format=%H", "--", file)


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"git {words[0]}: {done.stderr.strip()}; exceptions are recorded in Git")
    return done.stdout.strip()
