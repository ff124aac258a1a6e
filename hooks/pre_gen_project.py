"""Refuse answers that would not make a working project: one line each, nothing is left behind.

The slug is read from the private answer `__slug`, which `cookiecutter.json` copies from the
question before it turns a slug that is no plain name into a harmless one: cookiecutter makes the
folder before it calls this hook, and of `a/b` it would leave `a` behind.
"""

import json
import keyword
import re
import sys

# In hexadecimal, so that no character of an answer can end the string.
ANSWERS = json.loads(bytes.fromhex("<< (cookiecutter|jsonify).encode().hex() >>"))

# Windows' devices and the folders that a project has.
RESERVED = r"aux|con|nul|prn|(com|lpt)\d|data|docs|mlops|model|notebooks|pipelines|tests?"


def refusals(name: str, slug: str, owner: str) -> list[str]:
    """What is wrong with the answers, a line for each."""
    found = []
    if not name.strip() or name != name.strip() or len(name) > 80:
        found.append(f"project_name: {name[:90]!r}: expected 1 to 80 characters, no space around")
    elif not name.isprintable() or set(name) & set("\"'`\\<>"):
        found.append(f"project_name: {name!r}: no quotes, \\, <, > or control characters, please")
    if not re.fullmatch(r"(?=.{1,40}\Z)[a-z][a-z0-9]*(-[a-z0-9]+)*", slug):
        wanted = "expected 1 to 40 lower-case letters, digits and single hyphens, a letter first"
        found.append(f"project_slug: {slug[:50]!r}: {wanted}")
    elif re.fullmatch(RESERVED, slug) or {slug, slug.capitalize()} & set(keyword.kwlist):
        found.append(f"project_slug: {slug!r}: reserved by Python, Windows or this template")
    if not re.fullmatch(r"(?=.{1,39}\Z)[A-Za-z0-9]+(-[A-Za-z0-9]+)*", owner):
        wanted = "expected a GitHub name: 1 to 39 letters, digits and single hyphens"
        found.append(f"owner: {owner[:50]!r}: {wanted}")
    return found


HARMLESS = ".refused-slug"
SLUG = "__slug" if ANSWERS["project_slug"] == HARMLESS else "project_slug"
REFUSED = refusals(*(str(ANSWERS[key]) for key in ("project_name", SLUG, "owner")))
sys.exit("\n".join(f"error: {line}" for line in REFUSED) if REFUSED else 0)
