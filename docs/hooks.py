"""What a page takes from the code it speaks of, wherever it says `[[TABLE: name]]` or the like.

`[[TABLE: name]]` is a table of this module, `[[HELP: module]]` what a command of a project prints
about its options. An unknown name is an error, and so fails the build.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import re
import sys
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PROJECT = ROOT / "<<cookiecutter.project_slug>>"
MARK = re.compile(r"\[\[(TABLE|HELP): ([\w.:]+)\]\]")


def on_page_markdown(markdown: str, **_: object) -> str:
    """Put tables and helps into a page."""
    return MARK.sub(lambda found: _cut(found.group(1), found.group(2)), markdown)


def _cut(kind: str, name: str) -> str:
    return TABLES[name]() if kind == "TABLE" else f"```text\n{printed_help(name)}\n```"


def questions() -> str:
    """Every question with its default and its choices, from cookiecutter.json."""
    settings = json.loads((ROOT / "cookiecutter.json").read_text())
    lines = ["| answer | question | default or choices |", "| --- | --- | --- |"]
    for name, prompt in settings["__prompts__"].items():
        text = prompt if isinstance(prompt, str) else prompt["__prompt__"]
        offered = settings[name]
        shown = offered if isinstance(offered, str) else ", ".join(offered)
        if "<<" in shown:
            shown = "made from the name"
        lines.append(f"| `{name}` | {text} | {shown} |")
    return "\n".join(lines)


def levels() -> str:
    """The levels that are offered, in the words of the question."""
    settings = json.loads((ROOT / "cookiecutter.json").read_text())
    labels = settings["__prompts__"]["maturity_level"]
    return "\n".join(f"- {labels[level]}" for level in sorted(settings["maturity_level"]))


def commands() -> str:
    """Every nox session of a project with what its docstring says, from noxfile.py."""
    lines = ["| command | what it does |", "| --- | --- |"]
    for node in ast.walk(ast.parse((PROJECT / "noxfile.py").read_text())):
        if isinstance(node, ast.FunctionDef) and node.decorator_list:
            lines.append(f"| `nox -s {node.name}` | {ast.get_docstring(node)} |")
    return "\n".join(lines)


def brought() -> str:
    """The paths that each level adds, from the hook that leaves them out."""
    tree = ast.parse((ROOT / "hooks" / "post_gen_project.py").read_text())
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "BROUGHT_BY_LEVEL":
            table = ast.literal_eval(node.value)
            return "\n".join(
                f"- Level {level}: " + ", ".join(f"`{path}`" for path in paths)
                for level, paths in table.items()
            )
    raise ValueError("hooks/post_gen_project.py has no table BROUGHT_BY_LEVEL")


def grammar() -> str:
    """The keys of a pipeline, its settings, a job and a component, as the runner reads them."""
    lines = ["| in | read | ignored, Azure's alone |", "| --- | --- | --- |"]
    for part, keys in _keys().items():
        lines.append(f"| {part} | {_code(keys.known)} | {_code(keys.azure)} |")
    return "\n".join(lines)


def refused() -> str:
    """The keys that the runner refuses by name, with its reasons, and the kinds of job."""
    lines = ["| in | key | what the error says |", "| --- | --- | --- |"]
    for part, keys in _keys().items():
        lines += [f"| {part} | `{key}` | {reason} |" for key, reason in keys.refused.items()]
    kinds = _code(" ".join(_machinery("mlops.training.pipeline.definition")["_AZURE_JOBS"]))
    return "\n".join([*lines, "", f"Kinds of job that are refused by name: {kinds}."])


def _keys() -> dict[str, Any]:
    definition = _machinery("mlops.training.pipeline.definition")
    component = _machinery("mlops.training.pipeline.component")
    return {
        "a pipeline": definition["_PIPELINE"],
        "its `settings`": definition["_SETTINGS"],
        "a job": definition["_JOB"],
        "a component": component["_COMPONENT"],
    }


def _code(words: str) -> str:
    return ", ".join(f"`{word}`" for word in words.split()) or "-"


@cache
def printed_help(command: str) -> str:
    """What `--help` prints of a module's main function; `module:function` names another one."""
    module, _, function = command.partition(":")
    printed = io.StringIO()
    os.environ["COLUMNS"] = "88"
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        _machinery(module)[function or "main"](["--help"])
    if not printed.getvalue().startswith("usage: "):
        raise ValueError(f"{command} --help prints no usage")
    return printed.getvalue().strip()


def _machinery(module: str) -> dict[str, Any]:
    """A module of the project as it lies in the template; nothing is written there."""
    sys.dont_write_bytecode = True
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    if str(PROJECT) not in sys.path:
        sys.path.insert(0, str(PROJECT))
    return vars(import_module(module))


TABLES = {
    "questions": questions,
    "levels": levels,
    "commands": commands,
    "brought": brought,
    "grammar": grammar,
    "refused": refused,
}
