"""The endpoint beside `mlflow models serve`, MLServer and a bare application around onnxruntime.

    python benchmarks/endpoint_speed.py [--quick] [--json FILE] [--markdown FILE]

The same two models answer the same rows, with one worker each: a logistic regression and a forest of
100 trees, both behind the sample's preprocessing. The endpoint has everything on: API key, contract
check, collection, and two deployments, of which the second gets a copy of every fifth request. The
bare application parses the same JSON, runs the session and answers, nothing else: the ceiling.

All servers run at once, and the load goes to one after the other, case by case, again and again, for
the machine's speed drifts; figures are medians. The exit code is 1 where a target is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import http.client
import json
import logging
import os
import platform
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.base import BaseEstimator
    from sklearn.pipeline import Pipeline

ROOT = Path(__file__).resolve().parents[1]
PROJECT = ROOT / "<<cookiecutter.project_slug>>"
HOST = "127.0.0.1"
PATH = "/invocations"
LINE, FOREST = "logistic regression", "forest, 100 of depth 6"
OURS, MLFLOW, MLSERVER, BARE = (
    "this endpoint",
    "mlflow models serve",
    "MLServer",
    "bare onnxruntime",
)
# In the case that is judged: at least so many times MLflow's requests a second, at most this part of
# its median latency, and at least this part of the bare application's requests a second.
TIMES, LATENCY, CEILING = {LINE: 20, FOREST: 50}, 1 / 10, 1 / 2
START_SECONDS = 120
# How long the endpoint's collection may take to become Parquet before the next one is measured.
SETTLE_SECONDS = 300
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GREY = "#808080"
COLOURS = {OURS: "#3b82f6", MLFLOW: "#ea580c", MLSERVER: "#a855f7", BARE: "#9aa5b1"}

BARE_APP = """
import sys
import numpy as np, onnxruntime, orjson

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession("model.onnx", options)
kinds = {"tensor(int64)": np.int64, "tensor(float)": np.float32}
inputs = [(each.name, kinds[each.type]) for each in session.get_inputs()]

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    table = orjson.loads(body)["dataframe_split"]
    values = np.array(table["data"], dtype=np.float32)
    places = {name: place for place, name in enumerate(table["columns"])}
    fed = {n: values[:, places[n] : places[n] + 1].astype(kind, copy=False) for n, kind in inputs}
    found = session.run(["probabilities"], fed)[0]
    said = orjson.dumps({"predictions": found}, option=orjson.OPT_SERIALIZE_NUMPY)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(said))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": said})
"""
WRK = """
local bodies = {%(bodies)s}
local requests, number = {}, 0
%(headers)s
function init(args)
  for place, body in ipairs(bodies) do
    requests[place] = wrk.format("POST", "%(path)s", nil, body)
  end
end
function request()
  number = number %% #requests + 1
  return requests[number]
