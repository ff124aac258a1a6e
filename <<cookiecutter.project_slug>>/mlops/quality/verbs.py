"""From a command's first word to the module that does it, with help and a hint for a typing slip."""

from __future__ import annotations

from collections.abc import Mapping

from mlops.quality.errors import UserError
from mlops.quality.strict import did_you_mean


def dispatch(
    program: str, verbs: Mapping[str, tuple[str, str]], arguments: list[str]
) -> tuple[str, list[str]]:
    """The module of the verb that `arguments` begin with, and the arguments left for it.

    Prints the verbs and returns an empty module name where help is asked for. Raises UserError
    for no verb and for an unknown one.
    """
    if not arguments:
        raise UserError(f"{program}: name a verb: {', '.join(verbs)}")
    verb, *rest = arguments
    if verb in ("-h", "--help"):
        width = max(len(name) for name in verbs)
        print(f"usage: python -m {program} VERB [--help]\n")
        print("\n".join(f"  {name:<{width}}  {text}" for name, (_, text) in verbs.items()))
        return "", []
    if verb not in verbs:
        raise UserError(f"{program}: unknown verb '{verb}'; {did_you_mean(verb, verbs)}")
    return verbs[verb][0], rest
