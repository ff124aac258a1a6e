"""Secrets in files: passwords, keys and tokens that detect-secrets recognises, never sent anywhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.settings import transient_settings

# An address is no secret, and examples are full of them.
_NOT_USED = {"IPPublicDetector"}
# No filter that verifies a find: that would send the secret to its service.
_FILTERS = (
    "allowlist.is_line_allowlisted",
    "heuristic.is_indirect_reference",
    "heuristic.is_likely_id_string",
    "heuristic.is_not_alphanumeric_string",
    "heuristic.is_potential_uuid",
    "heuristic.is_prefixed_with_dollar_sign",
    "heuristic.is_sequential_string",
    "heuristic.is_templated_secret",
)
# MD5, SHA-1 and SHA-256 in hexadecimal, on a line that calls itself a digest or pins an action, or
# in the list of the machinery's files.
_DIGEST = re.compile(r"[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}")
_NAMED_DIGEST = re.compile(r"(?i)sha-?\d|digest|commit|checksum|revision|run_?id|uses:|hash")
_LISTS_OF_DIGESTS = {"machinery.json"}


@dataclass(frozen=True)
class Leak:
    """A likely secret; `line` counts from 1. The secret itself is not kept."""

    path: Path
    line: int
    kind: str

    def __str__(self) -> str:
        return f"{self.path.as_posix()}:{self.line}: {self.kind}"


def find_leaks(root: Path, files: Iterable[Path]) -> list[Leak]:
    """Every likely secret in `files` (relative to `root`), sorted by place.

    A line that ends in `pragma: allowlist secret` (in a comment) is left out.
    """
    known: Mapping[str, type[object]] = get_mapping_from_secret_type_to_class()
    used = sorted({kind.__name__ for kind in known.values()} - _NOT_USED)
    settings = {
        "plugins_used": [{"name": name} for name in used],
        "filters_used": [{"path": f"detect_secrets.filters.{name}"} for name in _FILTERS],
    }
    with transient_settings(settings):
        found = SecretsCollection(root=str(root))
        for path in files:
            found.scan_file(str(path))
    return sorted(
        {
            Leak(Path(name), secret.line_number, secret.type)
            for name, secret in found
            if not _is_digest(root / name, secret.line_number, secret.secret_value or "")
        },
        key=lambda leak: (leak.path, leak.line, leak.kind),
    )


def _is_digest(path: Path, line: int, value: str) -> bool:
    if not _DIGEST.fullmatch(value):
        return False
    if path.name in _LISTS_OF_DIGESTS:
        return True
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return line <= len(lines) and _NAMED_DIGEST.search(lines[line - 1]) is not None
