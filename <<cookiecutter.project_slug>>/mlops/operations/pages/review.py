"""The review queue as a page: what waits for a person, what people said, and what they decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mlops.deployment.desired.environment import PROD
from mlops.operations.experiments.review_value import asked
from mlops.operations.pages.shown import percent, rendered
from mlops.operations.pages.style import Level
from mlops.operations.review_person import needed, opinions, shown
from mlops.operations.review_round import Standing, waiting
from mlops.quality.contract import Contract

FIRST = 50

TEMPLATE = """\
<body>
<style>
.item { border: 1px solid var(--line); border-left: .35rem solid var(--open); border-radius: .5rem; padding: .9rem 1.1rem; margin: 1rem 0 } .item.bad { border-left-color: var(--bad) }
.item h3 { margin: 0; overflow-wrap: anywhere } .item p { margin: .3rem 0; max-width: none } .asks { font-weight: 600 }
.inputs { grid-template-columns: repeat(auto-fill, minmax(8rem, 1fr)); gap: .3rem 1rem; margin: .7rem 0 } .inputs dt { font-size: .8rem; font-weight: 400 } .inputs dd { font-variant-numeric: tabular-nums }
.item > code { display: block; background: var(--soft); border-radius: .3rem; padding: .4rem .6rem; margin-top: .6rem }
</style>
<header>
<h1>{{ environment }}: answers to look at</h1>
<p class="verdict {{ level }}">{{ mark(level, sentence) }}</p>
<p>Asked for: <b>{{ asked }}</b>.{% if derived %} The model answers with a label that is made from it; the label alone is not enough to learn from.{% endif %}</p>
<p class="quiet">As of {{ now | time }}. {{ needs }}</p>
</header>
<main>
<h2>Waiting</h2>
{% for each in first %}{{ card(each) }}{% else %}<p>{{ mark("good", "nothing waits") }}</p>{% endfor %}
{% if rest %}<p class="quiet">{{ rest }} more wait; nox -s review -- export FILE.csv has them all.</p>{% endif %}
<h2>Decided</h2>
{% if decided %}
<div class="wide" tabindex="0" role="region" aria-label="Decided"><table class="flow" role="table">
<thead role="rowgroup"><tr role="row"><th scope="col" role="columnheader">item</th><th scope="col" role="columnheader">the model</th><th scope="col" role="columnheader">people</th><th scope="col" role="columnheader">by</th><th scope="col" role="columnheader">when</th><th scope="col" role="columnheader">others said</th></tr></thead>
<tbody role="rowgroup">
{% for each in decided %}
<tr role="row"><th scope="row" role="rowheader">{{ each.key }}</th><td role="cell" data-label="the model">{{ each.answer }}</td><td role="cell" data-label="people">{{ each.label }}</td><td role="cell" data-label="by">{{ each.by }}</td><td role="cell" data-label="when">{{ each.at | time }}</td><td role="cell" data-label="others said">{{ each.others }}</td></tr>
{% endfor %}
</tbody></table></div>
{% if older %}<p class="quiet">The newest; {{ older }} older ones are in the queue's file.</p>{% endif %}
{% else %}<p>People have decided nothing yet.</p>{% endif %}
</main>
<footer><p class="quiet small">Written by nox -s review.</p></footer>
</body>
"""

CARD = """\
{% macro card(it) %}
<section class="item{% if it.split %} bad{% endif %}" aria-label="{{ it.key }}">
<h3>{{ it.key }}</h3>
<p><span class="asks">The model says {{ it.answer }}</span>{% if it.chance %}, its most probable label at {{ it.chance }}{% endif %}. <span class="quiet small">version {{ it.version }}, {{ it.at | time(now) }}</span></p>
<p>Asked because: {{ it.why }}.</p>
<dl class="inputs">{% for name, value in it.inputs %}<div><dt>{{ name }}</dt><dd>{{ value }}</dd></div>{% endfor %}</dl>
{% if it.said %}<p>{{ mark("bad" if it.split else "open", "people disagree" if it.split else "said so far") }} {{ it.said }}</p>{% endif %}
<code>nox -s review -- label {{ it.key }} VALUE{{ it.where }}</code>
</section>
{% endmacro %}
"""


@dataclass(frozen=True)
class _Card:
    """An item that waits, ready to be shown."""

    key: str
    answer: str
    chance: str
    version: str
    at: datetime
    why: str
    inputs: tuple[tuple[str, str], ...]
    said: str
    split: bool
    where: str


@dataclass(frozen=True)
class _Decided:
    """An item that people decided, ready to be shown."""

    key: str
    answer: str
    label: str
    by: str
    at: datetime
    others: str


@dataclass(frozen=True)
class Asking:
    """What is asked in which environment, of how many people.

    `derived`: the model's answer is made from the contract's target, and not the target itself.
    """

    environment: str
    contract: Contract
    labellers: int
    derived: bool


def review_page(found: Sequence[Standing], asking: Asking, now: datetime) -> str:
    """A queue as one HTML page that needs nothing around it."""
    open_ones = waiting(found)
    split = sum(each.disagreed for each in open_ones)
    decided = sorted(
        (each for each in found if each.resolution.state == "resolved"),
        key=lambda each: each.resolution.at,
        reverse=True,
    )
    level: Level = "bad" if split else "open" if open_ones else "good"
    return rendered(
        CARD + TEMPLATE,
        title=f"{asking.environment}: answers to look at",
        environment=asking.environment,
        now=now,
        level=level,
        sentence=_sentence(len(open_ones), split),
        asked=asked(asking.contract),
        derived=asking.derived,
        needs=_needs(asking.labellers),
        first=[_card(each, asking) for each in open_ones[:FIRST]],
        rest=max(0, len(open_ones) - FIRST),
        decided=[_decided(each) for each in decided[:FIRST]],
        older=max(0, len(decided) - FIRST),
    )


def _sentence(number: int, split: int) -> str:
    if not number:
        return "nothing waits for a label"
    said = f"{number} {'answer waits' if number == 1 else 'answers wait'} for a label"
    return f"{said}; of {split} of them people disagree" if split else said


def _needs(labellers: int) -> str:
    if labellers == 1:
        return "One person decides; where several say something, more than half must agree."
    return f"At least {labellers} people say something, and more than half of them must agree."


def _card(each: Standing, asking: Asking) -> _Card:
    item = each.reviewed.item
    said = opinions(each.reviewed.labels)
    return _Card(
        key=f"{item.request_id}:{item.row}",
        answer=shown(item.answer),
        chance="" if item.probability is None else percent(item.probability),
        version=item.model_version,
        at=datetime.fromisoformat(item.time),
        why=", ".join(item.why),
        inputs=tuple(
            (name, _with_unit(name, value, asking.contract)) for name, value in item.inputs.items()
        ),
        said=f"{said}; {needed(each, asking.labellers)}" if said else "",
        split=each.disagreed,
        where="" if asking.environment == PROD else f" --in {asking.environment}",
    )


def _with_unit(name: str, value: object, contract: Contract) -> str:
    column = contract.columns.get(name)
    unit = column.unit if column and value is not None else ""
    return shown(value) if unit in ("", "1") else f"{shown(value)} {unit}"


def _decided(each: Standing) -> _Decided:
    item, resolution = each.reviewed.item, each.resolution
    others = [label for label in each.reviewed.labels if label.by not in resolution.by]
    return _Decided(
        key=f"{item.request_id}:{item.row}",
        answer=shown(item.answer),
        label=shown(resolution.label),
        by=", ".join(resolution.by),
        at=datetime.fromisoformat(resolution.at),
        others=opinions(others),
    )
