"""A running endpoint: what is collected, copied, counted, drawn and kept from whom."""

from __future__ import annotations

import http.client
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import cast

import pandas as pd
import pytest
import yaml
from mlflow import MlflowClient

from mlops.deployment.packaging.package import FLAVOUR, seal
from mlops.deployment.serving import endpoint
from mlops.deployment.serving.keys import FILE as KEYS
from mlops.deployment.serving.keys import keys_text, new_key
from mlops.deployment.serving.traffic import Deployment, Options, Traffic, traffic_text
from mlops.deployment.tests.environments import (
    Place,
    contract_values,
    fitted_model,
    make_package,
    make_project,
    valid_row,
)
from mlops.quality.tables import replace_text
from mlops.training.model_file import save_model


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("packages")


@pytest.fixture(scope="module")
def digests(packages: Path) -> tuple[str, str]:
    one = make_package(packages, fitted_model(1))
    return one, make_package(packages, fitted_model(2))


@pytest.fixture
def place(tmp_path: Path, packages: Path) -> Iterator[Place]:
    project = make_project(tmp_path / "project")
    (project.root / ".mlops").mkdir()
    (project.root / ".mlops" / "packages").symlink_to(packages)
    found = Place(project, cast(MlflowClient, None))  # no registry is asked
    found.environment().folder.mkdir(parents=True)
    yield found
    found.down()


def serve(place: Place, *deployments: Deployment, revision: int = 1) -> endpoint.Endpoint:
    chosen = place.environment()
    edges = tuple(number / 10 for number in range(11))
    traffic = Traffic(
        revision, "prod", "small", deployments, edges, options=Options(collect_seconds=0.2)
    )
    replace_text(chosen.folder / "traffic.json", traffic_text(traffic))
    found = endpoint.start(chosen)
    endpoint.wait_followed(found, revision)
    return found


def ask(
    found: endpoint.Endpoint, row: Mapping[str, object] | None = None, **headers: str
) -> tuple[int, dict[str, str], dict[str, object]]:
    connection = http.client.HTTPConnection(found.host, found.running.port, timeout=10)
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    body = json.dumps({"dataframe_records": [row or valid_row()]})
    connection.request("POST", "/invocations", body, {"Content-Type": "application/json", **told})
    answer = connection.getresponse()
    content = json.loads(answer.read())
    connection.close()
    return answer.status, {k.lower(): v for k, v in answer.headers.items()}, content


def until(holds: Callable[[], bool], seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.05)


def collected(place: Place) -> pd.DataFrame:
    files = sorted((place.environment().folder / "collected").rglob("*.parquet"))
    return pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)


def test_everything_is_collected_after_a_graceful_stop(
    place: Place, digests: tuple[str, str]
) -> None:
    found = serve(
        place,
        Deployment("blue", "1", digests[0], 1.0),
        Deployment("green", "2", digests[1], 0, 1.0),
    )
    rows = [valid_row(number) for number in range(10)]
    asked = [ask(found, row, X_Request_Id=f"ask-{n}") for n, row in enumerate(rows)]
    assert ask(found, {**rows[0], "a": 99})[0] == 400
    assert endpoint.stop(place.environment())
    table = collected(place)
    live = table[table["role"] == "live"].set_index("request_id")
    assert sorted(live.index) == sorted(f"ask-{n}" for n in range(10))
    for number, (status, headers, answer) in enumerate(asked):
        row = live.loc[f"ask-{number}"]
        assert (status, headers["x-request-id"]) == (200, f"ask-{number}")
        assert row["input.a"] == rows[number]["a"]
        assert row["input.g"] == rows[number]["g"]
        assert row["probability.1"] == pytest.approx(answer["predictions"][0][1])  # type: ignore[index]
        assert row["model_digest"] == digests[0]
        assert row["latency_ms"] > 0
    shadow = table[table["role"] == "mirror"]
    assert sorted(shadow["request_id"]) == sorted(live.index)
    assert set(shadow["deployment"]) == {"green"}
    folders = {
        path.name.split("=")[0] for path in (place.environment().folder / "collected").iterdir()
    }
    assert folders == {"date"}
    assert not list((place.environment().folder / "spool").glob("*"))


