"""`nox -s listen`: take the webhooks of MLflow's registry, tell them, and deploy what was registered."""

from __future__ import annotations

import argparse
import ipaddress
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime

from mlops.operations.events import log
from mlops.operations.events.event import Event, source_of
from mlops.operations.events.outbox import emit
from mlops.operations.events.settings import secret
from mlops.operations.listen_deployments import Deployments
from mlops.operations.listen_registration import register, try_out
from mlops.operations.listen_requests import PATH, Server
from mlops.operations.listen_webhook import Mailbox, take
from mlops.operations.news import deliver_shortly
from mlops.operations.targets import hearers
from mlops.quality.errors import UserError
from mlops.quality.project import ROOT, Project, load_project
from mlops.quality.terminal import console

HOST, PORT = "127.0.0.1", 8077
SECRET = "MLFLOW_WEBHOOK_SECRET"  # noqa: S105 - a variable's name  # pragma: allowlist secret
# The retraining's lock: importing it from there takes twice the memory.
LOCK = "retraining.lock"
# How long what waits for a receiver of events waits for the next attempt, in seconds.
REST = 60.0
# Every address of the machine: nobody can call these.
_ANY = ("", "0.0.0.0", "::")  # noqa: S104 - they are refused
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def main(arguments: list[str]) -> int:
    """Listen until SIGTERM or Ctrl-C; 0 then."""
    parser = argparse.ArgumentParser(
        prog="nox -s listen --",
        description=f"Take the webhooks of MLflow's registry at POST {PATH} and tell each new version of "
        "the project's model, and each that gets the alias candidate, as an event. With --deploy it is "
        "taken through the gate to stage. TLS is a proxy's business.",
    )
    parser.add_argument("--host", default=HOST, help=f"default: {HOST}")
    parser.add_argument(
        "--port", type=int, default=PORT, help=f"default: {PORT}; 0: one that is free"
    )
    parser.add_argument(
        "--secret-env",
        default=SECRET,
        metavar="NAME",
        help=f"the variable that holds the webhook's secret (default: {SECRET})",
    )
    parser.add_argument(
        "--deploy", action="store_true", help="deploy to stage; without it events are told alone"
    )
    parser.add_argument(
        "--register",
        nargs="?",
        const="",
        metavar="URL",
        help="first make the webhook in the project's MLflow, or bring it up to date; URL is the "
        f"listener's {PATH} as MLflow reaches it (default: by --host and --port)",
    )
    options = parser.parse_args(arguments)
    if not _VARIABLE.fullmatch(options.secret_env):
        # it is not shown: it may be the secret itself
        raise UserError(f"--secret-env: expected the name of a variable, such as {SECRET}")
    project = load_project(ROOT)
    hearers(project)  # every mistake in a file is told before anything is done
    with _asked_to_end() as ending:
        return listen(project, options, secret(options.secret_env), _say, ending)


def listen(
    project: Project,
    options: argparse.Namespace,
    key: str,
    say: Callable[[str], None],
    ending: threading.Event,
) -> int:
    """Serve until `ending` is set. What has arrived is answered then, and what runs is ended."""
    if options.register == "" and options.host in _ANY:
        raise UserError(f"--register: name the URL at which MLflow reaches this machine's {PATH}")
    courier = Courier(project, say)
    deployments = Deployments(
        project.root, project.state, project.state / LOCK, say, hidden=(options.secret_env,)
    )
    mailbox = Mailbox(
        project.state,
        project.settings.slug,
        source_of(project.settings.owner, project.settings.slug),
        key,
        courier.tell,
        deployments.ask if options.deploy else None,
    )
    project.state.mkdir(parents=True, exist_ok=True)
    server = Server(
        options.host,
        options.port,
        lambda body, headers: take(mailbox, body, headers, datetime.now(UTC)),
        say,
    )
    try:
        does = "deploys to stage" if options.deploy else "tells events alone (--deploy acts)"
        say(f"listening at {address(options.host, server.port)}, {does}")
        if not _is_loopback(options.host):
            say("others can reach it and read what is sent: put a proxy with TLS before it")
        if options.register is not None:
            url = options.register or address(options.host, server.port)
            made = register(project, url, key)
            say(f"webhook {made.name} {made.done} in {made.tracking}: {made.url}")
            try_out(project, made, say)
        while not ending.is_set():
            server.handle_request()
            server.cut_off()
            deployments.turn()
            courier.turn()
    finally:
        server.server_close()
        deployments.end()
        courier.end()
    say("ended")
    return 0


def address(host: str, port: int) -> str:
    """Where the listener takes webhooks."""
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}{PATH}"


class Courier:
    """Tells events and delivers them: at once what is new, and each minute what waits."""

    def __init__(self, project: Project, say: Callable[[str], None]) -> None:
        self._project, self._say = project, say
        self._has_news = threading.Event()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="listen-delivery")
        self._under_way: Future[None] | None = None
        self._next = time.monotonic()

    def tell(self, event: Event) -> None:
        """Make an event known, once; raises UserError and OSError. Any thread may call it."""
        state = self._project.state
        if not log.known(state, event.id):
            emit(state, event, hearers(self._project).of(event.subject))
            self._has_news.set()

    def turn(self) -> None:
        """Deliver in a thread where something is new or it is time, and nobody delivers yet."""
        is_due = self._has_news.is_set() or time.monotonic() >= self._next
        if is_due and (self._under_way is None or self._under_way.done()):
            self._has_news.clear()
            self._next = time.monotonic() + REST
            self._under_way = self._pool.submit(self._deliver)

    def end(self) -> None:
        """Wait for what is under way; the rest waits in the outbox for `nox -s deliver`."""
        self._pool.shutdown(wait=True)

    def _deliver(self) -> None:
        try:
            deliver_shortly(self._project.state, hearers(self._project))
        except (OSError, UserError) as error:
            self._say(f"events were not delivered: {error}")


def _say(text: str) -> None:
    console().print(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {text}", markup=False)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextmanager
def _asked_to_end() -> Iterator[threading.Event]:
    """Set once SIGTERM or Ctrl-C has asked: nothing is torn off in the middle."""
    ending = threading.Event()
    # what is ignored stays so: nohup asks for it
    numbers = [signal.SIGTERM, signal.SIGINT, *([signal.SIGHUP] if os.name != "nt" else [])]
    heard = [each for each in numbers if signal.getsignal(each) != signal.SIG_IGN]
    before = {each: signal.signal(each, lambda *_: ending.set()) for each in heard}
    try:
        yield ending
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
