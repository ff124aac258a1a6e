"""`.amlignore`: which files of a code folder stay out of its snapshot."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path


@dataclass(frozen=True)
class Pattern:
    """One line of an ignore file; `text` is its glob without '!' and outer slashes."""

    text: str
    expression: re.Pattern[str]
    is_negated: bool
    is_anchored: bool


def read_patterns(folder: Path) -> tuple[Pattern, ...]:
    """The patterns of `.amlignore`, else of `.gitignore` (as Azure ML does), else none."""
    for name in (".amlignore", ".gitignore"):
        file = folder / name
        if file.is_file():
            lines = (line.rstrip() for line in file.read_text(encoding="utf-8").splitlines())
            return tuple(_pattern(line) for line in lines if line and not line.startswith("#"))
    return ()


def is_ignored(relative: str, patterns: tuple[Pattern, ...]) -> bool:
    """Whether a POSIX path below the folder (a folder's ends in '/') is left out: the last match."""
    ignored = False
    for pattern in patterns:
        if pattern.expression.fullmatch(relative):
            ignored = not pattern.is_negated
    return ignored


def can_skip(folder: str, patterns: tuple[Pattern, ...]) -> bool:
    """Whether a whole folder ('a/b/') is left out, with no pattern that takes back a part of it."""
    return is_ignored(folder, patterns) and not any(
        pattern.is_negated and _may_lie_below(pattern, folder) for pattern in patterns
    )


def _may_lie_below(pattern: Pattern, folder: str) -> bool:
    if not pattern.is_anchored:
        return True
    for wanted, part in zip(pattern.text.split("/"), folder.rstrip("/").split("/"), strict=False):
        if wanted == "**":
            return True
        if not fnmatchcase(part, wanted):
            return False
    return True


def _pattern(line: str) -> Pattern:
    is_negated = line.startswith("!")
    body = line.removeprefix("!")
    text = body.strip("/")
    is_anchored = "/" in body.rstrip("/")
    expression = "" if is_anchored else "(?:.*/)?"
    parts = text.split("/")
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        if part == "**":
            expression += ".*" if last else "(?:.*/)?"
        else:
            expression += _segment(part) + ("" if last else "/")
    expression += "/.*" if body.endswith("/") else "(?:/.*)?"
    return Pattern(text, re.compile(expression, re.DOTALL), is_negated, is_anchored)


def _segment(glob: str) -> str:
    """A regular expression for one path segment; '*' and '?' do not cross a '/'."""
    tokens = re.findall(r"\\.|\[!?\]?[^\]]*\]|.", glob)
    found = {"*": "[^/]*", "?": "[^/]"}
    return "".join(
        (
            f"[^{token[2:]}"
            if token.startswith("[!")
            else (
                token
                if token.startswith("[") and len(token) > 1
                else found.get(token, _escaped(token))
            )
        )
        for token in tokens
    )


def _escaped(token: str) -> str:
    return re.escape(token[1:] if len(token) == 2 else token)
