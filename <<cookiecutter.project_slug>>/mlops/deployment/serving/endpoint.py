"""An environment's endpoint as the commands see it: start it, find it, ask it, wait for its workers."""

from __future__ import annotations

import http.client
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil

from mlops.deployment.desired.environment import Environment
from mlops.deployment.desired.settings import Serving
from mlops.deployment.serving.address import GRACE_SECONDS, is_loopback
from mlops.deployment.serving.keys import FILE as KEYS
from mlops.deployment.serving.keys import keys_text, new_key, read_keys
from mlops.deployment.serving.told import Told, read_told
from mlops.quality.errors import UserError
from mlops.quality.tables import replace_text
from mlops.training import detached
from mlops.training.detached import Kind, Running

KIND = Kind(
    "mlops.deployment.serving.endpoint_process",
    "the endpoint",
    record="endpoint.json",
    log="endpoint.log",
    lock="endpoint.lock",
    stop_timeout=GRACE_SECONDS + 20.0,
)
START_TIMEOUT = 60.0
# A key for as long as a command needs one, beside the two of the callers.
_OWN_KEY = "command"


@dataclass(frozen=True)
class Endpoint:
    """A running endpoint."""

    running: Running
    host: str

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.running.port}"


def find(environment: Environment) -> Endpoint | None:
    """The environment's endpoint where its process lives, be it ready or not."""
    running = detached.find(KIND, environment.folder)
    if running is None:
        return None
    return Endpoint(running, _reached_at(environment.settings.serving.host))


def start(environment: Environment) -> Endpoint:
    """The environment's endpoint, started unless it runs already.

    Raises UserError where the address is taken, or open to others while there is no key.
    """
    serving = environment.settings.serving
    folder = environment.folder
    if not is_loopback(serving.host) and not read_keys(folder):
        where = environment.files / "settings.yml"
        raise UserError(
            f"{where}: serving: host: {serving.host} can be reached by others, and there is no key: "
            f"nox -s keys -- {environment.name}"
        )
    with detached.locked(KIND, folder):
        found = find(environment)
        if found:
            return found
        if not serving.port and not is_loopback(serving.host):
            where = environment.files / "settings.yml"
            raise UserError(f"{where}: serving: port: others need to know it: expected 1 to 65535")
        port = serving.port or detached.free_port(KIND, folder)
        arguments = [serving.host, str(port), str(serving.workers)]
        running = detached.start(KIND, folder, port, arguments, dict(os.environ))
    return Endpoint(running, _reached_at(serving.host))


def stop(environment: Environment) -> bool:
    """End the endpoint, after the requests under way; False where none runs."""
    folder = environment.folder
    if not folder.is_dir():
        return False
    with detached.locked(KIND, folder):
        running = detached.find(KIND, folder)
        if running is None:
            return False
        # the supervisor alone: it lets its workers finish
        with suppress(ProcessLookupError):
            os.kill(running.pid, signal.SIGTERM)
        end = time.monotonic() + KIND.stop_timeout
        while detached.own_process(KIND, running.pid, folder) and time.monotonic() < end:
            time.sleep(0.02)
        detached.end(KIND, running)
    return True


def is_elsewhere(endpoint: Endpoint, serving: Serving) -> str:
    """How the address that a running endpoint listens on differs from the settings; or nothing."""
    process = detached.own_process(KIND, endpoint.running.pid, endpoint.running.folder)
    command = process.cmdline() if process else []
    folder = str(endpoint.running.folder)
    host = command[command.index(folder) + 1] if folder in command[:-1] else serving.host
    if host != serving.host:
        return f"it listens on {host}, the settings say {serving.host}"
    if serving.port not in (0, endpoint.running.port):
        return f"it listens on port {endpoint.running.port}, the settings say {serving.port}"
    return ""


def workers(endpoint: Endpoint) -> list[int]:
    """The process ids of the workers that live."""
    with suppress(psutil.Error):
        children = psutil.Process(endpoint.running.pid).children()
        return [child.pid for child in children if _is_worker(child)]
    return []


