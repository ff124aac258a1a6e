"""Signed requests after Standard Webhooks 1.0 (https://www.standardwebhooks.com)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

from mlops.operations.events.event import CONTENT_TYPE, Event, to_json
from mlops.operations.events.sending import Request
from mlops.operations.events.settings import Webhook, secret
from mlops.quality.errors import UserError

_PREFIX = "whsec_"
# The standard's bounds of a secret, in bytes.
_SHORTEST, _LONGEST = 24, 64


def key_of(text: str, variable: str) -> bytes:
    """The key that a secret such as `whsec_...` spells; raises UserError, which never shows it."""
    encoded = text.removeprefix(_PREFIX)
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise UserError(f"{variable}: expected '{_PREFIX}' and base64") from None
    if not _SHORTEST <= len(key) <= _LONGEST:
        raise UserError(f"{variable}: expected {_SHORTEST} to {_LONGEST} bytes, found {len(key)}")
    return key


def signature(key: bytes, event_id: str, timestamp: int, body: bytes) -> str:
    """`v1,` and the HMAC-SHA256 of id, time and body in base64 (the standard, "Signature scheme")."""
    digest = hmac.new(key, f"{event_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def signed(
    webhook: Webhook, event: Event, timestamp: int, environment: Mapping[str, str]
) -> Request:
    """The request of one attempt. `timestamp` is the attempt's, in seconds since 1970.

    A variable with several secrets, parted by spaces, gives a signature of each, so that a secret can be
    changed without a gap. Raises UserError where the variable is not set, or no secret.
    """
    body = to_json(event).encode()
    given = secret(webhook.secret_env, environment)
    keys = [key_of(each, webhook.secret_env) for each in given.split()]
    headers = {
        "content-type": f"{CONTENT_TYPE}; charset=utf-8",
        "webhook-id": event.id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signature(key, event.id, timestamp, body) for key in keys),
    }
    return Request(webhook.url, headers, body, webhook.seconds)
