"""MLflow's registry webhooks: a signed request becomes a `model_registered` event, once.

MLflow signs `ID.TIME.BODY` with HMAC-SHA256 under the secret's own bytes and sends `v1,` and base64
(mlflow.webhooks.delivery of MLflow 3.17).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import filelock

from mlops.operations.events.event import Event, new_event, stable_id

SIGNATURE, TIMESTAMP, DELIVERY = "x-mlflow-signature", "x-mlflow-timestamp", "x-mlflow-delivery-id"
# How far a request's time may lie from now, and how long its id is remembered, in seconds.
TOLERANCE, MEMORY = 300.0, 7 * 86400.0
LONGEST_BODY = 1_000_000
_FOLDER = "mlflow-deliveries"


class RefusedError(Exception):
    """A request that MLflow did not send, or not now; the message says why and may be answered."""


class ReplayedError(RefusedError):
    """A request that was acted on before: 409, which MLflow does not repeat."""


@dataclass(frozen=True)
class Delivery:
    """A request whose signature holds. `entity` and `action` say what happened in the registry."""

    id: str
    timestamp: float
    entity: str
    action: str
    data: Mapping[str, object]


def verify(body: bytes, headers: Mapping[str, str], secret: str, now: datetime) -> Delivery:
    """The delivery that a request holds. `headers` may be written in any case.

    Raises RefusedError where the signature is missing or wrong, or the time more than five minutes from now.
    """
    if not secret:
        raise RefusedError("there is no secret to check with")
    if len(body) > LONGEST_BODY:
        raise RefusedError("the request is too long")
    given = {name.lower(): value for name, value in headers.items()}
    missing = [name for name in (SIGNATURE, TIMESTAMP, DELIVERY) if not given.get(name)]
    if missing:
        raise RefusedError(f"{missing[0]}: the header is missing")
    signed = f"{given[DELIVERY]}.{given[TIMESTAMP]}.".encode() + body
    expected = base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest())
    if not hmac.compare_digest(b"v1," + expected, given[SIGNATURE].encode()):
        raise RefusedError("the signature is wrong")
    try:
        timestamp = float(int(given[TIMESTAMP]))
    except ValueError:
        raise RefusedError(f"{TIMESTAMP}: expected seconds since 1970") from None
    if abs(now.timestamp() - timestamp) > TOLERANCE:
        raise RefusedError(f"{TIMESTAMP}: more than {TOLERANCE:g} s from now")
    return _delivery(given[DELIVERY], timestamp, body)


def event_of(
    delivery: Delivery, *, source: str, aliases: Collection[str] = (), environment: str = ""
) -> Event | None:
    """The event that a delivery is; None for what is none of ours.

    A new version is one. An alias is one only if it is among `aliases`: a deployment that sets an
    alias would otherwise start the next one. Raises RefusedError where name or version are missing.
    """
    about = (delivery.entity, delivery.action)
    if about == ("model_version", "created"):
        keys = {"model": "name", "version": "version", "run": "run_id"}
    elif about == ("model_version_alias", "created") and delivery.data.get("alias") in aliases:
        keys = {"model": "name", "version": "version", "alias": "alias"}
    else:
        return None
    data = {key: delivery.data.get(name) for key, name in keys.items()}
    if not all(isinstance(data[key], str) and data[key] for key in ("model", "version")):
        raise RefusedError("name and version: expected text")
    said = {**data, "reasons": [f"version {data['version']} of {data['model']} was registered"]}
    return new_event(
        "model_registered",
        environment,
        said,
        source=source,
        now=datetime.fromtimestamp(delivery.timestamp, UTC),
        event_id=stable_id("mlflow", delivery.id),
    )


def receive(
    state: Path,
    body: bytes,
    headers: Mapping[str, str],
    secret: str,
    now: datetime,
    *,
    source: str,
    tell: Callable[[Event], None],
    aliases: Collection[str] = (),
) -> Event | None:
    """Verify a request, tell its event, and remember it. None where it is none of ours.

    `tell` is what makes it known, such as `outbox.emit`. It is remembered after that: a process that is
    killed in between acts on MLflow's next attempt, under the same id. Raises RefusedError, and ReplayedError for
    one that was told before.
    """
    delivery = verify(body, headers, secret, now)
    folder = state / _FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    mark = folder / hashlib.sha256(delivery.id.encode()).hexdigest()[:32]
    with filelock.FileLock(folder / ".lock", timeout=30):
        if mark.exists():
            raise ReplayedError("this delivery was acted on before")
        event = event_of(delivery, source=source, aliases=aliases)
        if event is not None:
            tell(event)
        mark.write_text(f"{delivery.timestamp:.0f}", encoding="ascii")
        _forget(folder, delivery.timestamp)
    return event


def _delivery(delivery_id: str, timestamp: float, body: bytes) -> Delivery:
    try:
        values = json.loads(body)
    except (ValueError, RecursionError):
        raise RefusedError("the body is not JSON") from None
    if not isinstance(values, dict) or not isinstance(values.get("data"), dict):
        raise RefusedError("expected a mapping with entity, action and data")
    entity, action = values.get("entity"), values.get("action")
    if not isinstance(entity, str) or not isinstance(action, str):
        raise RefusedError("entity and action: expected text")
    return Delivery(delivery_id, timestamp, entity, action, values["data"])


def _forget(folder: Path, now: float) -> None:
    """Delete marks far older than any request that `verify` lets through."""
    for mark in folder.glob("[!.]*"):
        try:
            old = now - float(mark.read_text(encoding="ascii")) > MEMORY
        except (OSError, ValueError):
            continue
        if old:
            mark.unlink(missing_ok=True)
