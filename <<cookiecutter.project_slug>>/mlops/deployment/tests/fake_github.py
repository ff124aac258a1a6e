"""A GitHub on this machine: it checks each request against GitHub's own description, and remembers it.

`github_operations.json` is cut from `@octokit/openapi` 23.0.2 (MIT), the description of GitHub's REST
interface: path, parameters and body of the operations that are used here.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import jsonschema  # type: ignore[import-untyped]

OPERATIONS = json.loads((Path(__file__).parent / "github_operations.json").read_text())
REPOSITORY = "me/small"
TOKEN = "a-token"
Reply = tuple[int, Mapping[str, str], Any]


@dataclass
class FakeGitHub:
    """What the repository has, and what was asked; `next_replies` are given before anything else."""

    url: str = ""
    pulls: list[dict[str, Any]] = field(default_factory=list)
    issues: list[dict[str, Any]] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    approvals: list[dict[str, Any]] = field(default_factory=list)
    asked: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    next_replies: list[Reply] = field(default_factory=list)

    def environment(self, **more: str) -> dict[str, str]:
        return {
            "GITHUB_API_URL": self.url,
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_TOKEN": TOKEN,
            **more,
        }

    def made(self, method: str) -> list[str]:
        """The paths that were asked with a method, in order."""
        return [path for verb, path, *_ in self.asked if verb == method]

    def pull(self, **about: Any) -> dict[str, Any]:
        """Add a pull request as GitHub would tell of it."""
        number = len(self.pulls) + 1
        made = {
            "number": number,
            "state": "open",
            "merged_at": None,
            "merge_commit_sha": None,
            "html_url": f"https://github.com/{REPOSITORY}/pull/{number}",
            "body": "",
            **about,
        }
        self.pulls.append(made)
        return made

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> Reply:
        words = path.strip("/").split("/")[3:]
        match (method, words):
            case ("GET", []):
                return 200, {}, {"default_branch": "main"}
            case ("GET", ["pulls"]):
                return 200, {}, [each for each in self.pulls if self._fits(each, query)]
            case ("POST", ["pulls"]):
                head = f"me:{body['head']}"
                if any(e["head"] == head and e["state"] == "open" for e in self.pulls):
                    errors = [{"message": f"A pull request already exists for {head}."}]
                    return 422, {}, {"message": "Validation Failed", "errors": errors}
                return 201, {}, self.pull(**{**body, "head": head})
            case (("GET" | "PATCH"), ["pulls", number]):
                return self._one(self.pulls, number, body)
            case ("GET", ["actions", "workflows", "ci.yml", "runs"]):
                found = [run for run in self.runs if run["head_sha"] == query["head_sha"]]
                return 200, {}, {"total_count": len(found), "workflow_runs": found}
            case ("POST", ["actions", "workflows", "ci.yml", "dispatches"]):
                return 204, {}, None
            case ("GET", ["actions", "runs", _, "approvals"]):
                return 200, {}, self.approvals
            case ("GET", ["commits", sha, "pulls"]):
                return 200, {}, [e for e in self.pulls if e["merge_commit_sha"] == sha]
            case ("GET", ["issues"]):
                first = 100 * (int(query["page"]) - 1)
                listed = [each for each in self.issues if each["state"] == query["state"]]
                return 200, {}, listed[first : first + int(query["per_page"])]
            case ("POST", ["issues"]):
                url = f"https://github.com/{REPOSITORY}/issues/{len(self.issues) + 1}"
                about = {"number": len(self.issues) + 1, "state": "open", "html_url": url}
                self.issues.append({**about, **body})
                return 201, {}, self.issues[-1]
            case ("PATCH", ["issues", number]):
                return self._one(self.issues, number, body)
        return 404, {}, {"message": "Not Found"}

    def _fits(self, pull: Mapping[str, Any], query: Mapping[str, str]) -> bool:
        state = query.get("state", "open")
        same = pull["head"] == query["head"] and pull["base"] == query["base"]
        return same and state in ("all", pull["state"])

    def _one(self, among: list[dict[str, Any]], number: str, body: Any) -> Reply:
        for each in among:
            if str(each["number"]) == number:
                each.update(body or {})
                return 200, {}, each
        return 404, {}, {"message": "Not Found"}


def mistakes(method: str, path: str, query: Mapping[str, str], body: Any) -> list[str]:
    """What GitHub's description says against a request."""
    for operation in OPERATIONS:
        pattern = re.sub(r"\{\w+\}", "[^/]+", operation["path"])
        if operation["method"] == method and re.fullmatch(pattern, path):
            break
    else:
        return [f"{method} {path}: there is no such operation"]
    known = {each["name"]: each for each in operation["parameters"] if each["in"] == "query"}
    found = [f"{method} {path}: no parameter {name}" for name in query if name not in known]
    for name, value in query.items():
        schema = known.get(name, {}).get("schema", {})
        typed = int(value) if schema.get("type") == "integer" and value.isdigit() else value
        found += [error.message for error in jsonschema.Draft7Validator(schema).iter_errors(typed)]
    if operation["body"] is None:
        return found + ([f"{method} {path}: takes no body"] if body is not None else [])
    schema = {**operation["body"], "additionalProperties": False}
    return found + [error.message for error in jsonschema.Draft7Validator(schema).iter_errors(body)]


@contextmanager
def running(fake: FakeGitHub) -> Iterator[FakeGitHub]:
    """Serve it on loopback; what was wrong with a request fails the test at the end."""

    class Handler(BaseHTTPRequestHandler):
        def handle_one(self) -> None:
            parts = urlsplit(self.path)
            query, path = dict(parse_qsl(parts.query)), unquote(parts.path)
            length = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            fake.asked.append((self.command, path, query, body))
            fake.wrong += mistakes(self.command, path, query, body)
            if self.headers["authorization"] != f"Bearer {TOKEN}":
                reply: Reply = (401, {}, {"message": "Bad credentials"})
            elif fake.next_replies:
                reply = fake.next_replies.pop(0)
            else:
                reply = fake.answer(self.command, path, query, body)
            status, headers, content = reply
            data = b"" if content is None else json.dumps(content).encode()
            self.send_response(status)
            for key, value in {**headers, "content-length": str(len(data))}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = handle_one  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert fake.wrong == []
