"""The model card: as Markdown, and as one HTML page with its plots that needs nothing around it.

What the package carries is told without the gate's decision, which depends on the day and on the
champion; the card beside the decision begins with it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from mlops.deployment.gate.decision import Decision
from mlops.deployment.measuring.measure import Measure, read_measures
from mlops.deployment.packaging.candidate import Lineage, read_lineage
from mlops.deployment.packaging.compilation import COMPILATION
from mlops.deployment.report.card_pages import MARKDOWN, PAGE
from mlops.quality.contract import Contract
from mlops.training.pages import STYLE

# What the step `behaviour` leaves: a table for each relation that is broken too often.
COUNTEREXAMPLES = "counterexamples.json"
# The groups of figures in the order they are told, with what they say.
CHAPTERS = {
    "golden": "Golden rows: reviewed cases with the outcome they must have",
    "evaluation": "Evaluation rows, which it has not seen",
    "champion": "Against the champion, on the same rows",
    "calibration": "Calibration",
    "fairness": "Fairness: the largest difference between groups",
    "relations": "Metamorphic relations: the share of inputs that break them",
    "robustness": "Robustness: what is lost when inputs get worse",
    "explanation": "Explanation",
    "compile": "The compiled model against the trained one",
    "provenance": "What it was trained on",
    "leakage": "Leakage: rows that judge and were learnt from",
    "speed": "Speed",
    "package": "Package",
}


@dataclass(frozen=True)
class Verified:
    """One declared property: the verdict, why, and in words for which inputs it is proven.

    `ranges` holds the supported range, a line for each column; `counterexample` lines of inputs and
    the served model's answers to them.
    """

    name: str
    statement: str
    verdict: str
    reason: str
    proven: str
    tried: str
    ranges: tuple[str, ...]
    counterexample: tuple[str, ...]


@dataclass(frozen=True)
class Story:
    """All that a card tells. `counterexamples` are tables of relations that are broken too often."""

    contract: Contract
    lineage: Lineage
    compilation: Mapping[str, object]
    figures: tuple[Measure, ...]
    groups: Sequence[Mapping[str, object]]
    explanation: Mapping[str, object]
    verified: tuple[Verified, ...]
    counterexamples: tuple[str, ...]
    plots: tuple[Path, ...]
    decision: Decision | None


def gather(contract: Contract, folders: Sequence[Path], decision: Decision | None = None) -> Story:
    """The story of a model from the folders that the steps left."""

    def read(name: str) -> object:
        return json.loads(
            next(folder / name for folder in folders if (folder / name).is_file()).read_text()
        )

    figures = [m for folder in folders for m in read_measures(folder / "measures.json")]
    return Story(
        contract=contract,
        lineage=next(read_lineage(f) for f in folders if (f / "lineage.json").is_file()),
        compilation=_mapping(read(COMPILATION)),
        figures=tuple(figures),
        groups=_list(read("groups.json")),
        explanation=_mapping(read("explanation.json")),
        verified=tuple(map(_verified, _list(read("verification.json")))),
        counterexamples=tuple(map(str, _list(read(COUNTEREXAMPLES)))),
        plots=plots_of(folders),
        decision=decision,
    )


def plots_of(folders: Sequence[Path]) -> tuple[Path, ...]:
    """The plots by name: where the folders lie must not decide on their order, nor on the digest."""
    found = (path for folder in folders for path in folder.glob("*.png"))
    return tuple(sorted(found, key=lambda path: path.name))


def card_markdown(story: Story) -> str:
    """The card as Markdown, without plots."""
    return _render(MARKDOWN, story, html=False)


def card_html(story: Story) -> str:
    """The card as a page, light or dark as the reader likes."""
    pictures = [
        (path.stem.replace("_", " "), base64.b64encode(path.read_bytes()).decode())
        for path in story.plots
    ]
    return _render(PAGE, story, html=True, pictures=pictures, style=STYLE)


def _render(text: str, story: Story, *, html: bool, **more: object) -> str:
    environment = Environment(
        autoescape=html,  # noqa: S701 - Markdown has no markup to escape
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"figure": _figure, "cell": lambda text: str(text).replace("|", r"\|")}
    chapters = [
        (title, [m for m in story.figures if m.group == group])
        for group, title in CHAPTERS.items()
        if any(measure.group == group for measure in story.figures)
    ]
    importance = _mapping(story.explanation.get("importance", {}))
    examples = _list(story.explanation.get("examples", []))
    return environment.from_string(text).render(
        **vars(story),
        **more,
        chapters=chapters,
        importance=sorted(importance.items(), key=lambda item: -float(str(item[1]))),
        examples=[{**example, "strongest": _strongest(example)} for example in examples],
        widest=_widest(story),
    )


def _verified(entry: Mapping[str, Any]) -> Verified:
    """A verification as `verify` wrote it, in words."""
    proof, supported = entry["proof"], entry["supported"]
    share = f"{100 * entry['share']:.0f}% of the evaluation rows"
    if proof["verdict"] == "proven":
        proven = "everywhere it was declared"
    elif supported:
        proven = f"in a range with {share}"
    else:
        proven = f"for {share}" if entry["share"] else "nowhere"
    rows = zip(proof["counterexample"], proof["answers"], strict=True)
    return Verified(
        name=entry["name"],
        statement=entry["statement"],
        verdict=proof["verdict"],
        reason=proof["reason"],
        proven=proven,
        tried=_tried(entry["samples"], entry["generated"]),
        ranges=tuple(_range(*item) for item in (supported["ranges"] if supported else {}).items()),
        counterexample=tuple(
            ", ".join(f"{name} {_figure(value)}" for name, value in row.items())
            + f": {_figure(answer)}"
            for row, answer in rows
        ),
    )


def _tried(samples: Mapping[str, Any], generated: Mapping[str, Any]) -> str:
    """On how much it was tried besides, and how many broke it."""
    parts = [f"{samples['broken']} of {samples['rows']} rows"]
    if generated["rows"]:
        cover = f" ({generated['coverage']})" if generated["coverage"] else ""
        parts.append(f"{generated['broken']} of {generated['rows']} generated inputs{cover}")
    return f"{' and '.join(parts)} break it"


def _range(name: str, ends: Sequence[object]) -> str:
    """An interval is written as two numbers with a point in them; anything else lists categories."""
    if len(ends) == 2 and all(isinstance(end, float) for end in ends):
        return f"{name} {_figure(ends[0])} to {_figure(ends[1])}"
    return f"{name} {', '.join(map(str, ends))}"


def _strongest(example: Mapping[str, Any]) -> str:
    """The four columns that moved an answer most, with their values and shares."""
    ranked = sorted(example["shares"].items(), key=lambda item: -abs(item[1]))
    return ", ".join(
        f"{name} {example['values'][name]} ({share:+.3f})" for name, share in ranked[:4]
    )


def _widest(story: Story) -> int:
    """The number of evaluation rows, on which the width of the intervals depends."""
    rows = [measure.rows for measure in story.figures if measure.group == "evaluation"]
    return max(rows, default=0)


def _figure(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, int | float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return str(value)


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else []
