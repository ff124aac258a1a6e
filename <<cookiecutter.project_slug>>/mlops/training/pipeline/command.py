"""The command of a component: its placeholders, its optional parts, and no shell."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Mapping

from mlops.quality.errors import UserError
from mlops.quality.strict import did_you_mean
from mlops.training.pipeline.literals import Port

_HOLE = re.compile(r"\$\{\{\s*(inputs|outputs)\.([A-Za-z_]\w*)\s*\}\}")
_OPTIONAL = re.compile(r"\$\[\[(.*?)\]\]")
_QUOTED = re.compile(r"""'[^']*'|"(?:\\.|[^"\\])*"|\\.""")
_OPERATOR = re.compile(r"\|\||&&|>>|<<|[|&;<>()*?]")


def check_command(
    text: str, inputs: Mapping[str, Port], outputs: Mapping[str, str], where: str
) -> None:
    """Refuse what would need a shell, and placeholders that do not fit the declared ports."""
    _refuse_shell(text, where)
    for part in _OPTIONAL.findall(text):
        names = [name for kind, name in _HOLE.findall(part) if kind == "inputs"]
        if not any(name in inputs and inputs[name].optional for name in names):
            raise UserError(f"{where}: '$[[{part}]]' holds no optional input")
    outside = {name for kind, name in _HOLE.findall(_OPTIONAL.sub(" ", text)) if kind == "inputs"}
    for kind, name in _HOLE.findall(text):
        known = inputs if kind == "inputs" else outputs
        if name not in known:
            hint = did_you_mean(name, known)
            raise UserError(f"{where}: '{kind}.{name}' is not declared; {hint}")
    for name, port in inputs.items():
        if port.optional and name in outside:
            raise UserError(
                f"{where}: the optional input '{name}' stands outside $[[ ]]; "
                f"write $[[... ${{{{inputs.{name}}}}}]]"
            )
    written = {name for kind, name in _HOLE.findall(text) if kind == "outputs"}
    for name in outputs:
        if name not in written:
            raise UserError(f"{where}: the output '{name}' is never passed to the command")


def _refuse_shell(text: str, where: str) -> None:
    plain = _OPTIONAL.sub(r"\1", _HOLE.sub("X", text))
    if "\n" in plain.strip():
        raise UserError(f"{where}: one command on one line is expected; fold it with '>-'")
    if "${{" in plain:
        raise UserError(
            f"{where}: only ${{{{inputs.NAME}}}} and ${{{{outputs.NAME}}}} are placeholders"
        )
    operator = re.search(r"[$`]", plain) or _OPERATOR.search(_QUOTED.sub("Q", plain))
    if operator:
        raise UserError(
            f"{where}: the shell operator '{operator.group()}' is refused; "
            "a command runs without a shell"
        )
    try:
        words = shlex.split(plain)
    except ValueError as error:
        raise UserError(f"{where}: cannot be split into words: {error}") from None
    if not words or "=" in words[0]:
        raise UserError(f"{where}: expected a program as the first word")


def template_words(text: str) -> list[str]:
    """The words of a command with its placeholders still in it."""
    return shlex.split(_HOLE.sub(r"${{\1.\2}}", _OPTIONAL.sub(r" \1 ", text)))


def command_words(text: str, inputs: Mapping[str, str], outputs: Mapping[str, str]) -> list[str]:
    """The process's arguments; a value stays one word, whatever it contains.

    An optional part is left out unless every input in it is given. `python` is this interpreter.
    """
    values = {"inputs": inputs, "outputs": outputs}

    def given(match: re.Match[str]) -> str:
        part = match.group(1)
        present = all(name in values[kind] for kind, name in _HOLE.findall(part))
        return f" {part} " if present else " "

    kept = _HOLE.sub(r"${{\1.\2}}", _OPTIONAL.sub(given, text))
    words = [
        _HOLE.sub(lambda hole: values[hole.group(1)][hole.group(2)], word)
        for word in shlex.split(kept)
    ]
    return [sys.executable, *words[1:]] if words[0] == "python" else words
