"""The two forms of the model card."""

MARKDOWN = """\
# Model card: {{ lineage.name }}

{{ contract.description }}

{% if decision %}
## The gate: {{ "passed" if decision.passed else "refused" }}

Package `{{ decision.package }}`.

| figure | value | 95% interval | bound | verdict | reason |
| --- | ---: | --- | --- | --- | --- |
{% for v in decision.verdicts if v.outcome != "pass" or "crosses" in v.reason %}
| {{ v.measure }} | {{ v.value | figure }} | {% if v.low is not none %}{{ v.low | figure }} to {{ v.high | figure }}{% endif %} | {{ v.bound | cell }} | {{ v.outcome }} | {{ v.reason | cell }} |
{% endfor %}

{{ decision.verdicts | selectattr("outcome", "equalto", "pass") | list | length }} of {{ decision.verdicts | length }} rules passed; those that say no more than that are left out here.
{% for group, reason in decision.without.items() %}
No rule looks at {{ group }}: {{ reason }}
{% endfor %}

{% endif %}
## The model

| | |
| --- | --- |
| Purpose | {{ contract.description }} |
| Task | {{ contract.task }}, target `{{ contract.target }}` |
| Algorithm | {{ lineage.algorithm }}{% for name, value in lineage.parameters.items() %}, {{ name }} {{ value }}{% endfor %} |
| Packaged | {{ compilation.reason }} |
| Inputs | {{ contract.inputs | join(", ") }} |
| Protected attributes | {{ contract.protected | join(", ") or "none declared" }} |

## Verified properties

{% if verified %}
| property | statement | verdict | proven | tried |
| --- | --- | --- | --- | --- |
{% for v in verified %}
| {{ v.name }} | {{ v.statement | cell }} | {{ v.verdict }}{% if v.reason %}: {{ v.reason | cell }}{% endif %} | {{ v.proven }} | {{ v.tried }} |
{% endfor %}
{% for v in verified if v.ranges %}

The supported range of {{ v.name }}: {{ v.ranges | join("; ") }}.
{% endfor %}
{% for v in verified if v.counterexample %}

An input that breaks {{ v.name }}, and the answer to it:

{% for line in v.counterexample %}
    {{ line }}
{% endfor %}
{% endfor %}
{% else %}
None is declared.
{% endif %}
{% for table in counterexamples %}

A relation that is broken too often, by its plainest input:

{{ table | indent(4, first=True) }}
{% endfor %}
{% for title, rows in chapters %}

## {{ title }}

| figure | value | 95% interval | rows | |
| --- | ---: | --- | ---: | --- |
{% for m in rows %}
| {{ m.name }} | {{ m.value | figure }} | {% if m.low is not none %}{{ m.low | figure }} to {{ m.high | figure }}{% endif %} | {{ m.rows or "" }} | {{ m.detail | cell }} |
{% endfor %}
{% endfor %}

## What its answers rest on

Mean absolute SHAP value of each column on the evaluation rows.

| column | importance |
| --- | ---: |
{% for name, value in importance %}
| {{ name }} | {{ value | figure }} |
{% endfor %}

{% if examples %}
| answer explained | answer | mean answer | what moved it most |
| --- | ---: | ---: | --- |
{% for e in examples %}
| {{ e.why }}, row {{ e.row }} | {{ e.answer | figure }} | {{ e.base | figure }} | {{ e.strongest | cell }} |
{% endfor %}

{% endif %}
## Limits

- The intervals come from {{ widest }} evaluation rows{% if widest < 1000 %}: they are wide, and differences of a few hundredths are within chance{% endif %}.
- It answers for the columns and ranges of the contract only, and it has not been tried on other populations.
{% for v in verified if v.verdict != "proven" %}
- {{ v.name }} is proven {{ v.proven }}.
{% endfor %}

## Where it comes from

| | |
| --- | --- |
| Run | `{{ lineage.run_id }}` |
| Commit | `{{ lineage.commit }}`{{ ", with uncommitted changes" if lineage.dirty }} |
| Author | {{ lineage.author }} |
| Cause | {{ lineage.cause }} |
| Data | {{ lineage.data }}, SHA-256 `{{ lineage.data_digest }}` |
| Model digest | `{{ lineage.model_digest }}` |
| Contract digest | `{{ lineage.contract_digest }}` |
| Packages | SHA-256 `{{ lineage.lock_digest }}` of the pinned list, Python {{ lineage.python }} |
"""

