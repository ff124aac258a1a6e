"""Golden requests for a stage without traffic: sent as any caller sends them, and marked."""

from __future__ import annotations

import http.client
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from mlops.deployment.serving.endpoint import Endpoint
from mlops.quality.contract import Contract

GOLDEN = "tests/model/golden.csv"
HEADER = "X-MLOps-Replay"
# However small the share of the new model is, no stage sends more.
MOST = 20_000


def golden_rows(root: Path, contract: Contract) -> list[dict[str, object]]:
    """The inputs of the golden rows, ready for JSON; none where the project has no such file."""
    from mlops.quality.checks import load_checked  # noqa: PLC0415 - pandera imports slowly

    path = root / GOLDEN
    if not path.is_file():
        return []
    table = load_checked(path, contract)[list(contract.inputs)]
    rows: list[dict[str, object]] = json.loads(table.to_json(orient="records", date_format="iso"))
    for row in rows:
        for name, column in contract.columns.items():
            value = row.get(name)
            if column.type == "integer" and isinstance(value, float):
                row[name] = int(value)
    return rows


def replay(
    endpoint: Endpoint,
    rows: Sequence[dict[str, object]],
    headers: dict[str, str],
    is_enough: Callable[[], bool],
) -> int:
    """Send the rows one by one, over and over, until it is enough; returns how many were sent."""
    connection = http.client.HTTPConnection(endpoint.host, endpoint.running.port, timeout=30)
    told = {"Content-Type": "application/json", HEADER: "1", **headers}
    sent = 0
    try:
        for body in itertools.islice(_bodies(rows), MOST):
            # what fails is counted by the endpoint; a connection that breaks is made anew
            with suppress(OSError, http.client.HTTPException):
                connection.request("POST", "/invocations", body, told)
                connection.getresponse().read()
            sent += 1
            if sent % 20 == 0 and is_enough():
                break
    finally:
        connection.close()
    return sent


def _bodies(rows: Sequence[dict[str, object]]) -> Iterator[str]:
    return itertools.cycle([json.dumps({"dataframe_records": [row]}) for row in rows])
