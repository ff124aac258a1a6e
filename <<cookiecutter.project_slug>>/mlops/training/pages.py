"""The model card as Markdown and the report as one HTML page that needs nothing around it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, StrictUndefined

if TYPE_CHECKING:
    from mlops.quality.assets import Asset
    from mlops.quality.contract import Contract
    from mlops.training.evaluation import Evaluation
    from mlops.training.model_file import ModelCardFacts
    from mlops.training.search import Leaderboard

CARD = """\
# Model card: {{ contract.name }}

{{ contract.description }}

| | |
| --- | --- |
| Task | {{ contract.task }}, target `{{ contract.target }}` |
| Algorithm | {{ facts.algorithm }} {{ facts.parameters }} |
| Model digest | `{{ facts.digest }}` |
| Format | skops: loads without unpickling |
{% for name, value in origin.items() -%}
| {{ name }} | {{ value }} |
{% endfor %}
## Data

{{ asset.name }} version {{ asset.version }}, SHA-256 `{{ asset.tags.sha256 }}`:
{{ facts.rows }} rows to train with, {{ evaluation.rows }} rows to evaluate with.
{{ asset.description }} Source: {{ asset.tags.source }}. Licence: {{ asset.tags.licence or "not stated" }}.
Protected attributes: {{ contract.protected | join(", ") or "none declared" }}.

## Metrics on rows the model has not seen

| metric | all rows |{% for s in evaluation.segments %} {{ s.column }} {{ s.group }} |{% endfor %}
| --- | --- |{% for s in evaluation.segments %} --- |{% endfor %}
| rows | {{ evaluation.rows }} |{% for s in evaluation.segments %} {{ s.rows }} |{% endfor %}
{% for name, value in evaluation.metrics.items() -%}
| {{ name }} | {{ value | number }} |{% for s in evaluation.segments %} {{ s.metrics[name] | number }} |{% endfor %}
{% endfor %}
## What the model relies on

How much worse {{ board.metric }} gets when one column is shuffled (permutation importance).

| column | worse by | spread |
| --- | --- | --- |
{% for name, (mean, spread) in importance -%}
| {{ name }} | {{ mean | number }} | {{ spread | number }} |
{% endfor %}
## How it was chosen

{{ board.trials | length }} trials, cross-validated on the training rows; {{ board.metric }}, {{ board.goal }}.

| rank | algorithm | parameters | {{ board.metric }} | spread |
| --- | --- | --- | --- | --- |
{% for trial in board.trials[:10] -%}
| {{ loop.index }} | {{ trial.algorithm }} | {{ trial.parameters }} | {{ trial.score | number }} | {{ trial.spread | number }} |
{% endfor %}
## Limits

