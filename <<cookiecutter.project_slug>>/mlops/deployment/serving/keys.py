"""API keys of an endpoint: two may be valid at once, and only their digests are kept.

A key is 256 random bits, so that a plain SHA-256 of it cannot be tried out.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mlops.quality.errors import UserError
from mlops.quality.strict import parse

FILE = "keys.json"
NAMES = ("primary", "secondary")


@dataclass(frozen=True)
class Key:
    """What is kept of a key: which of the two it is, its SHA-256, and since when it is valid."""

    name: str
    sha256: str
    created: str


@dataclass(frozen=True)
class _Keys:
    keys: tuple[Key, ...]


def read_keys(folder: Path) -> tuple[Key, ...]:
    """The keys of the endpoint in `folder`; none where it has none."""
    path = folder / FILE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ()
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
    return parse(_Keys, values, str(path)).keys


def new_key(keys: Sequence[Key], name: str) -> tuple[str, tuple[Key, ...]]:
    """A new key in the place of the one called `name`, and all keys that are valid from now on."""
    secret = secrets.token_urlsafe(32)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    made = Key(name, digest(secret), now)
    others = [key for key in keys if key.name != name]
    return secret, tuple(sorted([*others, made], key=lambda key: key.name))


def keys_text(keys: Sequence[Key]) -> str:
    """The file's content."""
    return json.dumps({"keys": [vars(key) for key in keys]}, indent=1) + "\n"


def digest(secret: str) -> str:
    """SHA-256 of a key, in hexadecimal."""
    return hashlib.sha256(secret.encode("latin-1", "replace")).hexdigest()


def is_valid(secret: str, digests: Sequence[str]) -> bool:
    """Whether a key is one of those whose digests are kept; always compares with all of them."""
    given = digest(secret)
    found = False
    for each in digests:
        found |= hmac.compare_digest(given, each)
    return found
