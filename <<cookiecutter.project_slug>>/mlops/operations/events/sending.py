"""One attempt: a request that ends in time, and what its answer means."""

from __future__ import annotations

import ipaddress
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal
from urllib.parse import urlsplit

import requests
from requests.utils import get_environ_proxies

# Answers that speak of this one event; all others, and none at all, speak of the receiver.
_OF_THE_EVENT = (400, 413, 415, 422)


@dataclass(frozen=True)
class Request:
    """What is sent; `seconds` is how long all of it may take."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    seconds: float


@dataclass(frozen=True)
class Answer:
    """What came of an attempt.

    `fault` says what it speaks against: nothing, the one event, or the receiver as a whole.
    `retry_after` is what the receiver asked for, in seconds.
    """

    fault: Literal["none", "event", "receiver"]
    reason: str
    retry_after: float = 0.0


def send(request: Request) -> Answer:
    """Send a request; whatever happens, there is an answer in `seconds`.

    It runs in a thread of its own: neither looking a name up nor an answer that comes byte by byte
    can be bounded otherwise. A thread that is late is left behind, and ends when its connection does.
    """
    found: list[Answer] = []
    thread = threading.Thread(target=lambda: found.append(_send(request)), daemon=True)
    thread.start()
    thread.join(request.seconds)
    return found[0] if found else Answer("receiver", f"no answer in {request.seconds:g} s")


def is_local(url: str) -> bool:
    """Whether an address is this machine's own."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _send(request: Request) -> Answer:
    session = requests.Session()
    # Otherwise a .netrc would replace the token. Proxies and authorities are taken over below.
    session.trust_env = False
    if not is_local(request.url):
        session.proxies.update(get_environ_proxies(request.url))
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    try:
        with (
            session,
            session.post(
                request.url,
                data=request.body,
                headers={"user-agent": "mlops-events", **request.headers},
                timeout=request.seconds,
                allow_redirects=False,
                verify=bundle or True,
                stream=True,  # nobody reads the body, however long it is
            ) as answer,
        ):
            return judged(answer.status_code, answer.headers, datetime.now(UTC))
    except requests.exceptions.SSLError:
        return Answer("receiver", "its certificate is not accepted")
    except requests.Timeout:
        return Answer("receiver", f"no answer in {request.seconds:g} s")
    except (requests.RequestException, OSError, ValueError) as error:
        # never the text of the error: it holds the address, and addresses can hold secrets
        return Answer("receiver", f"no connection ({type(error).__name__})")


def judged(status: int, headers: Mapping[str, str], now: datetime) -> Answer:
    """What a status means; `headers` without regard to case.

    As Standard Webhooks says, everything but 2xx is a failure: a redirect is not followed.
    """
    if 200 <= status < 300:
        return Answer("none", f"answered {status}")
    wait = _retry_after(headers, now)
    if status in _OF_THE_EVENT:
        return Answer("event", f"answered {status}", wait)
    moved = ", a redirect, which is not followed" if 300 <= status < 400 else ""
    return Answer("receiver", f"answered {status}{moved}", wait)


def _retry_after(headers: Mapping[str, str], now: datetime) -> float:
    """Seconds from `Retry-After` (RFC 9110, 10.2.3) or, from GitHub, the reset of a spent limit."""
    given = headers.get("retry-after", "").strip()
    if given.isascii() and given.isdigit():
        return float(given[:9])
    try:
        if given:
            return max(0.0, (parsedate_to_datetime(given) - now).total_seconds())
        if headers.get("x-ratelimit-remaining", "").strip() == "0":
            return max(0.0, float(headers.get("x-ratelimit-reset", "0")) - now.timestamp())
    except (ValueError, TypeError, OverflowError):
        pass
    return 0.0
