"""Events for a repository's workflows: GitHub's `repository_dispatch`.

`POST /repos/{owner}/{repo}/dispatches` of the REST interface, version 2022-11-28. The whole CloudEvent is
the `client_payload`: eight properties at the top, where ten are allowed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import urlsplit

from mlops.operations.events.event import Event, to_json
from mlops.operations.events.sending import Request, is_local
from mlops.operations.events.settings import GitHub, secret
from mlops.quality.errors import UserError

API = "https://api.github.com"


def dispatch(github: GitHub, event: Event, environment: Mapping[str, str]) -> Request:
    """The request of one attempt; a workflow hears of it under the event's kind.

    Raises UserError where the token is not set, or would cross the network in the clear.
    """
    api = environment.get("GITHUB_API_URL", "").rstrip("/") or API
    parts = urlsplit(api)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_local(api)):
        raise UserError("GITHUB_API_URL: expected an https address")
    token = secret(github.token_env, environment)
    if not token.isascii() or not token.isprintable() or " " in token:
        raise UserError(f"{github.token_env}: expected a token")
    payload = {"event_type": event.kind, "client_payload": json.loads(to_json(event))}
    headers = {
        "accept": "application/vnd.github+json",
        "authorization": f"Bearer {token}",
        "content-type": "application/json",
        "x-github-api-version": "2022-11-28",
    }
    body = json.dumps(payload, separators=(",", ":")).encode()
    return Request(f"{api}/repos/{github.repository}/dispatches", headers, body, github.seconds)
