"""The bodies of both pages, for Jinja with escaping on."""

MACROS = """\
{% macro verdicts(rows, label) %}
{% set pictured = rows | selectattr("picture") | list %}
<div class="wide" tabindex="0" role="region" aria-label="{{ label }}"><table class="flow" role="table">
<thead role="rowgroup"><tr role="row"><th scope="col" role="columnheader">verdict</th><th scope="col" role="columnheader">measure</th><th scope="col" role="columnheader">value (95% interval)</th><th scope="col" role="columnheader">bound</th>{% if pictured %}<th scope="col" role="columnheader">interval</th>{% endif %}<th scope="col" role="columnheader">reason</th></tr></thead>
<tbody role="rowgroup">
{% for row in rows %}
<tr role="row"><td role="cell">{{ mark(row.level, row.word) }}</td><th scope="row" role="rowheader">{{ row.name }}</th><td role="cell" data-label="value">{{ row.value }}</td><td role="cell" data-label="bound">{{ row.bound }}</td>{% if pictured %}<td role="cell">{{ row.picture }}</td>{% endif %}<td role="cell" class="why small">{{ row.reason }}</td></tr>
{% endfor %}
</tbody></table></div>
{% endmacro %}
{% macro chapter(it) %}
<h2 id="{{ it.topic.name }}">{{ it.topic.title }}: {{ mark(it.topic.level, it.topic.word) }}</h2>
{% if it.topic.why and not it.first %}<p>{{ it.topic.why }}</p>{% endif %}
{{ since(it) }}
{% if it.first %}{{ verdicts(it.first, it.topic.title) }}{% endif %}
{% if it.rest %}<details><summary>{{ it.rest | length }} more</summary>
{{ verdicts(it.rest, it.topic.title ~ ", the rest") }}</details>{% endif %}
{% endmacro %}
{% macro since(it) %}
{% if it.since %}<p class="small">Told first {{ it.since.first | time(now) }}{% if it.since.times > 1 %}, last {{ it.since.last | time(now) }}, {{ it.since.times }} times in all{% endif %}.</p>
{% elif it.topic.level == "bad" %}<p class="small">No event has told of it before: it is new in this window.</p>{% endif %}
{% endmacro %}
{% macro findings(rows) %}
<ul class="findings">
{% for row in rows %}
<li><div><span class="name">{{ row.name }}</span> {{ mark(row.level, row.word) }}</div><div>{{ row.picture }}</div>
<div><p>{{ row.reason }}</p><p class="quiet small">{{ row.figures }}</p>{% if row.since %}<p class="small">Since {{ row.since.first | time(now) }}{% if row.since.times > 1 %}, told {{ row.since.times }} times{% endif %}.</p>{% endif %}</div></li>
{% endfor %}
</ul>
{% endmacro %}
{% macro moments(found) %}
<ol class="moments">
{% for each in found %}
<li><time datetime="{{ each.time.isoformat() }}">{{ each.clock }}</time><b>{{ each.environment or "-" }}</b><span class="what">{{ mark(each.level, each.what) }}</span><p>{{ each.text }}</p></li>
{% endfor %}
</ol>
{% endmacro %}
{% macro days(found) %}
{% for day, those in found %}
<h3>{{ day }} <span class="quiet">(UTC)</span></h3>
{{ moments(those) }}
{% endfor %}
{% endmacro %}
{% macro legend() %}
<p class="quiet small">Signs: {{ mark("good", "good or kept") }}, {{ mark("bad", "bad or beyond its bound") }}, {{ mark("open", "not judged, or waiting") }}, {{ mark("note", "neither") }}. All times are in UTC.</p>
{% endmacro %}
"""

