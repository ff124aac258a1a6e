"""The dashboard and the alert rules: whole, and of metrics and labels that are really told."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from mlops.deployment.serving.counts import Counts, key
from mlops.deployment.serving.metrics import exposition
from mlops.deployment.serving.traffic import Deployment, Traffic
from mlops.deployment.serving.worker import Worker
from mlops.operations.drift.verdict import Drift, Finding, Joint
from mlops.operations.exposition import registry
from mlops.operations.monitoring.service import Service
from mlops.operations.monitoring.verdict import Kind, Verdict
from mlops.operations.package_watch import Package
from mlops.operations.watch import Watched
from mlops.quality.project import ROOT

FOLDER = ROOT / "dashboards"
COUNTED = Deployment("blue", "1", "d" * 64, 1.0)
# What Prometheus adds to every metric of a target, and its own metrics.
OF_TARGETS = {"job", "instance", "environment"}
BUILT_IN = {"up": OF_TARGETS, "ALERTS": {"alertname", "alertstate", "severity"}}
WORDS = {"and", "or", "unless", "offset", "bool"}
CLAUSE = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
NAME = re.compile(r"[A-Za-z_][\w:]*")
GRID = 24

Json = dict[str, Any]
Told = Mapping[str, set[str]]


def watched(now: datetime | None = None) -> Watched:
    """What a monitor that found everything tells: a breach of each kind, and drift."""
    moment = now or datetime.now(UTC)
    drifted = Finding("a", "Kolmogorov-Smirnov distance", 0.31, 0.1, 0.0, 0.0, True, "a moved")
    kept = Finding("g", "Jensen-Shannon distance", 0.02, 0.1, 0.5, 1.0, False, "g did not")
    answer = Finding("answer.0", "Kolmogorov-Smirnov distance", 0.2, 0.1, 0.0, 0.0, True, "moved")
    joint = Joint(0.71, 0.55, 0.0, 0.0, True, (("a", 0.1),), (400, 300), "apart")
    verdicts = tuple(
        Verdict(kind, f"{kind}.some", "breached", "beyond", 0.4, bound=0.1, column=column)
        for kind, column in zip(get_args(Kind), ("a", "", "", "", ""), strict=True)
    )
    open_ = Verdict("performance", "performance.kpi", "no_verdict", "3 KPIs; 50 are needed")
    package = Package(
        COUNTED,
        300,
        80,
        Drift((400, 300), (drifted, kept), (answer,), joint),
        (*(each for each in verdicts if each.kind != "staleness"), open_),
        Service(None, None, Counts(), {}),
    )
    stale = tuple(each for each in verdicts if each.kind == "staleness")
    return Watched("prod", "small", moment - timedelta(days=1), moment, (package,), stale)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The labels of each sample, by its name, as endpoint and monitor tell them."""
    folder = tmp_path_factory.mktemp("endpoint")
    worker = Worker(folder, folder)
    worker.mirror.close()
    counted = {key(COUNTED.name, COUNTED.digest): Counts()}
    traffic = Traffic(1, "prod", "small", (COUNTED,))
    text = exposition(traffic, counted, worker.others_counted())
    text += generate_latest(registry(watched()))
    found: dict[str, set[str]] = {name: set(labels) for name, labels in BUILT_IN.items()}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set(OF_TARGETS)).update(sample.labels)
    return found


@pytest.fixture(scope="module")
def dashboard() -> Json:
    found: Json = json.loads((FOLDER / "grafana.json").read_text(encoding="utf-8"))
    return found


