"""The webhook in MLflow that calls the listener: made, or brought up to date, under the project's name.

What an MLflow server (3.17) needs for it stands in its own environment. It delivers to public https
addresses alone, unless MLFLOW_WEBHOOK_ALLOWED_SCHEMES and MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS say otherwise, and
encrypts secrets with MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY, or with a key that its next start does not know.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import psutil

from mlops.quality.errors import UserError
from mlops.quality.project import Project
from mlops.training import server, tracking
from mlops.training.registry import Registry, registry

if TYPE_CHECKING:
    from mlflow.entities.webhook import Webhook, WebhookEventStr

# A new version, and an alias that a person points to one.
EVENTS: tuple[WebhookEventStr, ...] = ("model_version.created", "model_version_alias.created")
_NEAR = "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS=true and MLFLOW_WEBHOOK_ALLOWED_SCHEMES=http,https"
_KEY = "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY"


@dataclass(frozen=True)
class Registration:
    """A webhook as MLflow knows it now; `tracking` is the server's address."""

    id: str
    name: str
    url: str
    done: Literal["made", "updated"]
    tracking: str


def name_of(project: Project) -> str:
    """What the project's webhook is called; MLflow takes up to 62 characters."""
    return f"{project.settings.slug[:50]}-listen"


def register(project: Project, url: str, secret: str) -> Registration:
    """Make the project's webhook in its registry, or give the one of that name address and secret.

    Raises UserError where the server cannot be reached or refuses, with what it needs.
    """
    name = name_of(project)
    if tracking.external_uri() is None and lacks_key(server.up(project.root).pid):
        raise UserError(
            f"--register: the project's own MLflow server has no {_KEY}: after its next start it could "
            f"not read a webhook; name a server that has one by {tracking.VARIABLE}"
        )
    try:
        with registry(project) as found:
            known = _known(found, name)
            if known is None:
                made = found.client.create_webhook(name, url, list(EVENTS), secret=secret)
                return Registration(made.webhook_id, name, url, "made", found.uri)
            # always: the secret that it has cannot be read
            found.client.update_webhook(
                known.webhook_id, url=url, events=list(EVENTS), secret=secret, status="ACTIVE"
            )
            return Registration(known.webhook_id, name, url, "updated", found.uri)
    except UserError as error:
        raise UserError(f"{error}{_needs(str(error))}") from None


def lacks_key(pid: int) -> bool:
    """Whether a process of ours was started without a key for the secrets of webhooks."""
    try:
        return not psutil.Process(pid).environ().get(_KEY)
    except psutil.Error:
        return False  # nobody knows


def try_out(project: Project, made: Registration, say: Callable[[str], None]) -> threading.Thread:
    """Have MLflow send a trial, in a thread that a process's end does not wait for."""

    def ask() -> None:
        try:
            with registry(project) as found:
                result = found.client.test_webhook(made.id)
        except UserError as error:
            say(f"MLflow could not try the webhook: {error}")
            return
        if result.success:
            say(f"MLflow reaches {made.url}")
        else:
            why = result.error_message or f"HTTP {result.response_status}"
            say(f"MLflow does not reach {made.url}: {why}{_needs(why)}")

    thread = threading.Thread(target=ask, name="listen-trial", daemon=True)
    thread.start()
    return thread


def _known(found: Registry, name: str) -> Webhook | None:
    token = None
    while True:
        page = found.client.list_webhooks(page_token=token)
        for each in page:
            if each.name == name:
                return each
        token = page.token
        if not token:
            return None


def _needs(said: str) -> str:
    """What to set for a refusal that is about the address, or about a secret nobody can read."""
    lower = said.lower()
    if "webhook url" in lower or "not a public ip" in lower:
        return f"; for an http address or one on this machine or network, start MLflow with {_NEAR}"
    if "list_webhooks" in lower or "/webhooks" in lower or "internal" in lower:
        return (
            f"; a webhook's secret can be read after a restart only where MLflow has a fixed {_KEY}"
        )
    return ""