REPORT = """\
<body>
<header>
<h1>{{ watched.environment }}: {{ watched.model }}{% if package %} version {{ package.deployment.version }}{% endif %}</h1>
<p class="verdict {{ level }}">{{ mark(level, sentence) }}</p>
<p class="quiet">Window from {{ watched.start | time }} until {{ watched.now | time }}{% if package %}: {{ "{:,}".format(package.rows) }} rows, {{ "{:,}".format(package.labelled) }} of them with a label; package <code>{{ package.deployment.digest[:12] }}</code>{% if watched.new_labels %}; {{ "{:,}".format(watched.new_labels) }} labels since it serves{% endif %}{% endif %}.{% if watched.trained %} Trained last {{ watched.trained | time(now) }}.{% endif %}</p>
</header>
<main>
<ul class="tiles">
{% for it in tiles %}<li class="{{ it.level }}"><b>{{ it.title }}</b>{{ mark(it.level, it.word) }}{% if it.why %}<span class="quiet"><br>{{ it.why | truncate(140, False, "…") }}</span>{% endif %}</li>
{% endfor %}</ul>
{{ legend() }}
{% if package %}<p class="quiet small">In the tables the disc is the value, the bar its 95% interval, the whole line the bound or the figure at the gate, the dotted one the share before.</p>{% endif %}
{% if package and package.why %}<p>{{ mark("open", "reference") }} {{ package.why }}</p>{% endif %}
{% if watched.notes %}
<h2>Notes on the reading</h2>
<ul class="reasons">{% for note in watched.notes %}<li>{{ note }}</li>{% endfor %}</ul>
{% endif %}
{% if drift %}
<h2 id="data_drift">What changed: {{ mark(drift.topic.level, drift.topic.word) }}</h2>
{% if drift.unjudged %}<p>No verdict: {{ drift.unjudged }}.</p>{% else %}
<p class="quiet small">{{ "{:,}".format(drift.rows[1]) }} rows of the window against {{ "{:,}".format(drift.rows[0]) }} of the training data. The bar is the effect, the line its threshold: something drifted where it is beyond, and chance (p of all tests together, Holm) does not explain it.</p>
{{ since(drift) }}
{{ findings(drift.first) }}
{% if drift.rest %}<details><summary>{{ drift.rest | length }} more statistics, none of which drifted</summary>
{{ findings(drift.rest) }}</details>{% endif %}
{% if drift.skipped %}<h3>Not compared, so not judged</h3>
<ul class="reasons">{% for name, why in drift.skipped %}<li>{{ mark("open", name) }}: {{ why }}</li>{% endfor %}</ul>{% endif %}
{% endif %}
<h2 id="prediction_drift">Answers: {{ mark(answers.topic.level, answers.topic.word) }}</h2>
{% if answers.topic.why %}<p>No verdict: {{ answers.topic.why }}.</p>{% endif %}
{{ since(answers) }}
{{ findings(answers.first) }}
{% endif %}
{% for it in chapters %}
{{ chapter(it) }}
{% if it.topic.name == "performance" %}
{% if charts %}<h3>Over time, as labels arrived</h3>
<div class="charts">{% for title, picture in charts %}<figure><figcaption>{{ title }}</figcaption>{{ picture }}</figure>{% endfor %}</div>
<p class="quiet small">The band is the 95% interval, where a figure has one; grey bars count the labelled rows of each step.</p>
{% elif package %}<p>{{ mark("open", "over time") }} no labelled row in the window, so there is no line to draw.</p>{% endif %}
{% if measures %}<details><summary>All figures of the window</summary>
<div class="wide" tabindex="0" role="region" aria-label="All figures of the window"><table><thead><tr><th scope="col">figure</th><th scope="col" class="n">value</th><th scope="col">95% interval</th><th scope="col" class="n">rows</th><th scope="col">remark</th></tr></thead>
<tbody>{% for each in measures %}<tr><th scope="row">{{ each.name | plain }}</th><td class="n">{{ each.value | number }}</td><td>{% if each.low is not none and each.high is not none %}{{ each.low | number }} to {{ each.high | number }}{% endif %}</td><td class="n">{{ each.rows or "" }}</td><td>{{ each.detail }}</td></tr>{% endfor %}</tbody></table></div></details>{% endif %}
{% endif %}
{% if it.topic.name == "fairness" and groups %}
<details><summary>The figures of {{ groups | length }} groups</summary>
<div class="wide" tabindex="0" role="region" aria-label="Figures of groups"><table><thead><tr><th scope="col">group</th><th scope="col" class="n">labelled rows</th>{% for name in group_figures %}<th scope="col" class="n">{{ name | replace("_", " ") }}</th>{% endfor %}</tr></thead>
<tbody>{% for each in groups %}<tr><th scope="row">{{ each.attribute }} {{ each.group }}</th><td class="n">{{ each.rows }}</td>{% for name in group_figures %}<td class="n">{{ each.figures.get(name) | number }}</td>{% endfor %}</tr>{% endfor %}</tbody></table></div></details>
{% endif %}
{% if it.topic.name == "service" and service %}
<ul class="figures">{% for value, what in service %}<li><b>{{ value }}</b>{{ what }}</li>{% endfor %}</ul>
{% endif %}
{% endfor %}
<h2 id="done">What was done about it</h2>
{% if decision %}
<p class="verdict {{ decided_level }}">{{ mark(decided_level, decided) }}</p>
<p class="quiet small">The rule that decided: {{ decision.rule | replace("_", " ") }}.</p>
<ul class="reasons">{% for reason in decision.reasons %}<li>{{ reason }}</li>{% endfor %}</ul>
{% else %}<p>{{ mark("open", "no decision") }} The retraining policy was not asked when this report was written.</p>{% endif %}
<h3>Since then</h3>
{% if after %}{% if earlier %}<p class="small quiet">The newest {{ after_count }}; {{ earlier }} earlier ones are left out.</p>{% endif %}
{{ days(after) }}
{% else %}<p>No event of {{ watched.environment }} is told {{ after_from }}.</p>{% endif %}
{% if others %}
<h2>Also answered in this window</h2>
{% for each in others %}
<h3>{{ each.sentence }}</h3>
<p class="small quiet">{{ "{:,}".format(each.package.rows) }} rows, {{ "{:,}".format(each.package.labelled) }} with a label; {{ each.share }}; package <code>{{ each.package.deployment.digest[:12] }}</code>.</p>
{% if each.bad %}<ul class="reasons">{% for reason in each.bad %}<li>{{ mark("bad", "beyond its bound") }}: {{ reason }}</li>{% endfor %}</ul>{% endif %}
{% endfor %}
{% endif %}
</main>
<footer><p class="quiet small">Written {{ watched.now | time }} by the monitor.</p></footer>
</body>
"""

