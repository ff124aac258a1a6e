"""A real Prometheus reads an endpoint and its monitor by the project's files, and judges its rules."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import secrets
import shutil
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import endpoints
from tests.endpoints import HOST, Server, deployment, endpoint, free_port, lay_out, wait_for
from tests.template import PROJECT

MISSING = [name for name in ("promtool", "prometheus") if shutil.which(name) is None]
pytestmark = pytest.mark.skipif(
    bool(MISSING), reason=f"{' and '.join(MISSING)} not installed: Debian's package prometheus"
)

DASHBOARDS = PROJECT / "dashboards"
ROW = {"a": 1.5, "n": 3, "m": 0.25, "g": "x"}
REQUESTS = 12
# The environments for which each alert waits for its time to pass: prod, of what its monitor tells; stage,
# which has no monitor; and stage, asked without its key.
EXPECTED: dict[str, set[str]] = {
    "EndpointDown": {"stage-without-key"},
    "NothingIsScraped": set(),
    "ErrorRate": set(),
    "SlowAnswers": set(),
    "RefusedShare": set(),
    "CopiesDropped": set(),
    "CollectionDropped": set(),
    "MonitorSilent": set(),
    "MonitorNeverRan": {"stage"},
    "DataDrift": {"prod"},
    "JointDrift": {"prod"},
    "PredictionDrift": {"prod"},
    "Performance": {"prod"},
    "Fairness": {"prod"},
    "DataQuality": {"prod"},
    "Staleness": {"prod"},
    "ServiceInTheWindow": {"prod"},
}
# What a monitor tells that found something of each kind, and the bounds that the settings begin with.
MONITOR = """
import dataclasses, json, sys
from pathlib import Path
from typing import get_args
from mlops.operations.exposition import write_metrics
from mlops.operations.monitoring import settings
from mlops.operations.monitoring.verdict import Kind
from mlops.operations.tests.test_dashboard import watched

