"""The page of `nox -s loop`: what happened when and why, with pictures, from what was recorded."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from mlops.operations.loop import record
from mlops.operations.loop.charts import (
    COLOURS,
    Span,
    figure_chart,
    latency_chart,
    requests_chart,
)
from mlops.operations.loop.story import Act, Story
from mlops.operations.loop.witness import Figure
from mlops.operations.pages.report import by_day
from mlops.operations.pages.shown import number, rendered
from mlops.operations.pages.style import Level
from mlops.operations.pages.templates import MACROS

# How many figures of the monitor get a picture: performance first, then drift of what was breached.
_PICTURES = 4

TEMPLATE = """\
<body class="broad">
<style>
.loop svg { min-width: 44rem } .key { display: inline-block; width: .8em; height: .8em; border-radius: .15em; margin-right: .35em } {% for colour in colours %}.key.c{{ loop.index0 }} { background: {{ colour }} } {% endfor %}.key.lost { background: var(--bad) } .key.half { background: var(--ink) } .key.most { background: var(--note) } .acts td.n, .acts .mark { white-space: nowrap }
.keys { list-style: none; display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; padding: 0; margin: .25rem 0 .5rem } .acts td { vertical-align: baseline }
</style>
<header>
<h1>The whole loop: {{ story.project }}</h1>
<p class="verdict {{ level }}">{{ mark(level, sentence) }}</p>
<p class="quiet">Played on this machine in a clone of commit <code>{{ story.commit[:10] }}</code>{% if story.acts %}, from {{ story.acts[0].start | time }}{% endif %}. {% if story.approver %}Approvals by {{ story.approver }}. {% endif %}Every figure comes from the audit log, the log of events, the monitor's and the load process's own records.</p>
{% if story.shift %}<p>{{ mark("note", "injected") }}: {{ story.shift.column }} of {{ (100 * story.shift.share) | number }}% of the rows was moved by {{ story.shift.deviations | number }} standard deviations, by this command, in the load process. What followed from it was not staged.</p>{% endif %}
</header>
<main>
<ul class="figures">{% for value, what in figures %}<li><b>{{ value }}</b>{{ what }}</li>{% endfor %}</ul>
{% if requests %}
<h2>Who answered</h2>
<p class="small quiet">Requests a second, as the load process counted them. Time is told from the first act on; the numbers on top are the acts below.</p>
<ul class="keys small">{% for version, place in keys %}<li><span class="key c{{ place }}"></span>version {{ version }}</li>{% endfor %}<li><span class="key lost"></span>failed</li></ul>
<div class="wide loop" tabindex="0" role="region" aria-label="Requests a second">{{ requests }}</div>
<h2>How fast</h2>
<ul class="keys small"><li><span class="key half"></span>half within</li><li><span class="key most"></span>99% within</li></ul>
<div class="wide loop" tabindex="0" role="region" aria-label="Latency">{{ latency }}</div>
{% endif %}
{% if pictures %}
<h2>What the monitor measured</h2>
<p class="small quiet">Of the version that served, at each run of the monitor; bars are 95% intervals, a dashed line is the bound, or the figure at the gate; a cross is beyond it.</p>
{% for title, picture in pictures %}<h3>{{ title }}</h3>
<div class="wide loop" tabindex="0" role="region" aria-label="{{ title }}">{{ picture }}</div>
{% endfor %}
{% endif %}
<h2>The acts</h2>
<div class="wide" tabindex="0" role="region" aria-label="The acts"><table class="flow acts" role="table">
<thead role="rowgroup"><tr role="row"><th scope="col" role="columnheader" class="n">act</th><th scope="col" role="columnheader" class="n">after</th><th scope="col" role="columnheader" class="n">took</th><th scope="col" role="columnheader">what</th><th scope="col" role="columnheader"></th><th scope="col" role="columnheader">what the records show</th></tr></thead>
<tbody role="rowgroup">
{% for act in acts %}<tr role="row"><td role="cell" class="n" data-label="act">{{ loop.index }}</td><td role="cell" class="n" data-label="after">{{ act.after }}</td><td role="cell" class="n" data-label="took">{{ act.took }}</td><th scope="row" role="rowheader">{{ act.title }}</th><td role="cell">{{ mark(act.level, act.word) }}</td><td role="cell" class="why small">{{ act.why }}</td></tr>
{% endfor %}</tbody></table></div>
<h2>What happened, and why</h2>
{% if told %}{{ days(told) }}{% else %}<p>The logs tell of nothing.</p>{% endif %}
{{ legend() }}
</main>
<footer><p class="quiet small">Written by nox -s loop.</p></footer>
</body>
"""


@dataclass(frozen=True)
class _Row:
    """An act as the table shows it."""

    title: str
    after: str
    took: str
    level: Level
    word: str
    why: str


def loop_page(story: Story) -> str:
    """A play as one HTML page that needs nothing around it."""
    versions = list(record.versions(story.answers))
    steps = record.seconds(story.answers)
    failed = story.failed
    bad = failed is not None or any(each.failed for each in story.answers)
    span = _span(story)
    return rendered(
        MACROS + TEMPLATE,
        title=f"The whole loop: {story.project}",
        now=story.acts[-1].end if story.acts else None,
        story=story,
        level="bad" if bad else "good",
        sentence=_sentence(story),
        figures=_figures(story, steps),
        requests=requests_chart(steps, versions, span) if steps and span else None,
        latency=latency_chart(steps, span) if steps and span else None,
        colours=COLOURS,
        keys=[(each, number_ % len(COLOURS)) for number_, each in enumerate(versions)],
        pictures=_pictures(story.figures, versions, span) if span else [],
        acts=[_row(each, story.acts[0]) for each in story.acts],
        told=by_day(story.moments),
    )


def _sentence(story: Story) -> str:
    if story.failed is not None:
        return f"the act '{story.failed.title}' failed: {story.failed.why}"
    lost = len(record.failed(story.answers))
    if lost:
        return f"{lost} of {len(story.answers):,} requests failed"
    return f"everything happened as it should, and no request of {len(story.answers):,} failed"


def _figures(story: Story, steps: tuple[record.Second, ...]) -> list[tuple[str, str]]:
    worst = max((each.p99 for each in steps if each.p99 is not None), default=None)
    return [
        (f"{len(story.answers):,}", "requests"),
        (f"{len(record.failed(story.answers)):,}", "failed"),
        (str(len(record.versions(story.answers))), "models that answered"),
        (f"{number(worst)} ms", "99% within, in the worst second"),
        (f"{story.seconds:.0f} s", f"in {len(story.acts)} acts"),
    ]


def _span(story: Story) -> Span | None:
    if not story.acts:
        return None
    zero = start = story.acts[0].start.timestamp()
    last = max([story.acts[-1].end.timestamp(), *(each.time + 1 for each in story.answers[-1:])])
    # before the load there is nothing to see: the acts of the first model are told in the table
    if story.answers:
        begun = [act.start.timestamp() for act in story.acts]
        start = max([each for each in begun if each <= story.answers[0].time], default=zero)
    return Span(zero, start, last, story.acts)


def _pictures(
    figures: tuple[Figure, ...], versions: list[str], span: Span
) -> list[tuple[str, Markup]]:
    """A picture of each figure: those of performance, then drift that was beyond its bound once."""
    by_name: dict[str, list[Figure]] = {}
    for each in figures:
        by_name.setdefault(each.name, []).append(each)
    ranked = sorted(
        (not any(each.breached for each in found), name.startswith("drift of "), name)
        for name, found in by_name.items()
        if not name.startswith("drift of ") or any(each.breached for each in found)
    )
    chosen = sorted(ranked[:_PICTURES], key=lambda each: each[1:])
    return [
        (name.replace("_", " "), figure_chart(by_name[name], versions, span))
        for _, _, name in chosen
    ]


def _row(act: Act, first: Act) -> _Row:
    after = (act.start - first.start).total_seconds()
    done = act.outcome == "done"
    level: Level = "good" if done else "bad"
    word = "done" if done else "failed"
    return _Row(act.title, f"{after:.1f} s", f"{act.seconds:.1f} s", level, word, act.why)
