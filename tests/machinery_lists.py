"""The lists of machinery, `mlops/<floor>/machinery.json`, that `nox -s update` goes by.

`python -m tests.machinery_lists` writes them anew.
"""

from __future__ import annotations

import hashlib
import json

from tests.template import PROJECT, is_copied, level_of, project_files

# The packages of the floors from level 1 on.
FLOORS = ("quality", "training", "deployment", "operations")
# What is the user's from the first day: an update never touches it.
YOURS = (
    "model/",
    "data/",
    "tests/",
    "notebooks/",
    "environments/",
    "docs/",
    "requirements/model.in",
    "audit.yml",
)


def lists() -> dict[str, str]:
    """The text of every list, by its path in the project."""
    made: dict[str, dict[str, str]] = {}
    for path in project_files():
        if is_copied(path) and not path.startswith(YOURS) and not path.endswith("machinery.json"):
            content = (PROJECT / path).read_bytes().replace(b"\r\n", b"\n")
            name = f"mlops/{FLOORS[level_of(path) - 1]}/machinery.json"
            made.setdefault(name, {})[path] = hashlib.sha256(content).hexdigest()
    return {name: json.dumps(listed, indent=2) + "\n" for name, listed in made.items()}


if __name__ == "__main__":
    for name, text in lists().items():
        (PROJECT / name).write_text(text, encoding="utf-8")
        print(f"{name}: {len(json.loads(text))} files")
