"""Tables that are read from the files they speak of, wherever a page says `[[TABLE: name]]`."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROJECT = ROOT / "<<cookiecutter.project_slug>>"


def on_page_markdown(markdown: str, **_: object) -> str:
    """Put the tables into a page; an unknown name is an error, and so fails a strict build."""
    return re.sub(r"\[\[TABLE: (\w+)\]\]", lambda found: TABLES[found.group(1)](), markdown)


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


TABLES = {"questions": questions, "levels": levels, "commands": commands, "brought": brought}
