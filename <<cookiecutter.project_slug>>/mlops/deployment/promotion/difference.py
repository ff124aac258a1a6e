"""`nox -s issue`: an issue at GitHub while what serves is not what Git says."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

from mlops.deployment.desired.environment import ENVIRONMENTS
from mlops.deployment.promotion.github import (
    GitHub,
    ask,
    connect,
    field,
    place,
    records,
)
from mlops.deployment.promotion.text import fenced
from mlops.deployment.status import Status, look
from mlops.quality.project import ROOT, load_project
from mlops.quality.terminal import console

TITLE = "What serves is not what Git says"
# By which the issue is found again; nobody sees it.
MARK = "<!-- mlops: differences -->"
WRITE = "issues: write"


def main(arguments: list[str]) -> int:
    """Open, update or close the issue; 1 where something differs."""
    parser = argparse.ArgumentParser(
        prog="nox -s issue --",
        description="Compare what each environment serves with Git. Opens an issue at GitHub where "
        "they differ, brings it up to date, and closes it where they do no longer.",
    )
    parser.add_argument("--dry-run", action="store_true", help="print it, and ask GitHub nothing")
    options = parser.parse_args(arguments)
    project = load_project(ROOT)
    found = [look(project, name) for name in ENVIRONMENTS[1:]]
    text = body(found)
    console().print(text or "all is as Git says", markup=False)
    if not options.dry_run:
        said = tell(connect(os.environ, project.root), text)
        console().print(said, markup=False)
    return int(bool(text))


def body(found: Sequence[Status]) -> str:
    """The issue's text; empty where nothing differs."""
    lines = [f"{each.environment}: {line}" for each in found for line in each.differences]
    if not lines:
        return ""
    return (
        f"{MARK}\n{fenced(chr(10).join(lines))}\n\n"
        "`nox -s reconcile` brings what serves in line with Git; to keep what serves, change "
        "`environments/` by a pull request. This issue closes itself.\n"
    )


def tell(github: GitHub, text: str) -> str:
    """Have one open issue with that text, or none for no text; returns what was done."""
    open_ones = _open_issues(github)
    if not text:
        for number, _ in open_ones:
            done = {"state": "closed", "state_reason": "completed"}
            ask(github, "PATCH", place("issues", number), WRITE, body=done)
        return (
            f"closed issue {', '.join(n for n, _ in open_ones)}"
            if open_ones
            else "no issue is open"
        )
    if not open_ones:
        made = ask(github, "POST", "/issues", WRITE, body={"title": TITLE, "body": text})
        return f"opened {field(made, 'html_url')}"
    number, said = open_ones[0]
    if said == text:
        return f"issue {number} says so already"
    ask(github, "PATCH", place("issues", number), WRITE, body={"body": text})
    return f"updated issue {number}"


def _open_issues(github: GitHub) -> list[tuple[str, str]]:
    """Number and text of the open issues that carry the mark, the oldest first."""
    query = {"state": "open", "per_page": "100", "sort": "created", "direction": "asc"}
    found: list[tuple[str, str]] = []
    page = 1
    while True:
        listed = records(
            ask(github, "GET", "/issues", "issues: read", query={**query, "page": str(page)})
        )
        found += [
            (field(each, "number"), field(each, "body"))
            for each in listed
            # GitHub lists pull requests among the issues
            if "pull_request" not in each and field(each, "body").startswith(MARK)
        ]
        if len(listed) < 100:
            return found
        page += 1
