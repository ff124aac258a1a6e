"""`nox -s audit`: known vulnerabilities in the pinned packages, and secrets in the tree."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal

from rich.console import Console

from mlops.quality.leaks import find_leaks
from mlops.quality.strict import parse, read_yaml
from mlops.quality.tree import tracked_files
from mlops.quality.vulnerabilities import (
    Answer,
    ServiceError,
    Vulnerability,
    ask,
    read_pins,
)

ROOT = Path(__file__).resolve().parents[2]
CLEAN, FOUND, NOT_CHECKED = 0, 1, 3


@dataclass(frozen=True)
class Exempt:
    """A vulnerability that is passed over up to and including a day."""

    id: str
    reason: str
    until: date


@dataclass(frozen=True)
class Exceptions:
    """`audit.yml` as it is written."""

    ignore: tuple[Exempt, ...] = ()
    private: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """What came of one question, with its reasons, each a line."""

    subject: str
    status: Literal["clean", "found", "not checked"]
    reasons: tuple[str, ...] = ()


def judge_answer(answer: Answer, exceptions: Exceptions, today: date) -> tuple[Verdict, ...]:
    """What the service's answer amounts to once the declared exceptions are taken out."""
    subject = "known vulnerabilities"
    verdicts = []
    reasons = [_reason(found, exceptions, today) for found in answer.vulnerabilities]
    found = tuple(reason for reason in reasons if reason)
    unknown = [str(pin) for pin in answer.unknown if pin.name not in exceptions.private]
    if found:
        verdicts.append(Verdict(subject, "found", found))
    if unknown:
        first = ", ".join(unknown[:5]) + (", ..." if len(unknown) > 5 else "")
        reason = f"the service does not know {len(unknown)} of the packages: {first}"
        verdicts.append(Verdict(subject, "not checked", (reason,)))
    return tuple(verdicts) or (Verdict(subject, "clean"),)


def exit_code(verdicts: Sequence[Verdict]) -> int:
    """1 where something was found, else 3 where something could not be checked, else 0."""
    statuses = {verdict.status for verdict in verdicts}
    if "found" in statuses:
        return FOUND
    return NOT_CHECKED if "not checked" in statuses else CLEAN


def check_packages(root: Path, service: str, osv_url: str | None) -> tuple[Verdict, ...]:
    """Ask the service for every package in `requirements/*.lock`."""
    exceptions = read_exceptions(root)
    pins = {
        pin for lock in sorted((root / "requirements").glob("*.lock")) for pin in read_pins(lock)
    }
    if not pins:
        reason = f"there is no lock file in {root / 'requirements'}; make one with: nox -s lock"
        return (Verdict("known vulnerabilities", "not checked", (reason,)),)
    try:
        with Console(stderr=True).status(f"asking {service} for {len(pins)} packages"):
            answer = ask(sorted(pins), service, osv_url)
    except ServiceError as error:
        return (Verdict("known vulnerabilities", "not checked", (str(error),)),)
    return judge_answer(answer, exceptions, datetime.now(UTC).date())


def check_tree(root: Path) -> Verdict:
    """Look for secrets in every file that is, or may become, part of the repository."""
    leaks = find_leaks(root, tracked_files(root))
    return Verdict("secrets", "found" if leaks else "clean", tuple(str(leak) for leak in leaks))


def read_exceptions(root: Path) -> Exceptions:
    """`audit.yml`, or no exceptions where there is none; raises UserError where it is wrong."""
    path = root / "audit.yml"
    return parse(Exceptions, read_yaml(path), str(path)) if path.exists() else Exceptions()


def main(arguments: list[str], root: Path = ROOT) -> int:
    """Print a line for each verdict; the code is 0 clean, 1 found, 3 could not be checked."""
    parser = argparse.ArgumentParser(
        prog="nox -s audit --",
        description=__doc__,
        epilog="exit code: 0 clean, 1 something was found, 3 something could not be checked",
    )
    parser.add_argument("--json", action="store_true", help="print the verdicts as JSON")
    parser.add_argument("--service", choices=["pypi", "osv"], default="pypi", help="whom to ask")
    parser.add_argument("--osv-url", metavar="URL", help="another place of the OSV service")
    given = parser.parse_args(arguments)
    service = "osv" if given.osv_url else given.service
    verdicts = (*check_packages(root, service, given.osv_url), check_tree(root))
    if given.json:
        print(json.dumps([dataclasses.asdict(verdict) for verdict in verdicts], indent=2))
    else:
        for verdict in verdicts:
            print(f"{verdict.subject}: {verdict.status}")
            print("".join(f"  {reason}\n" for reason in verdict.reasons), end="")
    return exit_code(verdicts)


def _reason(found: Vulnerability, exceptions: Exceptions, today: date) -> str:
    """The line for a vulnerability; empty where a declared exception holds."""
    exempt = [entry for entry in exceptions.ignore if entry.id in found.ids]
    if any(today <= entry.until for entry in exempt):
        return ""
    ended = f" (the exception for {exempt[0].id} ended on {exempt[0].until})" if exempt else ""
    return f"{found}{ended}"
