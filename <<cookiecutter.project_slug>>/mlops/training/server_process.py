"""The process of the embedded MLflow server: `python -m mlops.training.server_process FOLDER PORT`.

`mlflow server` imports MLflow twice, in itself and in the process that it starts. This serves the
same application from one process, in half the time and half the memory.
"""

from __future__ import annotations

import importlib
import os
import socket
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

DATABASE = "mlflow.db"
ARTIFACTS = "artifacts"


def main(folder: Path, port: int) -> None:
    """Serve the database and the artefacts in `folder` on the loopback port until SIGTERM."""
    # Taken first: nobody else gets the port, and who calls during start-up waits in line.
    listener = socket.create_server(("127.0.0.1", port), backlog=128)
    # asyncio sets it only on the sockets it makes; without it each call waits 40 ms for an ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # Relative addresses, so that no character in the folder's name needs escaping in a URI.
    os.chdir(folder)
    uri = f"sqlite:///{DATABASE}"
    # In this order: mlflow.server checks hosts only where it sees that a server imports it.
    uvicorn = importlib.import_module("uvicorn")
    constants = importlib.import_module("mlflow.server.constants")
    handlers = importlib.import_module("mlflow.server.handlers")

    os.environ[constants.BACKEND_STORE_URI_ENV_VAR] = uri
    os.environ[constants.REGISTRY_STORE_URI_ENV_VAR] = uri
    os.environ[constants.ARTIFACT_ROOT_ENV_VAR] = "mlflow-artifacts:/"
    os.environ[constants.ARTIFACTS_DESTINATION_ENV_VAR] = ARTIFACTS
    os.environ[constants.SERVE_ARTIFACTS_ENV_VAR] = "true"
    _prepare(Path(DATABASE))
    handlers.initialize_backend_stores(uri, uri, "mlflow-artifacts:/")
    app = importlib.import_module("mlflow.server.fastapi_app").app
    config = uvicorn.Config(app, access_log=False, timeout_graceful_shutdown=2)
    uvicorn.Server(config).run(sockets=[listener])


def _prepare(database: Path) -> None:
    """Make the tables where there are none; bring those of an older MLflow up to date.

    A killed start leaves no half-made tables, and the state before a migration is kept beside them.
    """
    tables = importlib.import_module("mlflow.store.db.utils")
    if not database.exists() or database.stat().st_size == 0:
        draft = database.with_name(f"{database.name}.new")
        draft.unlink(missing_ok=True)
        engine = tables.create_sqlalchemy_engine_with_retry(f"sqlite:///{draft}")
        tables._initialize_tables(engine)
        engine.dispose()
        draft.replace(database)
        return
    engine = tables.create_sqlalchemy_engine_with_retry(f"sqlite:///{database}")
    found = tables._get_schema_version(engine)
    if found != tables._get_latest_schema_revision():
        backup = database.with_name(f"{database.name}.before-{found}")
        with closing(sqlite3.connect(database)) as old, closing(sqlite3.connect(backup)) as new:
            old.backup(new)
        tables._upgrade_db(engine)
    engine.dispose()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
