"""The traffic file: which packages an endpoint holds, and which share of the requests each gets.

Every worker follows the file, which is replaced in one step; so shares move without a restart.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import random
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

from mlops.quality.errors import UserError
from mlops.quality.strict import parse

FILE = "traffic.json"


@dataclass(frozen=True)
class Deployment:
    """One package behind the endpoint.

    `share` of the requests, from 0 to 1, are answered by it; of those that others answer, it gets a
    copy of the share `mirror`, and its answers go to nobody. With both 0 it is kept warm.
    """

    name: str
    version: str
    digest: str
    share: float = 0.0
    mirror: float = 0.0


@dataclass(frozen=True)
class Progress:
    """A rollout under way: to which deployment, and at which of its stages (0 is the first)."""

    to: str
    stage: int


@dataclass(frozen=True)
class Options:
    """How an endpoint treats requests; may change while it runs.

    `body_seconds` is how long a body may take to arrive, `answer_seconds` a large request or a model
    in a process of its own to be answered. What is collected can be read after `collect_seconds`.
    """

    body_bytes: int = 4_000_000
    rows: int = 10_000
    body_seconds: float = 10.0
    answer_seconds: float = 30.0
    sticky: str = "x-routing-key"
    collect: bool = True
    collect_seconds: float = 10.0
    log: str = "errors"


@dataclass(frozen=True)
class Traffic:
    """What an endpoint shall do. `edges` are the bins in which answers are counted, from the package
    that serves; `tolerance` is how far apart two values may lie and still agree.
    """

    revision: int
    environment: str
    model: str
    deployments: tuple[Deployment, ...] = ()
    edges: tuple[float, ...] = ()
    tolerance: float = 0.0
    rollout: Progress | None = None
    options: Options = field(default_factory=Options)

    def named(self, name: str) -> Deployment | None:
        """The deployment of that name."""
        return next((each for each in self.deployments if each.name == name), None)

    def serving(self) -> Deployment | None:
        """The deployment with the largest share; None where nothing serves."""
        live = [each for each in self.deployments if each.share > 0]
        return max(live, key=lambda each: each.share) if live else None


def read_traffic(folder: Path) -> Traffic | None:
    """The traffic of an endpoint; None where it has none yet. Raises UserError for a broken file."""
    path = folder / FILE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
    found = parse(Traffic, values, str(path))
    _check(found, str(path))
    return found


def traffic_text(traffic: Traffic) -> str:
    """The file's content."""
    return json.dumps(dataclasses.asdict(traffic), indent=1) + "\n"


def _check(traffic: Traffic, where: str) -> None:
    names = [each.name for each in traffic.deployments]
    if len(set(names)) != len(names):
        raise UserError(f"{where}: deployments: a name is given twice")
    for each in traffic.deployments:
        for key in ("share", "mirror"):
            if not 0 <= getattr(each, key) <= 1:
                raise UserError(f"{where}: deployments: {each.name}: {key}: expected 0 to 1")
    total = sum(each.share for each in traffic.deployments)
    if traffic.deployments and abs(total - 1) > 1e-9:
        raise UserError(f"{where}: deployments: the shares add up to {total:g}, expected 1")


class Shares:
    """Draws one of several by their shares: at random, or always the same for the same key."""

    def __init__(self, shares: Sequence[float]) -> None:
        self._edges = list(accumulate(shares))
        self._only = next((n for n, share in enumerate(shares) if share == 1), None)
        self._last = max((n for n, share in enumerate(shares) if share > 0), default=0)

    def draw(self, key: str = "") -> int:
        """The position of the one drawn."""
        if self._only is not None:
            return self._only
        place = position(key) if key else random.random()  # noqa: S311 - no secret
        return min(bisect_right(self._edges, place), self._last)


def position(key: str) -> float:
    """Where a routing key lies between 0 and 1: the same everywhere and always."""
    digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64
