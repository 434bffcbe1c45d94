"""A Redis server of our own: Debian's, on a free port, in a folder that goes away."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis
from redis.backoff import ConstantBackoff
from redis.exceptions import BusyLoadingError, ConnectionError
from redis.retry import Retry


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """Start a server and give its connection as Feast takes it."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("needs redis-server")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    words = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    server = subprocess.Popen([program, *words], stdout=subprocess.DEVNULL)
    try:
        patience = Retry(ConstantBackoff(0.05), 200)
        Redis(port=port, retry=patience, retry_on_error=[ConnectionError, BusyLoadingError]).ping()
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()
