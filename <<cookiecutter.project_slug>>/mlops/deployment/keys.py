"""`nox -s keys`: make and withdraw an environment's API keys; two are valid at once for a rotation."""

from __future__ import annotations

import argparse

from mlops.deployment import audit_log
from mlops.deployment.desired.environment import ENVIRONMENTS, PROD, environment
from mlops.deployment.serving import endpoint
from mlops.deployment.serving.keys import FILE, NAMES, keys_text, new_key, read_keys
from mlops.quality.project import ROOT, load_project
from mlops.quality.tables import replace_text
from mlops.quality.terminal import console
from mlops.training import detached, provenance


def main(arguments: list[str]) -> int:
    """Make a new key and show it once; or withdraw one; or list what is valid."""
    parser = argparse.ArgumentParser(
        prog="nox -s keys --",
        description="Make a new API key in the place of the primary or the secondary one, and show "
        "it once: only its digest is kept. While there is a key, every request needs one.",
    )
    parser.add_argument(
        "environment", nargs="?", default=PROD, help=f"of {', '.join(ENVIRONMENTS)} (default: prod)"
    )
    parser.add_argument(
        "--key", choices=NAMES, default=NAMES[0], help="which one (default: primary)"
    )
    parser.add_argument("--withdraw", action="store_true", help="take it away instead")
    parser.add_argument("--list", action="store_true", help="show which keys are valid, since when")
    options = parser.parse_args(arguments)
    project = load_project(ROOT)
    target = environment(project, options.environment)
    out = console()
    if options.list:
        keys = [key for key in read_keys(target.folder) if key.name in NAMES]
        for key in keys:
            out.print(f"{key.name:<9}  since {key.created}", markup=False)
        if not keys:
            out.print(f"{target.name} asks for no key")
        return 0
    with detached.locked(endpoint.KIND, target.folder):
        there = read_keys(target.folder)
        secret, keys_after = new_key(there, options.key)
        if options.withdraw:
            secret, keys_after = "", tuple(key for key in there if key.name != options.key)
        replace_text(target.folder / FILE, keys_text(keys_after))
    audit_log.append(
        project.state,
        "key",
        {
            "environment": target.name,
            "key": options.key,
            "withdrawn": options.withdraw,
            "by": provenance.author(project.root),
        },
    )
    if options.withdraw:
        out.print(f"the {options.key} key of {target.name} is not valid any more")
    else:
        print(secret)
        out.print(f"the {options.key} key of {target.name}; it is not shown again", style="dim")
    return 0