PAGE = """\
{% macro rules(verdicts) %}
<div class="wide"><table class="rules"><tr><th>figure</th><th class="n">value</th><th>95% interval</th><th>bound</th><th>verdict</th><th>reason</th></tr>
{% for v in verdicts %}
<tr><td>{{ v.measure }}</td><td class="n">{{ v.value | figure }}</td><td>{% if v.low is not none %}{{ v.low | figure }} to {{ v.high | figure }}{% endif %}</td><td>{{ v.bound }}</td><td><span class="badge {{ v.outcome }}">{{ v.outcome }}</span></td><td>{{ v.reason }}</td></tr>
{% endfor %}
</table></div>
{% endmacro %}
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ lineage.name }}: model card</title>
<style>
{{ style | safe }}
.badge { display: inline-block; padding: .1rem .6rem; border-radius: 1rem; font-weight: 600; color: #fff; background: #2e7d32 }
.badge.refuse, .badge.violated { background: #c62828 } .badge.excepted, .badge.unknown { background: #b26a00 } .badge.none { background: #616e7c }
.rules { font-size: .9rem } .rules td:nth-child(3), .rules td:nth-child(4) { white-space: nowrap } .rules td:last-child { min-width: 16rem }
summary { cursor: pointer; margin: .5rem 0; color: var(--accent) } pre { background: var(--soft); padding: .8rem 1rem; border-radius: .5rem; font-size: .85rem }
</style>
<h1>{{ lineage.name }}: {{ lineage.algorithm | replace("_", " ") }}</h1>
<p>{{ contract.description }}</p>
{% if decision %}
<h2>The gate: <span class="badge {{ "" if decision.passed else "refuse" }}">{{ "passed" if decision.passed else "refused" }}</span></h2>
<p class="quiet">Package <code>{{ decision.package }}</code></p>
{% set telling = decision.verdicts | selectattr("outcome", "in", ["refuse", "excepted"]) | list %}
{% if telling %}{{ rules(telling) }}{% endif %}
<details><summary>{{ "All" if telling }} {{ decision.verdicts | length }} rules</summary>
{{ rules(decision.verdicts | sort(attribute="outcome", reverse=true)) }}
</details>
{% for group, reason in decision.without.items() %}
<p><span class="badge excepted">off</span> No rule looks at {{ group }}: {{ reason }}</p>
{% endfor %}
{% endif %}
<h2>The model</h2>
<div class="wide"><table>
<tr><th>Task</th><td>{{ contract.task }}, target {{ contract.target }}</td></tr>
<tr><th>Algorithm</th><td>{{ lineage.algorithm }}{% for name, value in lineage.parameters.items() %}, {{ name }} {{ value }}{% endfor %}</td></tr>
<tr><th>Packaged</th><td>{{ compilation.reason }}</td></tr>
<tr><th>Inputs</th><td>{{ contract.inputs | join(", ") }}</td></tr>
<tr><th>Protected attributes</th><td>{{ contract.protected | join(", ") or "none declared" }}</td></tr></table></div>
<h2>Pictures</h2>
<div class="plots">
{% for title, source in pictures %}<img alt="{{ title }}" src="data:image/png;base64,{{ source }}">
{% endfor %}</div>
<h2>Verified properties and supported range</h2>
{% if verified %}<div class="wide"><table><tr><th>property</th><th>statement</th><th>verdict</th><th>proven</th><th>tried</th></tr>
{% for v in verified %}
<tr><td>{{ v.name }}</td><td>{{ v.statement }}</td><td><span class="badge {{ v.verdict }}">{{ v.verdict }}</span> {{ v.reason }}</td><td>{{ v.proven }}{% if v.ranges %}<details><summary>supported range</summary>{{ v.ranges | join("; ") }}</details>{% endif %}{% if v.counterexample %}<details><summary>counterexample</summary>{% for line in v.counterexample %}{{ line }}<br>{% endfor %}</details>{% endif %}</td><td class="quiet">{{ v.tried }}</td></tr>
{% endfor %}</table></div>{% else %}<p>None is declared.</p>{% endif %}
{% for table in counterexamples %}
<p>A relation that is broken too often, by its plainest input:</p>
<div class="wide"><pre>{{ table }}</pre></div>
{% endfor %}
{% if examples %}
<h2>Answers explained</h2>
<div class="wide"><table><tr><th>which</th><th class="n">answer</th><th class="n">mean answer</th><th>what moved it most: the column, its value, its share</th></tr>
{% for e in examples %}
<tr><td>{{ e.why }}, row {{ e.row }}</td><td class="n">{{ e.answer | figure }}</td><td class="n">{{ e.base | figure }}</td><td>{{ e.strongest }}</td></tr>
{% endfor %}</table></div>
{% endif %}
{% for title, rows in chapters %}
<h2>{{ title }}</h2>
<div class="wide"><table><tr><th>figure</th><th class="n">value</th><th>95% interval</th><th class="n">rows</th><th></th></tr>
{% for m in rows %}
<tr><td>{{ m.name }}</td><td class="n">{{ m.value | figure }}</td><td>{% if m.low is not none %}{{ m.low | figure }} to {{ m.high | figure }}{% endif %}</td><td class="n">{{ m.rows or "" }}</td><td class="quiet">{{ m.detail }}</td></tr>
{% endfor %}</table></div>
{% endfor %}
<h2>Limits</h2>
<ul>
<li>The intervals come from {{ widest }} evaluation rows{% if widest < 1000 %}: they are wide, and differences of a few hundredths are within chance{% endif %}.</li>
<li>It answers for the columns and ranges of the contract only, and it has not been tried on other populations.</li>
{% for v in verified if v.verdict != "proven" %}<li>{{ v.name }} is proven {{ v.proven }}.</li>
{% endfor %}</ul>
<h2>Where it comes from</h2>
<div class="wide"><table>
<tr><th>Run</th><td><code>{{ lineage.run_id }}</code></td></tr>
<tr><th>Commit</th><td><code>{{ lineage.commit }}</code>{{ ", with uncommitted changes" if lineage.dirty }}</td></tr>
<tr><th>Author</th><td>{{ lineage.author }}</td></tr><tr><th>Cause</th><td>{{ lineage.cause }}</td></tr>
<tr><th>Data</th><td>{{ lineage.data }} <code>{{ lineage.data_digest }}</code></td></tr>
<tr><th>Model digest</th><td><code>{{ lineage.model_digest }}</code></td></tr>
<tr><th>Packages</th><td><code>{{ lineage.lock_digest }}</code>, Python {{ lineage.python }}</td></tr></table></div>
</html>
"""