def rules() -> dict[str, Json]:
    """The alert rules by name."""
    groups = yaml.safe_load((FOLDER / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    listed = [rule for group in groups for rule in group["rules"]]
    found = {rule["alert"]: rule for rule in listed}
    assert len(found) == len(listed), "two rules have the same name"
    return found


def plots(dashboard: Json) -> list[Json]:
    """The panels that show something."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def expressions(dashboard: Json) -> Iterator[tuple[str, str, str]]:
    """Each expression with where it stands and the text that names its results."""
    for panel in plots(dashboard):
        for target in panel["targets"]:
            yield panel["title"], target["expr"], target.get("legendFormat", "")


def spoken_of(expression: str) -> tuple[dict[str, set[str]], set[str]]:
    """The metrics of an expression with the labels that select them, and the labels of its clauses."""
    bare = re.sub(r'"(?:\\.|[^"\\])*"', '""', expression)
    bare = re.sub(r"\[[^\]]*\]", "", bare)
    clauses = {name for _, names in CLAUSE.findall(bare) for name in NAME.findall(names)}
    bare = CLAUSE.sub(" ", bare)
    metrics: dict[str, set[str]] = {}
    for found in re.finditer(r"(?<![\w.])([A-Za-z_][\w:]*)\s*(\(|\{[^}]*\})?", bare):
        name, after = found.group(1), found.group(2) or ""
        if after == "(" or name in WORDS:
            continue
        metrics.setdefault(name, set()).update(NAME.findall(after))
    return metrics, clauses


def mistakes(expression: str, text: str, told: Told) -> list[str]:
    """What an expression, or the text that names its results, speaks of and nobody tells."""
    metrics, clauses = spoken_of(expression)
    known = set().union(*(told.get(name, set()) for name in metrics))
    found = [f"no metric {name}" for name in metrics if name not in told]
    for name, labels in metrics.items():
        found += [f"no label {label} of {name}" for label in labels - told.get(name, labels)]
    found += [f"no label {label} to group by" for label in clauses - known]
    grouped = re.search(r"\bby \(([^)]*)\)", expression)
    named = set(re.findall(r"\{\{\s*(?:\$labels\.)?([a-z_]+)\s*\}\}", text))
    left = set(NAME.findall(grouped.group(1))) if grouped else known
    return found + [f"no label {label} to name" for label in named - left]


@pytest.mark.parametrize(
    ("expression", "text", "found"),
    [
        ('sum by (environment) (rate(mlops_failed_total{digest="x"}[5m])) > 1', "", []),
        ("mlops_fialed_total > 0", "", ["no metric mlops_fialed_total"]),
        ('up{enviroment="x"} == 0', "", ["no label enviroment of up"]),
        ("sum by (version) (mlops_failed_total)", "", ["no label version to group by"]),
        ("up", "{{ $labels.digest }}", ["no label digest to name"]),
        ("sum by (job) (up)", "{{instance}}", ["no label instance to name"]),
        ("time() - up unless on (job) absent(up offset 1m)", "{{job}}", []),
    ],
)
def test_mistakes_are_found(expression: str, text: str, found: list[str], told: Told) -> None:
    assert mistakes(expression, text, told) == found


@pytest.mark.parametrize("alert", rules())
def test_an_alert_speaks_of_what_is_told(alert: str, told: Told) -> None:
    rule = rules()[alert]
    assert mistakes(rule["expr"], rule["annotations"]["summary"], told) == []
    assert rule["annotations"]["runbook"]
    assert rule["labels"]["severity"]


def test_the_dashboard_speaks_of_what_is_told(dashboard: Json, told: Told) -> None:
    for place, expression, legend in expressions(dashboard):
        assert mistakes(expression, legend, told) == [], place


def test_the_columns_of_a_table_exist(dashboard: Json, told: Told) -> None:
    tables = [panel for panel in plots(dashboard) if panel["type"] == "table"]
    assert tables
    for panel in tables:
        metrics = itertools.chain(*(spoken_of(each["expr"])[0] for each in panel["targets"]))
        known = set().union(*(told[name] for name in metrics)) | {"Value"}
        for change in panel["transformations"]:
            if change["id"] == "filterFieldsByName":
                assert set(change["options"]["include"]["names"]) <= known, panel["title"]
        assert all(each["format"] == "table" and each["instant"] for each in panel["targets"])


def test_every_query_follows_the_variables(dashboard: Json) -> None:
    chosen = {each["name"]: each for each in dashboard["templating"]["list"]}
    assert chosen["datasource"]["type"] == "datasource"
    source = {"type": chosen["datasource"]["query"], "uid": "${datasource}"}
    assert chosen["environment"]["datasource"] == source
    assert chosen["environment"]["allValue"] == ".*", "a target without the label is shown as well"
    for panel in plots(dashboard):
        assert panel["datasource"] == source
        for target in panel["targets"]:
            assert target["datasource"] == source
            assert 'environment=~"$environment"' in target["expr"] or "ALERTS" in target["expr"]


def test_panels_have_a_place_of_their_own(dashboard: Json) -> None:
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: dict[tuple[int, int], str] = {}
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= GRID, panel["title"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]
    for panel in plots(dashboard):
        assert panel["title"], panel["id"]
        assert panel["description"], panel["title"]
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references) > 0