end
function done(summary, latency, all)
  local e = summary.errors
  io.write(string.format(
    '\\n{"requests": %%d, "seconds": %%f, "p50": %%f, "p99": %%f, "errors": %%d}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3, e.connect + e.read + e.write + e.status + e.timeout))
end
"""


@dataclass(frozen=True)
class Case:
    """So many rows in each request, from so many clients that each wait for their answer."""

    rows: int
    clients: int

    def __str__(self) -> str:
        rows, clients = ("s" if number > 1 else "" for number in (self.rows, self.clients))
        return f"{self.rows} row{rows}, {self.clients} client{clients}"


CASES = (Case(1, 1), Case(1, 8), Case(100, 8))
JUDGED = Case(1, 8)


@dataclass(frozen=True)
class Load:
    """What came of one load: requests a second, and milliseconds. Errors: no answer, or not 2xx."""

    rate: float
    p50: float
    p99: float
    errors: int


@dataclass(frozen=True)
class Server:
    """One that answers: how it is started, where it listens, and what a request to it carries."""

    name: str
    command: Sequence[str]
    folder: Path
    port: int
    headers: Mapping[str, str]
    spool: Path | None = None


@dataclass
class Measured:
    """All repetitions of one server with one model: seconds until the first answer, MiB, loads."""

    starts: list[float] = field(default_factory=list)
    memories: list[float] = field(default_factory=list)
    loads: dict[Case, list[Load]] = field(default_factory=dict)
    missing: str = ""

    def load(self, case: Case) -> Load:
        """The medians of a case; errors of all repetitions together."""
        found = self.loads[case]
        rate, p50, p99 = (
            statistics.median(getattr(each, name) for each in found)
            for name in ("rate", "p50", "p99")
        )
        return Load(rate, p50, p99, sum(each.errors for each in found))


@dataclass(frozen=True)
class Target:
    """What was aimed at, what was found, and whether that is enough."""

    text: str
    figure: str
    met: bool


@dataclass(frozen=True)
class Table:
    """A table for the terminal or for Markdown; the first `left` columns are text."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: int


Results = dict[str, dict[str, Measured]]


class StartError(Exception):
    """A server that does not answer; the message has the end of its log."""


def main() -> int:
    """Measure, print the tables, judge."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=5, help="of each load (default: 5)")
    parser.add_argument("--repeats", type=int, default=5, help="of each load (default: 5)")
    parser.add_argument("--quick", action="store_true", help="one repetition of one second")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure")
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="write a report, and a chart beside it"
    )
    parser.add_argument("--generate", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.generate:
        return generate(json.loads(options.generate.read_text()))
    if options.quick:
        options.seconds = options.repeats = 1
    for number in STOPPING:
        signal.signal(number, stop)
    with tempfile.TemporaryDirectory(prefix="endpoint-speed-") as name:
        results, notes = measured(Path(name), options.seconds, options.repeats)
    return report(results, notes, options)


def stop(number: int, _: FrameType | None) -> None:
    """End every server, and only then this program: no second signal comes between."""
    for each in STOPPING:
        signal.signal(each, signal.SIG_IGN)
    raise SystemExit(128 + number)


def measured(folder: Path, seconds: int, repeats: int) -> tuple[Results, list[str]]:
    """All figures, and what else there is to say of the runs."""
    # a copy: its compiled modules go with the temporary folder
    project = folder / "project"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    binaries = Path(sys.executable).parent
    os.environ |= {
        "DO_NOT_TRACK": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
        "OMP_NUM_THREADS": "1",
        "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(project),
    }
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.path.insert(0, str(project))
    table = valid_rows(folder, project)
    requests = {case: bodies(table, case.rows) for case in CASES}
    results: Results = {}
    notes: list[str] = []
    for model, estimator in models().items():
        place = folder / model.replace(" ", "-").replace(",", "")
        place.mkdir()
        mine = servers(estimator, table, project, place)
        missing = {} if len(mine) == len(COLOURS) else {MLSERVER: "not installed"}
        missing |= first_starts(model, mine, requests, place)
        mine = [server for server in mine if server.name not in missing]
        found = {name: Measured(missing=missing.get(name, "")) for name in COLOURS}
        results[model] = found
        for number in range(repeats):
            say(f"{model}: repetition {number + 1} of {repeats}")
            notes += repetition(mine, found, requests, place, seconds)
    return results, notes


def valid_rows(folder: Path, project: Path) -> pd.DataFrame:
    """The sample's rows that keep the contract, the target among the columns."""
    import pandas as pd
    from mlops.quality.checks import check_table
    from mlops.quality.contract import load_contract

    command = [sys.executable, str(project / "data" / "diabetes.py"), str(folder / "sample.csv")]
    subprocess.run(command, check=True)
    table = pd.read_csv(folder / "sample.csv")
    broken = check_table(table, load_contract(project / "model" / "contract.yml")).violations
    return table.drop(index=[found.row - 1 for found in broken if found.row is not None])


def models() -> dict[str, BaseEstimator]:
    """The sample's line, scaler included, and a forest of a hundred trees."""
    from model.estimator import candidates
    from sklearn.ensemble import RandomForestClassifier

    line = next(found for name, (found, _) in candidates(0).items() if "logistic" in name)
    return {LINE: line, FOREST: RandomForestClassifier(100, max_depth=6, random_state=0)}


def bodies(table: pd.DataFrame, rows: int) -> list[str]:
    """Requests of so many rows, different ones."""
    inputs = table.drop(columns="progression")
    count = 64 if rows == 1 else 4
    stride = 1 if rows == 1 else (len(inputs) - rows) // count
    parts = (inputs.iloc[number * stride :].head(rows) for number in range(count))
    return [
        json.dumps({"dataframe_split": part.to_dict(orient="split", index=False)}) for part in parts
    ]


def servers(
    estimator: BaseEstimator, table: pd.DataFrame, project: Path, folder: Path
) -> list[Server]:
    """Those that are installed, ready to start."""
    from mlops.quality.contract import load_contract
    from mlops.training.search import pipeline
    from model.data import label
    from model.features import features

    contract = load_contract(project / "model" / "contract.yml")
    inputs = table[list(contract.inputs)]
    fitted = pipeline(features(), estimator).fit(inputs, label(table))
    digest = packaged(fitted, inputs, project, folder / "packages")
    flavour = logged(fitted, inputs, folder / "flavour")
    found = [
        endpoint(project, folder, digest),
        mlflow_server(flavour, folder),
        mlserver(flavour, folder),
        bare(folder / "packages" / digest, folder),
    ]
    return [server for server in found if server is not None]


def packaged(model: Pipeline, inputs: pd.DataFrame, project: Path, packages: Path) -> str:
    """Write the model's package to the folder of packages; returns its digest."""
    from mlops.deployment.packaging.candidate import Lineage, write_lineage
    from mlops.deployment.packaging.compilation import compile_model
    from mlops.deployment.packaging.package import seal
    from mlops.deployment.packaging.predictor import load_predict
    from mlops.deployment.packaging.reference import reference
    from mlops.deployment.steps.package import signature
    from mlops.quality.contract import load_contract

    contract = load_contract(project / "model" / "contract.yml")
    folder = packages / "draft"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(compile_model(model, contract))
    shutil.copyfile(project / "model" / "contract.yml", folder / "contract.yml")
    known = {each.name: "" for each in dataclasses.fields(Lineage)}
    facts = {**known, "name": "sample", "parameters": {}, "seed": 0, "dirty": False}
    write_lineage(Lineage(**facts), folder)
    answers = load_predict(folder)(inputs)
    for name, values in (
        ("signature.json", signature(contract, answers.ndim)),
        ("reference.json", reference(inputs, answers, contract)),
    ):
        (folder / name).write_text(json.dumps(values, indent=1, sort_keys=True))
    digest = str(seal(folder, "sample"))
    folder.rename(packages / digest)
    return digest


def logged(model: Pipeline, inputs: pd.DataFrame, folder: Path) -> Path:
    """The model in MLflow's scikit-learn flavour, as training keeps it."""
    import mlflow.sklearn
    import skops.io
    from mlflow.models import infer_signature

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    example = inputs.head(5)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # integers without missing values are what the contract says
        mlflow.sklearn.save_model(
            model,
            str(folder),
            serialization_format="skops",
            skops_trusted_types=skops.io.get_untrusted_types(data=skops.io.dumps(model)),
            signature=infer_signature(example, model.predict_proba(example)),
            pyfunc_predict_fn="predict_proba",
            pip_requirements=[f"{name}=={version(name)}" for name in ("scikit-learn", "skops")],
        )
    return folder


def endpoint(project: Path, folder: Path, digest: str) -> Server:
    """This endpoint, with everything on."""
    from mlops.deployment.serving.keys import keys_text, new_key
    from mlops.deployment.serving.traffic import Deployment, Options, Traffic, traffic_text

    place = folder / "endpoints" / "prod"
    place.mkdir(parents=True)
    secret, keys = new_key((), "primary")
    (place / "keys.json").write_text(keys_text(keys))
    package = folder / "packages" / digest
    answers = json.loads((package / "reference.json").read_text())["answers"][0]
    traffic = Traffic(
        revision=1,
        environment="prod",
        model="sample",
        deployments=(
            Deployment("blue", "1", digest, share=1.0),
            Deployment("green", "2", digest, mirror=0.2),
        ),
        edges=tuple(answers["edges"]),
        tolerance=1e-6,
        # short, so that what is collected becomes Parquet while it is measured
        options=Options(collect=True, collect_seconds=1.0),
    )
    (place / "traffic.json").write_text(traffic_text(traffic))
    port = free_port()
    module = "mlops.deployment.serving.endpoint_process"
    command = [sys.executable, "-m", module, str(place), HOST, str(port), "1"]
    headers = {"Authorization": f"Bearer {secret}"}
    return Server(OURS, command, project, port, headers, place / "spool")


def mlflow_server(flavour: Path, folder: Path) -> Server:
    """MLflow's own server."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(flavour)]
    command += ["--env-manager", "local", "--workers", "1", "--host", HOST, "--port", str(port)]
    return Server(MLFLOW, command, folder, port, {})


def mlserver(flavour: Path, folder: Path) -> Server | None:
    """MLServer with its runtime for MLflow; None where it is not installed."""
    if (program := shutil.which("mlserver")) is None:
        return None
    place = folder / "mlserver"
    place.mkdir()
    ports = [free_port() for _ in range(3)]
    settings: dict[str, object] = {"host": HOST, "debug": False, "parallel_workers": 0}
    settings |= dict(zip(("http_port", "grpc_port", "metrics_port"), ports, strict=True))
    (place / "settings.json").write_text(json.dumps(settings))
    model = {
        "name": "sample",
        "implementation": "mlserver_mlflow.MLflowRuntime",
        "parameters": {"uri": str(flavour)},
    }
    (place / "model-settings.json").write_text(json.dumps(model))
    return Server(MLSERVER, [program, "start", str(place)], place, ports[0], {})


def bare(package: Path, folder: Path) -> Server:
    """The ceiling: the least that answers the same request with the same session."""
    place = folder / "bare"
    place.mkdir()
    shutil.copyfile(package / "model.onnx", place / "model.onnx")
    (place / "bare.py").write_text(BARE_APP)
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "bare:app", "--host", HOST, "--port", str(port)]
    command += ["--loop", "uvloop", "--http", "httptools", "--ws", "none", "--workers", "1"]
    command += ["--no-access-log", "--no-server-header", "--no-date-header"]
    return Server(BARE, command, place, port, {})


def free_port() -> int:
    """A port that nobody has at this moment."""
    with socket.create_server((HOST, 0)) as found:
        return int(found.getsockname()[1])


@dataclass(frozen=True)
class Started:
    """A server that answers, and the seconds from its start to that."""

    process: subprocess.Popen[bytes]
    seconds: float


@contextmanager
def running(server: Server, body: str, folder: Path) -> Iterator[Started]:
    """A server until the block ends; raises StartError where it gives no answer."""
    log = folder / f"{server.name.replace(' ', '-')}.log"
    with log.open("wb") as told:
        begin = time.perf_counter()
        process = subprocess.Popen(
            server.command,
            cwd=server.folder,
            stdin=subprocess.DEVNULL,
            stdout=told,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for this program, which then ends its servers
        )
        try:
            if not first_answer(server, process, body, begin + START_SECONDS):
                raise StartError(f"no answer; its log ends:\n{log.read_text()[-2000:]}")
            yield Started(process, time.perf_counter() - begin)
        finally:
            end(process)


def first_answer(
    server: Server, process: subprocess.Popen[bytes], body: str, deadline: float
) -> bool:
    """Wait for the first answer; False where the server ends or the time is over."""
    while process.poll() is None and time.perf_counter() < deadline:
        with suppress(OSError, http.client.HTTPException):
            if call(server, body)[0] == 200:
                return True
        time.sleep(0.01)
    return False


def end(process: subprocess.Popen[bytes]) -> None:
    """End a server and what it started: asked first, then killed. Signals have to wait for it."""
    import psutil

    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        tree = family(process.pid)
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
        _, alive = psutil.wait_procs(tree, timeout=5)
        for each in alive:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        process.wait()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def family(pid: int) -> list[Any]:
    """A process and all that come from it."""
    import psutil

    try:
        first = psutil.Process(pid)
        return [first, *first.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def memory(process: subprocess.Popen[bytes]) -> float:
    """MiB that a server's processes have for themselves, summed."""
    return float(sum(each.memory_full_info().uss for each in family(process.pid))) / 2**20


def call(server: Server, body: str, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
    """Status and body of one answer; `headers` instead of the server's own."""
    connection = http.client.HTTPConnection(HOST, server.port, timeout=START_SECONDS)
    try:
        given = server.headers if headers is None else headers
        connection.request("POST", PATH, body, {"Content-Type": "application/json", **given})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def first_starts(
    model: str, mine: Sequence[Server], requests: Mapping[Case, list[str]], folder: Path
) -> dict[str, str]:
    """Start each once before the clock runs, and make sure that all give the same answers.

    Returns why MLServer does not take part; raises SystemExit for another one.
    """
    body = requests[CASES[-1]][0]
    given: dict[str, list[float]] = {}
    missing = {}
    for server in mine:
        say(f"{model}: {server.name}: a first start")
        try:
            with running(server, body, folder):
                values = json.loads(call(server, body)[1])
                if server.name == OURS:
                    check(server, body)
        except StartError as error:
            say(f"{server.name}: {error}")
            if server.name != MLSERVER:
                raise SystemExit(f"{server.name} does not start") from None
            missing[MLSERVER] = "does not start"
            continue
        values = values["predictions"] if isinstance(values, dict) else values
        given[server.name] = [each[-1] if isinstance(each, list) else each for each in values]
    for name, answers in given.items():
        pairs = zip(answers, given[MLFLOW], strict=True)
        if (apart := max(abs(one - other) for one, other in pairs)) > 1e-4:
            raise SystemExit(f"{name}: its answers lie up to {apart:g} from those of {MLFLOW}")
    return missing


def check(server: Server, body: str) -> None:
    """Make sure that the endpoint wants its key and checks its contract; else raise SystemExit."""
    broken = json.loads(body)
    broken["dataframe_split"]["data"][0][broken["dataframe_split"]["columns"].index("bmi")] = -1
    for what, status in (
        ("a request without a key", call(server, body, {})[0]),
        ("a row that breaks the contract", call(server, json.dumps(broken))[0]),
    ):
        if not 400 <= status < 500:
            raise SystemExit(f"{server.name}: {what} was answered with {status}")


def repetition(
    mine: Sequence[Server],
    found: Mapping[str, Measured],
    requests: Mapping[Case, list[str]],
    folder: Path,
    seconds: int,
) -> list[str]:
    """Start all, give each its load by turns, and look at their memory; returns what to tell."""
    notes = []
    with ExitStack() as stack:
        started = {}
        for server in mine:
            started[server.name] = stack.enter_context(
                running(server, requests[CASES[0]][0], folder)
            )
            found[server.name].starts.append(started[server.name].seconds)
        for case in CASES:
            for server in mine:
                load(server, case, requests[case], folder, 1)
                settle(server)
                result = load(server, case, requests[case], folder, seconds)
                found[server.name].loads.setdefault(case, []).append(result)
                say(
                    f"  {case}: {server.name}: {result.rate:,.0f} a second, p50 {result.p50:.2f} ms"
                )
                settle(server)
        for server in mine:
            found[server.name].memories.append(memory(started[server.name].process))
            notes += dropped(server)
    return notes


def settle(server: Server) -> None:
    """Wait until what was collected is Parquet, which else would cost the next one."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while server.spool is not None and any(server.spool.iterdir()):
        if time.monotonic() > deadline:
            raise SystemExit(f"{server.name}: collected rows wait for over {SETTLE_SECONDS} s")
        time.sleep(0.1)


def dropped(server: Server) -> list[str]:
    """What the endpoint says it left out; raises SystemExit where it mirrored or kept nothing."""
    if server.spool is None:
        return []
    place = server.spool.parent
    time.sleep(0.5)  # counts are written down now and then
    told = [json.loads(path.read_text()) for path in (place / "workers").glob("*.json")]
    counts = [each for one in told for each in one["counts"].values()]
    mirrored = sum(each["mirrored"] for each in counts)
    kept = any((place / "collected").rglob("*.parquet"))
    if not mirrored or not kept:
        raise SystemExit(f"{server.name}: mirrored {mirrored} requests, collected: {kept}")
    lost = {
        what: sum(one["others"][what] for one in told)
        for what in ("mirror_dropped", "collection_dropped")
    }
    requests = sum(each["requests"] for each in counts)
    return [
        f"{place.parent.parent.name}: of {requests:,} requests {mirrored:,} were mirrored; "
        f"{lost['mirror_dropped']:,} copies and {lost['collection_dropped']:,} collected lines "
        "were dropped"
    ]


def load(server: Server, case: Case, asked: Sequence[str], folder: Path, seconds: int) -> Load:
    """Ask a server for so many seconds, from a process of its own."""
    command = wrk(server, case, asked, folder, seconds) if shutil.which("wrk") else None
    command = command or own(server, case, asked, folder, seconds)
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=seconds + START_SECONDS, check=True
    )
    values = json.loads(done.stdout.splitlines()[-1])
    return Load(
        values["requests"] / values["seconds"], values["p50"], values["p99"], values["errors"]
    )


def wrk(
    server: Server, case: Case, asked: Sequence[str], folder: Path, seconds: int
) -> Sequence[str]:
    """The command that makes wrk ask."""
    headers = {"Content-Type": "application/json", **server.headers}
    script = folder / "ask.lua"
    script.write_text(
        WRK
        % {
            "bodies": ", ".join(f"[==[{body}]==]" for body in asked),
            "headers": "\n".join(f'wrk.headers["{key}"] = "{headers[key]}"' for key in headers),
            "path": PATH,
        }
    )
    address = f"http://{HOST}:{server.port}{PATH}"
    options = ["-t1", f"-c{case.clients}", f"-d{seconds}s", "--timeout", "30s", "-s", str(script)]
    return ["wrk", *options, address]


def own(
    server: Server, case: Case, asked: Sequence[str], folder: Path, seconds: int
) -> Sequence[str]:
    """The command that makes this file ask."""
    headers = {"Host": HOST, "Content-Type": "application/json", **server.headers}
    texts = []
    for body in asked:
        lines = [f"POST {PATH} HTTP/1.1"]
        lines += [f"{key}: {value}" for key, value in headers.items()]
        lines += [f"Content-Length: {len(body.encode())}", "", body]
        texts.append("\r\n".join(lines))
    plan = folder / "ask.json"
    values = {"port": server.port, "texts": texts, "clients": case.clients, "seconds": seconds}
    plan.write_text(json.dumps(values))
    return [sys.executable, str(Path(__file__).resolve()), "--generate", str(plan)]


class Client(asyncio.Protocol):
    """One connection: asks, waits for the whole answer, and asks again until the time is over."""

    def __init__(self, texts: Sequence[bytes], until: float) -> None:
        self._texts, self._until, self._number = texts, until, 0
        self._data, self._begin = b"", 0.0
        self.took: list[float] = []
        self.errors = 0
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the first time."""
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        """Ask again where the answer is complete."""
        self._data += data
        head, found, body = self._data.partition(b"\r\n\r\n")
        if not found:
            return
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        if len(body) < int(length):
            return
        now = time.perf_counter()
        self.took.append(now - self._begin)
        self.errors += head[9:10] != b"2"
        self._data = b""
        if now < self._until:
            self._ask()
        else:
            self.ended.set_result(None)
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio names it
        """An error, unless the time was over."""
        if not self.ended.done():
            self.errors += 1
            self.ended.set_result(None)

    def _ask(self) -> None:
        self._number = (self._number + 1) % len(self._texts)
        self._begin = time.perf_counter()
        self._transport.write(self._texts[self._number])


def generate(plan: Mapping[str, Any]) -> int:
    """Ask a server, as `own` planned it, and print what came of it: where there is no wrk."""

    async def ask() -> tuple[float, list[Client]]:
        loop = asyncio.get_running_loop()
        texts = [text.encode() for text in plan["texts"]]
        begin = time.perf_counter()
        until = begin + plan["seconds"]
        clients = []
        for _ in range(plan["clients"]):
            made = await loop.create_connection(lambda: Client(texts, until), HOST, plan["port"])
            clients.append(made[1])
        with suppress(TimeoutError):
            whole = asyncio.gather(*(client.ended for client in clients))
            await asyncio.wait_for(whole, plan["seconds"] + 30)
        return time.perf_counter() - begin, clients

    try:
        import uvloop

        run = uvloop.run
    except ImportError:
        run = asyncio.run
    seconds, clients = run(ask())
    took = sorted(1000 * each for client in clients for each in client.took) or [0.0]
    values = {
        "requests": sum(len(client.took) for client in clients),
        "seconds": seconds,
        "p50": took[len(took) // 2],
        "p99": took[len(took) * 99 // 100],
        "errors": sum(client.errors + client.ended.cancelled() for client in clients),
    }
    print(json.dumps(values))
    return 0


def report(results: Results, notes: Sequence[str], options: argparse.Namespace) -> int:
    """Print and write what was asked for; 1 where a target is missed."""
    from rich.console import Console
    from rich.table import Table as RichTable

    console = Console()
    console.width = max(console.width, 132)  # also where a file takes it
    tables = [speeds(results), starts(results)]
    for table in tables:
        shown = RichTable()
        for place, name in enumerate(table.header):
            shown.add_column(name, justify="left" if place < table.left else "right", no_wrap=True)
        before: Sequence[str] = ()
        for row in table.rows:
            if before and row[: table.left - 1] != before[: table.left - 1]:
                shown.add_section()
            shown.add_row(*row)
            before = row
        console.print(shown)
    aims = targets(results)
    lines = [f"{'met' if aim.met else 'not met'}: {aim.text}: {aim.figure}" for aim in aims]
    about = circumstances(options)
    for line in [*lines, *about, *notes]:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if options.json:
        options.json.write_text(as_json(results, notes, about, aims))
    if options.markdown:
        chart = options.markdown.with_suffix(".svg")
        options.markdown.write_text(as_markdown(tables, lines, notes, about, chart.name))
        draw(results, chart)
    return 0 if all(aim.met for aim in aims) else 1


def speeds(results: Results) -> Table:
    """Each load."""
    rows = []
    for model, found in results.items():
        for case in CASES:
            ceiling = found[BARE].load(case).rate
            for name, measured in found.items():
                if measured.missing:
                    rows.append([model, str(case), name, measured.missing, "", "", "", ""])
                    continue
                one = measured.load(case)
                share = f"{one.rate / ceiling:.{0 if one.rate > ceiling / 10 else 1}%}"
                figures = [f"{one.rate:,.0f}", f"{one.p50:.2f}", f"{one.p99:.2f}", f"{one.errors}"]
                rows.append([model, str(case), name, *figures, share])
    header = ["model", "case", "server", "requests/s", "p50, ms", "p99, ms", "errors", "of bare"]
    return Table(header, rows, 3)


def starts(results: Results) -> Table:
    """Each server's start and memory."""
    rows = [
        (
            [model, name, each.missing, ""]
            if each.missing
            else [
                model,
                name,
                f"{statistics.median(each.starts):.2f}",
                f"{statistics.median(each.memories):.0f}",
            ]
        )
        for model, found in results.items()
        for name, each in found.items()
    ]
    return Table(["model", "server", "start-up, s", "memory after, MiB"], rows, 2)


def targets(results: Results) -> list[Target]:
    """What was aimed at."""
    found = []
    for model, measured in results.items():
        ours, other, most = (measured[name].load(JUDGED) for name in (OURS, MLFLOW, BARE))
        times, latency, share = ours.rate / other.rate, ours.p50 / other.p50, ours.rate / most.rate
        where = f"{model}, {JUDGED}"
        found += [
            Target(
                f"{where}: at least {TIMES[model]}x MLflow's requests per second",
                f"{times:.1f}x",
                times >= TIMES[model],
            ),
            Target(
                f"{where}: p50 at most 1/{1 / LATENCY:.0f} of MLflow's",
                f"1/{1 / latency:.1f}",
                latency <= LATENCY,
            ),
            Target(
                f"{where}: at least {CEILING:.2f} of the bare application's requests per second",
                f"{share:.2f}",
                share >= CEILING,
            ),
        ]
    errors = sum(
        each.errors
        for measured in results.values()
        for one in measured.values()
        for loads in one.loads.values()
        for each in loads
    )
    return [*found, Target("no errors", str(errors), errors == 0)]


def circumstances(options: argparse.Namespace) -> list[str]:
    """Where, when and how it was measured."""
    import psutil

    names = []
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    processor = names[0] if names else platform.processor() or platform.machine()
    memory_size = psutil.virtual_memory().total / 2**30
    programs = ("mlflow", "onnxruntime", "scikit-learn", "uvicorn")
    generator = "wrk" if shutil.which("wrk") else "asyncio, a process of its own"
    return [
        f"{datetime.now(UTC):%d %B %Y}; {processor}, {os.cpu_count()} cores, "
        f"{memory_size:.0f} GiB of memory; {platform.system()}, Python {platform.python_version()}; "
        + ", ".join(f"{name} {version(name)}" for name in programs),
        f"Load: {generator}, {options.seconds} s each, medians of {options.repeats}, by turns; one "
        "thread for each computation.",
    ]


def as_json(
    results: Results, notes: Sequence[str], about: Sequence[str], aims: Sequence[Target]
) -> str:
    """Every figure of every repetition."""
    found = {
        model: {
            name: {
                "missing": each.missing,
                "starts": each.starts,
                "memories": each.memories,
                "loads": {
                    str(case): [dataclasses.asdict(one) for one in loads]
                    for case, loads in each.loads.items()
                },
            }
            for name, each in measured.items()
        }
        for model, measured in results.items()
    }
    told = [dataclasses.asdict(aim) for aim in aims]
    values = {"about": about, "results": found, "targets": told, "notes": notes}
    return json.dumps(values, indent=1) + "\n"


def as_markdown(
    tables: Sequence[Table],
    lines: Sequence[str],
    notes: Sequence[str],
    about: Sequence[str],
    chart: str,
) -> str:
    """The report."""
    parts = ["# The endpoint beside other servers", *about, __doc__.split("\n\n")[2]]
    for table in tables:
        marks = ["---" if place < table.left else "---:" for place in range(len(table.header))]
        rows = (f"| {' | '.join(row)} |" for row in (table.header, marks, *table.rows))
        parts.append("\n".join(rows))
    parts.append(f"![Requests per second by model, case and server]({chart})")
    parts.append("\n".join(f"- {line}" for line in lines))
    parts.append("\n".join(f"- {line}" for line in notes))
    return "\n\n".join(parts) + "\n"


def draw(results: Results, target: Path) -> None:
    """Requests per second as bars; readable on light and dark pages."""
    import matplotlib as mpl

    mpl.use("svg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, len(results), figsize=(11, 4.2), sharey=True, sharex=True)
    for axis, (model, measured) in zip(panels, results.items(), strict=True):
        there = {name: each for name, each in measured.items() if each.loads}
        high = 0.8 / len(there)
        for place, (name, each) in enumerate(there.items()):
            values = [each.load(case).rate for case in CASES]
            heights = [number + high * (place + 0.5) - 0.4 for number in range(len(CASES))]
            bars = axis.barh(heights, values, high * 0.9, color=COLOURS[name], label=name)
            axis.bar_label(bars, fmt="{:,.0f}", padding=3, fontsize=8, color=GREY)
        axis.set_xscale("log")
        axis.set_xlim(1, axis.get_xlim()[1] * 3)
        axis.set_yticks(range(len(CASES)), [str(case) for case in CASES])
        axis.set_title(model, fontsize=10, color=GREY)
        axis.set_xlabel("requests per second", color=GREY)
        axis.tick_params(labelsize=8, colors=GREY, which="both")
        for side, spine in axis.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_color(GREY)
    panels[0].invert_yaxis()
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, frameon=False, fontsize=9, ncols=4, loc="upper left", labelcolor=GREY
    )
    figure.tight_layout(rect=(0, 0, 1, 0.94))
    figure.savefig(target, transparent=True, metadata={"Date": None})
    plt.close(figure)


def say(text: str) -> None:
    """Tell how far it is, beside the figures."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
