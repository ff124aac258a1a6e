"""Who answers a request: how its address is read, and which deployment it goes to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import orjson

from mlops.deployment.serving import openapi
from mlops.deployment.serving.loaded import Loaded, self_test
from mlops.deployment.serving.protocols import (
    Asked,
    Types,
    read_infer,
    read_invocations,
    read_score,
)
from mlops.deployment.serving.refusal import RefusedError
from mlops.deployment.serving.worker import Table

Reader = Callable[[bytes, str, Types, int], Asked]
Headers = Mapping[bytes, bytes]

# The addresses at which the shares decide who answers.
READERS: Mapping[str, Reader] = {"/invocations": read_invocations, "/score": read_score}
# Azure ML's header, and a plain one: the deployment that shall answer.
DEPLOYMENT = (b"azureml-model-deployment", b"x-deployment")


def expect(method: str, expected: str) -> None:
    """Raise RefusedError unless the method is the one that the address takes."""
    if method != expected:
        message = f"{method[:20]}: this address takes {expected}"
        raise RefusedError(405, message, code="METHOD_NOT_ALLOWED", allow=expected)


async def ready(table: Table | None) -> None:
    """Raise RefusedError unless every deployment that answers requests passes its self-test."""
    live = [each for each in table.loaded if each.deployment.share > 0] if table else []
    if not live:
        raise RefusedError(503, "not ready: nothing is deployed here yet", code="UNAVAILABLE")
    for each in live:
        try:
            await asyncio.wait_for(asyncio.to_thread(self_test, each), 10)
        except Exception as error:
            message = f"not ready: {each.deployment.name}: {error or type(error).__name__}"
            raise RefusedError(503, message, code="UNAVAILABLE") from error


def deployment(table: Table, headers: Headers, named: Loaded | None = None) -> Loaded:
    """The deployment that answers: a header's, the one `named` by the address, or one by the shares.

    Raises RefusedError where a header asks for one that is not there.
    """
    for header in DEPLOYMENT:
        if header in headers:
            name = headers[header].decode("latin-1")
            if (found := table.named(name)) is None:
                there = ", ".join(each.deployment.name for each in table.loaded)
                message = f"there is no deployment {name[:40]!r}; there are: {there}"
                raise RefusedError(404, message, code="RESOURCE_DOES_NOT_EXIST")
            return found
    if named is not None:
        return named
    key = headers.get(table.sticky, b"") if table.sticky else b""
    return table.loaded[table.shares.draw(key.decode("latin-1"))]


def open_inference(table: Table, method: str, path: str) -> bytes | tuple[Reader, Loaded | None]:
    """What the Open Inference Protocol says of an address: its answer, or who reads and answers.

    Nobody is named where the shares decide. Raises RefusedError for an address that is not served.
    """
    model = table.traffic.model
    match path.split("/")[1:]:
        case ["v2"]:
            expect(method, "GET")
            return orjson.dumps({"name": "mlops", "version": "1", "extensions": []})
        case ["v2", "models", name, *rest] if name == model:
            loaded = None
            if len(rest) >= 2 and rest[0] == "versions":
                loaded, rest = table.of_version(rest[1]), rest[2:]
                if loaded is None:
                    raise RefusedError(404, "no such version here", code="RESOURCE_DOES_NOT_EXIST")
            if rest == ["infer"]:
                return read_infer, loaded
            if rest in ([], ["ready"]):
                expect(method, "GET")
                if rest:
                    return orjson.dumps({"name": model, "ready": True})
                return orjson.dumps(openapi.metadata(table, loaded))
    raise RefusedError(404, f"nothing is served at {path[:100]}", code="ENDPOINT_NOT_FOUND")
