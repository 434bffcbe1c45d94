"""Serves the service in this process: ``python -m serving.server HOST PORT``.

BentoML's own supervisor opens control sockets that obey whoever connects, so it is for containers; its worker
does no more than this.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
from typing import Any, NoReturn

METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


def main() -> None:
    """Serve what the environment's settings file describes, see `serving.setup.ServiceArguments`."""
    parser = argparse.ArgumentParser(prog="serving.server")
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    arguments = parser.parse_args()
    # BentoML reads its metrics from such a folder, and Prometheus' client looks for it when it is imported.
    folder = os.environ[METRICS_FOLDER] = tempfile.mkdtemp(prefix="bellwether-metrics-")
    # Uvicorn raises the signal that ended it once more; by itself SIGTERM would leave the folder behind.
    signal.signal(signal.SIGTERM, _end)
    try:
        _run(arguments.host, arguments.port)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _end(*_: object) -> NoReturn:
    sys.exit(0)


def _run(host: str, port: int) -> None:
    from bentoml import server_context

    from serving.service import BellwetherService
    from serving.transport.http_server import run_app

    service: Any = BellwetherService
    # Under these names BentoML counts; its own worker sets them too.
    server_context.bento_name = server_context.service_name = service.name
    run_app(service.to_asgi(), host=host, port=port)


if __name__ == "__main__":
    main()
