"""What people declare for the gate: strict reading, and exceptions that Git holds."""

from __future__ import annotations

import subprocess
from datetime import date
from pathlib import Path

import pytest

from mlops.deployment.gate.decision import GROUPS
from mlops.deployment.gate.settings import committed, load_settings, load_waivers
from mlops.quality.errors import UserError

GOOD = """\
gate:
  rules:
    golden.accuracy: {at_least: 0.8, by: shown}
    relations.*: {at_most: declared}
  without: {speed: measured elsewhere}
measuring: {generated: 100}
"""
WAIVER = """\
exceptions:
  - measure: fairness.recall[sex]
    package: 0123456789ab
    by: Ada
    reason: reviewed
    until: "2027-01-31"
"""


def test_settings_are_read(tmp_path: Path) -> None:
    (tmp_path / "s.yml").write_text(GOOD)
    settings = load_settings(tmp_path / "s.yml")
    first, second = settings.gate.rules
    assert (first.measure, first.at_least, first.by) == ("golden.accuracy", 0.8, "shown")
    assert (second.at_most, second.absent) == ("declared", "refuse")
    assert settings.gate.without == {"speed": "measured elsewhere"}
    assert settings.measuring.generated == 100
    assert settings.measuring.tolerance == 1e-5


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("golden.accuracy", "golden", "expected group.figure"),
        ("golden.accuracy", "goldn.accuracy", "did you mean 'golden'"),
        ("at_least: 0.8", "at_lest: 0.8", "did you mean 'at_least'"),
        ("at_least: 0.8, by: shown", "by: shown", "expected at_least or at_most"),
        ("at_least: 0.8", "at_least: .nan", "found NaN"),
        ("by: shown", "by: guess", "by"),
        ("speed: measured elsewhere", "leakage: in a hurry", "leakage may not be switched off"),
        ("speed: measured elsewhere", "speed: ' '", "a reason is expected"),
        ("speed: measured elsewhere", "golden: why not", "but there are rules for it"),
        ("generated: 100", "generatd: 100", "did you mean 'generated'"),
    ],
)
def test_a_mistake_in_the_settings_is_named(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    (tmp_path / "s.yml").write_text(GOOD.replace(old, new))
    with pytest.raises(UserError, match=message) as caught:
        load_settings(tmp_path / "s.yml")
    assert "s.yml" in str(caught.value)


def test_waivers_are_read(tmp_path: Path) -> None:
    (tmp_path / "e.yml").write_text(WAIVER)
    (waiver,) = load_waivers(tmp_path / "e.yml")
    assert (waiver.measure, waiver.by, waiver.until) == (
        "fairness.recall[sex]",
        "Ada",
        date(2027, 1, 31),
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("by: Ada", "by: ''", "by: expected text"),
        ("reason: reviewed", "reason: ' '", "reason: expected text"),
        ("    reason: reviewed\n", "", "reason"),
        ("0123456789ab", "'0123'", "12 digits or more"),
        ("2027-01-31", "soon", "expected a day"),
    ],
)
def test_an_exception_is_named_and_reasoned(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    (tmp_path / "e.yml").write_text(WAIVER.replace(old, new))
    with pytest.raises(UserError, match=message):
        load_waivers(tmp_path / "e.yml")


def test_an_exception_counts_once_it_is_committed(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        person = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
        command = ["git", *person, *words]
        return subprocess.run(
            command, cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout.strip()

    (tmp_path / "e.yml").write_text(WAIVER)
    with pytest.raises(UserError, match="recorded in Git"):
        committed(tmp_path, "e.yml")
    git("init", "-q")
    with pytest.raises(UserError, match="once it is committed"):
        committed(tmp_path, "e.yml")
    git("add", "e.yml")
    git("commit", "-qm", "Accept it")
    assert committed(tmp_path, "e.yml") == git("rev-parse", "HEAD")
    (tmp_path / "e.yml").write_text(WAIVER.replace("Ada", "Bob"))
    with pytest.raises(UserError, match="once it is committed"):
        committed(tmp_path, "e.yml")


def test_every_group_is_known_once() -> None:
    assert len(set(GROUPS)) == len(GROUPS)
