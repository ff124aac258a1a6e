"""What a webhook of MLflow's registry means here: an answer, an event that is told, a version to deploy."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from mlops.operations.events.event import Event, stable_id
from mlops.operations.events.mlflow_webhook import (
    RefusedError,
    ReplayedError,
    receive,
    verify,
)
from mlops.operations.listen_deployments import Ask
from mlops.operations.listen_requests import Answer
from mlops.quality.errors import UserError
from mlops.training.record import CANDIDATE

# Never `champion`: a deployment sets that one, and would start the next.
ALIASES = (CANDIDATE,)
_NUMBER = re.compile(r"[1-9][0-9]{0,17}")


@dataclass(frozen=True)
class Mailbox:
    """Whose webhooks are taken, and how they are told.

    `model` is the registered model's name, `source` that of the project's events. `tell` makes an
    event known, `act` is given each version that follows from one; without it nothing follows.
    """

    state: Path
    model: str
    source: str
    secret: str
    tell: Callable[[Event], None]
    act: Callable[[Ask], None] | None = None


def take(mailbox: Mailbox, body: bytes, headers: Mapping[str, str], now: datetime) -> Answer:
    """Tell what a request says, and have its version deployed where that is allowed.

    400 for what is no webhook, 401 for one that MLflow did not send or not now, 409 for one that was
    taken before, 503 where it could not be told: MLflow tries that again. 204 is everything else.
    """
    try:
        delivery = verify(body, headers, mailbox.secret, now)
    except RefusedError as refused:
        return Answer(401 if _has_form(body) else 400, str(refused))
    about = f"{delivery.entity} {delivery.action}"
    ours: list[Event] = []

    def tell(event: Event) -> None:
        if event.data["model"] == mailbox.model:
            if not _NUMBER.fullmatch(str(event.data["version"])):
                raise RefusedError("version: expected a number")
            mailbox.tell(as_told(event, mailbox.source))
            ours.append(event)

    try:
        found = receive(
            mailbox.state,
            body,
            headers,
            mailbox.secret,
            now,
            source=mailbox.source,
            tell=tell,
            aliases=ALIASES,
        )
    except ReplayedError as replayed:
        return Answer(409, f"{about}: {replayed}")
    except RefusedError as refused:
        return Answer(400, f"{about}: {refused}")
    except (OSError, UserError) as error:
        return Answer(503, f"{about}: not told: {error}")
    if not ours:
        why = "another model" if found else "nothing follows from it"
        return Answer(204, f"{about}: {why}")
    return _follow(mailbox, about, ours[0])


def as_told(event: Event, source: str) -> Event:
    """A registry's event as it is told: a training on this machine tells of the same one.

    A new version has the id that the training gives it, so that it is told once. An alias is no new
    version, and says so.
    """
    model, version = str(event.data["model"]), str(event.data["version"])
    if alias := event.data.get("alias"):
        reasons = [f"version {version} of {model} got the alias {alias}"]
        return replace(event, data={**event.data, "reasons": reasons})
    run = str(event.data.get("run") or "")
    return replace(event, id=stable_id("model_registered", source, model, version, run))


def _follow(mailbox: Mailbox, about: str, event: Event) -> Answer:
    version = str(event.data["version"])
    told = f"{about}: version {version} was told"
    if mailbox.act is None:
        return Answer(204, f"{told}; nothing is deployed without --deploy")
    mailbox.act(Ask(event.time.timestamp(), int(version)))
    return Answer(204, told)


def _has_form(body: bytes) -> bool:
    """Whether a body has the form of a webhook, whoever sent it."""
    try:
        values = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(values, dict) and {"entity", "action", "data"} <= set(values)
