"""Which MLflow server the project speaks to, and the few calls it makes.

`MLFLOW_TRACKING_URI` names any server (a URL, `databricks`, `azureml://...`, a database); without it
the project has its own (server.py). MLflow is imported late: that alone takes over a second.
"""

from __future__ import annotations

import argparse
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import requests

from mlops.quality.errors import UserError
from mlops.training import server
from mlops.training.server import ROOT

if TYPE_CHECKING:
    from mlflow import MlflowClient

VARIABLE = "MLFLOW_TRACKING_URI"
REACH_TIMEOUT = 5.0
# Asks a small question that needs credentials and the database, which /health does not.
PROBE = "/api/2.0/mlflow/experiments/search"
# The UI shows training first; without the tag it guesses.
EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}
# Only defaults: what the person has set stays.
CLIENT_SETTINGS = {
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


def external_uri() -> str | None:
    """The server that the environment names, unchanged; None where the project uses its own."""
    uri = os.environ.get(VARIABLE, "")
    return uri if uri.strip() else None


def tracking_uri(root: Path) -> str:
    """The address to track to; the project's own server is started where it does not run."""
    return external_uri() or server.up(root).uri


def check_reachable(uri: str, timeout: float = REACH_TIMEOUT) -> None:
    """Raise UserError unless an http(s) server answers as MLflow within `timeout` seconds.

    Other addresses (`databricks`, `azureml://`, databases) are left to MLflow and its plug-ins.
    """
    if not _is_web(uri):
        return
    where = f"{VARIABLE}={_without_password(uri)}"
    answers: list[requests.Response | requests.RequestException] = []

    def ask() -> None:
        try:
            answers.append(_probe(uri, timeout))
        except requests.RequestException as error:
            answers.append(error)

    # In a thread, since looking up a name or trying several addresses has no limit of its own.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(timeout)
    if not answers or isinstance(answers[0], requests.Timeout):
        raise UserError(f"{where}: the server does not answer within {timeout:.0f} s")
    if isinstance(answers[0], requests.RequestException):
        raise UserError(f"{where}: the server cannot be reached: {_reason(answers[0])}")
    _check_answer(answers[0], where)


def client(uri: str) -> MlflowClient:
    """A quiet client of the server; it becomes MLflow's default for this process too."""
    for name, value in CLIENT_SETTINGS.items():
        os.environ.setdefault(name, value)
    if re.match(r"https?://(127\.0\.0\.1|localhost)\b", uri):
        _bypass_proxies()
    import mlflow  # noqa: PLC0415 - late, see above

    mlflow.set_tracking_uri(uri)
    return mlflow.MlflowClient(tracking_uri=uri)


@contextmanager
def one_line_errors(uri: str) -> Iterator[None]:
    """Turn what MLflow raises inside into a UserError that names the server."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - late, see above

    try:
        yield
    except (MlflowException, requests.RequestException) as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(f"MLflow at {_without_password(uri)}: {said[0]}") from error


def experiment_id(client: MlflowClient, name: str) -> str:
    """The experiment of that name: created where there is none, restored where it was deleted."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - late, see above

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name, tags=EXPERIMENT_TAGS))
        except MlflowException:
            # another training has created it meanwhile, or the server really refuses
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def run_link(uri: str, experiment_id: str, run_id: str) -> str:
    """Where to look at a run: the page in MLflow's UI where the server has one."""
    return _link(uri, f"experiments/{experiment_id}/runs/{run_id}")


def model_link(uri: str, name: str, version: str) -> str:
    """Where to look at a model version: the page in MLflow's UI where the server has one."""
    return _link(uri, f"models/{quote(name, safe='')}/versions/{version}")


def main_up(argv: list[str]) -> int:
    """Start the project's own server, or find the running one, and print its address."""
    parser = argparse.ArgumentParser(
        prog="nox -s up --",
        description="Start the project's own MLflow server, or find the running one, and print "
        f"its address. Where {VARIABLE} names another server, that one is checked instead.",
    )
    parser.parse_args(argv)
    uri = external_uri()
    if uri is not None:
        check_reachable(uri)
        print(f"MLflow: {_without_password(uri)} (from {VARIABLE}; no own server is needed)")
        return 0
    print(f"MLflow: {server.up(ROOT).uri} (ends with `nox -s down`)")
    return 0


def main_down(argv: list[str]) -> int:
    """End the project's own server and say whether there was one."""
    parser = argparse.ArgumentParser(
        prog="nox -s down --",
        description="End the project's own MLflow server. Runs and models stay; no other server "
        "is touched.",
    )
    parser.parse_args(argv)
    ended = server.down(ROOT)
    print("the MLflow server has ended" if ended else "no MLflow server of this project runs")
    return 0


def _link(uri: str, page: str) -> str:
    shown = _without_password(uri).rstrip("/")
    return f"{shown}/#/{page}" if _is_web(uri) else f"{shown}: {page}"


def _probe(uri: str, timeout: float) -> requests.Response:
    """One request with the credentials and certificates that MLflow's client would use."""
    user = os.environ.get("MLFLOW_TRACKING_USERNAME")
    password = os.environ.get("MLFLOW_TRACKING_PASSWORD")
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    insecure = os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in ("true", "1")
    return requests.get(
        uri.rstrip("/") + PROBE,
        params={"max_results": 1},
        auth=(user, password) if user and password else None,
        headers={"Authorization": f"Bearer {token}"} if token and not user else {},
        verify=not insecure and (os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH") or True),
        cert=os.environ.get("MLFLOW_TRACKING_CLIENT_CERT_PATH") or None,
        timeout=timeout,
    )


def _check_answer(response: requests.Response, where: str) -> None:
    said = " ".join(response.text[:200].split())
    if response.status_code in (401, 403):
        # keys from a file or a plug-in are not known here; MLflow's own first call will tell
        if _has_other_credentials():
            return
        raise UserError(
            f"{where}: the server refuses access (HTTP {response.status_code}: {said[:80]}); "
            "credentials are MLFLOW_TRACKING_USERNAME and _PASSWORD, or MLFLOW_TRACKING_TOKEN"
        )
    if response.status_code >= 500:
        raise UserError(f"{where}: the server fails (HTTP {response.status_code}: {said[:80]})")
    if not response.ok or not response.text.lstrip().startswith("{"):
        raise UserError(
            f"{where}: what answers is no MLflow server (HTTP {response.status_code} for {PROBE})"
        )


def _has_other_credentials() -> bool:
    named = ("MLFLOW_TRACKING_AUTH", "MLFLOW_TRACKING_AWS_SIGV4")
    return any(os.environ.get(name) for name in named) or (
        not os.environ.get("MLFLOW_TRACKING_USERNAME")
        and (Path.home() / ".mlflow" / "credentials").exists()
    )


def _reason(error: BaseException) -> str:
    """The innermost cause: requests wraps it three times."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(said).splitlines()[0]


def _is_web(uri: str) -> bool:
    return uri.strip().lower().startswith(("http://", "https://"))


def _without_password(uri: str) -> str:
    return re.sub(r"(?<=://)[^/]*@", "", uri)


def _bypass_proxies() -> None:
    """Keep calls to this machine out of the proxy that the environment may name."""
    known = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    if "127.0.0.1" not in known.split(","):
        both = ",".join(filter(None, [known, "127.0.0.1,localhost"]))
        os.environ["no_proxy"] = os.environ["NO_PROXY"] = both
