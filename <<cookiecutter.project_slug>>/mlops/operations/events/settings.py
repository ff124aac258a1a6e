"""Who hears of events: the section `events` of an environment's settings."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from mlops.operations.events.event import KINDS, Kind
from mlops.quality.errors import UserError
from mlops.quality.strict import parse

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
_REPOSITORY = re.compile(r"[A-Za-z0-9-]+/[A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Webhook:
    """A receiver of signed events.

    `secret_env` names the variable that holds the secret, `types` what it hears of, `seconds` how
    long one attempt may take in all.
    """

    name: str
    url: str
    secret_env: str
    types: tuple[Kind, ...] = KINDS
    seconds: float = 15.0


@dataclass(frozen=True)
class GitHub:
    """A repository whose workflows hear of events by `repository_dispatch`.

    `repository` is `owner/name`, `token_env` names the variable that holds a token which may write
    the repository's contents.
    """

    repository: str
    token_env: str = "GITHUB_TOKEN"  # noqa: S105 - a variable's name
    types: tuple[Kind, ...] = KINDS
    seconds: float = 15.0

    @property
    def name(self) -> str:
        """What its outbox is called."""
        return "github"


Target = Webhook | GitHub


@dataclass(frozen=True)
class Events:
    """All targets. What could not be delivered for `give_up_days` is set aside."""

    webhooks: tuple[Webhook, ...] = ()
    github: GitHub | None = None
    give_up_days: float = 3.0

    @property
    def targets(self) -> tuple[Target, ...]:
        """Everybody who hears of something."""
        return (*self.webhooks, *((self.github,) if self.github else ()))


def parse_events(values: object, where: str) -> Events:
    """The section's values, checked; raises UserError that names place, key and what was expected."""
    found = parse(Events, values, where)
    names: set[str] = set()
    for webhook in found.webhooks:
        place = f"{where}: webhooks: {webhook.name}"
        if not _NAME.fullmatch(webhook.name) or webhook.name == "github":
            expected = "small letters, digits and hyphens, and not 'github'"
            raise UserError(f"{where}: webhooks: name: expected {expected}, found '{webhook.name}'")
        if webhook.name in names:
            raise UserError(f"{where}: webhooks: the name '{webhook.name}' is given twice")
        names.add(webhook.name)
        _check_url(webhook.url, f"{place}: url")
        _check_target(webhook.secret_env, "secret_env", webhook, place)
    if found.github:
        place = f"{where}: github"
        if not _REPOSITORY.fullmatch(found.github.repository):
            wrong = found.github.repository
            raise UserError(f"{place}: repository: expected owner/name, found '{wrong}'")
        _check_target(found.github.token_env, "token_env", found.github, place)
    if not 0 < found.give_up_days <= 365:
        raise UserError(f"{where}: give_up_days: expected more than 0, at most 365")
    return found


def _check_target(variable: str, key: str, target: Target, where: str) -> None:
    if not _VARIABLE.fullmatch(variable):
        # what is wrong is not shown: it may be the secret itself
        raise UserError(f"{where}: {key}: expected the name of a variable, such as EVENTS_SECRET")
    if not target.types:
        raise UserError(f"{where}: types: expected one or more")
    if not 0 < target.seconds <= 60:
        raise UserError(f"{where}: seconds: expected more than 0, at most 60")


def _check_url(url: str, where: str) -> None:
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    if not known or any(character <= " " for character in url):
        raise UserError(f"{where}: expected an http or https address")
    if "@" in parts.netloc or parts.fragment:
        raise UserError(f"{where}: expected an address without user, password and fragment")


def secret(variable: str, environment: Mapping[str, str] = os.environ) -> str:
    """A variable's value; raises UserError where it is not set."""
    value = environment.get(variable, "").strip()
    if not value:
        raise UserError(f"{variable}: the variable is not set")
    return value