- The figures come from {{ evaluation.rows }} rows{% if evaluation.rows < 1000 %}: differences of a few hundredths are within chance{% endif %}.
- It answers for the columns and ranges of the contract only, and it has not been tried on other populations.
{% for line in gaps -%}
- {{ line }}
{% endfor %}"""

# Of every page that the machinery writes: light or dark as the reader likes, no file beside it.
STYLE = """\
:root { color-scheme: light dark; --ink: #1f2933; --quiet: #616e7c; --line: #e4e7eb; --paper: #fff; --soft: #f5f7fa; --accent: #2563eb }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e7eb; --quiet: #9aa5b1; --line: #323f4b; --paper: #161b22; --soft: #1f2630; --accent: #7aa7ff }
  img { filter: invert(.9) hue-rotate(180deg) }
}
body { margin: 0 auto; max-width: 68rem; padding: 2rem 1.25rem 4rem; font: 16px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--paper) }
h1 { font-size: 1.7rem; margin: 0 } h2 { font-size: 1.15rem; margin: 2.5rem 0 .75rem }
p { max-width: 46rem } .quiet { color: var(--quiet) } code { font-size: .85em; overflow-wrap: anywhere }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr)); gap: .75rem; padding: 0; margin: 1.5rem 0; list-style: none }
.figures li { background: var(--soft); border-radius: .5rem; padding: .7rem .9rem } .figures b { display: block; font-size: 1.5rem; font-variant-numeric: tabular-nums }
.figures .first { outline: 2px solid var(--accent) }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(19rem, 1fr)); gap: 1rem } .plots img { width: 100%; border: 1px solid var(--line); border-radius: .5rem }
.wide { overflow-x: auto } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { padding: .4rem .7rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top } th { color: var(--quiet); font-weight: 600; white-space: nowrap }
td.n, th.n { text-align: right } tr.best td { background: var(--soft); font-weight: 600 }
"""

PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ contract.name }}: training report</title>
<style>
{{ style | safe }}</style>
<h1>{{ contract.name }}: {{ facts.algorithm | replace("_", " ") }}</h1>
<p>{{ contract.description }}</p>
<ul class="figures">
{% for name, value in evaluation.metrics.items() %}<li{% if name == board.metric %} class="first"{% endif %}><b>{{ value | number }}</b>{{ name }}</li>
{% endfor %}</ul>
<p class="quiet">On {{ evaluation.rows }} rows the model has not seen; trained with {{ facts.rows }}. {{ board.metric }} decided.</p>
<h2>Pictures</h2>
<div class="plots">
{% for title, source in pictures %}<img alt="{{ title }}" src="data:image/png;base64,{{ source }}">
{% endfor %}</div>
{% if evaluation.segments %}<h2>By segment</h2>
<div class="wide"><table><tr><th>segment</th><th class="n">rows</th>{% for name in evaluation.metrics %}<th class="n">{{ name }}</th>{% endfor %}</tr>
<tr class="best"><td>all</td><td class="n">{{ evaluation.rows }}</td>{% for value in evaluation.metrics.values() %}<td class="n">{{ value | number }}</td>{% endfor %}</tr>
{% for s in evaluation.segments %}<tr><td>{{ s.column }} {{ s.group }}{% if s.column in contract.protected %} (protected){% endif %}</td><td class="n">{{ s.rows }}</td>{% for name in evaluation.metrics %}<td class="n">{{ s.metrics[name] | number }}</td>{% endfor %}</tr>
{% endfor %}</table></div>
{% for line in gaps %}<p>{{ line }}</p>
{% endfor %}{% endif %}
<h2>Leaderboard</h2>
<p class="quiet">{{ board.trials | length }} trials in {{ "%.1f" | format(board.seconds) }} s, cross-validated on the training rows.</p>
<div class="wide"><table><tr><th class="n">rank</th><th>algorithm</th><th>parameters</th><th class="n">{{ board.metric }}</th><th class="n">spread</th><th class="n">seconds</th></tr>
{% for trial in board.trials[:20] %}<tr{% if loop.first %} class="best"{% endif %}><td class="n">{{ loop.index }}</td><td>{{ trial.algorithm }}</td><td>{% for key, value in trial.parameters.items() %}{{ key }} {{ value }}{{ ", " if not loop.last }}{% endfor %}</td><td class="n">{{ trial.score | number }}</td><td class="n">{{ trial.spread | number }}</td><td class="n">{{ "%.2f" | format(trial.seconds) }}</td></tr>
{% endfor %}</table></div>
<h2>Where it comes from</h2>
<div class="wide"><table>
{% for name, value in origin.items() %}<tr><th>{{ name }}</th><td><code>{{ value }}</code></td></tr>
{% endfor %}<tr><th>Data</th><td>{{ asset.name }} version {{ asset.version }} <code>{{ asset.tags.sha256 }}</code></td></tr>
<tr><th>Model digest</th><td><code>{{ facts.digest }}</code></td></tr></table></div>
</html>
"""


@dataclass(frozen=True)
class Story:
    """All that a card tells of one model. `origin` holds the facts of its making by name."""

    contract: Contract
    asset: Asset
    facts: ModelCardFacts
    board: Leaderboard
    evaluation: Evaluation
    importance: Mapping[str, tuple[float, float]]
    origin: Mapping[str, str]


def model_card(story: Story) -> str:
    """The model card, as Markdown."""
    return _render(CARD, story, html=False)


def report(story: Story, plots: Sequence[Path]) -> str:
    """The report with its pictures inside, as one HTML page, light or dark as the reader likes."""
    pictures = [
        (path.stem.replace("_", " "), base64.b64encode(path.read_bytes()).decode())
        for path in plots
    ]
    return _render(PAGE, story, html=True, pictures=pictures, style=STYLE)


def segment_gaps(contract: Contract, evaluation: Evaluation) -> list[str]:
    """For each protected column, the metric that differs most between its groups, in words."""
    lines = []
    for column in contract.protected:
        groups = [segment for segment in evaluation.segments if segment.column == column]
        widest: tuple[float, str] = (0.0, "")
        for name in evaluation.metrics:
            known = [
                (value, group) for group in groups if (value := group.metrics[name]) is not None
            ]
            if len(known) < 2:
                continue
            low = min(known, key=lambda item: item[0])
            high = max(known, key=lambda item: item[0])
            text = (
                f"{name} differs most between groups of {column}: {low[0]:.3f} for "
                f"{low[1].group} ({low[1].rows} rows), {high[0]:.3f} for {high[1].group} "
                f"({high[1].rows} rows)."
            )
            scale = max(abs(high[0]), abs(low[0])) or 1.0
            widest = max(widest, ((high[0] - low[0]) / scale, text))
        if widest[1]:
            lines.append(widest[1])
    return lines


def _render(text: str, story: Story, *, html: bool, **more: object) -> str:
    environment = Environment(
        autoescape=html,  # noqa: S701 - Markdown has no markup to escape
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters["number"] = _shown
    ranked = sorted(story.importance.items(), key=lambda item: -item[1][0])
    values = {**vars(story), **more, "importance": ranked}
    gaps = segment_gaps(story.contract, story.evaluation)
    return environment.from_string(text).render(**values, gaps=gaps)


def _shown(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if abs(value) < 1000 else f"{value:,.1f}"