def test_a_killed_worker_loses_at_most_what_it_had_not_spooled(
    place: Place, digests: tuple[str, str]
) -> None:
    found = serve(place, Deployment("blue", "1", digests[0], 1.0))
    for number in range(20):
        ask(found, X_Request_Id=f"early-{number}")
    time.sleep(0.4)  # what is older than a tenth of a second is spooled
    import os
    import signal

    os.kill(endpoint.workers(found)[0], signal.SIGKILL)
    until(lambda: bool(endpoint.following(found)))
    endpoint.stop(place.environment())
    assert set(collected(place)["request_id"]) == {f"early-{n}" for n in range(20)}


def test_personal_columns_are_hashed_or_left_out(
    place: Place, packages: Path, tmp_path: Path
) -> None:
    values = contract_values()
    columns = values["columns"]
    assert isinstance(columns, dict)
    columns["g"]["collect"], columns["a"]["collect"] = "hashed", "never"
    digest = make_package(tmp_path, fitted_model(1))
    (tmp_path / digest / "contract.yml").write_text(yaml.safe_dump(values))
    (tmp_path / digest / "manifest.json").unlink()
    sealed = seal(tmp_path / digest, "small")
    (tmp_path / digest).rename(packages / sealed)
    found = serve(place, Deployment("blue", "1", sealed, 1.0))
    for number in range(4):
        assert ask(found, valid_row(number))[0] == 200
    endpoint.stop(place.environment())
    table = collected(place)
    assert "input.a" not in table
    assert all(re.fullmatch("[0-9a-f]{32}", value) for value in table["input.g"])
    groups = {valid_row(number)["g"] for number in range(4)}
    assert table["input.g"].nunique() == len(groups)


def test_shares_headers_and_keys_decide_who_answers(place: Place, digests: tuple[str, str]) -> None:
    found = serve(
        place, Deployment("blue", "1", digests[0], 0.7), Deployment("green", "2", digests[1], 0.3)
    )
    seen = Counter(ask(found)[1]["x-model-version"] for _ in range(300))
    assert 50 <= seen["2"] <= 130
    for name, version in (("blue", "1"), ("green", "2")):
        for _ in range(5):
            headers = ask(found, azureml_model_deployment=name)[1]
            assert headers["azureml-model-deployment"] == name
            assert headers["x-model-version"] == version
    by_key = {
        key: {ask(found, X_Routing_Key=key)[1]["x-model-version"] for _ in range(4)}
        for key in map(str, range(60))
    }
    assert all(len(versions) == 1 for versions in by_key.values())
    assert {version for versions in by_key.values() for version in versions} == {"1", "2"}


def test_the_metrics_count_what_happened(place: Place, digests: tuple[str, str]) -> None:
    found = serve(
        place,
        Deployment("blue", "1", digests[0], 1.0),
        Deployment("green", "2", digests[1], 0, 1.0),
    )
    for _ in range(5):
        ask(found)
    ask(found, {**valid_row(), "a": -1})

    def value(line: str) -> float:
        connection = http.client.HTTPConnection(found.host, found.running.port, timeout=10)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        (line,) = [each for each in text.splitlines() if each.startswith(line)]
        return float(line.rsplit(" ", 1)[1])

    blue, green = (
        f'deployment="{n}",digest="{d}"' for n, d in zip(("blue", "green"), digests, strict=True)
    )
    assert value(f"mlops_requests_total{{{blue}}}") == 6
    assert value(f"mlops_refused_total{{{blue}}}") == 1
    assert value(f"mlops_rows_total{{{blue}}}") == 5
    assert value(f"mlops_latency_seconds_count{{{blue}}}") == 5
    until(lambda: value(f"mlops_mirrored_total{{{green}}}") == 5)
    assert value(f"mlops_compared_total{{{green}}}") == 5
    assert value(f"mlops_traffic_share{{{green}}}") == 0
    assert value("mlops_mirror_dropped_total") == 0


