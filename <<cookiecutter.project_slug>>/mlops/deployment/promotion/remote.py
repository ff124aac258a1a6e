"""The Git remote of a checkout: which repository at GitHub it is, and how Git asks it with a token."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from mlops.deployment.desired.repository import git
from mlops.quality.errors import UserError

SERVER = "https://github.com"
_SCP = re.compile(r"(?:[\w.-]+@)?(?P<host>[\w.-]+):(?P<path>[^/].*)")


def remote_of(root: Path) -> str:
    """The remote's name: `origin`, or the only one. Raises UserError where there is none."""
    names = git(root, "remote").split()
    if "origin" in names:
        return "origin"
    if len(names) == 1:
        return names[0]
    found = f"several remotes, and none is 'origin': {', '.join(names)}" if names else "no remote"
    raise UserError(f"{root}: {found}; git remote add origin https://github.com/OWNER/NAME.git")


def repository_of(root: Path, server: str = SERVER) -> str:
    """The repository, owner/name, that the remote's address names; raises UserError."""
    name = remote_of(root)
    url = git(root, "remote", "get-url", name).strip()
    found = parse_remote(url, server)
    if not found:
        raise UserError(
            f"remote {name}: {_plain(url)} is no repository of {server}; name it in GITHUB_REPOSITORY"
        )
    return found


def parse_remote(url: str, server: str = SERVER) -> str:
    """The owner/name in a remote's address (https, ssh or git@host:); empty where it is elsewhere."""
    host = urlsplit(server).hostname
    if "://" in url:
        parts = urlsplit(url)
        where, path = parts.hostname, parts.path
    elif scp := _SCP.fullmatch(url):
        where, path = scp["host"].lower(), scp["path"]
    else:
        return ""
    # ssh over the port of https has a name of its own
    if where not in (host, f"ssh.{host}"):
        return ""
    words = path.strip("/").removesuffix(".git").split("/")
    return "/".join(words) if len(words) == 2 and all(words) else ""


def git_variables(url: str, server: str, token: str) -> Mapping[str, str]:
    """Variables with which Git asks that server by the token, and nobody for a password.

    The token is in no file and no command line, and other servers do not get it.
    """
    quiet = {"GIT_TERMINAL_PROMPT": "0"}
    same = urlsplit(url)[:2] == urlsplit(server)[:2] and url.startswith("https://")
    if not same:
        return quiet
    basic = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    key = f"http.{server}/.extraheader"
    return quiet | {
        "GIT_CONFIG_COUNT": "2",
        # an empty one takes back what a checkout left there: GitHub refuses two
        "GIT_CONFIG_KEY_0": key,
        "GIT_CONFIG_VALUE_0": "",
        "GIT_CONFIG_KEY_1": key,
        "GIT_CONFIG_VALUE_1": f"AUTHORIZATION: basic {basic}",
    }


def _plain(url: str) -> str:
    """An address without what may be a password in it."""
    return re.sub(r"//[^/@]*@", "//", url)
