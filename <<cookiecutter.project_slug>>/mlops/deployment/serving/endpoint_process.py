"""An endpoint's process: `python -m mlops.deployment.serving.endpoint_process FOLDER HOST PORT WORKERS`.

It holds the address, starts the workers, and starts another one where one dies. SIGTERM ends it:
requests under way are answered first.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import uvicorn
from uvicorn.supervisors import Multiprocess

from mlops.deployment.serving import app, log_lines
from mlops.deployment.serving.address import GRACE_SECONDS, is_loopback
from mlops.deployment.serving.collected import Keeper
from mlops.deployment.serving.http_protocol import LimitedHttp
from mlops.deployment.serving.keys import read_keys
from mlops.quality.errors import UserError


def main(folder: Path, host: str, port: int, workers: int) -> None:
    """Serve until SIGTERM; raises UserError where the address would be open to everybody."""
    is_open = not is_loopback(host)
    if is_open and not read_keys(folder):
        raise UserError(f"{host}: others can reach this address: make a key first: nox -s keys")
    log_lines.configure()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Taken first: nobody else gets the port, and who calls during start-up waits in line.
    listener = socket.create_server((host, port), family=family, backlog=2048)
    # asyncio sets it only on the sockets it makes; without it each call waits 40 ms for an ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for path in (folder / "workers").glob("*.json"):
        path.unlink()
    packages = folder.parent.parent / "packages"
    os.environ |= {
        app.FOLDER: str(folder),
        app.PACKAGES: str(packages),
        app.OPEN: "1" if is_open else "0",
    }
    config = uvicorn.Config(
        "mlops.deployment.serving.worker_app:create",
        factory=True,
        workers=workers,
        loop="uvloop",
        http=LimitedHttp,
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=GRACE_SECONDS,
        backlog=2048,
    )
    keeper = Keeper(folder, packages)
    keeper.start()
    try:
        Multiprocess(config, sockets=[listener]).run()
    finally:
        keeper.end()


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    except (UserError, OSError) as failed:
        sys.exit(f"error: {failed}")
