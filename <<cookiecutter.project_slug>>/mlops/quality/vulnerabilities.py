"""Known vulnerabilities of pinned packages, asked of a public service through pip-audit."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from mlops.quality.errors import UserError

PATIENCE = 10  # seconds for one answer of the service
LONGEST = 300  # seconds for all answers
_PIN = re.compile(r"([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?\s*==\s*([^\s;\\]+)")


@dataclass(frozen=True, order=True)
class Pin:
    """One package at one version."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True)
class Vulnerability:
    """A known vulnerability of a pinned package; `ids` are all names it goes by, best known first."""

    pin: Pin
    ids: tuple[str, ...]
    fixed_in: tuple[str, ...]

    def __str__(self) -> str:
        mended = f"fixed in {', '.join(self.fixed_in)}" if self.fixed_in else "no fix yet"
        return f"{self.pin}: {', '.join(self.ids)}; {mended}"


@dataclass(frozen=True)
class Answer:
    """What the service said: the vulnerabilities, and the packages it does not know."""

    vulnerabilities: tuple[Vulnerability, ...]
    unknown: tuple[Pin, ...]


class ServiceError(Exception):
    """The service did not answer, or with nothing that can be believed."""


# A service, or a mirror in its place, that has no entry for this one has no say about the others.
WITNESS = Pin("jinja2", "2.4.1")


def read_pins(lock: Path) -> list[Pin]:
    """Every package of a lock file, also those for other systems and Python versions.

    Raises UserError for a line that pins nothing.
    """
    pins = []
    for number, line in enumerate(lock.read_text(encoding="utf-8").splitlines(), start=1):
        text = line.strip()
        if not text or text.startswith(("#", "--hash=")):
            continue
        found = _PIN.match(text)
        if found is None:
            raise UserError(f"{lock}: line {number}: expected name==version, found {text!r}")
        pins.append(Pin(re.sub(r"[-_.]+", "-", found[1]).lower(), found[2]))
    return pins


def ask(pins: Iterable[Pin], service: str, osv_url: str | None = None) -> Answer:
    """What `service` (`pypi` or `osv`) knows of the packages.

    Raises ServiceError where it cannot be reached or does not know what is known everywhere.
    """
    rounds = _one_version_each([WITNESS, *pins])
    # The witness's small round goes first: a dead service is noticed with its first question.
    rounds.sort(key=lambda group: (WITNESS not in group, len(group)))
    found: dict[Vulnerability, None] = {}
    unknown: set[Pin] = set()
    for group in rounds:
        answer = _ask_once(group, service, osv_url)
        if WITNESS in group and WITNESS not in {v.pin for v in answer.vulnerabilities}:
            raise ServiceError(f"{service} reports nothing on {WITNESS}, which has known flaws")
        found |= dict.fromkeys(answer.vulnerabilities)
        unknown |= set(answer.unknown)
    wanted = set(pins)
    return Answer(
        tuple(sorted((v for v in found if v.pin in wanted), key=lambda v: (v.pin, v.ids))),
        tuple(sorted(unknown & wanted)),
    )


def _one_version_each(pins: Sequence[Pin]) -> list[list[Pin]]:
    """Split so that no group holds two versions of a package, which pip-audit refuses."""
    groups: list[dict[str, Pin]] = [{pins[0].name: pins[0]}, {}]
    for pin in dict.fromkeys(pins[1:]):
        # The witness keeps its group small: other packages start in the second one.
        place = next((g for g in [*groups[1:], groups[0]] if pin.name not in g), None)
        if place is None:
            groups.append(place := {})
        place[pin.name] = pin
    return [list(group.values()) for group in groups if group]


def _ask_once(pins: Sequence[Pin], service: str, osv_url: str | None) -> Answer:
    with tempfile.TemporaryDirectory() as folder:
        wanted, said = Path(folder) / "requirements.txt", Path(folder) / "answer.json"
        wanted.write_text("".join(f"{pin.name}=={pin.version}\n" for pin in pins))
        command = [sys.executable, "-m", "pip_audit", "--requirement", str(wanted)]
        # pip is not needed for pinned packages, and an old answer from a cache is not wanted.
        command += ["--no-deps", "--disable-pip", "--cache-dir", str(Path(folder) / "cache")]
        command += ["--format", "json", "--output", str(said), "--progress-spinner", "off"]
        command += ["--timeout", str(PATIENCE), "--vulnerability-service", service]
        command += ["--osv-url", osv_url] if osv_url else []
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=LONGEST, check=False
            )
            # pip-audit exits with 1 for findings and for failures alike: the file tells them apart.
            answer = json.loads(said.read_text(encoding="utf-8"))
        except subprocess.TimeoutExpired:
            raise ServiceError(f"{service} did not answer within {LONGEST} s") from None
        except (FileNotFoundError, ValueError):
            raise ServiceError(f"{service}: {_reason(done.stderr)}") from None
    return _read_answer(answer["dependencies"], pins)


def _read_answer(dependencies: Sequence[dict[str, object]], pins: Sequence[Pin]) -> Answer:
    asked = {pin.name: pin for pin in pins}
    found, answered = [], set()
    for dependency in dependencies:
        pin = asked[str(dependency["name"])]
        if "skip_reason" in dependency:
            continue
        answered.add(pin)
        for entry in cast(list[dict[str, object]], dependency["vulns"]):
            ids = (str(entry["id"]), *cast(list[str], entry["aliases"]))
            fixed = tuple(str(version) for version in cast(list[str], entry["fix_versions"]))
            found.append(Vulnerability(pin, ids, fixed))
    return Answer(tuple(found), tuple(pin for pin in pins if pin not in answered))


def _reason(errors: str) -> str:
    """The line of pip-audit's errors that says most, without its traceback."""
    logged = re.findall(r"^ERROR:[\w.]+:(.+)$", errors, flags=re.MULTILINE)
    raised = re.findall(r"^[\w.]*(?:Error|Timeout|Exception): (.+)$", errors, flags=re.MULTILINE)
    lines = [*logged, *reversed(raised), *reversed(errors.strip().splitlines())]
    text = lines[0].strip() if lines else "no answer"
    host = re.search(r"host='([^']+)'", text)
    if host:
        cause = text.rsplit(": ", 1)[-1].strip("'\"()")
        return f"{host[1]} cannot be reached: {cause}"
    return text if len(text) <= 200 else f"{text[:197]}..."
