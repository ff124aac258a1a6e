"""What uvicorn starts in each worker: logging first, then the application."""

from __future__ import annotations

import warnings

from mlops.deployment.serving import log_lines
from mlops.deployment.serving.app import App
from mlops.deployment.serving.app import create as create_app


def create() -> App:
    """The worker's application."""
    log_lines.configure()
    # what becomes infinite as a float32 is refused, see app.py
    warnings.filterwarnings("ignore", "overflow encountered in cast", RuntimeWarning)
    return create_app()