write_metrics(watched(), Path(sys.argv[1]))
limits = (settings.ServiceLimits(), settings.QualityLimits(), settings.StalenessLimits())
print(json.dumps([get_args(Kind), *map(dataclasses.asdict, limits)]))
"""


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus, the endpoint that it reads, the file with the other one's key, and what
    the settings begin with.
    """

    port: int
    served: Server
    key: Path
    defaults: Any

    def ask(self, path: str, **values: str) -> Any:
        """What its HTTP API answers; an error is an AssertionError."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=10)
        try:
            connection.request("GET", f"/api/v1/{path}?{urllib.parse.urlencode(values)}")
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        assert answer["status"] == "success", f"{values}: {answer}"
        return answer["data"]

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """The series of an expression, with their values now."""
        found = self.ask("query", query=expression)["result"]
        return [(each["metric"], float(each["value"][1])) for each in found]

    def value(self, expression: str) -> float:
        """The value of an expression's only series; NaN where there is none."""
        found = self.query(expression)
        assert len(found) <= 1, found
        return found[0][1] if found else float("nan")


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Prometheus beside an endpoint with a monitor's metrics, and one that asks for a key."""
    out = tmp_path_factory.mktemp("served")
    digest = endpoints.build(out)["plain"]
    deployed = [deployment("blue", digest, 1.0), deployment("green", digest, 0.0, version="2")]
    deployed[1]["mirror"] = 1.0
    key = secrets.token_urlsafe(32)
    told = {"name": "primary", "sha256": sha256(key.encode()).hexdigest(), "created": "now"}
    guarded = lay_out(out, "stage", [deployment("blue", digest, 1.0)])
    (guarded / "keys.json").write_text(json.dumps({"keys": [told]}))
    folder = tmp_path_factory.mktemp("monitoring")
    with endpoint(lay_out(out, "prod", deployed)) as served, endpoint(guarded, key) as other:
        written = subprocess.run(
            [sys.executable, "-c", MONITOR, str(served.folder)],
            cwd=PROJECT,
            env=endpoints.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert written.returncode == 0, written.stderr
        configure(folder, served.port, other.port, key)
        with running(folder) as port:
            defaults = json.loads(written.stdout.splitlines()[-1])
            yield Prometheus(port, served, folder / "key", defaults)


def configure(folder: Path, port: int, guarded: int, key: str) -> None:
    """The project's files, told where the endpoints are and to look every second."""
    shutil.copytree(DASHBOARDS, folder, dirs_exist_ok=True)
    targets = [{"targets": [f"{HOST}:{port}"], "labels": {"environment": "prod"}}]
    (folder / "targets.json").write_text(json.dumps(targets))
    (folder / "key").write_text(key + "\n")
    config = yaml.safe_load((folder / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    for name, more in [
        ("stage", {"authorization": {"credentials_file": "key"}}),
        ("stage-without-key", {}),
    ]:
        static = [{"targets": [f"{HOST}:{guarded}"], "labels": {"environment": name}}]
        same = [{"target_label": "job", "replacement": "mlops"}]
        job = {"job_name": name, "static_configs": static, "relabel_configs": same}
        config["scrape_configs"].append({**job, **more})
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))


@contextlib.contextmanager
def running(folder: Path) -> Iterator[int]:
    """Prometheus by the files in `folder`, at the port that is told; its data lie there as well."""
    port = free_port()
    command = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={HOST}:{port}",
    ]
    with (folder / "said.log").open("wb") as said:
        process = subprocess.Popen(command, cwd=folder, stdout=said, stderr=said)
    try:
        wait_for(lambda: is_ready(port), "Prometheus is ready", 30)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def is_ready(port: int) -> bool:
    """Whether Prometheus answers questions."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/-/ready")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def promtool(*words: str, folder: Path = DASHBOARDS) -> subprocess.CompletedProcess[str]:
    """What promtool says of the files in a folder."""
    return subprocess.run(
        ["promtool", *words], cwd=folder, capture_output=True, text=True, check=False
    )


def rules() -> list[dict[str, Any]]:
    """The project's alert rules."""
    groups = yaml.safe_load((DASHBOARDS / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def expressions() -> list[tuple[str, str]]:
    """Each expression of the dashboard, with the panel's title."""
    dashboard = json.loads((DASHBOARDS / "grafana.json").read_text())
    panels = [each for each in dashboard["panels"] if each["type"] != "row"]
    found = [(each["title"], target["expr"]) for each in panels for target in each["targets"]]
    return [
        (title, text.replace("$environment", "prod").replace("$__rate_interval", "20s"))
        for title, text in found
    ]


def test_promtool_accepts_the_files(tmp_path: Path) -> None:
    configure(tmp_path, 1, 2, "key")
    for folder in (DASHBOARDS, tmp_path):
        done = promtool("check", "config", "prometheus.yml", folder=folder)
        assert done.returncode == 0, done.stderr
        assert f"SUCCESS: {len(rules())} rules found" in done.stdout
    (tmp_path / "targets.json").write_text('[{"target": []}]')
    assert promtool("check", "config", "prometheus.yml", folder=tmp_path).returncode == 1


def test_each_alert_fires_and_keeps_quiet_as_its_cases_say() -> None:
    done = promtool("test", "rules", "alerts_test.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    cases = yaml.safe_load((DASHBOARDS / "alerts_test.yml").read_text())["tests"]
    tried = [each for case in cases for each in case["alert_rule_test"]]
    for fires in (True, False):
        found = {each["alertname"] for each in tried if bool(each["exp_alerts"]) is fires}
        assert found == {rule["alert"] for rule in rules()}


@pytest.mark.parametrize("expression", ["vector(0) > 1", "vector(1)"])
def test_a_rule_that_never_fires_or_always_fails_its_cases(tmp_path: Path, expression: str) -> None:
    shutil.copytree(DASHBOARDS, tmp_path, dirs_exist_ok=True)
    changed = [{**rule, "expr": expression, "for": "0s"} for rule in rules()]
    (tmp_path / "alerts.yml").write_text(
        yaml.safe_dump({"groups": [{"name": "all", "rules": changed}]})
    )
    done = promtool("test", "rules", "alerts_test.yml", folder=tmp_path)
    assert done.returncode == 1
    # the cases are tried one by one, so that each rule's own must be among those that fail
    empty = r"alertname: (\w+), time: \w+,\s+exp:\[\s*\]"
    full = r"alertname: (\w+), time: \w+,\s+exp:\[\s+0:"
    failed = set(re.findall(full if ">" in expression else empty, done.stdout + done.stderr))
    assert failed == {rule["alert"] for rule in rules()}


def test_what_endpoint_and_monitor_tell_arrives(prometheus: Prometheus) -> None:
    for _ in range(REQUESTS):
        answer = prometheus.served.ask("/invocations", {"dataframe_records": [ROW]})
        assert answer.status == 200, answer.body
    wanted = f'mlops_requests_total{{environment="prod", deployment="blue"}} == {REQUESTS}'
    wait_for(lambda: bool(prometheus.query(wanted)), "the requests arrive", 15)
    assert prometheus.value('up{job="mlops", environment="prod"}') == 1
    assert (
        prometheus.value('mlops_latency_seconds_count{environment="prod", deployment="blue"}')
        == REQUESTS
    )
    assert prometheus.value('sum(mlops_traffic_share{environment="prod"})') == 1
    drifted = {labels["column"] for labels, _ in prometheus.query("mlops_drift_drifted == 1")}
    assert drifted == {"a", "answer.0"}
    environments = {
        labels["environment"] for labels, _ in prometheus.query('{__name__=~"mlops_monitor.*"}')
    }
    assert environments == {"prod"}
    assert prometheus.query('{exported_environment!=""}') == []


def test_an_endpoint_with_a_key_is_read_with_it_alone(prometheus: Prometheus) -> None:
    def reached(environment: str, value: int) -> None:
        expression = f'up{{job="mlops", environment="{environment}"}}'
        wait_for(lambda: prometheus.value(expression) == value, f"{expression} == {value}", 15)

    reached("stage", 1)
    reached("stage-without-key", 0)
    targets = prometheus.ask("targets")["activeTargets"]
    (error,) = (each["lastError"] for each in targets if each["scrapePool"] == "stage-without-key")
    assert "401" in error
    # the file is read anew each time
    key = prometheus.key.read_text()
    for text, value in (("another", 0), (key, 1)):
        prometheus.key.write_text(text)
        reached("stage", value)


def test_no_rule_has_an_error_and_the_right_ones_wait(prometheus: Prometheus) -> None:
    def found() -> dict[str, dict[str, Any]]:
        groups = prometheus.ask("rules")["groups"]
        return {rule["name"]: rule for group in groups for rule in group["rules"]}

    def waiting() -> dict[str, set[str]]:
        alerts = prometheus.ask("alerts")["alerts"]
        return {
            name: {
                each["labels"]["environment"]
                for each in alerts
                if (each["labels"]["alertname"], each["state"]) == (name, "pending")
            }
            for name in found()
        }

    wait_for(lambda: waiting() == EXPECTED, "the expected alerts wait, and no other", 15)
    assert set(EXPECTED) == {rule["alert"] for rule in rules()}
    for name, rule in found().items():
        assert (rule["health"], rule.get("lastError", "")) == ("ok", ""), name
    (drifted,) = found()["DataDrift"]["alerts"]
    assert drifted["annotations"]["summary"] == "prod: a has drifted by 0.31 of 1"


def test_the_dashboard_shows_all_that_arrives(prometheus: Prometheus) -> None:
    def empty() -> set[str]:
        return {title for title, text in expressions() if not prometheus.query(text)}

    # the copies are answered by now, so that their rate may be 0 again
    wait_for(lambda: empty() <= {"Copies"}, "each panel shows something", 20)
    spoken = " ".join(text for _, text in expressions())
    shown = set(re.findall(r"\b(mlops_\w+)", spoken))
    names = {name for name in prometheus.ask("label/__name__/values") if name.startswith("mlops_")}
    # a histogram is shown by its bins
    assert names - shown == {"mlops_latency_seconds_sum", "mlops_latency_seconds_count"}
    assert shown <= names


def test_a_query_that_is_none_is_refused(prometheus: Prometheus) -> None:
    with pytest.raises(AssertionError, match="parse error"):
        prometheus.query("sum by (rate(")


def test_the_bounds_are_those_that_the_settings_begin_with(prometheus: Prometheus) -> None:
    kinds, service, quality, stale = prometheus.defaults
    found = {rule["alert"]: rule["expr"] for rule in rules()}
    for alert, said in [
        ("ErrorRate", f"> {service['error_rate']} and"),
        ("ErrorRate", f">= {service['requests']}"),
        ("SlowAnswers", f"histogram_quantile({service['latency_quantile']},"),
        ("SlowAnswers", f"> {service['latency_ms'] / 1e3} and"),
        ("SlowAnswers", f">= {service['requests']}"),
        ("RefusedShare", f"> {quality['refused']} and"),
        ("RefusedShare", f">= {quality['rows']}"),
        ("MonitorSilent", f"> {stale['monitor']:g} * 3600 "),
        ("MonitorSilent", f"- time() > {stale['clock_seconds']:g}"),
    ]:
        assert said in found[alert]
    watched = re.findall(r'kind="(\w+)"', " ".join(found.values()))
    assert sorted(watched) == sorted(kinds)
