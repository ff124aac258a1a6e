"""GitHub's REST interface: one request, tried again where that may help, and refusals in words.

Version 2022-11-28 of https://docs.github.com/rest.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies
from urllib3.util.retry import Retry

from mlops.deployment.promotion.remote import SERVER, repository_of
from mlops.quality.errors import UserError

API = "https://api.github.com"
TOKENS = ("GITHUB_TOKEN", "GH_TOKEN")
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+")
# Seconds: of one attempt, and the longest wait that GitHub may ask for.
_TIMEOUT, _WAIT = 30.0, 120

# An object of an answer.
Json = Mapping[str, object]


@dataclass(frozen=True)
class GitHub:
    """A repository at GitHub, `repository` as owner/name, and who asks: the token is a secret.

    `server` is where people look at it; `seconds` the unit of the waits between attempts.
    """

    repository: str
    token: str
    api: str = API
    server: str = SERVER
    seconds: float = 1.0

    def __repr__(self) -> str:
        return f"GitHub({self.repository} at {self.api})"

    @property
    def owner(self) -> str:
        """Whose repository it is."""
        return self.repository.partition("/")[0]


class _Retry(Retry):
    """A second rate limit is told with 403 and `Retry-After`."""

    RETRY_AFTER_STATUS_CODES = frozenset({403, 413, 429, 503})


def connect(environment: Mapping[str, str], root: Path | None = None) -> GitHub:
    """The repository that the variables name, or the remote of the checkout in `root`.

    Raises UserError where there is no token or repository, or the token would cross the network in
    the clear.
    """
    server = environment.get("GITHUB_SERVER_URL", "").rstrip("/") or SERVER
    repository = environment.get("GITHUB_REPOSITORY", "").strip()
    if not repository and root is not None:
        repository = repository_of(root, server)
    if not _REPOSITORY.fullmatch(repository):
        raise UserError(f"GITHUB_REPOSITORY: expected owner/name, found '{repository}'")
    api = environment.get("GITHUB_API_URL", "").rstrip("/") or API
    if urlsplit(api).scheme != "https" and not _is_local(api):
        raise UserError("GITHUB_API_URL: expected an https address")
    return GitHub(repository, _token(environment), api, server)


def ask(
    github: GitHub,
    method: str,
    path: str,
    needs: str,
    *,
    body: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
) -> object:
    """What GitHub answers to a request of the repository; None where the answer is empty.

    `path` follows /repos/owner/name; `needs` is the right that it takes, such as `pull-requests:
    write`. Too many requests and failures of the server are tried again, as long as they ask for.
    Raises UserError that says what to do.
    """
    url = f"{github.api}/repos/{github.repository}{path}"
    headers = {
        "accept": "application/vnd.github+json",
        "authorization": f"Bearer {github.token}",
        "user-agent": "mlops-promotion",
        "x-github-api-version": "2022-11-28",
    }
    what = f"GitHub: {method} {path or '/'}"
    try:
        with _session(github) as session:
            answer = session.request(
                method,
                url,
                json=dict(body) if body is not None else None,
                params=query,
                headers=headers,
                timeout=_TIMEOUT,
                allow_redirects=False,
                verify=os.environ.get("REQUESTS_CA_BUNDLE") or True,
            )
            if answer.ok and answer.status_code < 300:
                return answer.json() if answer.content else None
    except ValueError:
        raise UserError(f"{what}: answered what is no JSON") from None
    except requests.RequestException as error:
        # not the text of the error, which may hold the address of a proxy with its password
        raise UserError(f"{what}: no connection ({type(error).__name__})") from None
    now = datetime.now(UTC)
    raise RefusedError(answer.status_code, f"{what}: {refusal(answer, needs, now)}")


class RefusedError(UserError):
    """GitHub has answered, and not with what was asked for."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def refusal(answer: requests.Response, needs: str, now: datetime) -> str:
    """What a refusal means, and what to do about it."""
    said = _said(answer)
    status, headers = answer.status_code, answer.headers
    if status == 401:
        return f"the token is not accepted ({said})"
    if status in (403, 429):
        if headers.get("x-ratelimit-remaining") == "0" or "rate limit" in said.lower():
            return f"too many requests; again {_reset(headers.get('x-ratelimit-reset', ''), now)}"
        if "not permitted to create" in said:
            where = "Settings, Actions, General, Workflow permissions"
            return f"{said} Allow it in {where}, or use a token of an App"
        return f"refused ({said}); the token needs {needs}"
    if status == 404:
        return f"not found: no such place, or the token may not see it; it needs {needs}"
    if 300 <= status < 400:
        return "it has moved: name the repository as it is called now in GITHUB_REPOSITORY"
    return f"answered {status} ({said})"


def records(value: object) -> list[Json]:
    """The objects of a list; what is no list has none."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def record(value: object) -> Json:
    """An object; an empty one where it is something else."""
    return value if isinstance(value, dict) else {}


def field(value: object, *keys: str) -> str:
    """A text or a number within objects, as text; empty where there is none."""
    for key in keys:
        value = record(value).get(key)
    return str(value) if isinstance(value, str | int) else ""


def place(*words: str) -> str:
    """A path of words, each quoted."""
    return "".join(f"/{quote(word, safe='')}" for word in words)


def _session(github: GitHub) -> requests.Session:
    session = requests.Session()
    # Otherwise a .netrc would replace the token.
    session.trust_env = False
    if not _is_local(github.api):
        session.proxies.update(get_environ_proxies(github.api))
    # A request that is made twice makes nothing twice: GitHub refuses a second pull request.
    retries = _Retry(
        total=4,
        allowed_methods=None,
        status_forcelist=(429, 500, 502, 503, 504),
        backoff_factor=github.seconds,
        raise_on_status=False,
        retry_after_max=_WAIT,
    )
    session.mount(github.api, HTTPAdapter(max_retries=retries))
    return session


def _token(environment: Mapping[str, str]) -> str:
    for name in TOKENS:
        token = environment.get(name, "").strip()
        if token:
            if not token.isascii() or not token.isprintable() or " " in token:
                raise UserError(f"{name}: expected a token")
            return token
    raise UserError(f"{TOKENS[0]} is not set: a token that may write to the repository")


def _is_local(url: str) -> bool:
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    return loopback and parts.scheme == "http"


def _said(answer: requests.Response) -> str:
    """GitHub's own words, with the errors that it lists, on one line."""
    try:
        body = record(answer.json())
    except ValueError:
        return answer.reason or "no reason"
    errors = body.get("errors")
    listed: Sequence[object] = errors if isinstance(errors, list) else []
    words = [str(body.get("message", ""))]
    words += [each if isinstance(each, str) else field(each, "message") for each in listed]
    line = " ".join("; ".join(word for word in words if word).split())
    return line[:300] or "no reason"


def _reset(given: str, now: datetime) -> str:
    if not given.isascii() or not given.isdigit():
        return "later"
    minutes = max(1, round((int(given[:12]) - now.timestamp()) / 60))
    return f"in {minutes} min"
