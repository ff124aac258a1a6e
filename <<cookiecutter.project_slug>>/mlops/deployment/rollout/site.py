"""The place where an environment is changed: its endpoint, its traffic file, and what is logged."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import filelock

from mlops.deployment import audit_log, history
from mlops.deployment.desired.environment import Environment
from mlops.deployment.serving import endpoint
from mlops.deployment.serving.endpoint import Endpoint
from mlops.deployment.serving.told import read_told
from mlops.deployment.serving.traffic import FILE, Traffic, read_traffic, traffic_text
from mlops.quality.errors import UserError
from mlops.quality.project import Project
from mlops.quality.tables import replace_text
from mlops.training import provenance

_LOCK = "reconcile.lock"
# How long one waits for another that changes the same environment.
LOCK_SECONDS = 600.0


@dataclass
class Site:
    """One environment while it is changed. `say` tells the person what happens."""

    project: Project
    environment: Environment
    say: Callable[[str], None]
    changes: list[str] = field(default_factory=list)
    # whether the traffic file was lost, so that it has to be written anew
    lost: bool = False

    @property
    def folder(self) -> Path:
        """The endpoint's folder."""
        return self.environment.folder

    @property
    def state(self) -> Path:
        """The folder with the audit log."""
        return self.project.state

    def changed(self, what: str) -> None:
        """Note and tell a change."""
        self.changes.append(what)
        self.say(what)

    def log(self, event: str, **facts: object) -> None:
        """Append to the audit log."""
        by = provenance.author(self.project.root)
        about = {"environment": self.environment.name, "by": by}
        audit_log.append(self.state, event, {**about, **facts})

    def traffic(self) -> Traffic:
        """The traffic as it is; from the log where its file is lost or broken.

        What is found and was not logged (somebody's hand, a change cut short) is logged now.
        """
        model = self.project.settings.slug
        past = history.served(self.state, self.environment.name)
        try:
            found = read_traffic(self.folder)
        except UserError as error:
            self.changed(f"{error}; rebuilt from the audit log")
            found = None
        last = past[-1] if past else None
        if found is None:
            self.lost = True
            if last is None:
                return Traffic(self._last_told(), self.environment.name, model)
            lost = history.as_traffic(last, self.environment.name, model)
            return dataclasses.replace(lost, revision=max(lost.revision, self._last_told()))
        if last is None or (last.revision, last.deployments) != (found.revision, found.deployments):
            self._log_traffic(found, "found: not as it was logged last")
        return found

    def apply(self, traffic: Traffic, cause: str) -> None:
        """Replace the traffic and return once every worker follows it.

        It is logged before and after. Raises UserError where the workers cannot follow.
        """
        self._log_traffic(traffic, cause)
        replace_text(self.folder / FILE, traffic_text(traffic))
        if (running := endpoint.find(self.environment)) is None:
            running = endpoint.start(self.environment)
        endpoint.wait_followed(running, traffic.revision)
        self.log(history.FOLLOWED, revision=traffic.revision)

    def restore(self, traffic: Traffic) -> None:
        """Write the traffic again whose file was lost, so that an endpoint can follow it."""
        self._log_traffic(traffic, "found: the traffic file was lost")
        replace_text(self.folder / FILE, traffic_text(traffic))

    def clear(self, cause: str) -> bool:
        """End the endpoint, and have it serve nothing; False where it did not run."""
        was_running = endpoint.stop(self.environment)
        (self.folder / FILE).unlink(missing_ok=True)
        if was_running:
            self.log(history.CHANGED, revision=0, cause=cause, deployments=[], rollout=None)
        return was_running

    def running(self) -> Endpoint:
        """The endpoint; raises UserError where it has ended."""
        if (found := endpoint.find(self.environment)) is None:
            raise UserError(f"the endpoint of {self.environment.name} has ended")
        return found

    def _log_traffic(self, traffic: Traffic, cause: str) -> None:
        self.log(
            history.CHANGED,
            revision=traffic.revision,
            cause=cause,
            deployments=[dataclasses.asdict(each) for each in traffic.deployments],
            rollout=dataclasses.asdict(traffic.rollout) if traffic.rollout else None,
        )

    def _last_told(self) -> int:
        return max([told.revision for told in read_told(self.folder)], default=0)


@contextmanager
def alone(environment: Environment, wait: float = LOCK_SECONDS) -> Iterator[None]:
    """One change of an environment at a time; the lock dies with its holder."""
    environment.folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(environment.folder / _LOCK, timeout=wait)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise UserError(
            f"{environment.name}: another reconcile has been running for {wait:.0f} s"
        ) from None
    try:
        yield
    finally:
        lock.release()
