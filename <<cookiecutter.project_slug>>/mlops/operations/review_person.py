"""Human review on a terminal: what waits, and one item after the other for a person to label."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.console import Console
from rich.text import Text

from mlops.operations.experiments.review import Answer, Item, Label
from mlops.operations.experiments.review_value import asked, value_of
from mlops.operations.pages.shown import clean
from mlops.operations.review_round import Standing, waiting
from mlops.quality.contract import Contract
from mlops.quality.errors import UserError

FIRST = 5
_SKIP, _QUIT = ("", "s", "skip"), ("q", "quit")


def show_queue(out: Console, found: Sequence[Standing], labellers: int) -> None:
    """Print how many wait, and the first of them, with what people have said already."""
    open_ones = waiting(found)
    split = sum(each.disagreed for each in open_ones)
    said = f"; of {split} of them people disagree" if split else ""
    resolved = len(found) - len(open_ones)
    out.print(f"{len(open_ones)} wait for a label{said}; {resolved} are decided", markup=False)
    for each in open_ones[:FIRST]:
        show_item(out, each.reviewed.item)
        if each.reviewed.labels:
            print_line(out, "said", f"{opinions(each.reviewed.labels)}; {needed(each, labellers)}")
    if len(open_ones) > FIRST:
        out.print(f"and {len(open_ones) - FIRST} more", markup=False)


def show_item(out: Console, item: Item) -> None:
    """Print an item: what was asked, what the model answered, and why a person is asked."""
    out.print(Text(str(clean(f"{item.request_id}:{item.row}")), style="bold"))
    inputs = ", ".join(f"{name} {shown(value)}" for name, value in item.inputs.items())
    print_line(out, "inputs", inputs)
    print_line(out, "answer", f"{answer_of(item)}, version {item.model_version}, {item.time}")
    print_line(out, "why", ", ".join(item.why))


def print_line(out: Console, name: str, text: str) -> None:
    """A line below an item; what callers wrote cannot move the cursor."""
    out.print(Text(f"  {name:<8}").append(str(clean(text))))


def answer_of(item: Item) -> str:
    """The model's answer, with the probability of the most probable label where there is one."""
    if item.probability is None:
        return shown(item.answer)
    return f"{shown(item.answer)} (most probable label: {100 * item.probability:.1f}%)"


def shown(value: object) -> str:
    """A value of a row, short."""
    if value is None:
        return "missing"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def opinions(labels: Sequence[Label]) -> str:
    """Who says what, each as they said last, with their notes."""
    last = {each.by: each for each in labels}
    return ", ".join(
        f"{by} says {shown(each.label)}" + (f" ({each.note})" if each.note else "")
        for by, each in sorted(last.items())
    )


def needed(standing: Standing, labellers: int) -> str:
    """What it takes until this is decided."""
    people = len({each.by for each in standing.reviewed.labels})
    if people < labellers:
        return f"{people} of {labellers} people"
    return "more than half must agree"


def ask_each(
    out: Console,
    found: Sequence[Standing],
    contract: Contract,
    give: Callable[[Standing, Answer], None],
    ask: Callable[[str], str] = input,
) -> int:
    """Show one item after the other and give on what a person says; returns how many labels that is.

    An empty line or s skips one, q or the end of the input quits; a value that cannot be is asked
    for again.
    """
    number = 0
    for place, each in enumerate(found, 1):
        out.print(f"{place} of {len(found)}", style="dim")
        show_item(out, each.reviewed.item)
        try:
            value = _ask(out, contract, ask)
        except EOFError:
            return number
        if value is not None:
            give(each, value)
            number += 1
    return number


def _ask(out: Console, contract: Contract, ask: Callable[[str], str]) -> Answer | None:
    """A value, or None to skip; raises EOFError where there is nothing more to come."""
    categories = contract.columns[contract.target].categories or ()
    while True:
        text = ask(f"  {asked(contract)} (s: skip, q: quit) > ").strip()
        if text not in categories and text.lower() in _SKIP:
            return None
        if text not in categories and text.lower() in _QUIT:
            raise EOFError
        try:
            return value_of(text, contract, f"  {contract.target}")
        except UserError as error:
            out.print(str(error), markup=False)