def resize(environment: Environment, endpoint: Endpoint) -> bool:
    """Bring the number of workers to that of the settings without a restart; False where it is so."""
    wanted, there = environment.settings.serving.workers, len(workers(endpoint))
    if there in (wanted, 0):
        return False
    change = signal.SIGTTIN if wanted > there else signal.SIGTTOU
    for _ in range(abs(wanted - there)):
        os.kill(endpoint.running.pid, change)
        time.sleep(
            0.6
        )  # the supervisor looks twice a second, and takes two signals at once for one
    return True


def following(endpoint: Endpoint) -> list[Told]:
    """What each living worker has told."""
    alive = set(workers(endpoint))
    return [told for told in read_told(endpoint.running.folder) if told.pid in alive]


def wait_followed(endpoint: Endpoint, revision: int, timeout: float = START_TIMEOUT) -> None:
    """Return once every worker answers by that revision of the traffic file.

    Raises UserError where a worker cannot load it, the process has ended, or time is up.
    """
    end = time.monotonic() + timeout
    while True:
        told = following(endpoint)
        behind = [each for each in told if each.revision < revision]
        if told and len(told) == len(workers(endpoint)) and not behind:
            return
        if failed := [each.error for each in behind if each.error and each.tried >= revision]:
            raise UserError(failed[0])
        if detached.own_process(KIND, endpoint.running.pid, endpoint.running.folder) is None:
            said = detached.last_words(KIND, endpoint.running.folder)
            raise UserError(f"the endpoint has ended: {said}")
        if time.monotonic() > end:
            log = endpoint.running.folder / KIND.log
            raise UserError(f"{endpoint.url}: not ready after {timeout:.0f} s; its log is {log}")
        time.sleep(0.02)


def is_ready(endpoint: Endpoint, timeout: float = 5.0) -> str:
    """Why the endpoint is not ready; empty where it is."""
    try:
        status, body = ask(endpoint, "GET", "/v2/health/ready", timeout=timeout)
    except OSError as error:
        return f"it does not answer: {error}"
    return "" if status == http.HTTPStatus.OK else str(body.get("message", status))


def ask(
    endpoint: Endpoint,
    method: str,
    path: str,
    body: object = None,
    *,
    headers: dict[str, str] | None = None,
    timeout: float = 30.0,
) -> tuple[int, dict[str, object]]:
    """One request: the status and the JSON of the answer; raises OSError where there is none."""
    connection = http.client.HTTPConnection(endpoint.host, endpoint.running.port, timeout=timeout)
    content = None if body is None else json.dumps(body)
    told = {"Content-Type": "application/json", **(headers or {})}
    try:
        connection.request(method, path, content, told)
        answer = connection.getresponse()
        text = answer.read()
    except http.client.HTTPException as error:
        raise OSError(str(error) or type(error).__name__) from None
    finally:
        connection.close()
    try:
        found = json.loads(text)
    except ValueError:
        found = {}
    return answer.status, found if isinstance(found, dict) else {"answer": found}


@contextmanager
def own_key(environment: Environment) -> Iterator[dict[str, str]]:
    """The headers that let a command in, while the block lasts; none where no key is asked for."""
    folder = environment.folder
    if not read_keys(folder):
        yield {}
        return
    with detached.locked(KIND, folder):
        secret, keys = new_key(read_keys(folder), _OWN_KEY)
        replace_text(folder / KEYS, keys_text(keys))
    time.sleep(0.2)  # the workers look fifty times a second
    try:
        yield {"Authorization": f"Bearer {secret}"}
    finally:
        with detached.locked(KIND, folder):
            kept = [key for key in read_keys(folder) if key.name != _OWN_KEY]
            replace_text(folder / KEYS, keys_text(kept))


def _is_worker(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return any("spawn_main" in word for word in process.cmdline())
    return False


def _reached_at(host: str) -> str:
    """Where this machine reaches an endpoint that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - told, not bound