def test_keys_are_asked_for_and_rotated_while_it_runs(
    place: Place, digests: tuple[str, str]
) -> None:
    found = serve(place, Deployment("blue", "1", digests[0], 1.0))
    assert ask(found)[0] == 200
    folder = place.environment().folder
    first, keys = new_key((), "primary")
    second, both = new_key(keys, "secondary")
    replace_text(folder / KEYS, keys_text(both))
    until(lambda: ask(found)[0] == 401)
    assert ask(found, Authorization=f"Bearer {first}")[0] == 200
    assert ask(found, X_Api_Key=second)[0] == 200
    assert ask(found, Authorization=f"Bearer {first}x")[0] == 401
    third, after = new_key(both, "primary")
    replace_text(folder / KEYS, keys_text(after))
    until(lambda: ask(found, Authorization=f"Bearer {first}")[0] == 401)
    assert ask(found, Authorization=f"Bearer {third}")[0] == 200
    assert ask(found, Authorization=f"Bearer {second}")[0] == 200
    with endpoint.own_key(place.environment()) as headers:
        assert ask(found, None, **headers)[0] == 200
    until(lambda: ask(found, None, **headers)[0] == 401)
    kept = (folder / KEYS).read_text() + (folder / "endpoint.log").read_text()
    assert not any(secret in kept for secret in (first, second, third))
    assert endpoint.is_ready(found) == "", "health needs no key"


def test_a_broken_shadow_harms_nobody(place: Place, digests: tuple[str, str]) -> None:
    found = serve(place, Deployment("blue", "1", digests[0], 1.0))
    chosen = place.environment()
    traffic = Traffic(
        2,
        "prod",
        "small",
        (Deployment("blue", "1", digests[0], 1.0), Deployment("green", "9", "f" * 64, 0, 1.0)),
    )
    replace_text(chosen.folder / "traffic.json", traffic_text(traffic))
    until(lambda: any(each.error for each in endpoint.following(found)))
    assert ask(found)[0] == 200
    assert endpoint.is_ready(found) == ""


@pytest.mark.parametrize("opposite", [False, True])
def test_a_model_in_its_flavour_answers_from_a_process_of_its_own(
    place: Place, packages: Path, tmp_path: Path, *, opposite: bool
) -> None:
    fitted = fitted_model(2, opposite=opposite)
    digest = make_package(tmp_path, fitted)
    folder = tmp_path / digest
    (folder / "model.onnx").unlink()
    (folder / "manifest.json").unlink()
    (folder / FLAVOUR).mkdir()
    save_model(fitted, folder / FLAVOUR, "forest", {}, 1)
    sealed = seal(folder, "small")
    folder.rename(packages / sealed)
    found = serve(place, Deployment("blue", "1", sealed, 1.0))
    expected = fitted.predict_proba(pd.DataFrame([valid_row()]))[0]
    status, _, told = ask(found)
    assert status == 200
    assert told["predictions"][0] == pytest.approx(expected)  # type: ignore[index]
    import psutil

    (worker,) = endpoint.workers(found)
    children = psutil.Process(worker).children()
    assert [child for child in children if "mlops.deployment.serving.flavour" in child.cmdline()]
    for child in children:
        child.kill()
    psutil.wait_procs(children, 5)
    assert ask(found)[0] == 200, "a dead process is started again"
    again = psutil.Process(worker).children()
    endpoint.stop(place.environment())
    assert not psutil.wait_procs(again, 5)[1], "nothing is left behind"


def test_traffic_that_does_not_add_up_is_not_followed(
    place: Place, digests: tuple[str, str]
) -> None:
    found = serve(place, Deployment("blue", "1", digests[0], 1.0))
    path = place.environment().folder / "traffic.json"
    values = json.loads(path.read_text())
    values["revision"], values["deployments"][0]["share"] = 2, 0.4
    replace_text(path, json.dumps(values))
    until(lambda: any("add up to 0.4" in each.error for each in endpoint.following(found)))
    assert ask(found)[1]["x-model-version"] == "1"
