"""What is asked of GitHub: with which rights and words, tried again how often, and who approved."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from mlops.deployment.promotion import changed, difference
from mlops.deployment.promotion.approver import approver
from mlops.deployment.promotion.github import GitHub, ask, connect, refusal
from mlops.deployment.promotion.pull_request import PullRequest, decide, open_or_update
from mlops.deployment.promotion.remote import git_variables, parse_remote, repository_of
from mlops.deployment.status import Status
from mlops.deployment.tests.fake_github import REPOSITORY, TOKEN, FakeGitHub, mistakes, running
from mlops.quality.errors import UserError

SHA = "c" * 40
ADA = {"login": "ada", "id": 7, "type": "User"}
BOT = {"login": "github-actions[bot]", "id": 41898282, "type": "Bot"}


@pytest.fixture
def fake() -> Iterator[FakeGitHub]:
    with running(FakeGitHub()) as found:
        yield found


def connected(fake: FakeGitHub) -> GitHub:
    return dataclasses.replace(connect(fake.environment()), seconds=0.01)


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://github.com/me/small.git", "me/small"),
        ("https://github.com/me/small", "me/small"),
        ("https://x-access-token:abc@github.com/me/small/", "me/small"),  # pragma: allowlist secret
        ("git@github.com:me/small.git", "me/small"),
        ("ssh://git@github.com/me/small.git", "me/small"),
        ("ssh://git@ssh.github.com:443/me/small.git", "me/small"),
        ("https://gitlab.com/me/small.git", ""),
        ("git@evil.org:github.com/small", ""),
        ("https://github.com/me", ""),
        ("/srv/small.git", ""),
        ("../small.git", ""),
        ("file:///srv/me/small.git", ""),
    ],
)
def test_the_repository_in_a_remote(url: str, found: str) -> None:
    assert parse_remote(url) == found


def test_a_server_of_ones_own() -> None:
    assert parse_remote("https://git.me.org/a/b.git", "https://git.me.org") == "a/b"
    assert parse_remote("https://github.com/a/b.git", "https://git.me.org") == ""


def make_checkout(root: Path, **remotes: str) -> Path:
    root.mkdir()
    subprocess.run(["git", "init", "--quiet", "-b", "main"], cwd=root, check=True)
    for name, url in remotes.items():
        subprocess.run(["git", "remote", "add", name, url], cwd=root, check=True)
    return root


def test_the_remote_is_origin_or_the_only_one(tmp_path: Path) -> None:
    here, there = "https://github.com/me/small", "https://github.com/you/small"
    assert repository_of(make_checkout(tmp_path / "a", up=there, origin=here)) == "me/small"
    assert repository_of(make_checkout(tmp_path / "b", up=there)) == "you/small"
    with pytest.raises(UserError, match=r"no remote; git remote add origin"):
        repository_of(make_checkout(tmp_path / "c"))
    with pytest.raises(UserError, match="several remotes, and none is 'origin': a, b"):
        repository_of(make_checkout(tmp_path / "d", a=here, b=there))
    url = "https://me:hidden@gitlab.com/me/small"  # pragma: allowlist secret
    with pytest.raises(UserError, match="GITHUB_REPOSITORY") as told:
        repository_of(make_checkout(tmp_path / "e", origin=url))
    assert "hidden" not in str(told.value)


def test_only_githubs_own_server_gets_the_token() -> None:
    server = "https://github.com"
    ours = git_variables("https://github.com/me/small", server, "secret")
    assert ours["GIT_CONFIG_KEY_1"] == "http.https://github.com/.extraheader"
    assert ours["GIT_CONFIG_VALUE_0"] == ""
    for url in ("https://evil.org/me/small", "/srv/small.git", "http://github.com/me/small"):
        assert git_variables(url, server, "secret") == {"GIT_TERMINAL_PROMPT": "0"}


def test_the_token_replaces_what_a_checkout_left(tmp_path: Path) -> None:
    root = make_checkout(tmp_path / "a", origin="https://github.com/me/small")
    key = "http.https://github.com/.extraheader"
    subprocess.run(["git", "config", key, "AUTHORIZATION: basic old"], cwd=root, check=True)
    variables = git_variables("https://github.com/me/small", "https://github.com", "secret")
    command = ["git", "config", "--get-all", key]
    done = subprocess.run(command, cwd=root, env={**variables}, capture_output=True, check=True)
    # Git drops all that stands before an empty one (git help config, http.extraHeader)
    assert done.stdout.decode().splitlines()[1] == ""
    assert done.stdout.decode().splitlines()[2].startswith("AUTHORIZATION: basic eC1hY2Nlc3M")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"GITHUB_TOKEN": ""}, "GITHUB_TOKEN is not set"),
        ({"GITHUB_TOKEN": "two words"}, "GITHUB_TOKEN: expected a token"),
        ({"GITHUB_REPOSITORY": "../x"}, "GITHUB_REPOSITORY: expected owner/name"),
        ({"GITHUB_REPOSITORY": ""}, "GITHUB_REPOSITORY: expected owner/name"),
        ({"GITHUB_API_URL": "http://api.example.org"}, "GITHUB_API_URL: expected an https"),
        ({"GITHUB_API_URL": "ftp://127.0.0.1"}, "GITHUB_API_URL: expected an https"),
    ],
)
def test_what_is_missing_is_told(changed: dict[str, str], told: str) -> None:
    with pytest.raises(UserError, match=told):
        connect({**FakeGitHub("http://127.0.0.1:1").environment(), **changed})


def test_the_token_of_the_command_line_tool_will_do() -> None:
    environment = {"GH_TOKEN": "other", "GITHUB_REPOSITORY": REPOSITORY}
    found = connect(environment)
    assert (found.token, found.api) == ("other", "https://api.github.com")
    assert "other" not in repr(found)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_may_go_through_later_is_tried_again(status: int, fake: FakeGitHub) -> None:
    fake.next_replies = [(status, {}, {"message": "later"})] * 2
    assert ask(connected(fake), "GET", "", "metadata: read") == {"default_branch": "main"}
    assert len(fake.asked) == 3


def test_a_second_rate_limit_is_waited_for(fake: FakeGitHub) -> None:
    limit = {"message": "You have exceeded a secondary rate limit"}
    fake.next_replies = [(403, {"retry-after": "1"}, limit)]
    begin = datetime.now(UTC)
    assert ask(connected(fake), "GET", "", "metadata: read")
    assert (datetime.now(UTC) - begin).total_seconds() >= 1


def test_it_ends_where_it_does_not_get_better(fake: FakeGitHub) -> None:
    fake.next_replies = [(503, {}, {"message": "down"})] * 9
    with pytest.raises(UserError, match=r"GitHub: GET /: answered 503 \(down\)"):
        ask(connected(fake), "GET", "", "metadata: read")
    assert len(fake.asked) == 5


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_what_is_final_is_not_tried_again(status: int, fake: FakeGitHub) -> None:
    fake.next_replies = [(status, {}, {"message": "no"})]
    with pytest.raises(UserError):
        ask(connected(fake), "GET", "", "metadata: read")
    assert len(fake.asked) == 1


def test_nobody_there(fake: FakeGitHub) -> None:
    away = GitHub(REPOSITORY, TOKEN, "http://127.0.0.1:9", seconds=0.001)
    with pytest.raises(UserError, match="no connection"):
        ask(away, "GET", "", "metadata: read")


def test_what_is_no_json(fake: FakeGitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlops.deployment.tests.fake_github.json.dumps", lambda _: "<html>")
    with pytest.raises(UserError, match="answered what is no JSON"):
        ask(connected(fake), "GET", "", "metadata: read")


def answer(status: int, body: Any = None, **headers: str) -> requests.Response:
    found = requests.Response()
    found.status_code = status
    found.headers.update({key.replace("_", "-"): value for key, value in headers.items()})
    found._content = json.dumps(body).encode() if body is not None else b"<html>"
    found.reason = "no reason"
    return found


NOW = datetime(2026, 5, 3, 12, tzinfo=UTC)
SOON = str(int(NOW.timestamp()) + 600)


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (answer(401, {"message": "Bad credentials"}), "the token is not accepted (Bad credent"),
        (answer(403, {"message": "Resource not accessible"}), "the token needs x: write"),
        (answer(404, {"message": "Not Found"}), "it needs x: write"),
        (answer(403, {"message": "No"}, x_ratelimit_remaining="0", x_ratelimit_reset=SOON), "10 min"),
        (answer(429, {"message": "API rate limit exceeded"}), "too many requests; again later"),
        (answer(403, {"message": "GitHub Actions is not permitted to create pull requests."}), "Workfl"),
        (answer(301, {"message": "Moved"}), "GITHUB_REPOSITORY"),
        (answer(422, {"message": "Failed", "errors": [{"message": "too long"}, "b"]}), "too long; b"),
        (answer(400), "answered 400 (no reason)"),
    ],
)  # fmt: skip
def test_a_refusal_says_what_to_do(found: requests.Response, told: str) -> None:
    assert told in refusal(found, "x: write", NOW)


def pull(number: int, state: str, merged: bool = False) -> PullRequest:
    return PullRequest(number, state, merged, "t", "b", "u")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("known", "again", "action", "number"),
    [
        ([], False, "open", None),
        ([pull(1, "open")], False, "update", 1),
        ([pull(2, "open"), pull(1, "closed")], False, "update", 2),
        ([pull(1, "closed"), pull(2, "closed", True)], False, "leave", 2),
        ([pull(1, "closed")], True, "open", None),
        ([pull(2, "open"), pull(1, "closed")], True, "update", 2),
    ],
)
def test_whether_to_open_a_pull_request(
    known: list[PullRequest], again: bool, action: str, number: int | None
) -> None:
    step = decide(known, again=again)
    assert (step.action, step.found and step.found.number) == (action, number)


def test_another_call_that_was_quicker_is_no_mistake(fake: FakeGitHub) -> None:
    fake.pull(title="T", head="me:b", base="main")
    step = decide([], again=False)
    names = {"branch": "b", "base": "main", "title": "T", "body": "text"}
    found = open_or_update(connected(fake), step, **names)
    assert (found.number, fake.pulls[0]["body"]) == (1, "text")
    assert len(fake.pulls) == 1
    fake.next_replies = [(422, {}, {"message": "No commits between main and b"})]
    with pytest.raises(UserError, match="No commits between"):
        open_or_update(connected(fake), step, **{**names, "branch": "c"})


def run(fake: FakeGitHub, **more: str) -> dict[str, str]:
    return fake.environment(GITHUB_RUN_ID="12", GITHUB_SHA=SHA, **more)


def review(state: str, name: str = "prod", user: object = ADA, comment: str = "") -> dict[str, Any]:
    return {"state": state, "environments": [{"name": name}], "user": user, "comment": comment}


def test_who_reviewed_the_deployment_approved_it(fake: FakeGitHub) -> None:
    fake.approvals = [review("rejected", comment="no"), review("approved", comment="fine\nby me")]
    found = approver(run(fake))
    assert (found.name, found.email) == ("ada", "7+ada@users.noreply.github.com")
    assert found.reason == "fine by me"
    assert found.url == f"https://github.com/{REPOSITORY}/actions/runs/12"
    assert approver(run(fake, GITHUB_SERVER_URL="https://git.me.org")).email.endswith("git.me.org")
    fake.approvals[-1]["comment"] = ""
    assert approver(run(fake)).reason == f"approved the deployment: {found.url}"


def test_who_merged_approved_where_nobody_was_asked(fake: FakeGitHub) -> None:
    fake.approvals = [review("approved", "stage"), review("pending")]
    about = {"title": "Promote", "head": "me:b", "base": "main", "merged_by": ADA}
    fake.pull(**about, merge_commit_sha="d" * 40, merged_at="2026-05-03T00:00:00Z")
    fake.pull(**about, merge_commit_sha=SHA)
    with pytest.raises(UserError, match="nobody has approved cccccccccc for prod"):
        approver(run(fake))
    made = fake.pull(**about, merge_commit_sha=SHA, merged_at="2026-05-03T00:00:00Z")
    found = approver(run(fake))
    assert (found.name, found.reason) == ("ada", "merged pull request 3: Promote")
    assert found.url == made["html_url"]
    assert approver(run(fake), "stage").reason.startswith("approved the deployment")


def test_a_machine_or_nobody_approves_nothing(fake: FakeGitHub) -> None:
    about = {"title": "P", "head": "me:b", "base": "main", "merge_commit_sha": SHA}
    fake.pull(**about, merged_at="2026-05-03T00:00:00Z", merged_by=BOT)
    with pytest.raises(UserError, match=r"github-actions\[bot\] is no person"):
        approver(run(fake))
    fake.pulls[0]["merged_by"] = None
    with pytest.raises(UserError, match="does not tell who approved"):
        approver(run(fake))
    fake.approvals = [review("approved"), review("rejected")]
    with pytest.raises(UserError, match="ada has rejected this deployment"):
        approver(run(fake))
    with pytest.raises(UserError, match="in a workflow alone"):
        approver(fake.environment())


def test_an_issue_is_open_while_something_differs(fake: FakeGitHub) -> None:
    differs = [Status("stage", None), Status("prod", None, differences=("nothing is deployed",))]
    text = difference.body(differs)
    assert "prod: nothing is deployed" in text
    assert difference.body(differs[:1]) == ""
    github = connected(fake)
    fake.issues += [
        {"number": number, "state": "open", "body": "people's"} for number in range(1, 151)
    ]
    fake.issues.append({"number": 151, "state": "open", "body": text, "pull_request": {}})
    assert difference.tell(github, "") == "no issue is open"
    assert difference.tell(github, text).endswith("/issues/152")
    assert difference.tell(github, text) == "issue 152 says so already"
    assert difference.tell(github, text.replace("nothing", "little")) == "updated issue 152"
    assert difference.tell(github, "") == "closed issue 152"
    assert [each["number"] for each in fake.issues if each["state"] == "closed"] == [152]


def test_which_environments_a_push_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_checkout(tmp_path / "a")
    commits = []
    for name in ("README.md", "environments/stage/model.yml", "environments/prod/settings.yml"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
        who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
        subprocess.run(["git", "add", "--all"], cwd=root, check=True)
        subprocess.run(["git", *who, "commit", "--quiet", "-m", name], cwd=root, check=True)
        told = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=True
        )
        commits.append(told.stdout.strip())
    assert changed.changed(root, commits[0]) == ("stage", "prod")
    assert changed.changed(root, commits[1]) == ("prod",)
    assert changed.changed(root, commits[2]) == ()
    for unknown in ("", "0" * 40, "f" * 40):
        assert changed.changed(root, unknown) == ("dev", "stage", "prod")
    with pytest.raises(UserError, match="expected a commit"):
        changed.changed(root, "--output=x")
    output = tmp_path / "output"
    monkeypatch.setattr(changed, "ROOT", root)
    monkeypatch.setenv("GITHUB_OUTPUT", str(output))
    assert changed.main(["--since", commits[1]]) == 0
    assert output.read_text() == "stage=false\nprod=true\n"
    assert "prod: true" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("method", "path", "query", "body"),
    [
        ("GET", "/repos/me/small/nothing", {}, None),
        ("GET", "/repos/me/small/pulls", {"stat": "all"}, None),
        ("GET", "/repos/me/small/pulls", {"state": "any"}, None),
        ("POST", "/repos/me/small/pulls", {}, {"title": "without branches"}),
        ("POST", "/repos/me/small/pulls", {}, {"head": "a", "base": "b", "titel": "t"}),
        ("PATCH", "/repos/me/small/issues/1", {}, {"state": "shut"}),
        ("GET", "/repos/me/small", {}, {"a": "body"}),
    ],
)
def test_the_stand_in_refuses_what_github_does_not_take(
    method: str, path: str, query: dict[str, str], body: Any
) -> None:
    assert mistakes(method, path, query, body) != []