ENVIRONMENTS = """\
<body class="broad">
<header>
<h1>Environments</h1>
<p class="verdict {{ level }}">{{ mark(level, sentence) }}</p>
<p class="quiet">As of {{ now | time }}.</p>
</header>
<main>
<div class="cards">
{% for card in cards %}
<section class="{{ card.level }}" aria-labelledby="environment-{{ loop.index }}">
<h2 id="environment-{{ loop.index }}">{{ card.status.environment }}</h2>
{{ mark(card.level, card.word) }}
<dl>
<dt>Git asks for</dt><dd>{% if card.status.desired %}version {{ card.status.desired.version }} of {{ card.status.desired.model }}<br><span class="quiet small"><code>{{ card.status.desired.digest[:12] }}</code>, run <code>{{ card.status.desired.run[:12] }}</code>, commit <code>{{ card.status.desired.commit[:10] }}</code></span>{% else %}nothing{% endif %}</dd>
<dt>Serves</dt><dd>{% if card.shares %}{{ card.bar }}<ul>{% for line in card.shares %}<li>{{ line }}</li>{% endfor %}</ul>{% else %}nothing{% endif %}
{% if card.shares and card.status.since %}<span class="quiet small">since {{ card.since }}</span>{% endif %}</dd>
<dt>As in Git</dt><dd>{{ mark(card.git_level, card.git) }}{% if card.status.differences %}<ul>{% for line in card.status.differences %}<li>{{ line }}</li>{% endfor %}</ul>{% endif %}</dd>
<dt>Health</dt><dd>{{ mark(card.health_level, card.health) }}{% if card.status.url %}<br><span class="quiet small">{{ card.status.url }}</span>{% endif %}</dd>
<dt>Approval</dt><dd>{% if card.status.approver %}{{ mark("good", "approved") }} by {{ card.status.approver }}{% else %}{{ mark("note", "none on record") }}{% endif %}</dd>
{% for it in card.topics %}
<dt>{{ it.title }}</dt><dd>{{ mark(it.level, it.word) }}{% if it.why %}<p class="quiet small">{{ it.why | truncate(160, False, "…") }}</p>{% endif %}
{% if it.name == "performance" %}{% for line in card.figures %}<p class="small">{{ line }}</p>{% endfor %}{% endif %}</dd>
{% endfor %}
{% if not card.topics and card.level != "note" %}<dt>Monitor</dt><dd>{{ mark("open", "not measured") }}<p class="quiet small">there are no figures of the monitor: drift, performance and KPI are not known</p></dd>{% endif %}
{% if card.measured %}<dt>KPI</dt><dd>{{ mark(card.kpi_level, card.kpi_word) }}{% if card.kpi %}<p class="small">{{ card.kpi }}</p>{% endif %}</dd>
<dt>Measured</dt><dd>{% if card.other %}{{ mark("open", card.other) }}<br>{% endif %}<span class="small">{{ card.measured }}</span></dd>{% endif %}
</dl>
<p class="quiet small events">Events: {{ card.strip_words }}</p>
{{ card.strip }}
</section>
{% endfor %}
</div>
{{ legend() }}
<h2>Timeline</h2>
{% if newest %}{{ days(newest) }}
{% if older %}<details><summary>{{ older_count }} older</summary>
{{ days(older) }}</details>{% endif %}
{% else %}<p>Nothing is told in the logs yet.</p>{% endif %}
</main>
</body>
"""
